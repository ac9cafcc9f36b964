//! One suite for every kind of link, and what only QUIC can show.

#[cfg(test)]
mod beds;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod quic;
#[cfg(test)]
mod raw;
#[cfg(test)]
mod sam;
