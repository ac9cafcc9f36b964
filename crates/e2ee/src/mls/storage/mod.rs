//! OpenMLS's storage over [`MlsStore`]: CBOR values, in pages when they are large.
//!
//! Shape:    key = label byte || first 16 bytes of SHA-256(label byte || CBOR of the parts of OpenMLS's key), and 16 bytes more
//!           for pages; see [`pages`] for the values, whose first byte is their version.

mod encode;
mod pages;

use core::cell::RefCell;
use std::collections::BTreeMap;

use openmls::prelude::{GroupContext, GroupId, LeafNodeIndex};
use openmls_traits::storage::{CURRENT_VERSION as V, Entity, StorageProvider, traits};
use serde::Serialize;
use serde_bytes::ByteBuf;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::store::{MlsStore, StoreFault};

/// The storage of a [`Provider`](super::Provider).
pub struct Storage<'a> {
    store: &'a dyn MlsStore,
    /// Pre-shared keys, for as long as this lives: none is ever stored.
    lent: RefCell<BTreeMap<Vec<u8>, Zeroizing<Vec<u8>>>>,
}

/// What a value is. Numbers are stored and never reused.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Label {
    JoinConfig = 1,
    OwnLeafNodes = 2,
    Proposal = 3,
    ProposalRefs = 4,
    Tree = 5,
    InterimTranscriptHash = 6,
    Context = 7,
    ConfirmationTag = 8,
    GroupState = 9,
    MessageSecrets = 10,
    ResumptionPsks = 11,
    OwnLeafIndex = 12,
    EpochSecrets = 13,
    SignatureKeyPair = 14,
    EncryptionKeyPair = 15,
    EpochKeyPairs = 16,
    KeyPackage = 17,
    Psk = 18,
    /// Ours, not OpenMLS's: see `super::group`.
    Side = 19,
}

impl Label {
    /// Values of which a group has one, under its id.
    const OF_A_GROUP: [Self; 12] = [
        Self::JoinConfig,
        Self::OwnLeafNodes,
        Self::ProposalRefs,
        Self::Tree,
        Self::InterimTranscriptHash,
        Self::Context,
        Self::ConfirmationTag,
        Self::GroupState,
        Self::MessageSecrets,
        Self::OwnLeafIndex,
        Self::EpochSecrets,
        Self::ResumptionPsks,
    ];
}

impl<'a> Storage<'a> {
    pub(super) fn new(store: &'a dyn MlsStore) -> Self {
        Self { store, lent: RefCell::default() }
    }

    /// Writes a value of our own that belongs to a group.
    pub(super) fn write_side<T: Serialize>(&self, group: &[u8], value: &T) -> Result<(), StoreFault> {
        self.write(Label::Side, &serde_bytes::Bytes::new(group), value)
    }

    /// Reads a value of our own that belongs to a group.
    pub(super) fn read_side<T: serde::de::DeserializeOwned>(&self, group: &[u8]) -> Result<Option<T>, StoreFault> {
        self.read_any(Label::Side, &serde_bytes::Bytes::new(group))
    }

    /// Deletes a value of our own that belongs to a group.
    pub(super) fn delete_side(&self, group: &[u8]) -> Result<(), StoreFault> {
        self.remove(Label::Side, &serde_bytes::Bytes::new(group))
    }

    /// Forgets the pre-shared keys lent to OpenMLS.
    pub(super) fn forget_lent(&self) {
        self.lent.borrow_mut().clear();
    }

    /// Removes everything of a group, also if it cannot be loaded as a whole.
    ///
    /// Key pairs lie under their epoch and leaf, so they are found only if those two can be read.
    pub(super) fn sweep(&self, group: &GroupId) -> Result<(), StoreFault> {
        let context: Result<Option<GroupContext>, StoreFault> = self.read_any(Label::Context, group);
        let leaf: Result<Option<LeafNodeIndex>, StoreFault> = self.read_any(Label::OwnLeafIndex, group);
        if let (Ok(Some(context)), Ok(Some(leaf))) = (context, leaf) {
            let key = storage_key(Label::EpochKeyPairs, &(group, context.epoch(), leaf.u32()))?;
            pages::sweep(self.store, &key)?;
        }
        let side = storage_key(Label::Side, &serde_bytes::Bytes::new(group.as_slice()))?;
        pages::sweep(self.store, &side)?;
        Label::OF_A_GROUP.iter().try_for_each(|label| pages::sweep(self.store, &storage_key(*label, group)?))
    }

