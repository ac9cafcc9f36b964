use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use quicprochat_client_core::store::{
    Conversation, ConversationKind, ConversationState, LogBody, LogEntry, OwnAccount, Secret, Standing, StoreTx as _,
};
use quicprochat_transport::quic::QuicConnector;
use quicprochat_wire::{
    AccountId, ChainHash, ChannelId, DeviceId, Fingerprint, MessageId, ServerLink, Timestamp, call::channel::ChainPoint,
};
use zeroize::Zeroizing;

use super::*;
use crate::{Client, ClientError, Home, OsEntropy, StoreKey};

struct Place {
    _temp: tempfile::TempDir,
    root: PathBuf,
    client: Client,
}

fn secret(text: &str) -> BackupSecret {
    BackupSecret::passphrase(Zeroizing::new(text.to_owned()))
}

/// A home of an account.
fn home(account: u8) -> Place {
    let temp = tempfile::tempdir().unwrap();
    let home = Home::open(temp.path().join("home")).unwrap();
    let key = StoreKey::load_or_create(&home, None, &mut OsEntropy).unwrap();
    let mut client = Client::open(home, key, Arc::new(QuicConnector::default())).unwrap();
    let own = OwnAccount {
        server: ServerLink::new("chat.example", 4433, Fingerprint::new([4; 32])).unwrap(),
        host: "chat.example".to_owned(),
        name: "alice".to_owned(),
        account: AccountId::new([account; 32]),
        device: DeviceId::new([2; 16]),
        device_key: Secret::new([3; 32]),
        certificate: [5; 64],
        identity: vec![6; 60],
        inbox_keys: vec![Secret::new([7; 32])].into(),
        state_key: Secret::new([9; 32]),
        standing: Standing::Enrolled,
    };
    let tx = client.store_mut().begin().unwrap();
    tx.account().put_own_account(&own).unwrap();
    tx.commit().unwrap();
    Place { root: temp.path().to_owned(), client, _temp: temp }
}

const CHANNEL: ChannelId = ChannelId::new([1; 32]);

fn entry(seq: u64) -> LogEntry {
    LogEntry {
        index: 0,
        channel: CHANNEL,
        seq,
        id: MessageId::new([seq as u8; 16]),
        sender: AccountId::new([1; 32]),
        device: DeviceId::new([2; 16]),
        time: Timestamp(60_000),
        sent_at: Timestamp(61_234),
        intent: None,
        body: LogBody::Content { content: vec![seq as u8; 900] },
    }
}

fn append(client: &mut Client, seqs: core::ops::RangeInclusive<u64>) {
    let tx = client.store_mut().begin().unwrap();
    for seq in seqs {
        tx.messages().append_message(&entry(seq)).unwrap();
    }
    tx.commit().unwrap();
}

/// A home with a conversation of 300 messages.
fn filled(account: u8) -> Place {
    let mut place = home(account);
    let point = ChainPoint { position: 300, hash: ChainHash::new([7; 32]) };
    let conversation = Conversation {
        channel: CHANNEL,
        kind: ConversationKind::Group,
        title: "tea".to_owned(),
        peer: None,
        state: ConversationState::Active,
        suite: 0x4f,
        cursor: point,
        last_commit: point,
        head: 300,
        epoch: 3,
        keys: Secret::new([8; 96]),
        keys_since: 7,
        ahead: None,
        members: Vec::new().into(),
        leavers: Vec::new().into(),
        leaf_updated: Timestamp(0),
        fresh_leaf: false,
        since: Timestamp(0),
        inviter: None,
        group: CHANNEL,
        replaces: None,
        rounds: 0,
        spoilt_at: None,
    };
    let tx = place.client.store_mut().begin().unwrap();
    tx.conversations().put_conversation(&conversation).unwrap();
    tx.commit().unwrap();
    append(&mut place.client, 1..=300);
    place
}

fn log(client: &mut Client) -> Vec<LogEntry> {
    client.read(|tx| Ok(tx.messages().messages_of(&CHANNEL, 0, 9999)?)).unwrap()
}

fn create(place: &mut Place) -> PathBuf {
    let path = place.root.join("alice.backup");
    place.client.create_backup(&path, &secret("correct horse"), false, &mut |_, _| {}).unwrap();
    path
}

fn restore(client: &mut Client, path: &Path, passphrase: &str) -> Result<Imported, ClientError> {
    let mut file = BackupFile::open(path)?;
    client.restore_backup(&mut file, &secret(passphrase), &mut |_, _| {}).map(|(_, imported)| imported)
}

#[test]
fn a_backup_is_private_whole_and_restored_on_a_fresh_device() {
    let mut alice = filled(1);
    let path = alice.root.join("alice.backup");
    let mut seen = 0;
    let made = alice.client.create_backup(&path, &secret("correct horse"), false, &mut |done, _| seen = done).unwrap();
    assert_eq!(made.counts, Counts { contacts: 0, conversations: 1, entries: 300 });
    assert_eq!((fs::metadata(&path).unwrap().len(), made.account.name.as_str()), (made.bytes, "alice"));
    assert!(seen > 0);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(&alice.root).unwrap().count(), 2, "the home and the backup, nothing beside");
    let checked = BackupFile::open(&path).unwrap().check(&secret("correct horse"), &mut |_, _| {}).unwrap();
    assert_eq!(checked, made);
    let mut tablet = home(1);
    let imported = restore(&mut tablet.client, &path, "correct horse").unwrap();
    assert_eq!(imported, Imported { conversations: 1, entries: 300, ..Imported::default() });
    assert_eq!(log(&mut tablet.client), (1..=300).map(entry).collect::<Vec<_>>());
    let imported = restore(&mut tablet.client, &path, "correct horse").unwrap();
    assert_eq!(imported, Imported { known: 300, ..Imported::default() });
}

