//! The recovery key: a second way into the vault for whoever forgets the password, as people write it down.

use core::fmt;

use quicprochat_wire::{AccountId, Entropy, Writer, entropy::random_array};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{
    RootKey,
    records::{RecordHead, VERSION, open, seal, versioned},
};
use crate::{base32, error::E2eeError};

/// What every recovery key of this version begins with.
const PREFIX: &str = "QPC1";
/// Letters of a key, and of its checksum.
const KEY_LETTERS: usize = 32;
const CHECK_LETTERS: usize = 4;
const LETTERS: usize = PREFIX.len() + KEY_LETTERS + CHECK_LETTERS;
const GROUP: usize = 4;

/// 160 random bits that open the vault as the password does.
///
/// Secrets:  zeroised on drop; never stored on a device.
#[derive(Clone, PartialEq, Eq)]
pub struct RecoveryKey(Zeroizing<[u8; 20]>);

/// Why a text is no recovery key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecoveryKeyProblem {
    /// A character that is in no recovery key.
    #[error("{found:?} is in no recovery key")]
    Letter {
        /// Which.
        found: char,
    },
    /// It does not begin as recovery keys do.
    #[error("a recovery key begins with QPC1")]
    Prefix,
    /// It is of another version than this program knows.
    #[error("it is a recovery key of another version; a newer program may know it")]
    Version,
    /// It is too short or too long.
    #[error("it has {found} letters and digits, not {expected}")]
    Length {
        /// How many it should have.
        expected: usize,
        /// How many it has; one too many stands for any more.
        found: usize,
    },
    /// The checksum is of another key: something is mistyped.
    #[error("its checksum does not fit: at least one letter is mistyped")]
    Checksum,
}

impl RecoveryKey {
    /// Draws a fresh key.
    pub fn generate(entropy: &mut dyn Entropy) -> Self {
        Self(Zeroizing::new(random_array(entropy)))
    }

    /// Reads a key as people write it: any case, with spaces and hyphens anywhere, O for 0, I and L for 1.
    ///
    /// Errors:   [`RecoveryKeyProblem`].
    pub fn parse(text: &str) -> Result<Self, RecoveryKeyProblem> {
        let mut letters = Zeroizing::new(Vec::with_capacity(LETTERS + 1));
        for found in text.chars().filter(|typed| !base32::is_separator(*typed)) {
            letters.push(base32::letter(found).ok_or(RecoveryKeyProblem::Letter { found })?);
            if letters.len() > LETTERS {
                break;
            }
        }
        let begins = |prefix: &str| letters.iter().map(|(letter, _)| *letter).take(prefix.len()).eq(prefix.bytes());
        if !begins(PREFIX) {
            let version = PREFIX.get(..PREFIX.len() - 1).is_some_and(begins) && letters.len() >= PREFIX.len();
            return Err(if version { RecoveryKeyProblem::Version } else { RecoveryKeyProblem::Prefix });
        }
        if letters.len() != LETTERS {
            return Err(RecoveryKeyProblem::Length { expected: LETTERS, found: letters.len() });
        }
        let values = Zeroizing::new(letters.iter().map(|(_, value)| *value).collect::<Vec<_>>());
        let values = values.get(PREFIX.len()..PREFIX.len() + KEY_LETTERS).unwrap_or_default();
        let bytes = base32::bytes(values.iter().copied());
        let bytes = bytes.and_then(|bytes| <[u8; 20]>::try_from(bytes.as_slice()).ok());
        let key = Self(Zeroizing::new(bytes.ok_or(RecoveryKeyProblem::Checksum)?));
        let check = letters.iter().skip(PREFIX.len() + KEY_LETTERS).map(|(letter, _)| *letter);
        if check.eq(key.checksum()) { Ok(key) } else { Err(RecoveryKeyProblem::Checksum) }
    }

