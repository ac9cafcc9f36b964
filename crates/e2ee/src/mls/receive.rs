//! Entries of the log, one after the other.

use openmls::{
    group::{ProcessMessageError, StageCommitError},
    prelude::{
        ApplyUpdatePathError, ContentType, MlsGroup, MlsMessageBodyIn, MlsMessageIn, PrivateMessageIn,
        ProcessedMessageContent, PublicMessageIn, Sender, StagedCommit as MlsStagedCommit,
    },
};
use openmls_traits::OpenMlsProvider as _;
use quicprochat_wire::call::channel::EntryKind;
use sha2::{Digest as _, Sha256};
use tls_codec::DeserializeBytes as _;
use zeroize::Zeroizing;

use super::{
    Aad, Group, Invalid, Member, Profile, Provider, RecordBook, StoreFault, Transcript,
    group::Pending,
    opened::{self, PrivateHead},
    own::refusal,
    rejoin,
    rules::{self, Certificates, Committer},
    transcript,
};
use crate::{
    channel::ChannelKeys,
    error::{E2eeError, MlsStep, RejoinCause},
};

/// What a commit does to the group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommitEffect {
    /// The epoch it begins.
    pub epoch: u64,
    /// Who commits, with the credential after the commit.
    pub committer: Member,
    /// Leaves it adds.
    pub added: Vec<Member>,
    /// Leaves it removes.
    pub removed: Vec<Member>,
    /// The new profile, if it sets one.
    pub profile: Option<Profile>,
    /// Whether it removes this device.
    pub removes_me: bool,
    /// Whether the committer entered by it, from outside (DESIGN M2); it is in no other list then.
    pub joined_externally: bool,
    /// Whether the channel's keys roll, as they do when anything is removed (DESIGN L7).
    pub rolls: bool,
    /// The keys from the exporter of the epoch it begins: the channel's next ones if it rolls, of no use if not. `None` if it
    /// removes this device.
    pub keys: Option<ChannelKeys>,
}

/// A commit that counts and waits to be merged.
#[derive(Debug)]
pub struct StagedCommit {
    /// What it does.
    pub effect: CommitEffect,
    inner: Box<MlsStagedCommit>,
}

/// What an entry is.
#[derive(Debug)]
pub enum Received {
    /// An application message.
    Message {
        /// Who wrote it.
        sender: Member,
        /// What was passed to [`Group::encrypt`].
        content: Vec<u8>,
    },
    /// Somebody's commit; nothing has changed until [`Group::merge_staged`].
    Commit(Box<StagedCommit>),
    /// The pending commit of this device; nothing has changed until [`Group::merge_pending`].
    OwnPending(Box<CommitEffect>),
    /// A message of this device, which cannot be decrypted again. The outbox knows its content by the entry's id.
    OwnMessage,
    /// It does not count, for all members alike. The entry keeps its place in the log.
    Skipped(Invalid),
}

impl Group {
    /// Takes the MLS message of the next entry.
    ///
    /// `records` are those of this entry: see [`super::EntryRecords`]. `keys` are the channel's in force, whose rejoin key every
    /// external commit must include.
    ///
    /// Errors:   [`E2eeError::NeedsRejoin`] where only this member cannot follow; [`E2eeError::Store`].
    pub fn receive(
        &mut self,
        provider: &Provider<'_>,
        kind: EntryKind,
        message: &[u8],
        entry: &Aad,
        records: &dyn RecordBook,
        keys: &ChannelKeys,
    ) -> Result<Received, E2eeError> {
        let taken = match self.pending_aad(provider, message)? {
            Some(aad) => self.take_pending(provider, kind, &aad, entry, records),
            None => self.process(provider, kind, message, entry, records, keys),
        };
        match taken {
            Ok(received) => Ok(received),
            Err(Refusal::Skip(reason)) => Ok(Received::Skipped(reason)),
            Err(Refusal::Fail(error)) => Err(error),
        }
    }

