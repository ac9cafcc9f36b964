//! Which key issues in which epoch, remembered so that nobody gets one of their own.

#[cfg(feature = "simulation")]
use quicprochat_identity::primitive::blind as voprf;
use quicprochat_wire::{
    Reader, Writer,
    call::token::{IssuerKey, IssuerKeys},
};
use voprf::{Group as _, Ristretto255};

use super::TokenError;

const VERSION: u8 = 1;
/// How many epochs are remembered; more than are ever in force.
const MAX_PINS: usize = 16;
/// Keys in force at a time: the current and the previous epoch's.
const KEYS_IN_FORCE: usize = 2;

/// The key of one epoch, as this client saw it first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IssuerPin {
    epoch: u32,
    public_key: [u8; 32],
}

impl IssuerPin {
    /// Pins a key on first sight.
    ///
    /// Errors:   [`TokenError::KeyInvalid`].
    pub fn first_seen(key: &IssuerKey) -> Result<Self, TokenError> {
        let epoch = key.epoch;
        let public_key = key.public_key.as_slice().try_into().map_err(|_| TokenError::KeyInvalid { epoch })?;
        Self::from_parts(epoch, public_key)
    }

    pub(super) fn from_parts(epoch: u32, public_key: [u8; 32]) -> Result<Self, TokenError> {
        match Ristretto255::deserialize_elem(&public_key) {
            Ok(_) => Ok(Self { epoch, public_key }),
            Err(_) => Err(TokenError::KeyInvalid { epoch }),
        }
    }

    /// Checks a key that the server shows against this pin. A key of another epoch is not this pin's business.
    ///
    /// Errors:   [`TokenError::SecondKey`].
    pub fn check(&self, key: &IssuerKey) -> Result<(), TokenError> {
        if key.epoch == self.epoch && key.public_key != self.public_key {
            return Err(TokenError::SecondKey { epoch: self.epoch });
        }
        Ok(())
    }

    /// The epoch.
    #[must_use]
    pub const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The key, a compressed point.
    #[must_use]
    pub const fn public_key(&self) -> &[u8; 32] {
        &self.public_key
    }
}

/// The keys of a server's epochs, stored with what else is known of the server.
///
/// Shape:    `u8 1 || list of (u32 epoch, key fixed(32))`, ascending.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct IssuerPins {
    pins: Vec<IssuerPin>,
}

impl IssuerPins {
    /// Takes what `token-keys` answered: checks every key and pins those of new epochs. Nothing changes on an error.
    ///
    /// Errors:   [`TokenError::SecondKey`], [`TokenError::OldEpoch`], [`TokenError::TooManyKeys`],
    ///           [`TokenError::KeyInvalid`]. The first two are matters of trust: to be shown, not retried.
    pub fn admit(&mut self, keys: &IssuerKeys) -> Result<(), TokenError> {
        let found = keys.keys.len();
        let mut epochs: Vec<_> = keys.keys.iter().map(|key| key.epoch).collect();
        epochs.sort_unstable();
        let neighbours = epochs.windows(2).all(|pair| matches!(pair, [one, next] if one.checked_add(1) == Some(*next)));
        if found > KEYS_IN_FORCE || !neighbours {
            return Err(TokenError::TooManyKeys { found });
        }
        let mut pins = self.pins.clone();
        for key in &keys.keys {
            match pins.iter().find(|pin| pin.epoch == key.epoch) {
                Some(pin) => pin.check(key)?,
                None => {
                    self.check_age(key.epoch)?;
                    pins.push(IssuerPin::first_seen(key)?);
                }
            }
        }
        pins.sort_unstable_by_key(|pin| pin.epoch);
        pins.drain(..pins.len().saturating_sub(MAX_PINS));
        self.pins = pins;
        Ok(())
    }

    /// The key of an epoch.
    #[must_use]
    pub fn pin(&self, epoch: u32) -> Option<&IssuerPin> {
        self.pins.iter().find(|pin| pin.epoch == epoch)
    }

    /// The newest epoch's key.
    #[must_use]
    pub fn newest(&self) -> Option<&IssuerPin> {
        self.pins.last()
    }