    /// The key as it is printed: groups of four letters with hyphens.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let letters = self.secret();
        let mut text = Zeroizing::new(String::with_capacity(LETTERS + LETTERS / GROUP));
        for (index, letter) in letters.chars().enumerate() {
            if index > 0 && index % GROUP == 0 {
                text.push('-');
            }
            text.push(letter);
        }
        text
    }

    /// What OPAQUE takes as the password of this way in: the letters of [`Self::to_text`] without hyphens.
    #[must_use]
    pub fn secret(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(LETTERS));
        text.push_str(PREFIX);
        text.extend(base32::letters(&self.0[..]).take(KEY_LETTERS).chain(self.checksum()).map(char::from));
        text
    }

    fn checksum(&self) -> impl Iterator<Item = u8> + use<> {
        let label = Writer::labelled("qpc/1 recovery key").finish();
        let digest = Zeroizing::new(<[u8; 32]>::from(
            Sha256::new().chain_update(label).chain_update(self.0.as_slice()).finalize(),
        ));
        base32::letters(&digest[..]).take(CHECK_LETTERS).collect::<Vec<_>>().into_iter()
    }
}

impl fmt::Debug for RecoveryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryKey(..)")
    }
}

/// Id of the record that holds the recovery key.
pub const RECOVERY_RECORD: u32 = 5;

/// Record 5: the recovery key, so that it can be printed again, and what wraps the root key for it, so that a new root key
/// can be wrapped without the key at hand.
///
/// Secrets:  both open the vault; sealed under the root key, which no device keeps.
pub struct RecoveryRecord {
    /// The key.
    pub key: RecoveryKey,
    /// OPAQUE's export key of the way in: only the key and the server together yield it.
    pub export_key: Zeroizing<Vec<u8>>,
}

/// Length of OPAQUE's export key (SHA-512).
const EXPORT_KEY_BYTES: usize = 64;

/// Seals the recovery record, under a key of its own that devices do not have.
pub fn seal_recovery(
    root: &RootKey,
    account: AccountId,
    version: u64,
    record: &RecoveryRecord,
    entropy: &mut dyn Entropy,
) -> Result<Vec<u8>, E2eeError> {
    let content = Writer::new().u8(VERSION).fixed(record.key.0.as_slice()).fixed(&record.export_key).finish();
    let head = RecordHead { account, id: RECOVERY_RECORD, version };
    seal(&root.recovery_key(), &head, &Zeroizing::new(content), entropy)
}

/// Opens the recovery record.
///
/// Errors:   [`E2eeError::CannotOpen`] for another root key, account, version or record; [`E2eeError::Decode`].
pub fn open_recovery(
    root: &RootKey,
    account: AccountId,
    version: u64,
    sealed: &[u8],
) -> Result<RecoveryRecord, E2eeError> {
    let content = open(&root.recovery_key(), &RecordHead { account, id: RECOVERY_RECORD, version }, sealed)?;
    let mut reader = versioned(&content)?;
    let key = RecoveryKey(Zeroizing::new(reader.array()?));
    let export_key = Zeroizing::new(reader.take(EXPORT_KEY_BYTES)?.to_vec());
    reader.finish()?;
    Ok(RecoveryRecord { key, export_key })
}