    /// Makes a commit's epoch the one in force. A pending commit of this device is dropped with it: it lost.
    pub fn merge_staged(&mut self, provider: &Provider<'_>, staged: StagedCommit) -> Result<(), E2eeError> {
        self.inner
            .merge_staged_commit(provider, *staged.inner)
            .map_err(|error| refusal(&error, E2eeError::Mls { step: MlsStep::Merge }))?;
        Ok(provider.storage().delete_side(self.channel.as_bytes())?)
    }

    /// The authenticated data of the pending commit, if `message` is that commit.
    fn pending_aad(&self, provider: &Provider<'_>, message: &[u8]) -> Result<Option<Vec<u8>>, E2eeError> {
        if !self.has_pending() {
            return Ok(None);
        }
        let digest: [u8; 32] = Sha256::digest(message).into();
        let pending: Option<Pending> = provider.storage().read_side(self.channel.as_bytes())?;
        Ok(pending.filter(|pending| pending.digest == digest).map(|pending| pending.aad))
    }

    /// Judges the pending commit as everybody else judges it. One that does not count is dropped.
    fn take_pending(
        &mut self,
        provider: &Provider<'_>,
        kind: EntryKind,
        aad: &[u8],
        entry: &Aad,
        records: &dyn RecordBook,
    ) -> Result<Received, Refusal> {
        let verdict = if kind != EntryKind::Commit {
            Err(Invalid::OtherKind)
        } else if *aad != entry.encode() {
            Err(Invalid::OtherEntry)
        } else {
            match self.own_effect(provider, records, Certificates::By(records)) {
                Ok(effect) => Ok(effect),
                Err(E2eeError::Forbidden(reason)) => Err(reason),
                Err(error) => return Err(error.into()),
            }
        };
        match verdict {
            Ok(effect) => Ok(Received::OwnPending(Box::new(effect))),
            Err(reason) => {
                self.clear_pending(provider)?;
                Err(reason.into())
            }
        }
    }

    fn process(
        &mut self,
        provider: &Provider<'_>,
        kind: EntryKind,
        message: &[u8],
        entry: &Aad,
        records: &dyn RecordBook,
        keys: &ChannelKeys,
    ) -> Result<Received, Refusal> {
        let bytes = message;
        let message = MlsMessageIn::tls_deserialize_exact_bytes(bytes).map_err(|_| Invalid::Malformed)?;
        // Only these two are anything here, whatever MLS knows besides.
        let body = message.extract();
        if let MlsMessageBodyIn::PublicMessage(message) = body {
            return self.process_external(provider, kind, bytes, message, entry, records, keys);
        }
        let MlsMessageBodyIn::PrivateMessage(message) = body else { return Err(Invalid::NotPrivate.into()) };
        if message.group_id() != self.inner.group_id() {
            return Err(Invalid::OtherGroup.into());
        }
        let (expected, found) = (self.epoch(), message.epoch().as_u64());
        if found != expected {
            return Err(Invalid::OtherEpoch { expected, found }.into());
        }
        match (kind, message.content_type()) {
            (EntryKind::Message, ContentType::Application) | (EntryKind::Commit, ContentType::Commit) => {}
            (_, ContentType::Proposal) => return Err(Invalid::ByReference.into()),
            (EntryKind::Message, ContentType::Commit) | (EntryKind::Commit, ContentType::Application) => {
                return Err(Invalid::OtherKind.into());
            }
        }
        if message.aad() != entry.encode() {
            return Err(Invalid::OtherEntry.into());
        }
        match kind {
            EntryKind::Message => self.process_content(provider, message),
            EntryKind::Commit => self.process_commit(provider, bytes, message, records),
        }
    }