    /// A group's message secrets as they are stored, so that they can be put back.
    pub(super) fn message_secrets_bytes<G: traits::GroupId<V>>(
        &self,
        group: &G,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, StoreFault> {
        pages::read(self.store, &storage_key(Label::MessageSecrets, group)?)
    }

    /// Puts back what [`Self::message_secrets_bytes`] returned.
    pub(super) fn restore_message_secrets<G: traits::GroupId<V>>(
        &self,
        group: &G,
        content: &[u8],
    ) -> Result<(), StoreFault> {
        let mut bytes = Zeroizing::new(vec![0]);
        bytes.extend_from_slice(content);
        pages::write(self.store, &storage_key(Label::MessageSecrets, group)?, &mut bytes)
    }

    fn write<K: Serialize, T: Serialize>(&self, label: Label, key: &K, value: &T) -> Result<(), StoreFault> {
        let mut bytes = Zeroizing::new(vec![0]);
        encode::encode_onto(&mut bytes, value)?;
        pages::write(self.store, &storage_key(label, key)?, &mut bytes)
    }

    fn read<K: Serialize, T: Entity<V>>(&self, label: Label, key: &K) -> Result<Option<T>, StoreFault> {
        self.read_any(label, key)
    }

    fn read_any<K: Serialize, T: serde::de::DeserializeOwned>(
        &self,
        label: Label,
        key: &K,
    ) -> Result<Option<T>, StoreFault> {
        pages::read(self.store, &storage_key(label, key)?)?.map(|bytes| encode::decode(&bytes)).transpose()
    }

    fn remove<K: Serialize>(&self, label: Label, key: &K) -> Result<(), StoreFault> {
        pages::delete(self.store, &storage_key(label, key)?)
    }

    fn list<K: Serialize>(&self, label: Label, key: &K) -> Result<Vec<ByteBuf>, StoreFault> {
        Ok(self.read_any(label, key)?.unwrap_or_default())
    }

    fn typed_list<K: Serialize, T: Entity<V>>(&self, label: Label, key: &K) -> Result<Vec<T>, StoreFault> {
        self.list(label, key)?.iter().map(|item| encode::decode(item)).collect()
    }

    fn append<K: Serialize, T: Serialize>(&self, label: Label, key: &K, item: &T) -> Result<(), StoreFault> {
        let mut list = self.list(label, key)?;
        list.push(encoded(item)?);
        self.write(label, key, &list)
    }
}

fn encoded<T: Serialize>(item: &T) -> Result<ByteBuf, StoreFault> {
    let mut bytes = Zeroizing::default();
    encode::encode_onto(&mut bytes, item)?;
    Ok(ByteBuf::from(bytes.to_vec()))
}

fn storage_key<K: Serialize>(label: Label, key: &K) -> Result<Vec<u8>, StoreFault> {
    let label = label as u8;
    let mut bytes = Zeroizing::new(vec![label]);
    encode::encode_onto(&mut bytes, key)?;
    let digest = Sha256::digest(&bytes);
    Ok(core::iter::once(label).chain(digest.into_iter().take(16)).collect())
}

/// Values of a group of which there is one, as `label: bound, write, read, delete`.
macro_rules! group_values {
    ($($label:ident: $bound:ident, $write:ident, $read:ident, $delete:ident;)*) => {$(
        fn $write<G: traits::GroupId<V>, T: traits::$bound<V>>(&self, group: &G, value: &T) -> Result<(), StoreFault> {
            self.write(Label::$label, group, value)
        }

        fn $read<G: traits::GroupId<V>, T: traits::$bound<V>>(&self, group: &G) -> Result<Option<T>, StoreFault> {
            self.read(Label::$label, group)
        }

        fn $delete<G: traits::GroupId<V>>(&self, group: &G) -> Result<(), StoreFault> {
            self.remove(Label::$label, group)
        }
    )*};
}

impl StorageProvider<V> for Storage<'_> {
    type Error = StoreFault;

