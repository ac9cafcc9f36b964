//! Records 32 to 47: the account's state, one content over as many of the records as it needs.
//!
//! ```text
//!   content || 0x80 || 0 ... ──cut──▶ part 0 │ part 1 │ ...     each: u8 1 || write fixed(16) || u8 index || u8 count || part
//!                                     record 32  record 33        sealed by itself, bound to account, id and version
//! ```
//!
//! All records are stored in one call and name the write they are of, so that a server cannot mix two writes.

use quicprochat_wire::{
    AccountId, DecodeError, Entropy, Writer, entropy::random_array, limits::MAX_VAULT_BYTES, padding,
};
use zeroize::Zeroizing;

use super::{
    SealedShard, StateKey,
    records::{RecordHead, VERSION, versioned},
};
use crate::{
    aead,
    error::{E2eeError, Sealed},
};

/// Id of the first of these records.
pub const STATE_RECORDS: u32 = 32;
/// How many there are at most.
pub const STATE_RECORD_COUNT: u32 = 16;
/// Most bytes of content.
pub const MAX_STATE_BYTES: usize = 16 * (LARGEST - HEAD) - 1;

/// What stands before a part: version, write, index, count.
const HEAD: usize = 1 + 16 + 1 + 1;
/// Plaintext of the largest record.
const LARGEST: usize = MAX_VAULT_BYTES - 64;
/// Plaintext bytes of a record, and how many records: few sizes and large steps.
const SIZES: [(usize, usize); 7] =
    [(4096, 1), (16 * 1024, 1), (LARGEST, 1), (LARGEST, 2), (LARGEST, 4), (LARGEST, 8), (LARGEST, 16)];

/// Whether a record holds part of the account's state.
#[must_use]
pub fn is_account_state_record(id: u32) -> bool {
    (STATE_RECORDS..STATE_RECORDS + STATE_RECORD_COUNT).contains(&id)
}

/// Seals the content as records, each under the version that `version` gives for its id; at least `records` of them (how many
/// there are already: their number never shrinks).
///
/// Errors:   [`E2eeError::TooLarge`] above [`MAX_STATE_BYTES`].
pub fn seal_account_state(
    key: &StateKey,
    account: AccountId,
    content: &[u8],
    records: usize,
    version: impl Fn(u32) -> u64,
    entropy: &mut dyn Entropy,
) -> Result<Vec<SealedShard>, E2eeError> {
    let fits = |(size, count): &(usize, usize)| *count >= records && content.len() < (size - HEAD) * count;
    let too_large = E2eeError::TooLarge { what: Sealed::VaultRecord, limit: MAX_STATE_BYTES, found: content.len() };
    let (size, count) = SIZES.into_iter().find(fits).ok_or(too_large)?;
    let mut padded = Zeroizing::new(Vec::with_capacity((size - HEAD) * count));
    padded.extend_from_slice(content);
    padded.push(0x80);
    padded.resize((size - HEAD) * count, 0);
    let write: [u8; 16] = random_array(entropy);
    let count = u8::try_from(count).unwrap_or(u8::MAX);
    let mut sealed = Vec::with_capacity(usize::from(count));
    for (index, part) in (0u8..).zip(padded.chunks(size - HEAD)) {
        let head = Writer::new().u8(VERSION).fixed(write).u8(index).u8(count).finish();
        let mut plaintext = Zeroizing::new(Vec::with_capacity(size));
        plaintext.extend_from_slice(&head);
        plaintext.extend_from_slice(part);
        let id = STATE_RECORDS + u32::from(index);
        let head = RecordHead { account, id, version: version(id) };
        let bytes = aead::seal(key.as_bytes(), &head.text(), &plaintext, Sealed::VaultRecord, entropy)?;
        sealed.push(SealedShard { id, version: head.version, sealed: bytes });
    }
    Ok(sealed)
}

