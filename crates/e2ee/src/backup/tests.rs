use quicprochat_identity::password::RECOVERY_STRETCH;
use zeroize::Zeroizing;

use super::*;
use crate::{testing::SeededEntropy, vault::RecoveryKey};

fn passphrase(text: &str) -> BackupSecret {
    BackupSecret::passphrase(Zeroizing::new(text.to_owned()))
}

fn seal_as(secret: &BackupSecret, content: &[u8]) -> Vec<u8> {
    let mut sealer = BackupSealer::new(secret, RECOVERY_STRETCH, &mut SeededEntropy::new(1)).expect("in range");
    let mut file = sealer.header().to_vec();
    for piece in content.chunks(40_000) {
        sealer.push(piece, &mut file);
    }
    sealer.finish(&mut file);
    file
}

fn seal(content: &[u8]) -> Vec<u8> {
    seal_as(&passphrase("correct horse"), content)
}

fn open_as(secret: &BackupSecret, file: &[u8]) -> Result<Vec<u8>, BackupError> {
    let header = BackupHeader::parse(file)?;
    let mut opener = BackupOpener::new(&header, secret)?;
    let mut rest = &file[HEADER_BYTES..];
    let mut content = Vec::new();
    loop {
        let (chunk, more) = rest.split_at(rest.len().min(SEALED_CHUNK_BYTES));
        content.extend_from_slice(&opener.open(chunk, !more.is_empty())?);
        if more.is_empty() {
            return Ok(content);
        }
        rest = more;
    }
}

fn open(file: &[u8]) -> Result<Vec<u8>, BackupError> {
    open_as(&passphrase("correct horse"), file)
}

fn content(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n % 251) as u8).collect()
}

#[test]
fn every_length_reads_back_in_chunks_of_one_size() {
    for len in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES] {
        let file = seal(&content(len));
        assert_eq!(file.len(), HEADER_BYTES + (len / CHUNK_BYTES + 1) * SEALED_CHUNK_BYTES, "{len}");
        assert_eq!(open(&file).expect("reads back"), content(len), "{len}");
    }
}

#[test]
fn content_that_ends_like_padding_keeps_its_end() {
    let ends = [vec![0x80], vec![0x80, 0, 0], vec![0; 9], vec![0x80; 3]];
    for end in ends {
        assert_eq!(open(&seal(&end)), Ok(end));
    }
}

#[test]
fn only_the_right_secret_of_the_right_kind_opens_it() {
    let file = seal(b"tea");
    assert_eq!(open_as(&passphrase("correct horse "), &file), Err(BackupError::WrongSecret));
    let key = RecoveryKey::generate(&mut SeededEntropy::new(2));
    let by_key = BackupSecret::recovery_key(&key);
    assert_eq!(open_as(&by_key, &file), Err(BackupError::OtherSecret { wanted: SecretKind::Passphrase }));
    let file = seal_as(&by_key, b"tea");
    assert_eq!(BackupHeader::parse(&file).expect("a header").secret_kind(), SecretKind::RecoveryKey);
    assert_eq!(open_as(&by_key, &file), Ok(b"tea".to_vec()));
    assert_eq!(open(&file), Err(BackupError::OtherSecret { wanted: SecretKind::RecoveryKey }));
    let other = BackupSecret::recovery_key(&RecoveryKey::generate(&mut SeededEntropy::new(3)));
    assert_eq!(open_as(&other, &file), Err(BackupError::WrongSecret));
}

#[test]
fn a_cut_anywhere_is_told_as_one() {
    let file = seal(&content(2 * CHUNK_BYTES + 5));
    for len in [17, 40, HEADER_BYTES - 1] {
        assert_eq!(open(&file[..len]), Err(BackupError::Truncated { chunks: 0 }), "{len}");
    }
    for (len, chunks) in [
        (HEADER_BYTES, 0),
        (HEADER_BYTES + 10, 0),
        (HEADER_BYTES + SEALED_CHUNK_BYTES, 1),
        (HEADER_BYTES + SEALED_CHUNK_BYTES + 1, 1),
        (HEADER_BYTES + 2 * SEALED_CHUNK_BYTES, 2),
        (file.len() - 1, 2),
    ] {
        assert_eq!(open(&file[..len]), Err(BackupError::Truncated { chunks }), "{len}");
    }
}

