//! The public interface, from outside.

#[cfg(test)]
mod groups;
#[cfg(test)]
mod rejoin;
#[cfg(test)]
mod world;