    group_values! {
        JoinConfig: MlsGroupJoinConfig, write_mls_join_config, mls_group_join_config, delete_group_config;
        Tree: TreeSync, write_tree, tree, delete_tree;
        Context: GroupContext, write_context, group_context, delete_context;
        MessageSecrets: MessageSecrets, write_message_secrets, message_secrets, delete_message_secrets;
        OwnLeafIndex: LeafNodeIndex, write_own_leaf_index, own_leaf_index, delete_own_leaf_index;
        EpochSecrets: GroupEpochSecrets, write_group_epoch_secrets, group_epoch_secrets, delete_group_epoch_secrets;
        ConfirmationTag: ConfirmationTag, write_confirmation_tag, confirmation_tag, delete_confirmation_tag;
        InterimTranscriptHash: InterimTranscriptHash,
            write_interim_transcript_hash, interim_transcript_hash, delete_interim_transcript_hash;
        ResumptionPsks: ResumptionPskStore,
            write_resumption_psk_store, resumption_psk_store, delete_all_resumption_psk_secrets;
    }

    fn write_group_state<T: traits::GroupState<V>, G: traits::GroupId<V>>(
        &self,
        group: &G,
        value: &T,
    ) -> Result<(), StoreFault> {
        self.write(Label::GroupState, group, value)
    }

    fn group_state<T: traits::GroupState<V>, G: traits::GroupId<V>>(&self, group: &G) -> Result<Option<T>, StoreFault> {
        self.read(Label::GroupState, group)
    }

    fn delete_group_state<G: traits::GroupId<V>>(&self, group: &G) -> Result<(), StoreFault> {
        self.remove(Label::GroupState, group)
    }

    fn append_own_leaf_node<G: traits::GroupId<V>, T: traits::LeafNode<V>>(
        &self,
        group: &G,
        leaf: &T,
    ) -> Result<(), StoreFault> {
        self.append(Label::OwnLeafNodes, group, leaf)
    }

    fn own_leaf_nodes<G: traits::GroupId<V>, T: traits::LeafNode<V>>(&self, group: &G) -> Result<Vec<T>, StoreFault> {
        self.typed_list(Label::OwnLeafNodes, group)
    }

    fn delete_own_leaf_nodes<G: traits::GroupId<V>>(&self, group: &G) -> Result<(), StoreFault> {
        self.remove(Label::OwnLeafNodes, group)
    }

    fn queue_proposal<G: traits::GroupId<V>, R: traits::ProposalRef<V>, T: traits::QueuedProposal<V>>(
        &self,
        group: &G,
        reference: &R,
        proposal: &T,
    ) -> Result<(), StoreFault> {
        self.write(Label::Proposal, &(group, reference), proposal)?;
        self.append(Label::ProposalRefs, group, reference)
    }

    fn queued_proposal_refs<G: traits::GroupId<V>, R: traits::ProposalRef<V>>(
        &self,
        group: &G,
    ) -> Result<Vec<R>, StoreFault> {
        self.typed_list(Label::ProposalRefs, group)
    }

    fn queued_proposals<G: traits::GroupId<V>, R: traits::ProposalRef<V>, T: traits::QueuedProposal<V>>(
        &self,
        group: &G,
    ) -> Result<Vec<(R, T)>, StoreFault> {
        let references: Vec<R> = self.typed_list(Label::ProposalRefs, group)?;
        references
            .into_iter()
            .map(|reference| {
                let proposal = self.read(Label::Proposal, &(group, &reference))?.ok_or(StoreFault::Damaged)?;
                Ok((reference, proposal))
            })
            .collect()
    }

    fn remove_proposal<G: traits::GroupId<V>, R: traits::ProposalRef<V>>(
        &self,
        group: &G,
        reference: &R,
    ) -> Result<(), StoreFault> {
        let removed = encoded(reference)?;
        let mut list = self.list(Label::ProposalRefs, group)?;
        list.retain(|item| *item != removed);
        self.write(Label::ProposalRefs, group, &list)?;
        self.remove(Label::Proposal, &(group, reference))
    }

    fn clear_proposal_queue<G: traits::GroupId<V>, R: traits::ProposalRef<V>>(
        &self,
        group: &G,
    ) -> Result<(), StoreFault> {
        let references: Vec<R> = self.typed_list(Label::ProposalRefs, group)?;
        references.iter().try_for_each(|reference| self.remove(Label::Proposal, &(group, reference)))?;
        self.remove(Label::ProposalRefs, group)
    }

