//! A group: creating, joining, loading, looking.

use openmls::{
    group::{MlsGroupJoinConfig, PURE_CIPHERTEXT_WIRE_FORMAT_POLICY},
    prelude::{
        CredentialType, Extension, ExtensionType, Extensions, GroupContext, GroupId, MlsGroup, MlsMessageBodyIn,
        MlsMessageIn, RatchetTreeIn, RequiredCapabilitiesExtension, SenderRatchetConfiguration, StagedWelcome,
        UnknownExtension,
    },
};
use openmls_traits::OpenMlsProvider as _;
use quicprochat_identity::{CREDENTIAL_TYPE, LeafCredential};
use quicprochat_wire::{ChannelId, DeviceKey};
use serde::{Deserialize, Serialize};
use tls_codec::{DeserializeBytes as _, Serialize as _};
use zeroize::Zeroizing;

use super::{
    OwnDevice, PROFILE_EXTENSION, Profile, Provider, RecordBook, StoreFault, Suite,
    own::{self, refusal},
    rules::{self, Invalid, Roster},
};
use crate::{
    channel::ChannelKeys,
    error::{E2eeError, MlsStep, StateFault},
};

/// How far a sender's ratchet may run ahead of what was received. Entries come in the order of the log; a sender loses a
/// generation only where an entry was never accepted.
const MAX_FORWARD: u32 = 2000;
/// How far a sender's entries may be out of the order in which they were encrypted (retries).
const MAX_BEHIND: u32 = 16;

/// How an MLSMessage with a GroupInfo begins: version mls10 and its wire format.
const GROUP_INFO_MESSAGE: [u8; 4] = [0, 1, 0, 4];

/// A member of a group: a leaf, which is a device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// Index of the leaf.
    pub leaf: u32,
    /// Who it is; its certificate is checked.
    pub credential: LeafCredential,
    /// The device's key.
    pub key: DeviceKey,
}

/// A group this device is a member of (or was, until the commit that removed it).
///
/// It lives in the store; an instance is loaded, changed through a [`Provider`] on the same transaction, and dropped if the
/// transaction fails.
pub struct Group {
    pub(super) inner: MlsGroup,
    /// The group's id: that of the channel it began in, which another one may have replaced since (DESIGN L11).
    pub(super) channel: ChannelId,
}

/// What we keep beside OpenMLS's state: the pending commit, by which its echo is recognised.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq)]
pub(super) struct Pending {
    /// SHA-256 of the message.
    pub(super) digest: [u8; 32],
    /// Its authenticated data.
    pub(super) aad: Vec<u8>,
}

impl Group {
    /// Creates the group of a new channel, with this device as its only member.
    ///
    /// Errors:   [`StateFault::Exists`] if the store has a group for the channel.
    pub fn create(
        provider: &Provider<'_>,
        own: &OwnDevice,
        channel: ChannelId,
        suite: Suite,
        profile: &Profile,
    ) -> Result<Self, E2eeError> {
        if Self::load(provider, channel)?.is_some() {
            return Err(StateFault::Exists.into());
        }
        let refused = E2eeError::Mls { step: MlsStep::Create };
        let inner = MlsGroup::builder()
            .with_group_id(group_id(&channel))
            .with_wire_format_policy(PURE_CIPHERTEXT_WIRE_FORMAT_POLICY)
            .padding_size(0)
            .max_past_epochs(0)
            .number_of_resumption_psks(0)
            .use_ratchet_tree_extension(false)
            .sender_ratchet_configuration(SenderRatchetConfiguration::new(MAX_BEHIND, MAX_FORWARD))
            .lifetime(own::unlimited())
            .ciphersuite(suite.ciphersuite())
            .with_group_context_extensions(context_extensions(profile, &refused)?)
            .with_capabilities(own::capabilities())
            .build(provider, &own.signer(), own.credential_with_key())
            .map_err(|error| refusal(&error, refused))?;
        Ok(Self { inner, channel })
    }