#[test]
fn a_flip_in_any_byte_of_the_header_or_of_a_chunk_is_refused() {
    let file = seal(&content(CHUNK_BYTES + 5));
    for at in [0, 15, 16, 17, 18, 25, 30, 61, 62, HEADER_BYTES - 1] {
        let mut bad = file.clone();
        bad[at] ^= 0x10;
        assert!(open(&bad).is_err(), "byte {at} of the header");
    }
    for (at, chunk) in [(0, 0), (SEALED_CHUNK_BYTES - 1, 0), (SEALED_CHUNK_BYTES, 1), (2 * SEALED_CHUNK_BYTES - 1, 1)] {
        let mut bad = file.clone();
        bad[HEADER_BYTES + at] ^= 1;
        assert_eq!(open(&bad), Err(BackupError::Damaged { chunk }), "byte {at}");
    }
}

#[test]
fn chunks_stay_in_their_place_and_their_file() {
    let file = seal(&content(2 * CHUNK_BYTES + 5));
    let chunk = |n: usize| &file[HEADER_BYTES + n * SEALED_CHUNK_BYTES..][..SEALED_CHUNK_BYTES];
    let header = &file[..HEADER_BYTES];
    let made = |parts: &[&[u8]]| [&[header], parts].concat().concat();
    assert_eq!(open(&made(&[chunk(1), chunk(0), chunk(2)])), Err(BackupError::Damaged { chunk: 0 }));
    assert_eq!(open(&made(&[chunk(0), chunk(2)])), Err(BackupError::Damaged { chunk: 1 }), "one is left out");
    assert_eq!(open(&made(&[chunk(0), chunk(0), chunk(2)])), Err(BackupError::Damaged { chunk: 1 }), "one comes twice");
    assert_eq!(open(&made(&[chunk(0), chunk(1), chunk(2), chunk(2)])), Err(BackupError::Trailing { chunk: 2 }));
    assert_eq!(open(&made(&[chunk(0), chunk(1), chunk(2), b"x"])), Err(BackupError::Trailing { chunk: 2 }));
    let other = {
        let mut sealer =
            BackupSealer::new(&passphrase("correct horse"), RECOVERY_STRETCH, &mut SeededEntropy::new(9)).expect("ok");
        let mut file = sealer.header().to_vec();
        sealer.push(&content(5), &mut file);
        sealer.finish(&mut file);
        file
    };
    let mixed = [&other[..HEADER_BYTES], &seal(&content(5))[HEADER_BYTES..]].concat();
    assert_eq!(open(&mixed), Err(BackupError::Damaged { chunk: 0 }));
}

#[test]
fn what_is_no_backup_of_this_version_is_named() {
    assert_eq!(open(b""), Err(BackupError::NotABackup));
    assert_eq!(open(b"SQLite format 3\0 and so on"), Err(BackupError::NotABackup));
    let mut later = seal(b"tea");
    later[16] = 2;
    assert_eq!(open(&later), Err(BackupError::LaterVersion { found: 2, known: 1 }));
    assert_eq!(open(&later[..20]), Err(BackupError::LaterVersion { found: 2, known: 1 }), "before anything else");
    let mut dear = seal(b"tea");
    dear[18..22].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(
        open(&dear),
        Err(BackupError::Stretch { memory_kib: u32::MAX, iterations: 2, parallelism: 1 }),
        "no memory is taken for it"
    );
}

#[test]
fn the_same_content_never_makes_the_same_file() {
    let mut entropy = SeededEntropy::new(7);
    let mut make = || {
        let sealer = BackupSealer::new(&passphrase("p"), RECOVERY_STRETCH, &mut entropy).expect("in range");
        let mut file = sealer.header().to_vec();
        sealer.finish(&mut file);
        file
    };
    let (one, two) = (make(), make());
    assert_ne!(one[30..62], two[30..62], "salts");
    assert_ne!(one[HEADER_BYTES..], two[HEADER_BYTES..]);
}
