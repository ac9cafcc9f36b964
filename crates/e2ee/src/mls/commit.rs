//! Commits of this device: staged, sent, and merged when they come back.

use openmls::prelude::{KeyPackage, LeafNodeIndex, LeafNodeParameters, MlsMessageOut, StagedCommit as MlsStagedCommit};
use openmls_traits::OpenMlsProvider as _;
use quicprochat_wire::mutant::{Mutant, is_on};
use sha2::{Digest as _, Sha256};
use tls_codec::Serialize as _;
use zeroize::Zeroizing;

use super::{
    Aad, CommitEffect, Group, OwnDevice, Profile, Provider, RecordBook,
    group::{Pending, context_extensions, keys_from_exporter},
    own::{self, refusal},
    records::Trusting,
    rules::{self, Certificates, Committer, Roster, Verdict},
};
use crate::{
    channel::ChannelKeys,
    error::{E2eeError, MlsStep, StateFault},
};

/// What a commit is to change, all at once. Nothing at all is an update of the own leaf.
#[derive(Clone, Default, Debug)]
pub struct Change {
    /// KeyPackages to add; the adder has verified their directory parts, and their certificates by
    /// [`super::inspect_key_package`]. If not, the commit counts for nobody.
    pub add: Vec<Vec<u8>>,
    /// Leaves to remove. Devices whose account stays are put onto the profile's list.
    pub remove: Vec<u32>,
    /// A new profile. Its `removed` list is set by this crate, whatever it holds.
    pub profile: Option<Profile>,
    /// Update the own leaf, too, where nothing else demands it.
    pub update: bool,
}

/// A commit that is staged and waits to be enqueued.
///
/// Secrets:  the keys; the Welcome's and the message's secrets are encrypted.
#[derive(Debug)]
pub struct PendingCommit {
    /// The commit (MLSMessage).
    pub message: Vec<u8>,
    /// The Welcome (MLSMessage) for all added devices, if any; see [`super::welcome_for`].
    pub welcome: Option<Vec<u8>>,
    /// GroupInfo (MLSMessage) of the epoch it begins.
    pub group_info: Vec<u8>,
    /// Ratchet tree of the epoch it begins.
    pub ratchet_tree: Vec<u8>,
    /// What it does; [`CommitEffect::keys`] are the channel's if it rolls.
    pub effect: CommitEffect,
}

impl Group {
    /// Builds a commit and keeps it as pending: the epoch in force stays until [`Self::merge_pending`].
    ///
    /// The own leaf is updated if anything is removed, if `own`'s identity hash is another than the leaf's, or if `change`
    /// says so.
    ///
    /// Errors:   [`StateFault`]; [`E2eeError::Forbidden`] if the commit would not count.
    pub fn stage_commit(
        &mut self,
        provider: &Provider<'_>,
        own: &OwnDevice,
        change: &Change,
        aad: &Aad,
    ) -> Result<PendingCommit, E2eeError> {
        self.check_ready()?;
        let roster = self.roster()?;
        let packages =
            change.add.iter().map(|bytes| own::parse_key_package(provider, bytes)).collect::<Result<Vec<_>, _>>()?;
        let profile = next_profile(&roster, change, &packages)?;
        let message = self.build(provider, own, change, packages, profile.as_ref(), aad)?;
        // OpenMLS has staged it; if the rules refuse it, it must not stay.
        let result = self.describe(provider, message);
        if result.is_err() {
            self.inner.clear_pending_commit(provider.storage())?;
        }
        let pending = result?;
        let digest = Sha256::digest(&pending.message).into();
        provider.storage().write_side(self.channel.as_bytes(), &Pending { digest, aad: aad.encode() })?;
        Ok(pending)
    }

    /// Makes the pending commit's epoch the one in force: call it when the log reaches it.
    ///
    /// Errors:   [`StateFault::NoPendingCommit`].
    pub fn merge_pending(&mut self, provider: &Provider<'_>) -> Result<(), E2eeError> {
        if self.inner.pending_commit().is_none() {
            return Err(StateFault::NoPendingCommit.into());
        }
        self.inner
            .merge_pending_commit(provider)
            .map_err(|error| refusal(&error, E2eeError::Mls { step: MlsStep::Merge }))?;
        Ok(provider.storage().delete_side(self.channel.as_bytes())?)
    }

