//! A device's daily part of the record: its reusable KeyPackage, signed by the device (DESIGN A1).
//!
//! Shape:    `label("qpc/1 keypackage") || account (32) || device (16) || u64 time || key package bytes || signature (64)`, Ed25519 by
//!           the device's key over all before it.

use core::{fmt, time::Duration};

use quicprochat_wire::{AccountId, DeviceId, Reader, Timestamp, Writer, limits::KEY_PACKAGE_ROW_BYTES};

use crate::{
    device::{DeviceSecretKey, verify_as},
    error::{IdentityError, KeyRole, Signed},
    record::IdentityContent,
};

const LABEL: &str = "qpc/1 keypackage";
const ENVELOPE_BYTES: usize = LABEL.len() + 1 + 32 + 16 + 8 + 4 + 64;

/// Largest KeyPackage that fits the row.
pub const MAX_KEY_PACKAGE_BYTES: usize = KEY_PACKAGE_ROW_BYTES - 4 - ENVELOPE_BYTES;

/// How far the time of a part may be from the adder's own clock.
pub const MAX_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Signs a device's KeyPackage into its part of the record. Of `time` the part says the day.
///
/// Errors:   [`IdentityError::RowFull`] for a KeyPackage above [`MAX_KEY_PACKAGE_BYTES`].
pub fn sign_key_package_part(
    account: AccountId,
    device: DeviceId,
    time: Timestamp,
    key_package: &[u8],
    secret: &DeviceSecretKey,
) -> Result<Vec<u8>, IdentityError> {
    if key_package.len() > MAX_KEY_PACKAGE_BYTES {
        return Err(IdentityError::RowFull { limit: MAX_KEY_PACKAGE_BYTES, found: key_package.len() });
    }
    let mut part =
        Writer::labelled(LABEL).fixed(account).fixed(device).u64(time.day_start().0).bytes(key_package).finish();
    let signature = secret.sign(&part);
    part.extend_from_slice(&signature);
    Ok(part)
}

/// A well-formed KeyPackage part whose signature nobody has checked.
#[derive(Clone, PartialEq, Eq)]
pub struct UnverifiedKeyPackagePart {
    content: VerifiedKeyPackagePart,
    text: Vec<u8>,
    signature: [u8; 64],
}

impl UnverifiedKeyPackagePart {
    /// Takes a part.
    ///
    /// Errors:   [`IdentityError::Decode`].
    pub fn parse(bytes: &[u8]) -> Result<Self, IdentityError> {
        let mut reader = Reader::labelled(bytes, LABEL)?;
        let content = VerifiedKeyPackagePart {
            account: AccountId::new(reader.array()?),
            device: DeviceId::new(reader.array()?),
            time: Timestamp(reader.u64()?),
            key_package: reader.bytes(MAX_KEY_PACKAGE_BYTES)?.to_vec(),
        };
        let text = bytes.strip_suffix(reader.rest()).unwrap_or_default().to_vec();
        let signature = reader.array()?;
        reader.finish()?;
        Ok(Self { content, text, signature })
    }

    /// The device that the part claims to be of: which row it would go into.
    #[must_use]
    pub const fn claimed_device(&self) -> DeviceId {
        self.content.device
    }

    /// Checks that the part is of a device on `identity` and signed by that device's key.
    ///
    /// The KeyPackage inside is not looked at; the group's rules check it.
    ///
    /// Errors:   [`IdentityError::WrongAccount`], [`IdentityError::UnknownDevice`], [`IdentityError::BadSignature`].
    pub fn verify(self, identity: &IdentityContent) -> Result<VerifiedKeyPackagePart, IdentityError> {
        let (expected, found) = (identity.account(), self.content.account);
        if expected != found {
            return Err(IdentityError::WrongAccount { expected, found });
        }
        let device = self.content.device;
        let entry = identity.device(&device).ok_or(IdentityError::UnknownDevice { device })?;
        verify_as(entry.key.as_bytes(), &self.text, &self.signature, KeyRole::Device, Signed::KeyPackagePart)?;
        Ok(self.content)
    }
}

impl fmt::Debug for UnverifiedKeyPackagePart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Unverified").field(&self.content).finish()
    }
}

/// A KeyPackage that its device signed.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifiedKeyPackagePart {
    account: AccountId,
    device: DeviceId,
    time: Timestamp,
    key_package: Vec<u8>,
}

impl VerifiedKeyPackagePart {
    /// The account.
    #[must_use]
    pub const fn account(&self) -> AccountId {
        self.account
    }

    /// The device.
    #[must_use]
    pub const fn device(&self) -> DeviceId {
        self.device
    }

    /// When the device signed it, by its own clock.
    #[must_use]
    pub const fn time(&self) -> Timestamp {
        self.time
    }

    /// The KeyPackage (RFC 9420) as the device made it.
    #[must_use]
    pub fn key_package(&self) -> &[u8] {
        &self.key_package
    }

