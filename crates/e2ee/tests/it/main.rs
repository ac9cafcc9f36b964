//! The public interface, from outside.

#[cfg(test)]
mod groups;
#[cfg(test)]
mod world;