    /// Drops the pending commit: it was refused for good. Nothing happens if there is none.
    pub fn clear_pending(&mut self, provider: &Provider<'_>) -> Result<(), E2eeError> {
        self.inner.clear_pending_commit(provider.storage())?;
        Ok(provider.storage().delete_side(self.channel.as_bytes())?)
    }

    /// Whether a commit is pending.
    #[must_use]
    pub fn has_pending(&self) -> bool {
        self.inner.pending_commit().is_some()
    }

    /// Encrypts an application message.
    ///
    /// Shape:    MLSMessage with a PrivateMessage.
    pub fn encrypt(
        &mut self,
        provider: &Provider<'_>,
        own: &OwnDevice,
        aad: &Aad,
        content: &[u8],
    ) -> Result<Vec<u8>, E2eeError> {
        if !self.is_member() {
            return Err(StateFault::NotAMember.into());
        }
        let refused = E2eeError::Mls { step: MlsStep::Encrypt };
        self.inner.set_aad(aad.encode());
        let before = if is_on(Mutant::RatchetNotKept) { self.secrets(provider)? } else { None };
        let message = self
            .inner
            .create_message(provider, &own.signer(), content)
            .map_err(|error| refusal(&error, refused.clone()))?;
        if let Some(before) = before {
            provider.storage().restore_message_secrets(self.inner.group_id(), &before)?;
        }
        message.to_bytes().map_err(|error| refusal(&error, refused))
    }

    fn secrets(&self, provider: &Provider<'_>) -> Result<Option<Zeroizing<Vec<u8>>>, E2eeError> {
        Ok(provider.storage().message_secrets_bytes(self.inner.group_id())?)
    }

    fn check_ready(&self) -> Result<(), StateFault> {
        if !self.is_member() {
            Err(StateFault::NotAMember)
        } else if self.has_pending() {
            Err(StateFault::PendingCommit)
        } else {
            Ok(())
        }
    }

    fn build(
        &mut self,
        provider: &Provider<'_>,
        own: &OwnDevice,
        change: &Change,
        packages: Vec<KeyPackage>,
        profile: Option<&Profile>,
        aad: &Aad,
    ) -> Result<Messages, E2eeError> {
        let refused = E2eeError::Mls { step: MlsStep::Commit };
        let credential = own.credential_with_key();
        let new_credential = self.inner.own_leaf_node().is_some_and(|leaf| *leaf.credential() != credential.credential);
        let empty = packages.is_empty() && change.remove.is_empty() && profile.is_none();
        let mut parameters = LeafNodeParameters::builder();
        if new_credential {
            parameters = parameters.with_credential_with_key(credential);
        }
        self.inner.set_aad(aad.encode());
        let mut builder = self
            .inner
            .commit_builder()
            .consume_proposal_store(false)
            .force_self_update(change.update || empty)
            .leaf_node_parameters(parameters.build())
            .propose_adds(packages)
            .propose_removals(change.remove.iter().copied().map(LeafNodeIndex::new));
        if let Some(profile) = profile {
            builder = builder
                .propose_group_context_extensions(context_extensions(profile, &refused)?)
                .map_err(|error| refusal(&error, refused.clone()))?;
        }
        let (message, welcome, group_info) = builder
            .load_psks(provider.storage())
            .map_err(|error| refusal(&error, refused.clone()))?
            .create_group_info(true)
            .build(provider.rand(), provider.crypto(), &own.signer(), |_| true)
            .map_err(|error| refusal(&error, refused.clone()))?
            .stage_commit(provider)
            .map_err(|error| refusal(&error, refused.clone()))?
            .into_messages();
        Ok(Messages { message, welcome, group_info: group_info.ok_or(refused)? })
    }

