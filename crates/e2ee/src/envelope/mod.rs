//! HPKE, for the KEMs and AEADs we use; and a stand-in without any security for the feature `simulation`.

#[cfg(not(feature = "simulation"))]
mod real;
#[cfg(not(feature = "simulation"))]
pub(crate) use real::{
    AesGcm128, ChaCha20Poly1305, X25519HkdfSha256, XWing, derive_key_pair, open, public_key, receiver_export, seal,
    sender_export,
};

#[cfg(feature = "simulation")]
mod stand_in;
#[cfg(feature = "simulation")]
pub(crate) use stand_in::{
    AesGcm128, ChaCha20Poly1305, X25519HkdfSha256, XWing, derive_key_pair, open, public_key, receiver_export, seal,
    sender_export,
};

/// Bytes of an X-Wing encapsulated key.
pub(crate) const XWING_OUTPUT_BYTES: usize = 1120;
/// Bytes of an X-Wing public key.
pub(crate) const XWING_PUBLIC_BYTES: usize = 1216;