    /// Joins by a Welcome, with the tree from the channel's GroupInfo of the same commit.
    ///
    /// Everything that every commit is checked for is checked of the whole group, and that `records` has the identity part that
    /// each member's leaf names.
    ///
    /// Errors:   [`E2eeError::Forbidden`] for a group against the rules; [`StateFault::Exists`] if the store has a group for the
    ///           channel already (delete it first); [`E2eeError::Mls`] for anything that MLS refuses.
    pub fn join(
        provider: &Provider<'_>,
        channel: ChannelId,
        welcome: &[u8],
        ratchet_tree: &[u8],
        records: &dyn RecordBook,
    ) -> Result<Self, E2eeError> {
        if Self::load(provider, channel)?.is_some() {
            return Err(StateFault::Exists.into());
        }
        let refused = E2eeError::Mls { step: MlsStep::Join };
        let message = MlsMessageIn::tls_deserialize_exact_bytes(welcome).map_err(|_| Invalid::Malformed)?;
        let MlsMessageBodyIn::Welcome(welcome) = message.extract() else { return Err(Invalid::Malformed.into()) };
        let tree = RatchetTreeIn::tls_deserialize_exact_bytes(ratchet_tree).map_err(|_| Invalid::Malformed)?;
        let staged = StagedWelcome::build_from_welcome(provider, &join_config(), welcome)
            .map_err(|error| refusal(&error, refused.clone()))?
            .with_ratchet_tree(tree)
            // Lifetimes are unlimited, which the rules see to; a clock has no say.
            .skip_lifetime_validation()
            .build()
            .map_err(|error| refusal(&error, refused.clone()))?;
        if staged.group_context().group_id() != &group_id(&channel) {
            return Err(Invalid::OtherGroup.into());
        }
        Suite::from_ciphersuite(staged.group_context().ciphersuite())?;
        let members: Vec<_> = staged.members().collect();
        let roster = rules::whole_group(&members, staged.group_context().extensions().iter(), records)?;
        rules::check_records(&roster.members, records)?;
        let inner = staged.into_group(provider).map_err(|error| refusal(&error, refused))?;
        Ok(Self { inner, channel })
    }

    /// The group of a channel, if the store has one.
    ///
    /// Errors:   [`E2eeError::Store`], also if what is stored does not fit together.
    pub fn load(provider: &Provider<'_>, channel: ChannelId) -> Result<Option<Self>, E2eeError> {
        let Some(inner) = MlsGroup::load(provider.storage(), &group_id(&channel))? else { return Ok(None) };
        // The library walks the tree from this leaf without asking whether it is in it.
        if inner.is_active() && inner.own_leaf_node().is_none() {
            return Err(StoreFault::Damaged.into());
        }
        Ok(Some(Self { inner, channel }))
    }

    /// Deletes everything of a channel's group from the store, also if its state is damaged; nothing happens if there is none.
    pub fn discard(provider: &Provider<'_>, channel: ChannelId) -> Result<(), E2eeError> {
        Ok(provider.storage().sweep(&group_id(&channel))?)
    }

    /// Deletes everything of the group from the store.
    pub fn delete(mut self, provider: &Provider<'_>) -> Result<(), E2eeError> {
        provider.storage().delete_side(self.channel.as_bytes())?;
        Ok(self.inner.delete(provider.storage())?)
    }

    /// The group's id: that of its first channel.
    #[must_use]
    pub const fn channel(&self) -> ChannelId {
        self.channel
    }