    fn describe(&self, provider: &Provider<'_>, messages: Messages) -> Result<PendingCommit, E2eeError> {
        let refused = E2eeError::Mls { step: MlsStep::Export };
        let bytes = |message: MlsMessageOut| message.to_bytes().map_err(|error| refusal(&error, refused.clone()));
        let staged = self.inner.pending_commit().ok_or(StateFault::NoPendingCommit)?;
        let tree = staged
            .export_ratchet_tree(provider.crypto(), self.inner.export_ratchet_tree())
            .map_err(|error| refusal(&error, refused.clone()))?
            .ok_or_else(|| refused.clone())?;
        Ok(PendingCommit {
            message: bytes(messages.message)?,
            welcome: messages.welcome.map(bytes).transpose()?,
            group_info: bytes(messages.group_info)?,
            ratchet_tree: tree.tls_serialize_detached().map_err(|error| refusal(&error, refused.clone()))?,
            effect: self.own_effect(provider, &Trusting, Certificates::Checked)?,
        })
    }

    /// What the pending commit does.
    ///
    /// Errors:   [`E2eeError::Forbidden`] if it does not count.
    pub(super) fn own_effect(
        &self,
        provider: &Provider<'_>,
        records: &dyn RecordBook,
        certificates: Certificates<'_>,
    ) -> Result<CommitEffect, E2eeError> {
        let staged = self.inner.pending_commit().ok_or(StateFault::NoPendingCommit)?;
        let proposed = rules::proposed(&self.inner, Committer::Member(self.own_leaf()), staged, certificates)?;
        let verdict = rules::judge(&self.roster()?, &proposed, records)?;
        self.effect(provider, staged, verdict)
    }

    /// What a staged commit does.
    pub(super) fn effect(
        &self,
        provider: &Provider<'_>,
        staged: &MlsStagedCommit,
        verdict: Verdict,
    ) -> Result<CommitEffect, E2eeError> {
        let removes_me = staged.self_removed();
        let keys = if removes_me {
            None
        } else {
            let exported = staged
                .export_secret(
                    provider.crypto(),
                    ChannelKeys::EXPORTER_LABEL,
                    self.channel.as_bytes(),
                    ChannelKeys::LEN,
                )
                .map_err(|error| refusal(&error, E2eeError::Mls { step: MlsStep::Export }))?;
            Some(keys_from_exporter(exported)?)
        };
        Ok(CommitEffect {
            epoch: staged.epoch().as_u64(),
            rolls: !verdict.removed.is_empty(),
            joined_externally: verdict.enters,
            committer: verdict.committer,
            added: verdict.added,
            removed: verdict.removed,
            profile: verdict.profile,
            removes_me,
            keys,
        })
    }
}

struct Messages {
    message: MlsMessageOut,
    welcome: Option<MlsMessageOut>,
    group_info: MlsMessageOut,
}

/// The profile that the commit must set, if any: the one asked for, and the devices it removes on the list.
///
/// The certificates of the packages are checked with the commit as a whole.
fn next_profile(roster: &Roster, change: &Change, packages: &[KeyPackage]) -> Result<Option<Profile>, E2eeError> {
    let (removed, mut after): (Vec<_>, Vec<_>) =
        roster.members.iter().cloned().partition(|member| change.remove.contains(&member.leaf));
    if let Some(leaf) = change.remove.iter().find(|leaf| removed.iter().all(|member| member.leaf != **leaf)) {
        return Err(StateFault::NoSuchLeaf { leaf: *leaf }.into());
    }
    for package in packages {
        let credential = rules::known_credential(package.leaf_node().credential())?;
        let key = quicprochat_wire::DeviceKey::new([0; 32]);
        after.push(super::Member { leaf: u32::MAX, credential, key });
    }
    let gone: Vec<_> = rules::removed_devices(&removed, &after).collect();
    if gone.is_empty() && change.profile.is_none() {
        return Ok(None);
    }
    let mut profile = change.profile.clone().unwrap_or_else(|| roster.profile.clone());
    profile.removed.clone_from(&roster.profile.removed);
    profile.removed.extend(gone);
    Ok(Some(profile))
}
