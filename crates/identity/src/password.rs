//! Passwords: the OPAQUE suite both sides use, how a password is stretched, and which ones are refused.
//!
//! Source:   RFC 9807; protocol.md, section 10.

mod strength;

use argon2::{Algorithm, Argon2, Params, Version};
use opaque_ke::{CipherSuite, Identifiers, Ristretto255, TripleDh};
use quicprochat_wire::{
    Fingerprint,
    call::{auth::StretchParams, vault::WAY_PASSWORD},
};
use sha2::Sha512;

pub use opaque_ke;
pub use strength::{MAX_PASSWORD_BYTES, MIN_PASSWORD_CHARS, PasswordProblem, check_password_strength};

use crate::{error::IdentityError, name::AccountName};

/// OPAQUE-3DH with ristretto255 and SHA-512; the password is stretched by Argon2id.
///
/// A client hands its stretching to the library each time, as [`stretching`] makes it: the library's own default is weaker.
#[derive(Clone, Copy, Debug)]
pub struct OpaqueSuite;

impl CipherSuite for OpaqueSuite {
    type OprfCs = Ristretto255;
    type KeyExchange = TripleDh<Ristretto255, Sha512>;
    type Ksf = Argon2<'static>;
}

/// The context that both sides hand to OPAQUE.
pub const OPAQUE_CONTEXT: &[u8] = b"qpc/1 opaque";

/// The identities that both sides hand to OPAQUE: the account's name, the server's fingerprint.
#[must_use]
pub fn opaque_identifiers<'a>(name: &'a AccountName, server: &'a Fingerprint) -> Identifiers<'a> {
    Identifiers { client: Some(name.as_str().as_bytes()), server: Some(server.as_bytes()) }
}

/// How new passwords are stretched: 64 MiB, 3 passes, 1 lane.
pub const DEFAULT_STRETCH: StretchParams = StretchParams { memory_kib: 64 * 1024, iterations: 3, parallelism: 1 };

/// How a recovery key is stretched: it has 160 random bits, so the least that is accepted is plenty.
pub const RECOVERY_STRETCH: StretchParams = StretchParams { memory_kib: 19 * 1024, iterations: 2, parallelism: 1 };

/// What the server's OPAQUE keys are derived for: the name, and for another way in than the password which (protocol.md,
/// section 10). No name holds a zero byte.
#[must_use]
pub fn credential_identifier(name: &AccountName, way: u16) -> Vec<u8> {
    let mut identifier = name.as_str().as_bytes().to_vec();
    if way != WAY_PASSWORD {
        identifier.push(0);
        identifier.extend_from_slice(&way.to_le_bytes());
    }
    identifier
}

const MEMORY_KIB: core::ops::RangeInclusive<u32> = 19 * 1024..=1024 * 1024;
const ITERATIONS: core::ops::RangeInclusive<u32> = 2..=16;
const PARALLELISM: core::ops::RangeInclusive<u32> = 1..=16;

/// Checks parameters that a server sends: too little would let it grind the password, too much would hang the client.
///
/// Units:    memory 19 MiB to 1 GiB, 2 to 16 passes, 1 to 16 lanes.
/// Errors:   [`IdentityError::StretchOutOfRange`].
pub fn check_stretch(params: &StretchParams) -> Result<(), IdentityError> {
    let StretchParams { memory_kib, iterations, parallelism } = *params;
    if MEMORY_KIB.contains(&memory_kib) && ITERATIONS.contains(&iterations) && PARALLELISM.contains(&parallelism) {
        Ok(())
    } else {
        Err(IdentityError::StretchOutOfRange { memory_kib, iterations, parallelism })
    }
}

/// The key-stretching function of these parameters.
///
/// Errors:   [`IdentityError::StretchOutOfRange`].
pub fn stretching(params: &StretchParams) -> Result<Argon2<'static>, IdentityError> {
    check_stretch(params)?;
    let StretchParams { memory_kib, iterations, parallelism } = *params;
    let refused = IdentityError::StretchOutOfRange { memory_kib, iterations, parallelism };
    // Scenarios type passwords by the thousand, and guard nothing with them.
    #[cfg(feature = "simulation")]
    let (memory_kib, iterations, parallelism) = (8, 1, 1);
    let params = Params::new(memory_kib, iterations, parallelism, None).map_err(|_| refused)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_outside_the_range_are_refused() {
        let params = |memory_kib, iterations, parallelism| StretchParams { memory_kib, iterations, parallelism };
        for good in [DEFAULT_STRETCH, RECOVERY_STRETCH, params(19 * 1024, 2, 1), params(1024 * 1024, 16, 16)] {
            let made = stretching(&good).expect("in range");
            assert_eq!(made.params().m_cost(), good.memory_kib);
            assert_eq!(made.params().t_cost(), good.iterations);
            assert_eq!(made.params().p_cost(), good.parallelism);
        }
        for bad in [
            params(19 * 1024 - 1, 2, 1),
            params(1024 * 1024 + 1, 2, 1),
            params(64 * 1024, 1, 1),
            params(64 * 1024, 17, 1),
            params(64 * 1024, 3, 0),
            params(64 * 1024, 3, 17),
            params(0, 0, 0),
            params(u32::MAX, u32::MAX, u32::MAX),
        ] {
            let StretchParams { memory_kib, iterations, parallelism } = bad;
            let refused = IdentityError::StretchOutOfRange { memory_kib, iterations, parallelism };
            assert_eq!(check_stretch(&bad), Err(refused.clone()));
            assert_eq!(stretching(&bad).err(), Some(refused));
        }
    }
}
