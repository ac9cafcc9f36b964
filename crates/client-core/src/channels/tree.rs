//! Chunks of ratchet trees: which of them the server has, and fetching them.
//!
//! ```text
//!   own commit:  small tree ─────────────────────────────────────────▶ sealed whole
//!                large tree ──GroupInfo of the commit before──▶ chunks that changed are sealed ──▶ sent
//!                                └─unknown, or of another group──▶ all are
//!   entering:    GroupInfo ──▶ Gathering ──page by page──▶ GroupInfo and tree ──▶ records that the book does not have
//! ```

use std::collections::BTreeMap;

use quicprochat_e2ee::{
    E2eeError,
    channel::{
        ChannelKeys, ChunkList, GroupInfoBody, GroupInfoHead, OpenedGroupInfo, is_whole, open_group_info,
        seal_chunked_group_info, seal_group_info, seal_tree,
    },
    mls::Group,
};
use quicprochat_wire::{
    ChannelId, ChunkId, ConnectionKind, Digest, MessageId,
    call::channel::{ChainPoint, ChannelChunks, ChannelGroupInfo, GroupInfo, TreeChunks},
    entropy::random_below,
    limits::MAX_TREE_CHUNKS,
};

use super::{
    records,
    session::{ChannelCall, Session},
};
use crate::{
    engine::{Cx, Purpose, keys},
    error::EngineError,
    store::{Conversation, PendingCommit, PendingGroupInfo},
};

/// One commit in so many seals every chunk anew, so that what somebody spoilt does not stay for long.
const ALL_ANEW: u64 = 256;

/// Which chunks the server has, as far as this link knows.
#[derive(Default)]
pub(crate) struct TreeBook {
    known: Option<(ChainPoint, Option<ChunkList>)>,
    /// Of the own commit on its way.
    sent: Option<Sent>,
    /// Whether what the server has turned out to be something else than the last GroupInfo says.
    lied_to: bool,
}

struct Sent {
    id: MessageId,
    list: Option<ChunkList>,
    /// What was sealed, if only what changed was.
    body: Option<GroupInfoBody>,
}

impl TreeBook {
    /// The own commit stands there.
    pub(super) fn accepted(&mut self, id: &MessageId, at: ChainPoint) {
        if let Some(sent) = self.sent.take().filter(|sent| sent.id == *id) {
            self.known = Some((at, sent.list));
            self.lied_to = false;
        }
    }
}

/// Seals a GroupInfo: small trees whole, of others the chunks that changed since the tree and the list of `before`.
pub(super) fn seal(
    cx: &mut Cx<'_>,
    pending: &PendingCommit,
    body: &GroupInfoBody,
    before: Option<(&ChunkList, &[u8])>,
) -> Result<(PendingGroupInfo, Option<ChunkList>), EngineError> {
    let (keys, head) = (keys(&pending.next_keys), info_head(pending));
    let announced: BTreeMap<Digest, &Vec<u8>> =
        pending.records.iter().map(|part| (records::hash_of(part), part)).collect();
    let tx = cx.tx;
    let record = |hash: &Digest| {
        if let Some(part) = announced.get(hash) {
            return Ok(Some((*part).clone()));
        }
        Ok::<_, EngineError>(tx.records().record_by_hash(&head.channel, hash)?.map(|record| record.part))
    };
    let tree = seal_tree(&head.channel, &body.ratchet_tree, before, record, cx.entropy)?;
    let sealed = match &tree.list {
        None => seal_group_info(&keys, &head, body, cx.entropy)?,
        Some(list) => seal_chunked_group_info(&keys, &head, &body.group_info, list, cx.entropy)?,
    };
    Ok((PendingGroupInfo::sealed(sealed, tree.change), tree.list))
}

