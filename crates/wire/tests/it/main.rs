//! The codec against random values and random bytes.

#[cfg(test)]
mod codec;
#[cfg(test)]
mod frozen;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod strategies;
