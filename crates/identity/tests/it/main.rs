//! The crate against vectors that nobody here wrote, through its public interface.

#[cfg(test)]
mod composite_vectors;
#[cfg(test)]
mod ed25519_vectors;
#[cfg(test)]
mod frozen;
#[cfg(test)]
mod opaque_exchange;
#[cfg(test)]
mod opaque_vectors;
#[cfg(test)]
mod support;