#[test]
fn a_file_of_that_name_is_replaced_only_when_asked_and_only_by_a_whole_one() {
    let mut alice = filled(1);
    let path = create(&mut alice);
    let before = fs::read(&path).unwrap();
    let again = alice.client.create_backup(&path, &secret("x"), false, &mut |_, _| {});
    assert!(matches!(again, Err(ClientError::Backup(BackupFileError::Exists { .. }))), "{again:?}");
    assert_eq!(fs::read(&path).unwrap(), before);
    alice.client.create_backup(&path, &secret("another"), true, &mut |_, _| {}).unwrap();
    let mut file = BackupFile::open(&path).unwrap();
    file.check(&secret("another"), &mut |_, _| {}).unwrap();
    let nowhere = alice.root.join("none/alice.backup");
    let failed = alice.client.create_backup(&nowhere, &secret("x"), false, &mut |_, _| {});
    assert!(matches!(failed, Err(ClientError::Backup(BackupFileError::Io { .. }))), "{failed:?}");
    assert_eq!(fs::read_dir(&alice.root).unwrap().count(), 2, "nothing is left beside");
}

#[test]
fn whatever_is_wrong_with_the_file_is_named_and_nothing_is_taken_over() {
    let mut alice = filled(1);
    let path = create(&mut alice);
    let good = fs::read(&path).unwrap();
    let mut tablet = home(1);
    let mut refused = |bytes: &[u8], passphrase: &str| {
        fs::write(&path, bytes).unwrap();
        let error = restore(&mut tablet.client, &path, passphrase).unwrap_err();
        assert_eq!(log(&mut tablet.client), vec![], "{error}");
        let rows = tablet.client.read(|tx| Ok(tx.conversations().all_conversations()?)).unwrap();
        assert_eq!(rows, vec![], "{error}");
        let ClientError::Backup(BackupFileError::Envelope { error, .. }) = error else { panic!("{error}") };
        error
    };
    assert_eq!(refused(&good, "wrong horse"), BackupError::WrongSecret);
    assert_eq!(refused(&good[..good.len() - 1], "correct horse"), BackupError::Truncated { chunks: 4 });
    assert_eq!(refused(&good[..good.len() / 2], "correct horse"), BackupError::Truncated { chunks: 2 });
    assert_eq!(refused(&good[..40], "correct horse"), BackupError::Truncated { chunks: 0 });
    let flipped = |at: usize| {
        let mut bad = good.clone();
        bad[at] ^= 1;
        bad
    };
    assert_eq!(refused(&flipped(good.len() - 5), "correct horse"), BackupError::Damaged { chunk: 4 });
    assert_eq!(refused(&flipped(200), "correct horse"), BackupError::Damaged { chunk: 0 });
    assert_eq!(refused(&flipped(0), "correct horse"), BackupError::NotABackup);
    let mut later = good.clone();
    later[16] = 2;
    assert_eq!(refused(&later, "correct horse"), BackupError::LaterVersion { found: 2, known: 1 });
    assert_eq!(refused(&[&good[..], b"x"].concat(), "correct horse"), BackupError::Trailing { chunk: 4 });
    fs::write(&path, &good).unwrap();
    restore(&mut tablet.client, &path, "correct horse").unwrap();
}

#[test]
fn a_backup_of_another_account_is_refused_before_anything_is_changed() {
    let mut alice = filled(1);
    let path = create(&mut alice);
    let mut carol = home(9);
    let error = restore(&mut carol.client, &path, "correct horse").unwrap_err();
    let other = matches!(
        &error,
        ClientError::Backup(BackupFileError::Content { error: ContentError::OtherAccount { name, .. }, .. })
            if name == "alice"
    );
    assert!(other, "{error}");
    assert_eq!(log(&mut carol.client), vec![]);
}

#[test]
fn a_backup_is_of_one_moment_and_keeps_nobody_from_writing() {
    let mut alice = filled(1);
    let path = alice.root.join("alice.backup");
    let home = alice.client.home().clone();
    let key = StoreKey::load_or_create(&home, None, &mut OsEntropy).unwrap();
    let mut other = Client::open(home, key, Arc::new(QuicConnector::default())).unwrap();
    let mut calls = 0;
    let made = alice
        .client
        .create_backup(&path, &secret("p"), false, &mut |_, _| {
            calls += 1;
            let next = 300 + calls;
            append(&mut other, next..=next);
        })
        .unwrap();
    assert!(calls > 1);
    assert_eq!(made.counts.entries, 300, "what came meanwhile is not in it");
    assert_eq!(log(&mut alice.client).len() as u64, 300 + calls);
}