/// Opens the content from the records that hold something, in order of their ids; `None` if there are none.
///
/// Errors:   [`E2eeError::CannotOpen`] for another key, account, version or record; [`E2eeError::Decode`] for records of
///           different writes, or if one is missing; [`E2eeError::BadPadding`].
pub fn open_account_state(
    key: &StateKey,
    account: AccountId,
    records: &[SealedShard],
) -> Result<Option<Zeroizing<Vec<u8>>>, E2eeError> {
    let mut opened = Zeroizing::new(Vec::new());
    let mut of_write = None;
    if records.len() > STATE_RECORD_COUNT as usize {
        return Err(DecodeError::BadValue { found: records.len() as u64 }.into());
    }
    for (expected, record) in (0u8..).zip(records) {
        let head = RecordHead { account, id: record.id, version: record.version };
        let plaintext = aead::open(key.as_bytes(), &head.text(), &record.sealed, Sealed::VaultRecord)?;
        let mut reader = versioned(&plaintext)?;
        let (write, index, count) = (reader.array::<16>()?, reader.u8()?, reader.u8()?);
        let in_place = index == expected && record.id == STATE_RECORDS + u32::from(index);
        let of_one_write = *of_write.get_or_insert(write) == write;
        if !in_place || !of_one_write || usize::from(count) != records.len() {
            return Err(DecodeError::BadValue { found: u64::from(index) }.into());
        }
        opened.extend_from_slice(plaintext.get(HEAD..).unwrap_or_default());
    }
    if of_write.is_none() {
        return Ok(None);
    }
    let len = padding::unpad(&opened).ok_or(E2eeError::BadPadding { what: Sealed::VaultRecord })?.len();
    opened.truncate(len);
    Ok(Some(opened))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{testing::SeededEntropy, vault::RootKey};

    const ALICE: AccountId = AccountId::new([1; 32]);

    fn sealed(content: &[u8], records: usize, version: u64, entropy: &mut SeededEntropy) -> Vec<SealedShard> {
        let key = StateKey::from_bytes(&[7; 32]);
        seal_account_state(&key, ALICE, content, records, |_| version, entropy).expect("seals")
    }

    fn opened(records: &[SealedShard]) -> Result<Option<Vec<u8>>, E2eeError> {
        let content = open_account_state(&StateKey::from_bytes(&[7; 32]), ALICE, records)?;
        Ok(content.map(|content| content.to_vec()))
    }

    #[test]
    fn a_state_of_any_size_reads_back_and_shows_in_seven_sizes() {
        let mut entropy = SeededEntropy::new(1);
        let mut sizes = BTreeSet::new();
        for len in [0, 1, 4_075, 4_076, 4_077, 20_000, 65_452, 65_453, 200_000, 500_000, MAX_STATE_BYTES] {
            let content: Vec<u8> = (0..len).map(|n| n as u8).collect();
            let records = sealed(&content, 0, 3, &mut entropy);
            assert_eq!(opened(&records), Ok(Some(content)), "{len}");
            assert!(records.iter().all(|record| record.sealed.len() <= MAX_VAULT_BYTES && record.version == 3));
            assert_eq!(
                records.iter().map(|record| record.id).collect::<Vec<_>>(),
                (32..).take(records.len()).collect::<Vec<_>>()
            );
            sizes.insert(records.iter().map(|record| record.sealed.len()).collect::<Vec<_>>());
        }
        assert_eq!(sizes.len(), 7, "{sizes:?}");
        let key = StateKey::from_bytes(&[7; 32]);
        let too_large = seal_account_state(&key, ALICE, &vec![0; MAX_STATE_BYTES + 1], 0, |_| 1, &mut entropy);
        assert!(matches!(too_large, Err(E2eeError::TooLarge { limit: MAX_STATE_BYTES, .. })));
    }

    #[test]
    fn the_number_of_records_never_shrinks() {
        let mut entropy = SeededEntropy::new(1);
        let records = sealed(b"little", 3, 1, &mut entropy);
        assert_eq!(records.len(), 4);
        assert_eq!(opened(&records), Ok(Some(b"little".to_vec())));
    }

    #[test]
    fn records_of_two_writes_or_in_other_places_are_refused() {
        let mut entropy = SeededEntropy::new(1);
        let (one, two) = (sealed(&[1; 100_000], 0, 1, &mut entropy), sealed(&[2; 100_000], 0, 1, &mut entropy));
        assert!(opened(&[one[0].clone(), two[1].clone()]).is_err(), "of two writes");
        assert!(opened(&one[..1]).is_err(), "one is missing");
        assert!(opened(&[one[1].clone(), one[0].clone()]).is_err(), "out of order");
        assert!(opened(&[one[0].clone(), one[1].clone(), one[1].clone()]).is_err());
        assert_eq!(opened(&[]), Ok(None));
        let cannot_open = Err(E2eeError::CannotOpen { what: Sealed::VaultRecord });
        assert_eq!(opened(&[SealedShard { version: 2, ..one[0].clone() }, one[1].clone()]), cannot_open);
        assert_eq!(opened(&[SealedShard { id: 40, ..one[0].clone() }, one[1].clone()]), cannot_open);
        let other = RootKey::generate(&mut entropy).state_key();
        assert!(open_account_state(&other, ALICE, &one).is_err());
        assert!(open_account_state(&StateKey::from_bytes(&[7; 32]), AccountId::new([2; 32]), &one).is_err());
    }
}
