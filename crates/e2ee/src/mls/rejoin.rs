//! Entering a group again, by external commit (DESIGN M2).
//!
//! ```text
//!   GroupInfo and tree of the last commit ──inspect_group_info──▶ whole group checked, GroupSummary
//!                                         └─Group::rejoin──▶ new Group at the next epoch, PendingCommit
//! ```

use openmls::{
    group::{ExternalCommitBuilderError, ExternalCommitBuilderFinalizeError},
    messages::group_info::VerifiableGroupInfo,
    prelude::{
        LeafNodeParameters, MlsGroup, MlsMessageBodyIn, MlsMessageIn, MlsMessageOut, PreSharedKeyProposal,
        ProposalStore, PublicGroup, RatchetTreeIn,
    },
    schedule::{ExternalPsk, PreSharedKeyId, Psk},
};
use openmls_traits::OpenMlsProvider as _;
use quicprochat_wire::{ChannelId, Digest, Writer};
use tls_codec::{DeserializeBytes as _, Serialize as _};

use super::{
    Aad, CommitEffect, EntryRecords, Group, Member, MemoryMlsStore, OwnDevice, PendingCommit, Profile, Provider,
    StoreFault, Suite, Transcript,
    group::{group_id, join_config},
    own::{self, refusal},
    records::Trusting,
    rules::{self, Committer, Invalid, Proposed, Roster, Verdict},
    storage::Storage,
    transcript,
};
use crate::{
    channel::{ChannelKeys, GroupInfoBody},
    error::{E2eeError, MlsStep},
};

const REFUSED: E2eeError = E2eeError::Mls { step: MlsStep::Rejoin };

/// A group as its GroupInfo shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupSummary {
    /// Its id.
    pub group: ChannelId,
    /// Epoch and transcript.
    pub transcript: Transcript,
    /// Hash of its tree.
    pub tree_hash: Digest,
    /// Its suite.
    pub suite: Suite,
    /// Its profile.
    pub profile: Profile,
    /// Its members, by leaf, with their certificates checked.
    pub members: Vec<Member>,
}

/// Checks a channel's GroupInfo and tree: the signature of the member who made it, and the whole group as whoever joins by
/// Welcome does.
///
/// That each member's identity hash has a record is for [`Group::check_records`].
///
/// Errors:   [`E2eeError::Forbidden`] for a group against the rules or of another channel; [`E2eeError::Mls`] for what MLS
///           refuses; [`E2eeError::Unsupported`] for another suite.
pub fn inspect_group_info(
    provider: &Provider<'_>,
    channel: ChannelId,
    info: &GroupInfoBody,
) -> Result<GroupSummary, E2eeError> {
    let (group, roster) = outside(provider, channel, info)?;
    let context = group.group_context();
    Ok(GroupSummary {
        group: channel,
        transcript: Transcript {
            epoch: context.epoch().as_u64(),
            hash: transcript::digest(context.confirmed_transcript_hash()),
        },
        tree_hash: transcript::digest(context.tree_hash()),
        suite: Suite::from_ciphersuite(group.ciphersuite())?,
        profile: roster.profile,
        members: roster.members,
    })
}

/// The group that a GroupInfo says it is of. Nothing of it is checked: [`inspect_group_info`] does that.
///
/// Whoever enters a channel that replaced another one learns the group's id from it.
///
/// Errors:   [`E2eeError::Forbidden`] if it does not parse, or names no group of ours.
pub fn named_group(info: &GroupInfoBody) -> Result<ChannelId, E2eeError> {
    let (group_info, _) = parse(info)?;
    Ok(ChannelId::from_slice(group_info.group_id().as_slice()).ok_or(Invalid::OtherGroup)?)
}

impl Group {
    /// Enters a channel's group by external commit, in place of this device's own leaf if it has one there.
    ///
    /// `info` is that of the last commit, `keys` are those in force, and `aad` is of the entry that is to carry the commit. The
    /// group returned is at the commit's epoch already and in the store, in place of any other of the channel: if the commit is
    /// refused as stale, all of it is to be dropped with [`Self::discard`].
    ///
    /// Errors:   those of [`inspect_group_info`]; [`E2eeError::Forbidden`] if the commit would not count.
    pub fn rejoin(
        provider: &Provider<'_>,
        own: &OwnDevice,
        channel: ChannelId,
        keys: &ChannelKeys,
        info: &GroupInfoBody,
        aad: &Aad,
    ) -> Result<(Self, PendingCommit), E2eeError> {
        let (_, roster) = outside(provider, channel, info)?;
        let verdict = judge_entry(&roster, own)?;
        Self::discard(provider, channel)?;
        let psk = lend_rejoin_key(provider, &channel, keys)?;
        let built = build(provider, own, info, psk, aad);
        provider.storage().forget_lent();
        let (inner, message, group_info) = built?;
        let group = Self { inner, channel };
        if group.own_leaf() != verdict.committer.leaf {
            return Err(REFUSED);
        }
        let tree = group.inner.export_ratchet_tree().tls_serialize_detached();
        let pending = PendingCommit {
            message,
            welcome: None,
            group_info,
            ratchet_tree: tree.map_err(|error| refusal(&error, REFUSED))?,
            effect: CommitEffect {
                epoch: group.epoch(),
                joined_externally: true,
                rolls: !verdict.removed.is_empty(),
                committer: verdict.committer,
                added: Vec::new(),
                removed: verdict.removed,
                profile: None,
                removes_me: false,
                keys: Some(group.channel_keys(provider)?),
            },
        };
        Ok((group, pending))
    }
}

