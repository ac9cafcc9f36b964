//! The public interface, from outside.

#[cfg(test)]
mod groups;
#[cfg(test)]
mod large;
#[cfg(test)]
mod rejoin;
#[cfg(test)]
#[path = "../../src/testing"]
mod testing {
    pub(crate) mod draft;
    pub(crate) mod entropy;
}
#[cfg(test)]
mod world;