/// Seals the GroupInfo of a commit to enter with, after the commit whose tree and list are `before`.
pub(super) fn seal_entry(
    cx: &mut Cx<'_>,
    session: &mut Session,
    pending: &mut PendingCommit,
    before: Option<(&ChunkList, &[u8])>,
) -> Result<(), EngineError> {
    let PendingGroupInfo::Open { group_info, ratchet_tree } = &pending.group_info else { return Ok(()) };
    let body = GroupInfoBody { group_info: group_info.clone(), ratchet_tree: ratchet_tree.clone() };
    let before = before.filter(|_| !session.tree.lied_to && random_below(cx.entropy, ALL_ANEW) != 0);
    let (sealed, list) = seal(cx, pending, &body, before)?;
    let body = matches!(sealed, PendingGroupInfo::Sealed { ends_all: false, .. }).then_some(body);
    pending.group_info = sealed;
    session.tree.sent = Some(Sent { id: pending.id, list, body });
    Ok(())
}

/// The own commit, refused for good because of the chunks that it said are in use, as it may be sent once more: with all of them
/// anew. Anybody with the channel's keys can store a GroupInfo that names chunks which are not there, and must not stop those
/// who commit after it, least of all the commit that removes whoever did.
///
/// `None` where that was not it. What an earlier process sealed is not at hand any more; then the next commit seals all.
pub(super) fn sealed_anew(
    cx: &mut Cx<'_>,
    session: &mut Session,
    channel: &ChannelId,
    id: &MessageId,
) -> Result<Option<PendingCommit>, EngineError> {
    let pending = cx.tx.conversations().pending_commit(channel)?;
    let Some(mut pending) = pending.filter(|pending| pending.id == *id) else { return Ok(None) };
    if !matches!(pending.group_info, PendingGroupInfo::Sealed { ends_all: false, .. }) {
        return Ok(None);
    }
    session.tree.lied_to = true;
    let sent = session.tree.sent.take().filter(|sent| sent.id == *id);
    let Some(GroupInfoBody { group_info, ratchet_tree }) = sent.and_then(|sent| sent.body) else { return Ok(None) };
    tracing::warn!("the chunks of the tree are not those that the GroupInfo before names: all are sent");
    pending.group_info = PendingGroupInfo::Open { group_info, ratchet_tree };
    seal_entry(cx, session, &mut pending, None)?;
    Ok(Some(pending))
}

/// Seals the GroupInfo of a member's commit, once it is known which chunks the server has; asks for that first. Whether it can
/// be sent.
pub(super) fn ready(cx: &mut Cx<'_>, session: &mut Session, pending: &mut PendingCommit) -> Result<bool, EngineError> {
    let PendingGroupInfo::Open { ratchet_tree, .. } = &pending.group_info else { return Ok(true) };
    if is_whole(ratchet_tree)? {
        return seal_entry(cx, session, pending, None).map(|()| true);
    }
    let channel = pending.channel;
    let Some((_, list)) = session.tree.known.take().filter(|(at, _)| *at == pending.after) else {
        session.sending = true;
        let request = ChannelGroupInfo { channel, position: pending.after.position };
        let call = ChannelCall::ChunksInUse { after: pending.after };
        cx.call(ConnectionKind::Channel, request, Purpose::Channel(channel, call));
        return Ok(false);
    };
    let group = super::group_of(cx, &channel)?;
    let tree = match (&list, Group::load(&cx.provider(), group)?) {
        (Some(_), Some(group)) => Some(group.ratchet_tree()?),
        _ => None,
    };
    let before = list.as_ref().zip(tree.as_deref());
    seal_entry(cx, session, pending, before)?;
    Ok(true)
}

/// The GroupInfo of the commit that ours follows; `None` if there is none. Chunks of another group's tree are of no use: a
/// commit that counts for nobody leaves its GroupInfo as well.
pub(super) fn in_use(
    cx: &mut Cx<'_>,
    session: &mut Session,
    conversation: &Conversation,
    after: ChainPoint,
    info: Option<&GroupInfo>,
) -> Result<(), EngineError> {
    let channel = conversation.channel;
    let opened = info.filter(|info| info.at == after).map(|info| {
        let head = GroupInfoHead { channel, after_position: info.after_commit.position, commit: info.commit };
        open_group_info(&keys(&conversation.keys), &head, &info.sealed)
    });
    let mut list = None;
    if let Some(Ok(OpenedGroupInfo::Chunked { group_info, chunks })) = opened
        && let Some(group) = Group::load(&cx.provider(), conversation.group)?
        && group.is_described_by(&group_info)?
    {
        list = Some(chunks);
    }
    session.tree.known = Some((after, list));
    Ok(())
}

