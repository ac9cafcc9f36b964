//! The book of identity parts announced in a conversation: whom keyrings are sealed to, and what joiners are handed.

use std::collections::{BTreeMap, BTreeSet};

use quicprochat_e2ee::{
    channel::{LEAVES_OF_A_PIECE, MOST_WHOLE_LEAVES},
    mls::EntryRecords,
};
use quicprochat_identity::{IdentityContent, InboxPublicKey, UnverifiedIdentity};
use quicprochat_wire::{AccountId, ChannelId, Digest};
use sha2::{Digest as _, Sha256};

use crate::{
    engine::Cx,
    error::EngineError,
    store::{AnnouncedRecord, Conversation},
};

/// Adds the records of an entry that counted. Only those of members matter, and only members' commits bring any.
pub(crate) fn announce(
    cx: &Cx<'_>,
    channel: ChannelId,
    records: &EntryRecords,
    accounts: &[AccountId],
) -> Result<(), EngineError> {
    for identity in records.identities() {
        if accounts.contains(&identity.account()) {
            put(cx, channel, identity)?;
        }
    }
    Ok(())
}

/// Adds one.
pub(crate) fn put(cx: &Cx<'_>, channel: ChannelId, identity: &IdentityContent) -> Result<(), EngineError> {
    let record = AnnouncedRecord {
        channel,
        account: identity.account(),
        serial: identity.serial(),
        hash: identity.hash(),
        part: identity.signed_bytes().to_vec(),
    };
    Ok(cx.tx.records().put_record(&record)?)
}

/// The hash by which leaves name an identity part.
pub(crate) fn hash_of(part: &[u8]) -> Digest {
    Digest::new(Sha256::digest(part).into())
}

/// What somebody who joins needs beside the chunks of the GroupInfo: the record of every identity hash a leaf names, and each
/// member's newest. Of a large group the former are in the chunks, except where this device does not have them all.
pub(crate) fn for_joiner(cx: &Cx<'_>, conversation: &Conversation) -> Result<Vec<Vec<u8>>, EngineError> {
    let members: BTreeSet<AccountId> = conversation.members.iter().map(|member| member.account).collect();
    let all = cx.tx.records().records_of(&conversation.channel)?;
    let known: BTreeSet<Digest> = all.iter().map(|record| record.hash).collect();
    let piece = |leaf: u32| leaf / LEAVES_OF_A_PIECE;
    let whole = conversation.members.iter().all(|member| member.leaf < MOST_WHOLE_LEAVES);
    let unknown = conversation.members.iter().filter(|member| !known.contains(&member.identity_hash));
    let incomplete: BTreeSet<u32> = unknown.map(|member| piece(member.leaf)).collect();
    let stored = |leaf: u32| !whole && !incomplete.contains(&piece(leaf));
    let in_chunks: BTreeSet<Digest> =
        conversation.members.iter().filter(|member| stored(member.leaf)).map(|member| member.identity_hash).collect();
    let named: BTreeSet<Digest> = conversation.members.iter().map(|member| member.identity_hash).collect();
    let newest = newest(&all);
    let mut parts = Vec::new();
    for record in &all {
        if !members.contains(&record.account) || in_chunks.contains(&record.hash) {
            continue;
        }
        let is_newest = newest.get(&record.account).is_some_and(|newest| newest.hash == record.hash);
        if is_newest || named.contains(&record.hash) {
            parts.push(record.part.clone());
        }
    }
    Ok(parts)
}

/// The inbox key of each of `accounts` by its newest announced record; `also` is one that is about to be announced.
pub(crate) fn inbox_keys(
    cx: &Cx<'_>,
    channel: &ChannelId,
    accounts: &[AccountId],
    also: &[Vec<u8>],
) -> Result<Vec<InboxPublicKey>, EngineError> {
    let mut parts: BTreeMap<AccountId, (u64, Vec<u8>)> = BTreeMap::new();
    let mut take = |account: AccountId, serial: u64, part: &[u8]| {
        if parts.get(&account).is_none_or(|(known, _)| *known <= serial) {
            parts.insert(account, (serial, part.to_vec()));
        }
    };
    for record in cx.tx.records().records_of(channel)? {
        take(record.account, record.serial, &record.part);
    }
    for part in also {
        let identity = UnverifiedIdentity::parse(part).map_err(|_| EngineError::OwnState)?;
        take(identity.claimed().account(), identity.claimed().serial(), part);
    }
    let mut keys = Vec::new();
    for account in accounts {
        let Some((_, part)) = parts.get(account) else { continue };
        let identity = UnverifiedIdentity::parse(part).map_err(|_| EngineError::OwnState)?;
        keys.push(identity.claimed().inbox_key().clone());
    }
    Ok(keys)
}

fn newest(records: &[AnnouncedRecord]) -> BTreeMap<AccountId, &AnnouncedRecord> {
    let mut newest = BTreeMap::new();
    for record in records {
        let best = newest.entry(record.account).or_insert(record);
        if record.serial >= best.serial {
            *best = record;
        }
    }
    newest
}
