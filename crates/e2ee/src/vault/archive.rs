//! Record 48 and the objects of the archive: how an account's history is sealed at the server (DESIGN A4).
//!
//! ```text
//!   StateKey ──▶ record 48: switches, archive keys (newest first), id, hash and version of the manifest
//!   ArchiveKey ──HKDF(id)──▶ one key an object ──▶ manifests and segments; their hashes stand in what points to them
//! ```

use core::fmt;
use std::collections::BTreeSet;

use quicprochat_wire::{
    AccountId, ChannelId, DecodeError, Digest, Entropy, ObjectId, Writer, entropy::random_array,
    limits::MAX_ARCHIVE_BYTES, padding,
};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::records::{StateRecord, VERSION, versioned};
use crate::{
    aead,
    error::{E2eeError, Sealed},
};

const LABEL: &str = "qpc/1 archive object";
/// Most archive keys: one a roll of the vault. The oldest beyond are given up.
const MAX_KEYS: usize = 256;
/// Most conversations whose history is not kept.
const MAX_EXCLUDED: usize = 1024;
/// What sealing adds: nonce and tag.
const OVERHEAD: usize = 24 + 16;

/// Most bytes of content of an object.
pub const MAX_ARCHIVE_CONTENT: usize = MAX_ARCHIVE_BYTES - OVERHEAD - 1;

/// A key that objects of the archive are sealed under.
///
/// Secrets:  zeroised on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct ArchiveKey(Zeroizing<[u8; 32]>);

impl ArchiveKey {
    /// Draws a fresh key.
    pub fn generate(entropy: &mut dyn Entropy) -> Self {
        Self(Zeroizing::new(random_array(entropy)))
    }

    fn of_object(&self, id: &ObjectId) -> Zeroizing<[u8; 32]> {
        let secret = Zeroizing::new([self.0.as_slice(), id.as_bytes()].concat());
        aead::derive_key(&secret, LABEL)
    }
}

impl fmt::Debug for ArchiveKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ArchiveKey(..)")
    }
}

/// What an object is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ObjectKind {
    /// Which segments there are; record 48 points to it.
    Manifest,
    /// History records.
    Segment,
}

fn object_text(account: &AccountId, id: &ObjectId, kind: ObjectKind) -> Vec<u8> {
    let kind = match kind {
        ObjectKind::Manifest => 1,
        ObjectKind::Segment => 3,
    };
    Writer::labelled(LABEL).fixed(account).fixed(id).u8(kind).finish()
}

/// Seals an object, padded.
///
/// Errors:   [`E2eeError::TooLarge`] above [`MAX_ARCHIVE_CONTENT`].
pub fn seal_object(
    key: &ArchiveKey,
    account: &AccountId,
    id: &ObjectId,
    kind: ObjectKind,
    content: &[u8],
    entropy: &mut dyn Entropy,
) -> Result<Vec<u8>, E2eeError> {
    if content.len() > MAX_ARCHIVE_CONTENT {
        return Err(E2eeError::TooLarge { what: Sealed::Archive, limit: MAX_ARCHIVE_CONTENT, found: content.len() });
    }
    let bucket = padding::bucket(content.len()).min(MAX_ARCHIVE_BYTES - OVERHEAD);
    let mut padded = Zeroizing::new(Vec::with_capacity(bucket));
    padded.extend_from_slice(content);
    padded.push(0x80);
    padded.resize(bucket, 0);
    aead::seal(&key.of_object(id), &object_text(account, id, kind), &padded, Sealed::Archive, entropy)
}

/// Opens an object under whichever of the keys it was sealed with.
///
/// Errors:   [`E2eeError::CannotOpen`] for another account, id or kind, or if it is none of the keys.
pub fn open_object(
    keys: &[ArchiveKey],
    account: &AccountId,
    id: &ObjectId,
    kind: ObjectKind,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, E2eeError> {
    let text = object_text(account, id, kind);
    let opened = keys.iter().find_map(|key| aead::open(&key.of_object(id), &text, sealed, Sealed::Archive).ok());
    let mut content = opened.ok_or(E2eeError::CannotOpen { what: Sealed::Archive })?;
    let len = padding::unpad(&content).ok_or(E2eeError::BadPadding { what: Sealed::Archive })?.len();
    content.truncate(len);
    Ok(content)
}

/// What a pointer to an object names beside its id, so that the server can neither swap it nor show an older one.
#[must_use]
pub fn object_hash(sealed: &[u8]) -> Digest {
    Digest::new(Sha256::digest(sealed).into())
}

/// Where the manifest is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ManifestPointer {
    /// Counts manifests.
    pub version: u64,
    /// The object.
    pub id: ObjectId,
    /// H of its sealed bytes.
    pub hash: Digest,
}

