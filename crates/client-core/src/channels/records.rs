//! The book of identity parts announced in a conversation: whom keyrings are sealed to, and what joiners are handed.

use std::collections::{BTreeMap, BTreeSet};

use quicprochat_e2ee::{
    channel::{LEAVES_OF_A_PIECE, MOST_WHOLE_LEAVES},
    mls::EntryRecords,
};
use quicprochat_identity::{IdentityContent, InboxPublicKey, UnverifiedIdentity, VerifiedIdentity};
use quicprochat_wire::{AccountId, ChannelId, Digest, Timestamp, call::directory::Subject, time::Duration};
use sha2::{Digest as _, Sha256};

use crate::{
    engine::Cx,
    error::EngineError,
    fetch::{Fetch, Ticket},
    store::{AnnouncedRecord, Conversation},
};

/// Pause after a search that did not find everything.
const PAUSE: Duration = Duration::from_secs(300);

/// The search for records that a device which entered by its own commit was never shown (M2): in the book, among the contacts,
/// in the directory.
#[derive(Default)]
pub(crate) struct Search {
    lookups: BTreeMap<AccountId, Ticket>,
    /// Accounts that were looked up, and what there was.
    found: BTreeMap<AccountId, Option<Box<VerifiedIdentity>>>,
    rest_until: Option<Timestamp>,
}

impl Search {
    /// Whether a look-up is awaited.
    pub(crate) fn is_looking(&self) -> bool {
        !self.lookups.is_empty()
    }

    /// Finds the record of every leaf named by account and hash; returns how many have none, or `None` while look-ups are on
    /// their way.
    ///
    /// What the directory says under another hash was not announced in the group; it is signed by the account all the same, and
    /// says under which inbox key the account reads.
    pub(super) fn find(
        &mut self,
        cx: &mut Cx<'_>,
        channel: ChannelId,
        named: &BTreeSet<(AccountId, Digest)>,
        fetch: &mut Fetch,
    ) -> Result<Option<usize>, EngineError> {
        self.poll(cx, fetch);
        loop {
            // In a group of a thousand each look is a thousand rows: one when everything has been asked for, one when all answers are
            // there.
            if self.is_looking() {
                return Ok(None);
            }
            let missing = self.look(cx, channel, named, fetch)?;
            let known = self.found.len();
            // What fails at once is known at once.
            self.poll(cx, fetch);
            if !self.is_looking() && self.found.len() == known {
                return Ok(Some(missing));
            }
        }
    }

    /// Takes what is at hand into the book, and asks for the rest; returns for how many the directory has nothing.
    fn look(
        &mut self,
        cx: &Cx<'_>,
        channel: ChannelId,
        named: &BTreeSet<(AccountId, Digest)>,
        fetch: &mut Fetch,
    ) -> Result<usize, EngineError> {
        let mut missing = 0;
        let mut newest = None;
        for (account, hash) in named {
            if cx.tx.records().record_by_hash(&channel, hash)?.is_some() {
                continue;
            }
            if let Some(identity) = known_identity(cx, fetch, account, hash)? {
                put(cx, channel, identity)?;
                continue;
            }
            match self.found.get(account) {
                Some(Some(identity)) => {
                    let newest = match &mut newest {
                        Some(newest) => newest,
                        none => none.insert(newest_serials(cx, &channel)?),
                    };
                    let announced = newest.get(account).copied();
                    // What the directory says counts if the group names it, or if it is newer than anything that was announced.
                    if identity.hash() == *hash || announced.is_none_or(|announced| announced < identity.serial()) {
                        put(cx, channel, identity)?;
                        newest.insert(
                            *account,
                            announced.map_or(identity.serial(), |serial| serial.max(identity.serial())),
                        );
                    }
                }
                Some(None) => missing += 1,
                None => {
                    self.lookups.entry(*account).or_insert_with(|| fetch.ask(Subject::Account(*account)));
                }
            }
        }
        Ok(missing)
    }

    /// Takes the answers that came.
    pub(super) fn poll(&mut self, cx: &mut Cx<'_>, fetch: &mut Fetch) {
        let found = &mut self.found;
        self.lookups.retain(|account, ticket| {
            let Some(answer) = fetch.take(cx, *ticket) else { return true };
            let identity = answer.inspect_err(|error| tracing::debug!(%error, "a member's record is not found"));
            found.insert(*account, identity.ok().map(|record| Box::new(record.identity)));
            false
        });
    }

    /// Completes the book of a conversation that this device is in: how many accounts of members have no record, or `None` while
    /// look-ups are on their way.
    pub(super) fn complete(
        &mut self,
        cx: &mut Cx<'_>,
        conversation: &Conversation,
        fetch: &mut Fetch,
    ) -> Result<Option<usize>, EngineError> {
        self.poll(cx, fetch);
        if self.is_looking() {
            return Ok(None);
        }
        let known: BTreeSet<AccountId> =
            cx.tx.records().records_of(&conversation.channel)?.into_iter().map(|record| record.account).collect();
        let without = conversation.members.iter().filter(|member| !known.contains(&member.account));
        let named: BTreeSet<_> = without.map(|member| (member.account, member.identity_hash)).collect();
        if named.is_empty() {
            return Ok(Some(0));
        }
        if let Some(until) = self.rest_until {
            if cx.now < until {
                cx.wake(until);
                return Ok(Some(named.len()));
            }
            *self = Self::default();
        }
        let missing = self.find(cx, conversation.channel, &named, fetch)?;
        if missing.is_some_and(|missing| missing > 0) {
            self.rest_until = Some(cx.wake_after(PAUSE));
        }
        Ok(missing)
    }
}

/// The serial of each account's newest record in the book.
fn newest_serials(cx: &Cx<'_>, channel: &ChannelId) -> Result<BTreeMap<AccountId, u64>, EngineError> {
    let mut serials = BTreeMap::new();
    for record in cx.tx.records().records_of(channel)? {
        let newest = serials.entry(record.account).or_insert(record.serial);
        *newest = record.serial.max(*newest);
    }
    Ok(serials)
}

fn known_identity<'a>(
    cx: &Cx<'_>,
    fetch: &'a mut Fetch,
    account: &AccountId,
    hash: &Digest,
) -> Result<Option<&'a VerifiedIdentity>, EngineError> {
    let own = cx.own()?;
    if own.row.account == *account && own.identity_hash() == *hash {
        return fetch.stored(&own.row.identity).map(Some);
    }
    let Some(contact) = cx.tx.contacts().contact(account)? else { return Ok(None) };
    // Verifying costs much more than hashing, and most often another part is asked for.
    if hash_of(&contact.identity) != *hash {
        return Ok(None);
    }
    Ok(fetch.stored(&contact.identity).ok().filter(|identity| identity.hash() == *hash))
}

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