fn info_head(pending: &PendingCommit) -> GroupInfoHead {
    GroupInfoHead { channel: pending.channel, after_position: pending.after.position, commit: pending.id }
}

/// A GroupInfo whose tree is being fetched, and then the records of its members that are unknown.
pub(crate) struct Gathering {
    info: OpenedGroupInfo,
    missing: Vec<ChunkId>,
    chunks: BTreeMap<ChunkId, Vec<u8>>,
    /// Once the tree is there and is known to name them.
    records: Option<Vec<ChunkId>>,
}

impl Gathering {
    /// Opens a GroupInfo.
    pub(crate) fn begin(keys: &ChannelKeys, channel: ChannelId, info: &GroupInfo) -> Result<Self, E2eeError> {
        let head = GroupInfoHead { channel, after_position: info.after_commit.position, commit: info.commit };
        let info = open_group_info(keys, &head, &info.sealed)?;
        let missing = match &info {
            OpenedGroupInfo::Whole(_) => Vec::new(),
            OpenedGroupInfo::Chunked { chunks, .. } => chunks.ids(),
        };
        Ok(Self { info, missing, chunks: BTreeMap::new(), records: None })
    }

    /// What to ask for next, if anything.
    pub(crate) fn request(&self, channel: ChannelId) -> Option<ChannelChunks> {
        let ids: Vec<ChunkId> = self.missing.iter().take(MAX_TREE_CHUNKS).copied().collect();
        (!ids.is_empty()).then_some(ChannelChunks { channel, ids })
    }

    /// Takes an answer to [`Self::request`]. One without any chunk answers nothing: what it was to hold stays missing for good.
    pub(crate) fn take(&mut self, answer: TreeChunks) {
        if answer.chunks.is_empty() {
            self.missing.clear();
        }
        let count = answer.chunks.len().min(self.missing.len());
        for (id, chunk) in self.missing.drain(..count).zip(answer.chunks) {
            if !chunk.is_empty() {
                self.chunks.insert(id, chunk);
            }
        }
    }

    /// The chunks that it names, if it does.
    pub(crate) const fn list(&self) -> Option<&ChunkList> {
        match &self.info {
            OpenedGroupInfo::Whole(_) => None,
            OpenedGroupInfo::Chunked { chunks, .. } => Some(chunks),
        }
    }

    /// Puts everything together.
    ///
    /// Errors:   [`E2eeError::MissingChunk`], and those of a chunk that is not what it should be.
    pub(crate) fn finish(&self, channel: &ChannelId) -> Result<GroupInfoBody, E2eeError> {
        Ok(match &self.info {
            OpenedGroupInfo::Whole(body) => body.clone(),
            OpenedGroupInfo::Chunked { group_info, chunks } => {
                GroupInfoBody { group_info: group_info.clone(), ratchet_tree: chunks.open(channel, &self.chunks)? }
            }
        })
    }

    /// Asks next for the records that leaves of the tree name and that are not `known`, if it was not done before.
    pub(crate) fn want_records(
        &mut self,
        tree: &[u8],
        known: impl Fn(&Digest) -> Result<bool, EngineError>,
    ) -> Result<(), EngineError> {
        if self.records.is_none() {
            let ids = self.list().map_or_else(|| Ok(Vec::new()), |list| list.record_ids(tree, known))?;
            self.missing.clone_from(&ids);
            self.records = Some(ids);
        }
        Ok(())
    }

    /// The records that came, once. A chunk that is not what it should be holds none: what it was to hold is missing, which whoever
    /// enters finds out by the hashes that the leaves name.
    pub(crate) fn records(&mut self, channel: &ChannelId) -> Vec<Vec<u8>> {
        let ids = self.records.as_mut().map(core::mem::take).unwrap_or_default();
        let mut parts = Vec::new();
        let Some(list) = self.list() else { return parts };
        for id in ids {
            let opened = match self.chunks.get(&id) {
                Some(sealed) => list.open_records(channel, &id, sealed),
                None => Err(E2eeError::MissingChunk { id }),
            };
            match opened {
                Ok(opened) => parts.extend(opened),
                Err(error) => tracing::warn!(?error, "records of members cannot be had from the channel"),
            }
        }
        parts
    }
}