/// Names the rejoin key in a PreSharedKeyID.
///
/// Source:   protocol.md section 7: `label("qpc/1 rejoin") || group id`.
pub(super) fn psk_id(channel: &ChannelId) -> Vec<u8> {
    Writer::labelled("qpc/1 rejoin").fixed(channel).finish()
}

/// Lends the rejoin key to OpenMLS under its name, until [`Storage::forget_lent`].
pub(super) fn lend_rejoin_key(
    provider: &Provider<'_>,
    channel: &ChannelId,
    keys: &ChannelKeys,
) -> Result<PreSharedKeyId, E2eeError> {
    let psk = Psk::External(ExternalPsk::new(psk_id(channel)));
    // Both suites hash with SHA-256, whose length is the nonce's.
    let suite = Suite::Hybrid.ciphersuite();
    let id = PreSharedKeyId::new(suite, provider.rand(), psk).map_err(|error| refusal(&error, REFUSED))?;
    id.store(provider, keys.rejoin_key()).map_err(|error| refusal(&error, REFUSED))?;
    Ok(id)
}

/// The entry of this device, judged as everybody will judge it. Its record is the caller's to attach.
fn judge_entry(roster: &Roster, own: &OwnDevice) -> Result<Verdict, E2eeError> {
    let same_device =
        |member: &&Member| (member.credential.account, member.credential.device) == (own.account, own.device);
    let before = roster.members.iter().find(same_device);
    if before.is_some_and(|member| member.key != own.secret.public()) {
        return Err(Invalid::OtherDevice.into());
    }
    let proposed = Proposed {
        committer: Committer::Outside,
        removed: before.map(|member| member.leaf).into_iter().collect(),
        path: Some(own.leaf()),
        ..Proposed::default()
    };
    Ok(rules::judge(roster, &proposed, &Trusting)?)
}

/// OpenMLS removes the leaf with the same signature key by itself, which [`judge_entry`] foresaw.
fn build(
    provider: &Provider<'_>,
    own: &OwnDevice,
    info: &GroupInfoBody,
    psk: PreSharedKeyId,
    aad: &Aad,
) -> Result<(MlsGroup, Vec<u8>, Vec<u8>), E2eeError> {
    let (group_info, tree) = parse(info)?;
    let leaf = LeafNodeParameters::builder().with_capabilities(own::capabilities()).build();
    let (group, bundle) = MlsGroup::external_commit_builder()
        .with_ratchet_tree(tree)
        .with_config(join_config())
        .with_aad(aad.encode())
        // Lifetimes are unlimited; a clock has no say.
        .skip_lifetime_validation()
        .build_group(provider, group_info, own.credential_with_key())
        .map_err(|error| {
            if let ExternalCommitBuilderError::StorageError(fault) = error {
                fault.into()
            } else {
                refusal(&error, REFUSED)
            }
        })?
        .leaf_node_parameters(leaf)
        .add_psk_proposal(PreSharedKeyProposal::new(psk))
        .load_psks(provider.storage())
        .map_err(|error| refusal(&error, REFUSED))?
        .create_group_info(true)
        .build(provider.rand(), provider.crypto(), &own.signer(), |_| true)
        .map_err(|error| refusal(&error, REFUSED))?
        .finalize(provider)
        .map_err(|error| {
            if let ExternalCommitBuilderFinalizeError::StorageError(fault) = error {
                fault.into()
            } else {
                refusal(&error, REFUSED)
            }
        })?;
    let (message, _, group_info) = bundle.into_messages();
    let bytes = |message: MlsMessageOut| message.to_bytes().map_err(|error| refusal(&error, REFUSED));
    Ok((group, bytes(message)?, bytes(group_info.ok_or(REFUSED)?)?))
}

fn parse(info: &GroupInfoBody) -> Result<(VerifiableGroupInfo, RatchetTreeIn), Invalid> {
    let message = MlsMessageIn::tls_deserialize_exact_bytes(&info.group_info).map_err(|_| Invalid::Malformed)?;
    let MlsMessageBodyIn::GroupInfo(group_info) = message.extract() else { return Err(Invalid::Malformed) };
    let tree = RatchetTreeIn::tls_deserialize_exact_bytes(&info.ratchet_tree).map_err(|_| Invalid::Malformed)?;
    // A tree inside would be taken in place of ours.
    if group_info.extensions().ratchet_tree().is_some() {
        return Err(Invalid::Malformed);
    }
    Ok((group_info, tree))
}

/// The group as it shows itself to somebody outside.
fn outside(
    provider: &Provider<'_>,
    channel: ChannelId,
    info: &GroupInfoBody,
) -> Result<(PublicGroup, Roster), E2eeError> {
    let (group_info, tree) = parse(info)?;
    if *group_info.group_id() != group_id(&channel) {
        return Err(Invalid::OtherGroup.into());
    }
    Suite::from_ciphersuite(group_info.ciphersuite())?;
    // The library stores what it checks; nothing of that is to stay.
    let nowhere = MemoryMlsStore::new();
    let (group, _) = PublicGroup::from_external::<_, StoreFault>(
        provider.crypto(),
        &Storage::new(&nowhere),
        tree,
        group_info,
        ProposalStore::default(),
    )
    .map_err(|error| refusal(&error, REFUSED))?;
    let members: Vec<_> = group.members().collect();
    let roster = rules::whole_group(&members, group.group_context().extensions().iter(), &EntryRecords::default())?;
    Ok((group, roster))
}