    /// The epoch in force.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.inner.epoch().as_u64()
    }

    /// The suite, which never changes.
    pub fn suite(&self) -> Result<Suite, E2eeError> {
        Suite::from_ciphersuite(self.inner.ciphersuite())
    }

    /// The profile in force.
    pub fn profile(&self) -> Result<Profile, E2eeError> {
        Ok(self.roster()?.profile)
    }

    /// The members, by leaf.
    pub fn members(&self) -> Result<Vec<Member>, E2eeError> {
        Ok(self.roster()?.members)
    }

    /// The leaf of this device.
    #[must_use]
    pub fn own_leaf(&self) -> u32 {
        self.inner.own_leaf_index().u32()
    }

    /// Whether this device is still a member.
    #[must_use]
    pub fn is_member(&self) -> bool {
        self.inner.is_active()
    }

    /// Whether this device's leaf is still the one of its KeyPackage: it should update before it writes (DESIGN M3).
    #[must_use]
    pub fn has_fresh_leaf(&self) -> bool {
        let source = self.inner.own_leaf_node().map(openmls::treesync::LeafNode::leaf_node_source);
        matches!(source, Some(openmls::treesync::LeafNodeSource::KeyPackage(_))) && self.epoch() > 0
    }

    /// The keys that the exporter of the epoch in force yields. They are the channel's at epoch 0 and after a rolling commit,
    /// and at no other time (DESIGN L7).
    ///
    /// Source:   protocol.md section 7: label "qpc/1 channel", context the group's id.
    pub fn channel_keys(&self, provider: &Provider<'_>) -> Result<ChannelKeys, E2eeError> {
        let exported = self
            .inner
            .export_secret(provider.crypto(), ChannelKeys::EXPORTER_LABEL, self.channel.as_bytes(), ChannelKeys::LEN)
            .map_err(|error| refusal(&error, E2eeError::Mls { step: MlsStep::Export }))?;
        keys_from_exporter(exported)
    }

    /// The GroupInfo (MLSMessage) and the ratchet tree of the epoch in force, for a new channel.
    pub fn group_info(&self, provider: &Provider<'_>, own: &OwnDevice) -> Result<(Vec<u8>, Vec<u8>), E2eeError> {
        let refused = E2eeError::Mls { step: MlsStep::Export };
        let info = self
            .inner
            .export_group_info(provider.crypto(), &own.signer(), false)
            .map_err(|error| refusal(&error, refused.clone()))?;
        let info = info.to_bytes().map_err(|error| refusal(&error, refused.clone()))?;
        let tree = self.inner.export_ratchet_tree().tls_serialize_detached();
        Ok((info, tree.map_err(|error| refusal(&error, refused))?))
    }

    /// The ratchet tree of the epoch in force.
    pub fn ratchet_tree(&self) -> Result<Vec<u8>, E2eeError> {
        let tree = self.inner.export_ratchet_tree().tls_serialize_detached();
        tree.map_err(|error| refusal(&error, E2eeError::Mls { step: MlsStep::Export }))
    }

    /// Whether a GroupInfo (MLSMessage) is of the epoch in force: it has the same context, and so the same tree.
    ///
    /// A commit that counts for nobody stores a GroupInfo, too.
    pub fn is_described_by(&self, group_info: &[u8]) -> Result<bool, E2eeError> {
        let context = self.inner.public_group().group_context().tls_serialize_detached();
        let context = context.map_err(|error| refusal(&error, E2eeError::Mls { step: MlsStep::Export }))?;
        Ok(group_info.strip_prefix(&GROUP_INFO_MESSAGE).is_some_and(|content| content.starts_with(&context)))
    }

    /// Whether every member's identity hash has a record.
    ///
    /// Errors:   [`Invalid::MissingRecord`].
    pub fn check_records(&self, records: &dyn RecordBook) -> Result<(), E2eeError> {
        Ok(rules::check_records(&self.members()?, records)?)
    }

    pub(super) fn roster(&self) -> Result<Roster, Invalid> {
        rules::roster(self.inner.members(), self.inner.extensions().iter())
    }
}

impl core::fmt::Debug for Group {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Group({:?}, epoch {})", self.channel, self.epoch())
    }
}

/// How a group behaves that was joined.
pub(super) fn join_config() -> MlsGroupJoinConfig {
    MlsGroupJoinConfig::builder()
        .wire_format_policy(PURE_CIPHERTEXT_WIRE_FORMAT_POLICY)
        .padding_size(0)
        .max_past_epochs(0)
        .number_of_resumption_psks(0)
        .use_ratchet_tree_extension(false)
        .sender_ratchet_configuration(SenderRatchetConfiguration::new(MAX_BEHIND, MAX_FORWARD))
        .build()
}

pub(super) fn group_id(channel: &ChannelId) -> GroupId {
    GroupId::from_slice(channel.as_bytes())
}

pub(super) fn keys_from_exporter(exported: Vec<u8>) -> Result<ChannelKeys, E2eeError> {
    let exported = Zeroizing::new(exported);
    let bytes: &[u8; ChannelKeys::LEN] =
        exported.as_slice().try_into().map_err(|_| E2eeError::Mls { step: MlsStep::Export })?;
    Ok(ChannelKeys::from_bytes(bytes))
}

/// The group context: the profile and what every leaf must be capable of.
pub(super) fn context_extensions(
    profile: &Profile,
    refused: &E2eeError,
) -> Result<Extensions<GroupContext>, E2eeError> {
    let required = RequiredCapabilitiesExtension::new(
        &[ExtensionType::Unknown(PROFILE_EXTENSION)],
        &[],
        &[CredentialType::Other(CREDENTIAL_TYPE)],
    );
    Extensions::from_vec(vec![
        Extension::RequiredCapabilities(required),
        Extension::Unknown(PROFILE_EXTENSION, UnknownExtension(profile.encode())),
    ])
    .map_err(|error| refusal(&error, refused.clone()))
}