    /// Whether an adder may still use it: signed within [`MAX_AGE`] of `now`, in either direction.
    #[must_use]
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        now.since(self.time) <= MAX_AGE && self.time.since(now) <= MAX_AGE
    }
}

impl fmt::Debug for VerifiedKeyPackagePart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPackagePart")
            .field("account", &self.account)
            .field("device", &self.device)
            .field("time", &self.time)
            .field("key_package_bytes", &self.key_package.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        record::{VerifiedIdentity, to_row},
        test_support::{Account, SeededEntropy},
    };

    const NOW: Timestamp = Timestamp(1_700_000_000_000).day_start();

    fn identity(account: &Account) -> VerifiedIdentity {
        account.draft("alice").sign(&account.key, &mut SeededEntropy::new(3)).expect("signs")
    }

    fn part(account: &Account, key_package: &[u8]) -> Vec<u8> {
        let (device, secret) = &account.devices[0];
        sign_key_package_part(account.key.public().account_id(), *device, NOW, key_package, secret).expect("fits")
    }

    #[test]
    fn every_truncation_and_every_bit_flip_is_refused() {
        let alice = Account::new(1, 2);
        let (identity, bytes) = (identity(&alice), part(&alice, b"a key package"));
        let verify = |bytes: &[u8]| UnverifiedKeyPackagePart::parse(bytes).and_then(|part| part.verify(&identity));
        let verified = verify(&bytes).expect("verifies");
        assert_eq!((verified.key_package(), verified.time()), (&b"a key package"[..], NOW));
        for end in 0..bytes.len() {
            assert!(verify(&bytes[..end]).is_err(), "cut at {end}");
        }
        assert!(verify(&[&bytes[..], &[0]].concat()).is_err());
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(verify(&flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn parts_of_strangers_unknown_devices_and_the_wrong_device_are_refused() {
        let (alice, mallory) = (Account::new(1, 2), Account::new(2, 1));
        let identity = identity(&alice);
        let account = alice.key.public().account_id();
        let verify = |bytes: Vec<u8>| UnverifiedKeyPackagePart::parse(&bytes).and_then(|part| part.verify(&identity));
        let found = mallory.key.public().account_id();
        let wrong_account = Err(IdentityError::WrongAccount { expected: account, found });
        assert_eq!(verify(part(&mallory, b"")), wrong_account);
        let signed = |device, secret| sign_key_package_part(account, device, NOW, b"", secret).expect("fits");
        let device = DeviceId::new([66; 16]);
        assert_eq!(verify(signed(device, &alice.devices[0].1)), Err(IdentityError::UnknownDevice { device }));
        let crossed = signed(alice.devices[0].0, &alice.devices[1].1);
        assert_eq!(verify(crossed), Err(IdentityError::BadSignature { over: Signed::KeyPackagePart }));
    }

    #[test]
    fn the_largest_part_fills_its_row_and_a_larger_one_is_refused() {
        let alice = Account::new(1, 1);
        let full = part(&alice, &[7; MAX_KEY_PACKAGE_BYTES]);
        assert_eq!(full.len() + 4, 4096);
        assert_eq!(to_row(&full, KEY_PACKAGE_ROW_BYTES).map(|row| row.len()), Ok(4096));
        let (device, secret) = &alice.devices[0];
        let account = alice.key.public().account_id();
        let found = MAX_KEY_PACKAGE_BYTES + 1;
        let refused = Err(IdentityError::RowFull { limit: MAX_KEY_PACKAGE_BYTES, found });
        assert_eq!(sign_key_package_part(account, *device, NOW, &vec![7; found], secret), refused);
    }

    #[test]
    fn a_part_is_fresh_for_a_week_in_both_directions() {
        let alice = Account::new(1, 1);
        let part = UnverifiedKeyPackagePart::parse(&part(&alice, b"")).expect("parses");
        let part = part.verify(&identity(&alice)).expect("verifies");
        let week = 7 * Timestamp::DAY_MS;
        for (now, fresh) in
            [(NOW.0 - week - 1, false), (NOW.0 - week, true), (NOW.0 + week, true), (NOW.0 + week + 1, false)]
        {
            assert_eq!(part.is_fresh(Timestamp(now)), fresh, "{now}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_key_package_round_trips(key_package in proptest::collection::vec(any::<u8>(), 0..=MAX_KEY_PACKAGE_BYTES)) {
            let alice = Account::new(1, 1);
            let parsed = UnverifiedKeyPackagePart::parse(&part(&alice, &key_package)).expect("parses");
            prop_assert_eq!(parsed.content.key_package(), key_package);
        }

        #[test]
        fn arbitrary_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300), labelled in any::<bool>()) {
            let bytes = if labelled { Writer::labelled(LABEL).fixed(bytes).finish() } else { bytes };
            if let Ok(part) = UnverifiedKeyPackagePart::parse(&bytes) {
                prop_assert!(part.verify(&identity(&Account::new(1, 1))).is_err());
            }
        }
    }
}