    /// The stored form.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        Writer::new().u8(VERSION).list(&self.pins, |writer, pin| writer.u32(pin.epoch).fixed(pin.public_key)).finish()
    }

    /// Reads the stored form.
    ///
    /// Errors:   [`TokenError::Stored`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TokenError> {
        let mut reader = Reader::new(bytes);
        super::read_version(&mut reader, VERSION)?;
        let pins = reader
            .list::<_, TokenError>(MAX_PINS, |item| Ok(IssuerPin { epoch: item.u32()?, public_key: item.array()? }))?;
        reader.finish()?;
        Ok(Self { pins })
    }

    /// A key of an epoch not seen may be the one before the first epoch seen, else only newer than all.
    fn check_age(&self, epoch: u32) -> Result<(), TokenError> {
        let (Some(oldest), Some(newest)) = (self.pins.first(), self.pins.last()) else { return Ok(()) };
        if epoch > newest.epoch || epoch.checked_add(1) == Some(oldest.epoch) {
            return Ok(());
        }
        Err(TokenError::OldEpoch { epoch, newest: newest.epoch })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::testing::Issuer;

    fn keys(issuers: &[&Issuer]) -> IssuerKeys {
        IssuerKeys { keys: issuers.iter().map(|issuer| issuer.key()).collect() }
    }

    #[test]
    fn one_key_for_each_epoch_is_admitted_and_stays() {
        let (one, two, three) = (Issuer::new(1, 1), Issuer::new(2, 2), Issuer::new(3, 3));
        let mut pins = IssuerPins::default();
        assert_eq!(pins.admit(&keys(&[&two])), Ok(()));
        assert_eq!(pins.admit(&keys(&[&two, &one])), Ok(()));
        assert_eq!(pins.admit(&keys(&[&three, &two])), Ok(()));
        assert_eq!(pins.newest().map(IssuerPin::epoch), Some(3));
        assert_eq!(pins.pin(1).map(|pin| pin.public_key().to_vec()), Some(one.key().public_key));
        assert_eq!(IssuerPins::from_bytes(&pins.to_bytes()), Ok(pins.clone()));
        assert!(IssuerPins::from_bytes(&pins.to_bytes()[1..]).is_err());
    }

    #[test]
    fn a_second_key_for_an_epoch_is_a_matter_of_trust() {
        let mut pins = IssuerPins::default();
        pins.admit(&keys(&[&Issuer::new(7, 1)])).expect("first");
        let before = pins.clone();
        let second = Issuer::new(7, 2);
        assert_eq!(pins.admit(&keys(&[&Issuer::new(8, 3), &second])), Err(TokenError::SecondKey { epoch: 7 }));
        assert_eq!(pins.newest().expect("pinned").check(&second.key()), Err(TokenError::SecondKey { epoch: 7 }));
        assert_eq!(pins, before);
    }

    #[test]
    fn epochs_go_up_and_come_in_pairs() {
        let mut pins = IssuerPins::default();
        pins.admit(&keys(&[&Issuer::new(9, 1)])).expect("first");
        assert_eq!(pins.admit(&keys(&[&Issuer::new(3, 1)])), Err(TokenError::OldEpoch { epoch: 3, newest: 9 }));
        for bad in [&[9, 11][..], &[9, 10, 11], &[10, 10]] {
            let issuers: Vec<_> = bad.iter().map(|epoch| Issuer::new(*epoch, 1)).collect();
            let found = bad.len();
            assert_eq!(pins.admit(&keys(&issuers.iter().collect::<Vec<_>>())), Err(TokenError::TooManyKeys { found }));
        }
    }

    #[test]
    fn a_key_that_is_no_point_is_refused() {
        for bad in [vec![0; 32], vec![0xff; 32], vec![1; 31], Vec::new()] {
            let key = IssuerKey { public_key: bad, ..Issuer::new(1, 1).key() };
            assert_eq!(IssuerPin::first_seen(&key), Err(TokenError::KeyInvalid { epoch: 1 }));
        }
    }
}