/// Record 48: the archive of the account's history.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ArchiveRecord {
    /// Whether devices put anything into it.
    pub enabled: bool,
    /// Conversations of which they put nothing into it.
    pub excluded: BTreeSet<ChannelId>,
    /// Newest first; new objects are sealed under the first one.
    pub keys: Vec<ArchiveKey>,
    /// The manifest, if anything was put in.
    pub manifest: Option<ManifestPointer>,
}

impl ArchiveRecord {
    /// The record for a rolled vault: a fresh key in front of those that open what is there.
    #[must_use]
    pub fn rolled(&self, entropy: &mut dyn Entropy) -> Self {
        let mut rolled = self.clone();
        rolled.add_key(ArchiveKey::generate(entropy));
        rolled
    }

    /// Puts a key in front.
    pub fn add_key(&mut self, key: ArchiveKey) {
        self.keys.insert(0, key);
        self.keys.truncate(MAX_KEYS);
    }

    /// Takes over what an older record, which the server no longer shows, had: its keys behind the own ones, what it excluded,
    /// and its manifest if that is the newer one.
    pub fn merge(&mut self, other: &Self) {
        for key in &other.keys {
            if self.keys.len() < MAX_KEYS && !self.keys.contains(key) {
                self.keys.push(key.clone());
            }
        }
        let room = MAX_EXCLUDED.saturating_sub(self.excluded.len());
        let lacking: Vec<_> = other.excluded.difference(&self.excluded).take(room).copied().collect();
        self.excluded.extend(lacking);
        self.manifest = self.manifest.max(other.manifest);
    }
}

