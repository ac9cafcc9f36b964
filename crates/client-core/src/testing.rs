//! What the tests of several modules share.

use quicprochat_e2ee::{
    mls::{self, MemoryMlsStore, OwnDevice, Provider, Suite},
    vault::{StateKey, open_handover},
};
use quicprochat_identity::{AccountName, DeviceSecretKey, IdentityDraft, IdentitySecretKey, InboxPublicKey};
use quicprochat_wire::{
    AccountId, ChainHash, ChannelId, DeviceId, Digest, Entropy, Fingerprint, ServerLink, Timestamp,
    call::channel::ChainPoint,
};
use sha2::{Digest as _, Sha256};

use crate::{
    engine::Own,
    store::{Conversation, ConversationKind, ConversationState, OwnAccount, Secret, Standing},
};

/// SHA-256 of a seed and a counter: replayable randomness.
pub(crate) struct SeededEntropy {
    seed: u64,
    counter: u64,
}

impl SeededEntropy {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, counter: 0 }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(32) {
            let block = Sha256::new().chain_update(self.seed.to_le_bytes()).chain_update(self.counter.to_le_bytes());
            chunk.copy_from_slice(&block.finalize()[..chunk.len()]);
            self.counter += 1;
        }
    }
}

/// A KeyPackage of the device, its private part in the store.
pub(crate) fn new_key_package(store: &MemoryMlsStore, own: &OwnDevice, entropy: &mut dyn Entropy) -> Vec<u8> {
    mls::new_key_package(&Provider::new(store, entropy), own, Suite::Hybrid).expect("makes a KeyPackage")
}

/// The state key of a handover to this KeyPackage, if it is one.
pub(crate) fn handed_over(
    store: &MemoryMlsStore,
    account: AccountId,
    device: DeviceId,
    key_package: &[u8],
    sealed: &[u8],
) -> Option<StateKey> {
    let mut entropy = SeededEntropy::new(0);
    open_handover(&Provider::new(store, &mut entropy), &account, &device, key_package, sealed).ok()
}

/// An own account with the devices 1 to `devices`, of which this is the first; its record has this serial, and calls `removed`
/// removed.
pub(crate) fn own(serial: u64, devices: u8, removed: Vec<DeviceId>) -> Own {
    let mut entropy = SeededEntropy::new(7);
    let (identity_key, device_key) =
        (IdentitySecretKey::generate(&mut entropy), DeviceSecretKey::generate(&mut entropy));
    let device = |number: u8| DeviceId::new([number; 16]);
    let mut draft = IdentityDraft {
        name: AccountName::parse("alice").expect("a name"),
        serial,
        time: Timestamp(1),
        inbox_key: InboxPublicKey::new([3; InboxPublicKey::LEN]),
        devices: Vec::new(),
        removed,
        vault_version: 1,
        vault_hash: Digest::new([4; 32]),
    };
    draft.add_device(&identity_key, device(1), device_key.public());
    for number in 2..=devices {
        draft.add_device(&identity_key, device(number), DeviceSecretKey::generate(&mut entropy).public());
    }
    let identity = draft.sign(&identity_key, &mut entropy).expect("signs");
    let row = OwnAccount {
        server: ServerLink::new("chat.example", 4433, Fingerprint::new([5; 32])).expect("a link"),
        host: "chat.example".to_owned(),
        name: "alice".to_owned(),
        account: identity.account(),
        device: device(1),
        device_key: Secret::new(*device_key.to_bytes()),
        certificate: identity.device(&device(1)).expect("named").certificate,
        identity: identity.signed_bytes().to_vec(),
        inbox_keys: Vec::new().into(),
        state_key: Secret::new([6; 32]),
        standing: Standing::Enrolled,
    };
    Own { row }
}

/// A conversation at the beginning of its log.
pub(crate) fn conversation(channel: ChannelId) -> Conversation {
    let start = ChainPoint { position: 0, hash: ChainHash::new([0; 32]) };
    Conversation {
        channel,
        kind: ConversationKind::Group,
        title: "tea".to_owned(),
        peer: None,
        state: ConversationState::Active,
        suite: 0x4f,
        cursor: start,
        last_commit: start,
        head: 0,
        epoch: 0,
        keys: Secret::new([1; 96]),
        keys_since: 0,
        ahead: None,
        members: Vec::new().into(),
        leavers: Vec::new().into(),
        leaf_updated: Timestamp(0),
        fresh_leaf: false,
        since: Timestamp(0),
        inviter: None,
        group: channel,
        replaces: None,
        rounds: 0,
        spoilt_at: None,
    }
}
