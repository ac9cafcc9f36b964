//! Stores with something in them, for tests.

use quicprochat_server_core::store::{
    AccountRow, ArchiveRow, ChannelRow, Day, EntryRow, GroupInfoRow, InboxEntryRow, InboxRow, KeyRow, KeyringRow,
    Minute, PasswordRow, write,
};
use quicprochat_wire::{
    AccessPublicKey, AccountId, ChannelId, ChunkId, Digest, MessageId, ObjectId,
    call::{
        auth::StretchParams,
        channel::{ChainPoint, EntryKind},
    },
    chain,
};

use crate::store::SqliteStore;

/// A channel with a log of this length, a GroupInfo, a chunk and a keyring; entry 2 is a commit.
pub(crate) async fn channel(store: &SqliteStore, number: u8, length: u8) {
    let channel = ChannelId::new([number; 32]);
    let start = ChainPoint { position: 0, hash: chain::start(&channel) };
    let access = AccessPublicKey::new([number; 32]);
    let mut row = ChannelRow {
        access,
        access_since: 0,
        last_commit: start,
        last: start,
        first: 1,
        oldest: Some(Minute(5)),
        bytes: 0,
        group_infos: 1,
        group_info_bytes: 30,
        created_with: Digest::new([9; 32]),
    };
    let first = row;
    write(store, move |tx| {
        tx.channels().insert(&channel, &first)?;
        tx.channels().put_key(&channel, &access, KeyRow { since: 0, until: None })?;
        tx.channels().put_group_info(&channel, GroupInfoRow { at: start, sealed: vec![1; 10] })?;
        tx.channels().put_chunk(&channel, &ChunkId::new([3; 32]), vec![2; 20])?;
        Ok(tx.channels().put_keyring(&channel, KeyringRow { at: start, keyring: vec![4; 9] })?)
    })
    .await
    .expect("planted");
    for position in 1..=length {
        let kind = if position == 2 { EntryKind::Commit } else { EntryKind::Message };
        let (id, sealed) = (MessageId::new([position; 16]), vec![position; 40]);
        let hash = chain::link(&row.last.hash, position.into(), &id, kind, &row.last_commit, &sealed);
        let at = ChainPoint { position: position.into(), hash };
        let after_commit = row.last_commit;
        let entry = EntryRow { at, id, kind, after_commit, sealed, next_access: None, time: Minute(5) };
        row.last = at;
        row.bytes += 40;
        if kind == EntryKind::Commit {
            row.last_commit = at;
        }
        let now = row;
        // A transaction each, as when people write one after another.
        write(store, move |tx| Ok(tx.channels().append(&channel, &now, entry)?)).await.expect("appended");
    }
}

/// An account with this many entries in its inbox, and an archive of one object.
pub(crate) async fn inbox(store: &SqliteStore, entries: u8) {
    let account = AccountId::new([5; 32]);
    write(store, move |tx| {
        let stretch = StretchParams { memory_kib: 65536, iterations: 3, parallelism: 1 };
        let password = PasswordRow { record: vec![1; 8], stretch, version: 1 };
        tx.accounts().insert(&account, &AccountRow { name: "alice".to_owned(), password, created: Day(1) })?;
        for seq in 1..=entries {
            let row = InboxRow { last: seq.into(), entries: seq.into(), bytes: u64::from(seq) * 10 };
            let entry =
                InboxEntryRow { seq: seq.into(), id: MessageId::new([seq; 16]), sealed: vec![seq; 10], day: Day(1) };
            tx.inboxes().append(&account, &row, &entry)?;
        }
        tx.archives().insert(&account, &ObjectId::new([6; 16]), &[7; 50])?;
        Ok(tx.archives().set_row(&account, &ArchiveRow { objects: 1, bytes: 50 })?)
    })
    .await
    .expect("planted");
}