    fn process_content(&mut self, provider: &Provider<'_>, message: PrivateMessageIn) -> Result<Received, Refusal> {
        let processed = self.inner.process_message(provider, message).map_err(refused)?;
        let Sender::Member(leaf) = *processed.sender() else { return Err(Invalid::Mls.into()) };
        match processed.into_content() {
            ProcessedMessageContent::ApplicationMessage(content) => {
                let sender = self.inner.members().find(|member| member.index == leaf).ok_or(Invalid::Mls)?;
                let sender = rules::known_member(&sender)?;
                Ok(Received::Message { sender, content: content.into_bytes() })
            }
            ProcessedMessageContent::OwnPrivateMessage => Ok(Received::OwnMessage),
            ProcessedMessageContent::StagedCommitMessage(_)
            | ProcessedMessageContent::ProposalMessage(_)
            | ProcessedMessageContent::ExternalJoinProposalMessage(_)
            | ProcessedMessageContent::OwnPendingCommit => Err(Invalid::OtherKind.into()),
        }
    }

    fn process_commit(
        &mut self,
        provider: &Provider<'_>,
        bytes: &[u8],
        message: PrivateMessageIn,
        records: &dyn RecordBook,
    ) -> Result<Received, Refusal> {
        let roster = self.roster()?;
        let secrets = provider.storage().message_secrets_bytes(self.inner.group_id()).map_err(E2eeError::from)?;
        provider.crypto().watch();
        let processed = self.inner.process_message(provider, message);
        let opened = provider.crypto().opened();
        let expected = || match &opened[..] {
            [sender_data, content] => {
                let input = opened::transcript_input(&PrivateHead::read(bytes)?, sender_data, content)?;
                transcript::after(&self.inner, &input)
            }
            _ => None,
        };
        let processed = processed.map_err(|error| match refused(error) {
            Refusal::Fail(E2eeError::NeedsRejoin { cause, .. }) => {
                judge_unread(&roster, &opened, records, cause, expected())
            }
            other @ (Refusal::Fail(_) | Refusal::Skip(_)) => other,
        })?;
        let sender = processed.sender().clone();
        let judged = match (processed.into_content(), sender) {
            (ProcessedMessageContent::StagedCommitMessage(staged), Sender::Member(leaf)) => {
                let committer = Committer::Member(leaf.u32());
                let proposed = rules::proposed(&self.inner, committer, &staged, Certificates::By(records));
                #[cfg(test)]
                if let [sender_data, content] = &opened[..] {
                    assert_eq!(opened::proposed(sender_data, content), proposed, "both ways to read a commit agree");
                    // Whoever is removed computes nothing.
                    if proposed.is_ok() && !staged.self_removed() {
                        let hash = transcript::digest(staged.group_context().confirmed_transcript_hash());
                        assert_eq!(expected().map(|transcript| transcript.hash), Some(hash), "and to hash it");
                    }
                }
                proposed.and_then(|proposed| rules::judge(&roster, &proposed, records)).map(|verdict| (staged, verdict))
            }
            (ProcessedMessageContent::OwnPrivateMessage, _) => Err(Invalid::NotOurs),
            _ => Err(Invalid::OtherKind),
        };
        match judged {
            Ok((staged, verdict)) => {
                let effect = self.effect(provider, &staged, verdict)?;
                Ok(Received::Commit(Box::new(StagedCommit { effect, inner: staged })))
            }
            Err(reason) => {
                self.forget(provider, secrets.as_deref().map(Vec::as_slice))?;
                Err(reason.into())
            }
        }
    }

