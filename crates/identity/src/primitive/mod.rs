//! The two signature schemes that everything here is made of, and stand-ins for them.
//!
//! The stand-ins exist under the feature `simulation` alone, for scenarios by the ten thousand: same sizes, same failures for
//! a wrong key or text, no security whatever. Nothing but the simulated world may enable it; `cargo xtask tidy` looks.

#[cfg(not(feature = "simulation"))]
mod real;
#[cfg(not(feature = "simulation"))]
pub(crate) use real::{Signature, Signer, SigningKey, VerifyingKey, ml_dsa_public, ml_dsa_sign, ml_dsa_verify};

#[cfg(feature = "simulation")]
pub mod blind;
#[cfg(feature = "simulation")]
pub mod stand_in;
#[cfg(feature = "simulation")]
pub(crate) use stand_in::{Signature, Signer, SigningKey, VerifyingKey, ml_dsa_public, ml_dsa_sign, ml_dsa_verify};

/// Bytes of an ML-DSA-65 public key.
pub(crate) const ML_DSA_PUBLIC_LEN: usize = 1952;
/// Bytes of an ML-DSA-65 signature.
pub(crate) const ML_DSA_SIGNATURE_LEN: usize = 3309;