impl fmt::Debug for RecoveryRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryRecord(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Sealed, testing::SeededEntropy};

    const ALICE: AccountId = AccountId::new([1; 32]);

    fn key(seed: u64) -> RecoveryKey {
        RecoveryKey::generate(&mut SeededEntropy::new(seed))
    }

    #[test]
    fn a_key_is_written_in_groups_and_read_back() {
        for seed in 0..50 {
            let key = key(seed);
            let text = key.to_text();
            assert_eq!(text.len(), 49, "{}", &*text);
            assert!(text.starts_with("QPC1-") && text.split('-').all(|group| group.len() == 4));
            assert_eq!(RecoveryKey::parse(&text), Ok(key.clone()));
            assert_eq!(*key.secret(), text.replace('-', ""));
        }
    }

    #[test]
    fn the_text_of_a_known_key_is_fixed() {
        let mut bytes = [0; 20];
        bytes.iter_mut().zip(0..).for_each(|(byte, value)| *byte = value);
        let text = RecoveryKey(Zeroizing::new(bytes)).to_text();
        // Computed by another program.
        assert_eq!(*text, "QPC1-000G-40R4-0M30-E209-185G-R38E-1W81-24GK-BDJ4");
        assert_eq!(RecoveryKey(Zeroizing::new([0; 20])).to_text()[5..44], ["0000"; 8].join("-"));
        assert_eq!(RecoveryKey(Zeroizing::new([255; 20])).to_text()[5..44], ["ZZZZ"; 8].join("-"));
    }

    #[test]
    fn case_spaces_hyphens_and_look_alikes_do_not_matter() {
        let key = key(3);
        let text = key.to_text();
        let variants = [
            text.to_lowercase(),
            text.replace('-', ""),
            text.replace('-', " "),
            text.replace('-', " \t\n"),
            format!("  {} \r\n", text.replace('-', "\u{2013}")),
            text.replace('0', "o").replace('1', "l"),
            text.replace('0', "O").replace('1', "I"),
        ];
        for variant in variants {
            assert_eq!(RecoveryKey::parse(&variant), Ok(key.clone()), "{variant}");
        }
    }

    #[test]
    fn every_single_typo_and_swap_is_noticed() {
        let text = key(4).to_text();
        let letters: Vec<u8> = text.bytes().collect();
        for (place, letter) in letters.iter().enumerate().filter(|(place, letter)| *place > 4 && **letter != b'-') {
            for other in b"0123456789ABCDEFGHJKMNPQRSTVWXYZ".iter().filter(|other| *other != letter) {
                let mut typo = letters.clone();
                typo[place] = *other;
                let typo = String::from_utf8(typo).expect("ASCII");
                assert_eq!(RecoveryKey::parse(&typo), Err(RecoveryKeyProblem::Checksum), "{typo}");
            }
        }
        for place in 5..letters.len() - 1 {
            let mut swapped = letters.clone();
            swapped.swap(place, place + 1);
            if swapped != letters && letters[place] != b'-' && letters[place + 1] != b'-' {
                let swapped = String::from_utf8(swapped).expect("ASCII");
                assert_eq!(RecoveryKey::parse(&swapped), Err(RecoveryKeyProblem::Checksum), "{swapped}");
            }
        }
    }

    #[test]
    fn what_is_no_key_is_told_by_its_reason() {
        let text = key(5).to_text();
        let cases = [
            (String::new(), RecoveryKeyProblem::Prefix),
            ("QPC".to_owned(), RecoveryKeyProblem::Prefix),
            (text.replace("QPC1", "QPD1"), RecoveryKeyProblem::Prefix),
            (text.replace("QPC1", "QPC2"), RecoveryKeyProblem::Version),
            (format!("{}U", &text[..48]), RecoveryKeyProblem::Letter { found: 'U' }),
            (format!("{}\u{e9}", &text[..48]), RecoveryKeyProblem::Letter { found: '\u{e9}' }),
            (text[..48].to_owned(), RecoveryKeyProblem::Length { expected: 40, found: 39 }),
            (format!("{}000", &*text), RecoveryKeyProblem::Length { expected: 40, found: 41 }),
        ];
        for (bad, problem) in cases {
            assert_eq!(RecoveryKey::parse(&bad), Err(problem), "{bad}");
        }
    }

    #[test]
    fn the_record_opens_with_the_root_key_alone() {
        let mut entropy = SeededEntropy::new(1);
        let (root, other) = (RootKey::generate(&mut entropy), RootKey::generate(&mut entropy));
        let record = RecoveryRecord { key: key(2), export_key: Zeroizing::new(vec![7; 64]) };
        let sealed = seal_recovery(&root, ALICE, 3, &record, &mut entropy).expect("seals");
        assert_eq!(sealed.len(), 24 + 512 + 16, "padded");
        let opened = open_recovery(&root, ALICE, 3, &sealed).expect("opens");
        assert_eq!((opened.key, opened.export_key), (record.key, record.export_key));
        let refused = Some(E2eeError::CannotOpen { what: Sealed::VaultRecord });
        assert_eq!(open_recovery(&other, ALICE, 3, &sealed).err(), refused);
        assert_eq!(open_recovery(&root, ALICE, 2, &sealed).err(), refused);
        assert_eq!(open_recovery(&root, AccountId::new([2; 32]), 3, &sealed).err(), refused);
    }
}