    /// An external commit (DESIGN M2): read and judged from its bytes, then verified by OpenMLS with the rejoin key in force.
    #[expect(clippy::too_many_arguments, reason = "an entry, its two readings, and what it is judged by")]
    fn process_external(
        &mut self,
        provider: &Provider<'_>,
        kind: EntryKind,
        bytes: &[u8],
        message: PublicMessageIn,
        entry: &Aad,
        records: &dyn RecordBook,
        keys: &ChannelKeys,
    ) -> Result<Received, Refusal> {
        let read = opened::external(bytes, &rejoin::psk_id(&self.channel))?;
        if read.group != self.channel.as_bytes() {
            return Err(Invalid::OtherGroup.into());
        }
        let (expected, found) = (self.epoch(), read.epoch);
        if found != expected {
            return Err(Invalid::OtherEpoch { expected, found }.into());
        }
        if kind != EntryKind::Commit {
            return Err(Invalid::OtherKind.into());
        }
        if read.authenticated_data != entry.encode() {
            return Err(Invalid::OtherEntry.into());
        }
        let proposed = read.proposed?;
        let verdict = rules::judge(&self.roster()?, &proposed, records)?;
        let after = transcript::after(&self.inner, read.transcript_input);
        rejoin::lend_rejoin_key(provider, &self.channel, keys)?;
        let processed = self.inner.process_message(provider, message);
        provider.storage().forget_lent();
        let processed = processed.map_err(|error| external_refused(error, after))?;
        let sender = processed.sender().clone();
        let (ProcessedMessageContent::StagedCommitMessage(staged), Sender::NewMemberCommit) =
            (processed.into_content(), sender)
        else {
            return Err(Invalid::OtherKind.into());
        };
        // Its certificate was checked in the first reading, which this must equal.
        let again = rules::proposed(&self.inner, Committer::Outside, &staged, Certificates::Checked)?;
        if again != proposed {
            return Err(Invalid::Malformed.into());
        }
        #[cfg(test)]
        if !staged.self_removed() {
            let hash = transcript::digest(staged.group_context().confirmed_transcript_hash());
            assert_eq!(after.map(|transcript| transcript.hash), Some(hash), "the transcript is computed as MLS does");
        }
        let effect = self.effect(provider, &staged, verdict)?;
        Ok(Received::Commit(Box::new(StagedCommit { effect, inner: staged })))
    }

    /// Undoes what decrypting a commit changed. A commit that does not count must leave no trace: those for whom its path did
    /// not decrypt have none either, and a later entry may use the same generation.
    fn forget(&mut self, provider: &Provider<'_>, secrets: Option<&[u8]>) -> Result<(), E2eeError> {
        let group = self.inner.group_id().clone();
        provider.storage().restore_message_secrets(&group, secrets.ok_or(StoreFault::Damaged)?)?;
        self.inner = MlsGroup::load(provider.storage(), &group)?.ok_or(StoreFault::Damaged)?;
        Ok(())
    }
}

/// A commit that this member cannot follow: skipped if it does not count anyway.
///
/// A commit without a path holds nothing for this member alone, so if its confirmation tag is wrong, it is so for all.
fn judge_unread(
    roster: &rules::Roster,
    opened: &[Zeroizing<Vec<u8>>],
    records: &dyn RecordBook,
    cause: RejoinCause,
    expected: Option<Transcript>,
) -> Refusal {
    let rejoin = Refusal::Fail(E2eeError::NeedsRejoin { cause, expected });
    let [sender_data, content] = opened else { return rejoin };
    let judged = opened::proposed(sender_data, content)
        .and_then(|proposed| rules::judge(roster, &proposed, records).map(|_| proposed.path.is_some()));
    match judged {
        Err(reason) => reason.into(),
        Ok(false) if cause == RejoinCause::ConfirmationTag => Invalid::Mls.into(),
        Ok(_) => rejoin,
    }
}

/// Why an entry is not taken: skipped by all, or a failure of this member alone.
enum Refusal {
    Skip(Invalid),
    Fail(E2eeError),
}

impl From<Invalid> for Refusal {
    fn from(reason: Invalid) -> Self {
        Self::Skip(reason)
    }
}

impl From<E2eeError> for Refusal {
    fn from(error: E2eeError) -> Self {
        Self::Fail(error)
    }
}

