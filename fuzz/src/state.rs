//! The account's state: what another device, or a server that holds its records, could give back for it.

use std::collections::BTreeSet;

use quicprochat_client_core::state::{Document, Key};
use quicprochat_e2ee::vault::{STATE_RECORDS, SealedShard, StateKey, open_account_state, seal_account_state};
use quicprochat_wire::{AccountId, ChannelId, Writer};

use crate::{cast::entropy, choice, sealing};

const ACCOUNT: AccountId = AccountId::new([1; 32]);
const KEY: [u8; 32] = [2; 32];
const VERSION: u64 = 3;
const TEA: ChannelId = ChannelId::new([4; 32]);

/// By the first byte: a document, the update in one, what is sealed as its only record.
pub fn account_state(bytes: &[u8]) {
    let Some((how, bytes)) = bytes.split_first() else { return };
    match how % 3 {
        0 => document(bytes),
        1 => document(&framed(bytes)),
        _ => record(bytes),
    }
}

/// What decodes says the same when it is encoded, and merges with what was there to the same in both orders.
fn document(bytes: &[u8]) {
    let Ok(theirs) = Document::decode(bytes, 9) else { return };
    let again = Document::decode(&theirs.encode(), 9).expect("its own bytes");
    assert_eq!(again.entries(), theirs.entries());
    let mine = mine();
    let merged = |one: &Document, other: &Document| {
        let mut merged = Document::decode(&one.encode(), 8).expect("its own bytes");
        merged.merge(other, &BTreeSet::new()).ok().map(|()| merged.entries())
    };
    // A client that wrote two different things under one number is beyond repair, but no two that are honest meet in this.
    if theirs.clock_of(CLIENT) == 0 {
        assert_eq!(merged(&mine, &theirs), merged(&theirs, &mine));
    }
    drop((merged(&mine, &theirs), merged(&theirs, &mine)));
    for key in theirs.entries().keys() {
        if let Some(parsed) = Key::parse(key) {
            assert_eq!(parsed.text(), *key);
        }
    }
}

fn record(bytes: &[u8]) {
    let head = Writer::labelled("qpc/1 vault record").fixed(ACCOUNT).u32(STATE_RECORDS).u64(VERSION).finish();
    let shard = SealedShard { id: STATE_RECORDS, version: VERSION, sealed: sealing::seal(&KEY, &head, bytes) };
    let key = StateKey::from_bytes(&KEY);
    let Ok(Some(content)) = open_account_state(&key, ACCOUNT, core::slice::from_ref(&shard)) else { return };
    let sealed = seal_account_state(&key, ACCOUNT, &content, 0, |_| VERSION, &mut entropy()).expect("it fitted");
    assert_eq!(open_account_state(&key, ACCOUNT, &sealed).expect("opens").as_deref(), Some(&*content));
}

fn framed(update: &[u8]) -> Vec<u8> {
    let none: [u8; 0] = [];
    let writer = Writer::new().u8(1).u64(0).fixed([0; 16]).list(&none, |writer, _| writer);
    writer.bytes(update).finish()
}

const CLIENT: u64 = 7;

fn mine() -> Document {
    let mut document = Document::new(CLIENT);
    document.set(&Key::Draft(TEA).text(), Some(b"half a"));
    document.set(&Key::Draft(TEA).text(), Some(b"half a sentence"));
    document.set(&Key::Pinned(TEA).text(), Some(b""));
    document.mark(TEA, 3);
    document
}

/// A document, its update, and its record.
pub fn account_state_seeds() -> Vec<Vec<u8>> {
    let mut theirs = Document::new(5);
    theirs.merge(&mine(), &BTreeSet::new()).expect("merges");
    theirs.set(&Key::Draft(TEA).text(), None);
    theirs.set(&Key::Relation(ACCOUNT).text(), Some(&[1]));
    theirs.set(&Key::Verified(ACCOUNT).text(), Some(&[6; 32]));
    let mut seeds = Vec::new();
    for document in [Document::new(1), mine(), theirs] {
        let bytes = document.encode();
        let frame = framed(&[]).len() + document.markers().count() * 40;
        seeds.push(choice(0, &bytes));
        seeds.push(choice(1, &bytes[frame..]));
        let head = Writer::new().u8(1).fixed([9; 16]).u8(0).u8(1).finish();
        seeds.push(choice(2, &[&head[..], &bytes, &[0x80, 0, 0]].concat()));
    }
    seeds
}