    fn write_signature_key_pair<K: traits::SignaturePublicKey<V>, T: traits::SignatureKeyPair<V>>(
        &self,
        public: &K,
        pair: &T,
    ) -> Result<(), StoreFault> {
        self.write(Label::SignatureKeyPair, public, pair)
    }

    fn signature_key_pair<K: traits::SignaturePublicKey<V>, T: traits::SignatureKeyPair<V>>(
        &self,
        public: &K,
    ) -> Result<Option<T>, StoreFault> {
        self.read(Label::SignatureKeyPair, public)
    }

    fn delete_signature_key_pair<K: traits::SignaturePublicKey<V>>(&self, public: &K) -> Result<(), StoreFault> {
        self.remove(Label::SignatureKeyPair, public)
    }

    fn write_encryption_key_pair<K: traits::EncryptionKey<V>, T: traits::HpkeKeyPair<V>>(
        &self,
        public: &K,
        pair: &T,
    ) -> Result<(), StoreFault> {
        self.write(Label::EncryptionKeyPair, public, pair)
    }

    fn encryption_key_pair<T: traits::HpkeKeyPair<V>, K: traits::EncryptionKey<V>>(
        &self,
        public: &K,
    ) -> Result<Option<T>, StoreFault> {
        self.read(Label::EncryptionKeyPair, public)
    }

    fn delete_encryption_key_pair<K: traits::EncryptionKey<V>>(&self, public: &K) -> Result<(), StoreFault> {
        self.remove(Label::EncryptionKeyPair, public)
    }

    fn write_encryption_epoch_key_pairs<G: traits::GroupId<V>, E: traits::EpochKey<V>, T: traits::HpkeKeyPair<V>>(
        &self,
        group: &G,
        epoch: &E,
        leaf_index: u32,
        pairs: &[T],
    ) -> Result<(), StoreFault> {
        self.write(Label::EpochKeyPairs, &(group, epoch, leaf_index), &pairs)
    }

    fn encryption_epoch_key_pairs<G: traits::GroupId<V>, E: traits::EpochKey<V>, T: traits::HpkeKeyPair<V>>(
        &self,
        group: &G,
        epoch: &E,
        leaf_index: u32,
    ) -> Result<Vec<T>, StoreFault> {
        Ok(self.read_any(Label::EpochKeyPairs, &(group, epoch, leaf_index))?.unwrap_or_default())
    }

    fn delete_encryption_epoch_key_pairs<G: traits::GroupId<V>, E: traits::EpochKey<V>>(
        &self,
        group: &G,
        epoch: &E,
        leaf_index: u32,
    ) -> Result<(), StoreFault> {
        self.remove(Label::EpochKeyPairs, &(group, epoch, leaf_index))
    }

    fn write_key_package<R: traits::HashReference<V>, T: traits::KeyPackage<V>>(
        &self,
        reference: &R,
        package: &T,
    ) -> Result<(), StoreFault> {
        self.write(Label::KeyPackage, reference, package)
    }

    fn key_package<R: traits::HashReference<V>, T: traits::KeyPackage<V>>(
        &self,
        reference: &R,
    ) -> Result<Option<T>, StoreFault> {
        self.read(Label::KeyPackage, reference)
    }

    fn delete_key_package<R: traits::HashReference<V>>(&self, reference: &R) -> Result<(), StoreFault> {
        self.remove(Label::KeyPackage, reference)
    }

    fn write_psk<K: traits::PskId<V>, T: traits::PskBundle<V>>(&self, id: &K, psk: &T) -> Result<(), StoreFault> {
        let mut bytes = Zeroizing::default();
        encode::encode_onto(&mut bytes, psk)?;
        self.lent.borrow_mut().insert(storage_key(Label::Psk, id)?, bytes);
        Ok(())
    }

    fn psk<T: traits::PskBundle<V>, K: traits::PskId<V>>(&self, id: &K) -> Result<Option<T>, StoreFault> {
        let key = storage_key(Label::Psk, id)?;
        self.lent.borrow().get(&key).map(|bytes| encode::decode(bytes)).transpose()
    }

    fn delete_psk<K: traits::PskId<V>>(&self, id: &K) -> Result<(), StoreFault> {
        self.lent.borrow_mut().remove(&storage_key(Label::Psk, id)?);
        Ok(())
    }
}