/// Sorts OpenMLS's refusals: what depends on this member's own secrets or store is a failure, everything else a verdict.
fn refused(error: ProcessMessageError<StoreFault>) -> Refusal {
    tracing::debug!(?error, "MLS refused an entry");
    let rejoin = |cause| Refusal::Fail(E2eeError::NeedsRejoin { cause, expected: None });
    match error {
        ProcessMessageError::StorageError(fault) => Refusal::Fail(fault.into()),
        ProcessMessageError::LibraryError(_) => rejoin(RejoinCause::Library),
        ProcessMessageError::GroupStateError(_) => Refusal::Fail(crate::error::StateFault::NotAMember.into()),
        ProcessMessageError::InvalidCommit(error) => invalid_commit(error),
        ProcessMessageError::ValidationError(_) => Invalid::Undecryptable.into(),
        ProcessMessageError::IncompatibleWireFormat
        | ProcessMessageError::UnauthorizedExternalApplicationMessage
        | ProcessMessageError::UnauthorizedExternalCommitMessage
        | ProcessMessageError::UnsupportedProposalType => Invalid::Mls.into(),
    }
}

fn invalid_commit(error: StageCommitError) -> Refusal {
    let rejoin = |cause| Refusal::Fail(E2eeError::NeedsRejoin { cause, expected: None });
    if let StageCommitError::UpdatePathError(error) = &error {
        return match error {
            ApplyUpdatePathError::UnableToDecrypt
            | ApplyUpdatePathError::PathMismatch
            | ApplyUpdatePathError::MissingCiphertext => rejoin(RejoinCause::PathSecret),
            // So the library calls it when none of this member's keys fits the path.
            ApplyUpdatePathError::MissingSender | ApplyUpdatePathError::MissingOwnLeaf => {
                rejoin(RejoinCause::MissingKey)
            }
            ApplyUpdatePathError::LibraryError(_) => rejoin(RejoinCause::Library),
            ApplyUpdatePathError::PathLengthMismatch
            | ApplyUpdatePathError::ParentHashMismatch
            | ApplyUpdatePathError::MissingParentHash
            | ApplyUpdatePathError::TreeFull
            | ApplyUpdatePathError::InconsistentSenderIndex => Invalid::Mls.into(),
        };
    }
    if matches!(error, StageCommitError::ConfirmationTagMismatch) {
        rejoin(RejoinCause::ConfirmationTag)
    } else if matches!(error, StageCommitError::OwnKeyNotFound | StageCommitError::MissingDecryptionKey) {
        rejoin(RejoinCause::MissingKey)
    } else if matches!(error, StageCommitError::LibraryError(_)) {
        rejoin(RejoinCause::Library)
    } else if matches!(error, StageCommitError::MissingProposal) {
        Invalid::ByReference.into()
    } else if matches!(error, StageCommitError::PskError(_) | StageCommitError::DuplicatePskId(_)) {
        Invalid::ForbiddenProposal.into()
    } else {
        Invalid::Mls.into()
    }
}

/// As [`refused`], for an external commit that counts as far as it can be read.
///
/// A path secret that does not decrypt, or that does not fit the path's public keys, is this member's alone. One that fits is
/// the same for everybody, and so are the init secret, which the members of an epoch share, and the rejoin key, under whose
/// sister key the entry was opened: a tag that differs all the same differs for all. Were such a commit a reason to rejoin, one
/// entry with a wrong key would make every member leave its group.
fn external_refused(error: ProcessMessageError<StoreFault>, after: Option<Transcript>) -> Refusal {
    if let ProcessMessageError::InvalidCommit(
        error @ (StageCommitError::ConfirmationTagMismatch
        | StageCommitError::PskError(_)
        | StageCommitError::LibraryError(_)),
    ) = &error
    {
        tracing::debug!(?error, "an external commit does not confirm");
        return Invalid::RejoinKey.into();
    }
    match refused(error) {
        Refusal::Fail(E2eeError::NeedsRejoin { cause, .. }) => {
            Refusal::Fail(E2eeError::NeedsRejoin { cause, expected: after })
        }
        other @ (Refusal::Fail(_) | Refusal::Skip(_)) => other,
    }
}