impl StateRecord for ArchiveRecord {
    const ID: u32 = 48;

    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let excluded: Vec<_> = self.excluded.iter().take(MAX_EXCLUDED).collect();
        let writer = Writer::new().u8(VERSION).u8(u8::from(self.enabled));
        let writer = writer.list(&excluded, |writer, channel| writer.fixed(channel));
        let writer = writer.list(&self.keys, |writer, key| writer.fixed(key.0.as_slice()));
        let writer = match &self.manifest {
            None => writer.u8(0),
            Some(manifest) => writer.u8(1).fixed(manifest.id).fixed(manifest.hash).u64(manifest.version),
        };
        Zeroizing::new(writer.finish())
    }

    fn parse(bytes: &[u8]) -> Result<Self, E2eeError> {
        let mut reader = versioned(bytes)?;
        let flag = |found: u8| match found {
            0 => Ok(false),
            1 => Ok(true),
            found => Err(DecodeError::BadValue { found: found.into() }),
        };
        let enabled = flag(reader.u8()?)?;
        let listed = reader.list::<_, DecodeError>(MAX_EXCLUDED, |item| Ok(ChannelId::new(item.array()?)))?;
        let excluded: BTreeSet<_> = listed.iter().copied().collect();
        if !excluded.iter().eq(listed.iter()) {
            // In another order, or twice: there is one encoding.
            return Err(DecodeError::WrongLabel.into());
        }
        let keys = reader.list::<_, DecodeError>(MAX_KEYS, |item| Ok(ArchiveKey(Zeroizing::new(item.array()?))))?;
        let manifest = if flag(reader.u8()?)? {
            let (id, hash) = (ObjectId::new(reader.array()?), Digest::new(reader.array()?));
            Some(ManifestPointer { version: reader.u64()?, id, hash })
        } else {
            None
        };
        reader.finish()?;
        Ok(Self { enabled, excluded, keys, manifest })
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::testing::SeededEntropy;

    const ALICE: AccountId = AccountId::new([1; 32]);
    const ID: ObjectId = ObjectId::new([2; 16]);

    fn records() -> impl Strategy<Value = ArchiveRecord> {
        let pointer = (0u64..4, 0u8..3).prop_map(|(version, byte)| ManifestPointer {
            version,
            id: ObjectId::new([byte; 16]),
            hash: Digest::new([byte; 32]),
        });
        let key = (0u8..5).prop_map(|byte| ArchiveKey(Zeroizing::new([byte; 32])));
        let channels = vec((0u8..4).prop_map(|byte| ChannelId::new([byte; 32])), 0..4);
        (any::<bool>(), channels, vec(key, 0..4), proptest::option::of(pointer)).prop_map(
            |(enabled, excluded, keys, manifest)| ArchiveRecord {
                enabled,
                excluded: excluded.into_iter().collect(),
                keys,
                manifest,
            },
        )
    }

    proptest! {
        #[test]
        fn a_record_reads_back_and_nothing_else_does(record in records(), cut in any::<prop::sample::Index>()) {
            let bytes = record.encode();
            prop_assert_eq!(ArchiveRecord::parse(&bytes), Ok(record));
            prop_assert!(ArchiveRecord::parse(&bytes[..cut.index(bytes.len())]).is_err());
        }

        #[test]
        fn a_merge_loses_no_key_no_exclusion_and_no_newer_manifest(one in records(), other in records()) {
            let mut merged = one.clone();
            merged.merge(&other);
            prop_assert!(one.keys.iter().chain(&other.keys).all(|key| merged.keys.contains(key)));
            prop_assert_eq!(merged.keys.first().or(one.keys.first()), one.keys.first().or(other.keys.first()));
            prop_assert!(merged.excluded.is_superset(&one.excluded) && merged.excluded.is_superset(&other.excluded));
            prop_assert_eq!(merged.manifest, one.manifest.max(other.manifest));
            let again = merged.clone();
            merged.merge(&other);
            prop_assert_eq!(merged, again);
        }

        #[test]
        fn bytes_from_outside_are_refused_without_a_panic(bytes in vec(any::<u8>(), 0..300)) {
            if let Ok(record) = ArchiveRecord::parse(&bytes) {
                prop_assert_eq!(record.encode().to_vec(), bytes);
            }
        }
    }

    #[test]
    fn an_object_opens_in_its_place_and_with_its_key_only() {
        let mut entropy = SeededEntropy::new(1);
        let (old, new) = (ArchiveKey::generate(&mut entropy), ArchiveKey::generate(&mut entropy));
        let sealed = seal_object(&old, &ALICE, &ID, ObjectKind::Segment, b"tea", &mut entropy).expect("seals");
        let keys = [new.clone(), old];
        let open = |keys: &[ArchiveKey], account, id, kind| {
            open_object(keys, &account, &id, kind, &sealed).map(|content| content.to_vec())
        };
        assert_eq!(open(&keys, ALICE, ID, ObjectKind::Segment), Ok(b"tea".to_vec()));
        let refused = Err(E2eeError::CannotOpen { what: Sealed::Archive });
        assert_eq!(open(&[new], ALICE, ID, ObjectKind::Segment), refused);
        assert_eq!(open(&keys, AccountId::new([9; 32]), ID, ObjectKind::Segment), refused);
        assert_eq!(open(&keys, ALICE, ObjectId::new([9; 16]), ObjectKind::Segment), refused);
        assert_eq!(open(&keys, ALICE, ID, ObjectKind::Manifest), refused);
    }

    #[test]
    fn objects_are_padded_up_to_the_largest_that_a_server_takes() {
        let mut entropy = SeededEntropy::new(1);
        let key = ArchiveKey::generate(&mut entropy);
        let mut size = |len: usize| {
            let content = vec![7; len];
            let sealed = seal_object(&key, &ALICE, &ID, ObjectKind::Segment, &content, &mut entropy)?;
            let opened = open_object(core::slice::from_ref(&key), &ALICE, &ID, ObjectKind::Segment, &sealed)?;
            assert_eq!(opened.as_slice(), content);
            Ok::<_, E2eeError>(sealed.len())
        };
        assert_eq!((size(0), size(511)), (Ok(552), Ok(552)));
        assert_eq!(size(230_000), Ok(MAX_ARCHIVE_BYTES));
        assert_eq!(size(MAX_ARCHIVE_CONTENT), Ok(MAX_ARCHIVE_BYTES));
        assert!(matches!(size(MAX_ARCHIVE_CONTENT + 1), Err(E2eeError::TooLarge { .. })));
    }

    #[test]
    fn a_merge_leaves_out_no_more_than_can_be_written_and_what_was_left_out_stays_so() {
        let channel = |number: u16| {
            let [low, high] = number.to_le_bytes();
            ChannelId::new(core::array::from_fn(|at| if at == 0 { low } else { high }))
        };
        let excluding = |numbers: core::ops::Range<u16>| ArchiveRecord {
            excluded: numbers.map(channel).collect(),
            ..ArchiveRecord::default()
        };
        let (one, mut merged) = (excluding(0..1000), excluding(0..1000));
        merged.merge(&excluding(900..1100));
        assert!(merged.excluded.len() == MAX_EXCLUDED && merged.excluded.is_superset(&one.excluded));
        assert_eq!(ArchiveRecord::parse(&merged.encode()), Ok(merged));
    }

    #[test]
    fn a_roll_puts_a_fresh_key_in_front_and_keeps_the_others() {
        let mut entropy = SeededEntropy::new(1);
        let record = ArchiveRecord { enabled: true, ..ArchiveRecord::default() }.rolled(&mut entropy);
        let again = record.rolled(&mut entropy);
        assert_eq!((record.keys.len(), again.keys.len()), (1, 2));
        assert_eq!(again.keys[1], record.keys[0]);
        assert_ne!(again.keys[0], record.keys[0]);
        assert_eq!(format!("{:?}", again.keys[0]), "ArchiveKey(..)");
    }
}
