//! Entries that must not count: every member skips them alike, and the group goes on.

mod damaged;
mod rejoin;
mod spoilt;
mod vectors;

use openmls::{
    ciphersuite::signature::SignaturePublicKey,
    group::GroupId,
    prelude::{
        Credential, CredentialType, CredentialWithKey, Extension, ExtensionType, Extensions, KeyPackage, LeafNodeIndex,
        LeafNodeParameters, Lifetime, MlsGroup, MlsMessageOut, NewSignerBundle, PreSharedKeyProposal, Proposal,
        RequiredCapabilitiesExtension, UnknownExtension,
    },
    schedule::{ExternalPsk, PreSharedKeyId, Psk},
};
use openmls_traits::{OpenMlsProvider as _, signatures::Signer};
use quicprochat_identity::{CREDENTIAL_TYPE, DeviceSecretKey, IdentitySecretKey, LeafCredential};
use quicprochat_wire::{DeviceId, Digest, call::channel::EntryKind};
use tls_codec::Serialize as _;

use super::{
    Aad, Change, ConversationKind, DeviceSigner, EntryRecords, Invalid, OwnDevice, PROFILE_EXTENSION, Profile,
    Provider, Received, Suite, group::context_extensions, own,
};
use crate::{
    E2eeError, MlsStep,
    world::{Account, Device, Log, group_of},
};

/// Alice, Bob and Mallory, who commits whatever she likes.
struct Scene {
    alice: Account,
    bob: Account,
    mallory: Account,
    devices: [Device; 3],
    log: Log,
}

impl Scene {
    fn new() -> Self {
        let (alice, bob, mallory) = (Account::new("alice", 9), Account::new("bob", 1), Account::new("mallory", 3));
        let mut devices = [alice.device(0), bob.device(0), mallory.device(0)];
        let log = group_of(Suite::Classical, &[&alice, &bob, &mallory], &mut devices);
        Self { alice, bob, mallory, devices, log }
    }

    fn mallory(&mut self) -> &mut Device {
        &mut self.devices[2]
    }

    /// Mallory appends a commit built with OpenMLS itself.
    fn append_hostile(
        &mut self,
        records: Vec<Vec<u8>>,
        build: impl FnOnce(&mut MlsGroup, &Provider<'_>, &OwnDevice) -> MlsMessageOut,
    ) {
        let [.., mallory] = &mut self.devices;
        let aad = self.log.next_aad(&mut mallory.entropy);
        let message = mallory.with_group(|group, provider, own| {
            group.inner.set_aad(aad.encode());
            let message = build(&mut group.inner, provider, own);
            group.inner.clear_pending_commit(provider.storage()).expect("cleared");
            message.to_bytes().expect("encodes")
        });
        self.log.append(EntryKind::Commit, aad, message, records);
    }

    fn append_builder(
        &mut self,
        records: Vec<Vec<u8>>,
        add: Vec<KeyPackage>,
        remove: Vec<u32>,
        context: Option<Extensions<openmls::group::GroupContext>>,
    ) {
        self.append_hostile(records, |group, provider, own| {
            let mut builder = group
                .commit_builder()
                .propose_adds(add)
                .propose_removals(remove.into_iter().map(LeafNodeIndex::new))
                .force_self_update(true);
            if let Some(context) = context {
                builder = builder.propose_group_context_extensions(context).expect("proposes");
            }
            let built = builder
                .load_psks(provider.storage())
                .expect("no PSK")
                .build(provider.rand(), provider.crypto(), &own.signer(), |_| true)
                .expect("OpenMLS allows it");
            built.stage_commit(provider).expect("stages").into_commit()
        });
    }

    /// Alice and Bob skip the last entry for this reason, and talk on in the same epoch.
    fn assert_skipped(&mut self, reason: Invalid) {
        for device in &mut self.devices[..2] {
            let received = device.catch_up(&self.log);
            assert!(
                matches!(received[..], [Received::Skipped(found)] if found == reason),
                "expected {reason:?}, found {received:?}"
            );
            assert_eq!(device.epoch(), 1, "nothing changed");
        }
        let [alice, bob, mallory] = &mut self.devices;
        mallory.cursor = self.log.entries.len();
        bob.message(&mut self.log, "on we go");
        for device in [alice, mallory] {
            let received = device.catch_up(&self.log);
            assert!(matches!(&received[..], [Received::Message { content, .. }] if content == b"on we go"));
        }
        self.devices[1].catch_up(&self.log);
    }
}

/// A KeyPackage of anything.
fn package(account: &Account, index: usize, edit: impl FnOnce(&mut OwnDevice)) -> KeyPackage {
    let mut device = account.device(index);
    edit(&mut device.own);
    device.with(|provider, own| {
        let bytes = super::new_key_package(provider, own, Suite::Classical).expect("made");
        own::parse_key_package(provider, &bytes).expect("valid")
    })
}

fn raw_package(
    device: &mut Device,
    credential: CredentialWithKey,
    signer: &impl Signer,
    lifetime: Lifetime,
) -> KeyPackage {
    device.with(|provider, _| {
        KeyPackage::builder()
            .key_package_lifetime(lifetime)
            .leaf_node_capabilities(own::capabilities())
            .build(Suite::Classical.ciphersuite(), provider, signer, credential)
            .expect("made")
            .into_key_package()
    })
}

fn profile() -> Profile {
    Profile::group("friends")
}

fn context(profile: &Profile) -> Extensions<openmls::group::GroupContext> {
    context_extensions(profile, &E2eeError::Mls { step: MlsStep::Commit }).expect("valid extensions")
}

#[test]
fn a_malformed_credential_is_skipped() {
    let mut scene = Scene::new();
    let mut device = scene.mallory.device(1);
    let credential = CredentialWithKey {
        credential: Credential::new(CredentialType::Other(CREDENTIAL_TYPE), vec![1, 2, 3]),
        signature_key: SignaturePublicKey::from(device.own.secret.public().as_bytes().as_slice()),
    };
    let secret = DeviceSecretKey::from_bytes(&device.own.secret.to_bytes());
    let package = raw_package(&mut device, credential, &DeviceSigner(&secret), own::unlimited());
    scene.append_builder(Vec::new(), vec![package], Vec::new(), None);
    scene.assert_skipped(Invalid::Credential);
}

#[test]
fn a_certificate_of_another_account_is_skipped() {
    let mut scene = Scene::new();
    let bob = scene.bob.own(0).account;
    let package = package(&scene.mallory, 1, |own| own.account = bob);
    scene.append_builder(vec![scene.bob.record()], vec![package], Vec::new(), None);
    scene.assert_skipped(Invalid::Certificate);
}

#[test]
fn a_limited_lifetime_is_skipped_whatever_the_clock_says() {
    for lifetime in [Lifetime::new(3600), Lifetime::init(1, u64::MAX), Lifetime::init(0, u64::MAX - 1)] {
        let mut scene = Scene::new();
        let mut device = scene.mallory.device(1);
        let credential = device.own.credential_with_key();
        let secret = DeviceSecretKey::from_bytes(&device.own.secret.to_bytes());
        let package = raw_package(&mut device, credential, &DeviceSigner(&secret), lifetime);
        scene.append_builder(Vec::new(), vec![package], Vec::new(), None);
        scene.assert_skipped(Invalid::Lifetime);
    }
}

#[test]
fn an_identity_hash_without_a_good_record_is_skipped() {
    let carol = Account::new("carol", 1);
    let mut forged = carol.record();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    let mut other = Account::new("carol", 1);
    other.renew();
    for records in [Vec::new(), vec![vec![1, 2, 3]], vec![forged], vec![other.record()]] {
        let mut scene = Scene::new();
        scene.append_builder(records, vec![package(&carol, 0, |_| ())], Vec::new(), None);
        scene.assert_skipped(Invalid::MissingRecord);
    }
    let mut scene = Scene::new();
    scene.append_builder(vec![carol.record()], vec![package(&carol, 0, |_| ())], Vec::new(), None);
    let received = scene.devices[0].catch_up(&scene.log);
    assert!(matches!(&received[..], [Received::OwnPending(effect)] if effect.added.len() == 1), "with it, it counts");
}

#[test]
fn the_record_of_an_account_does_not_vouch_for_another_hash() {
    let mut scene = Scene::new();
    let package = package(&scene.alice, 1, |own| own.identity_hash = Digest::new([9; 32]));
    scene.append_builder(vec![scene.alice.record()], vec![package], Vec::new(), None);
    scene.assert_skipped(Invalid::MissingRecord);
}

#[test]
fn a_ninth_device_is_skipped() {
    let mut scene = Scene::new();
    let packages = (1..9).map(|index| package(&scene.alice, index, |_| ())).collect();
    scene.append_builder(Vec::new(), packages, Vec::new(), None);
    scene.assert_skipped(Invalid::TooManyDevices);
}

#[test]
fn a_device_with_two_leaves_is_skipped() {
    let mut scene = Scene::new();
    let (device, fresh) = (scene.alice.own(0).device, DeviceSecretKey::from_bytes(&[5; 32]));
    let certificate = quicprochat_identity::issue_device_certificate(&scene.alice.key, device, &fresh.public());
    let package = package(&scene.alice, 1, |own| {
        own.device = device;
        own.secret = fresh;
        own.certificate = certificate;
    });
    scene.append_builder(Vec::new(), vec![package], Vec::new(), None);
    scene.assert_skipped(Invalid::DuplicateDevice { device });
}

#[test]
fn a_removed_device_cannot_come_back() {
    let mut scene = Scene::new();
    // Alice's second device comes and goes, as the rules have it.
    let second = scene.alice.own(1).device;
    let bytes = scene.alice.device(1).key_package(Suite::Classical);
    for change in
        [Change { add: vec![bytes.clone()], ..Change::default() }, Change { remove: vec![3], ..Change::default() }]
    {
        let (aad, pending) = scene.devices[0].commit(&scene.log, &change);
        scene.log.append_commit(aad, &pending, Vec::new());
        for device in &mut scene.devices {
            assert!(matches!(device.catch_up(&scene.log)[..], [Received::OwnPending(_)]));
        }
    }
    let removed = scene.devices[1].with_group(|group, _, _| group.profile()).expect("a profile").removed;
    assert_eq!(removed, [second]);
    scene.append_builder(Vec::new(), vec![package(&scene.alice, 1, |_| ())], Vec::new(), None);
    for device in &mut scene.devices[..2] {
        let received = device.catch_up(&scene.log);
        let reason = Invalid::RemovedDevice { device: second };
        assert!(matches!(received[..], [Received::Skipped(found)] if found == reason), "{received:?}");
    }
    let again = scene.devices[0].with_group(|group, provider, own| {
        let aad = Aad { id: quicprochat_wire::MessageId::new([1; 16]), after: scene.log.commit_point() };
        let change = Change { add: vec![bytes], ..Change::default() };
        (group.stage_commit(provider, own, &change, &aad).err(), group.has_pending())
    });
    let reason = Invalid::RemovedDevice { device: second };
    assert_eq!(again, (Some(reason.into()), false), "nor does the crate build such a commit");
}

#[test]
fn a_device_removal_must_be_listed_and_nothing_else() {
    let mut scene = Scene::new();
    let bytes = scene.alice.device(1).key_package(Suite::Classical);
    let (aad, pending) = scene.devices[0].commit(&scene.log, &Change { add: vec![bytes], ..Change::default() });
    scene.log.append_commit(aad, &pending, Vec::new());
    for device in &mut scene.devices {
        device.catch_up(&scene.log);
    }
    let (second, bob) = (scene.alice.own(1).device, scene.bob.own(0).device);
    let listed = |removed: Vec<DeviceId>| Some(context(&Profile { removed, ..profile() }));
    for (remove, context) in [
        (vec![3], None),
        (vec![3], listed(vec![])),
        (vec![3], listed(vec![bob])),
        (vec![3], listed(vec![second, bob])),
        (vec![1], listed(vec![bob])),
        (vec![], listed(vec![second])),
    ] {
        scene.append_builder(Vec::new(), Vec::new(), remove, context);
        for device in [0, 1] {
            let received = scene.devices[device].catch_up(&scene.log);
            assert!(matches!(received[..], [Received::Skipped(Invalid::RemovedList)]), "{received:?}");
        }
        scene.devices[2].cursor = scene.log.entries.len();
    }
    scene.append_builder(Vec::new(), Vec::new(), vec![3], listed(vec![second]));
    assert!(matches!(scene.devices[1].catch_up(&scene.log)[..], [Received::OwnPending(_)]), "as it should be");
}

#[test]
fn the_context_holds_the_profile_and_no_more() {
    let mut foreign = context(&profile());
    foreign.add(Extension::Unknown(PROFILE_EXTENSION + 1, UnknownExtension(vec![]))).expect("added");
    let mut malformed = context(&profile());
    let broken = Extension::Unknown(PROFILE_EXTENSION, UnknownExtension(vec![9]));
    malformed.add_or_replace(broken).expect("replaced");
    // More than required, though every member has it.
    let mut demanding = context(&profile());
    let required = RequiredCapabilitiesExtension::new(
        &[ExtensionType::Unknown(PROFILE_EXTENSION), ExtensionType::LastResort],
        &[],
        &[CredentialType::Other(CREDENTIAL_TYPE)],
    );
    demanding.add_or_replace(Extension::RequiredCapabilities(required)).expect("replaced");
    let kind = context(&Profile { kind: ConversationKind::Direct, ..profile() });
    for (context, reason) in [
        (malformed, Invalid::Context),
        (demanding, Invalid::Context),
        (kind, Invalid::Kind),
        (context(&Profile { removed: vec![DeviceId::new([1; 16])], ..profile() }), Invalid::RemovedList),
    ] {
        let mut scene = Scene::new();
        scene.append_builder(Vec::new(), Vec::new(), Vec::new(), Some(context));
        scene.assert_skipped(reason);
    }
    let mut scene = Scene::new();
    scene.append_builder(Vec::new(), Vec::new(), Vec::new(), Some(context(&Profile { policy: 7, ..profile() })));
    assert!(
        matches!(scene.devices[0].catch_up(&scene.log)[..], [Received::OwnPending(_)]),
        "another policy is allowed"
    );
    // Members declare no support for a foreign extension, so OpenMLS does not even build the commit.
    let refused = scene.mallory().with_group(|group, provider, own| {
        let builder = group.inner.commit_builder().propose_group_context_extensions(foreign).expect("proposes");
        let built = builder.load_psks(provider.storage()).expect("no PSK");
        built.build(provider.rand(), provider.crypto(), &own.signer(), |_| true).is_err()
    });
    assert!(refused);
}

#[test]
fn a_committer_keeps_its_device_and_needs_a_record_for_a_new_hash() {
    let other = Account::new("other", 1);
    type Edit = fn(&mut OwnDevice, &Account);
    let cases: [(Edit, Invalid); 3] = [
        (|own, _| own.identity_hash = Digest::new([1; 32]), Invalid::MissingRecord),
        (|own, other| own.account = other.own(0).account, Invalid::Certificate),
        (|own, _| own.device = DeviceId::new([1; 16]), Invalid::Certificate),
    ];
    for (edit, reason) in cases {
        let mut scene = Scene::new();
        scene.append_hostile(vec![other.record()], |group, provider, own| {
            let mut edited = OwnDevice {
                secret: DeviceSecretKey::from_bytes(&own.secret.to_bytes()),
                account: own.account,
                device: own.device,
                certificate: own.certificate,
                identity_hash: own.identity_hash,
            };
            edit(&mut edited, &other);
            let parameters =
                LeafNodeParameters::builder().with_credential_with_key(edited.credential_with_key()).build();
            let builder = group.commit_builder().leaf_node_parameters(parameters);
            let built = builder.load_psks(provider.storage()).expect("no PSK");
            let built = built.build(provider.rand(), provider.crypto(), &own.signer(), |_| true).expect("builds");
            built.stage_commit(provider).expect("stages").into_commit()
        });
        scene.assert_skipped(reason);
    }
}

#[test]
fn a_leaf_cannot_become_another_device_of_the_same_account() {
    let mut scene = Scene::new();
    let second = scene.mallory.own(1);
    scene.append_hostile(Vec::new(), |group, provider, own| {
        let signer = second.signer();
        let bundle = NewSignerBundle { signer: &signer, credential_with_key: second.credential_with_key() };
        let built = group.commit_builder().load_psks(provider.storage()).expect("no PSK");
        let built = built
            .build_with_new_signer(provider.rand(), provider.crypto(), &own.signer(), bundle, |_| true)
            .expect("builds");
        built.stage_commit(provider).expect("stages").into_commit()
    });
    scene.assert_skipped(Invalid::OtherDevice);
}

#[test]
fn proposals_of_other_kinds_are_skipped_by_whoever_knows_the_secret_and_whoever_does_not() {
    // Everybody has the rejoin key, and nobody a key of another name: in a member's commit both are nothing.
    for name in [super::rejoin::psk_id(&crate::world::CHANNEL), b"shared".to_vec()] {
        let mut scene = Scene::new();
        scene.append_hostile(Vec::new(), |group, provider, own| {
            let psk = Psk::External(ExternalPsk::new(name));
            let id = PreSharedKeyId::new(Suite::Classical.ciphersuite(), provider.rand(), psk).expect("an id");
            id.store(provider, b"secret").expect("lent");
            let proposal = Proposal::PreSharedKey(Box::new(PreSharedKeyProposal::new(id)));
            let built = group.commit_builder().add_proposal(proposal).load_psks(provider.storage()).expect("the PSK");
            let built = built.build(provider.rand(), provider.crypto(), &own.signer(), |_| true).expect("builds");
            built.stage_commit(provider).expect("stages").into_commit()
        });
        scene.assert_skipped(Invalid::ForbiddenProposal);
    }
}

#[test]
fn proposals_by_reference_are_skipped_alone_and_committed() {
    let mut scene = Scene::new();
    for kind in [EntryKind::Commit, EntryKind::Message] {
        let aad = scene.log.next_aad(&mut scene.devices[2].entropy);
        let proposal = scene.mallory().with_group(|group, provider, own| {
            group.inner.set_aad(aad.encode());
            let (message, _) =
                group.inner.propose_remove_member(provider, &own.signer(), LeafNodeIndex::new(0)).expect("proposes");
            message.to_bytes().expect("encodes")
        });
        scene.log.append(kind, aad, proposal, Vec::new());
        for device in [0, 1] {
            let received = scene.devices[device].catch_up(&scene.log);
            assert!(matches!(received[..], [Received::Skipped(Invalid::ByReference)]), "{received:?}");
        }
    }
    scene.append_hostile(Vec::new(), |group, provider, own| {
        let built = group.commit_builder().load_psks(provider.storage()).expect("no PSK");
        let built = built.build(provider.rand(), provider.crypto(), &own.signer(), |_| true).expect("builds");
        let message = built.stage_commit(provider).expect("stages").into_commit();
        group.clear_pending_commit(provider.storage()).expect("cleared");
        group.clear_pending_proposals(provider.storage()).expect("cleared");
        message
    });
    scene.assert_skipped(Invalid::ByReference);
}

#[test]
fn an_entry_counts_in_its_own_place_and_kind_only() {
    let mut scene = Scene::new();
    let (aad, pending) = scene.mallory().commit(&Log::default(), &Change::default());
    let elsewhere = scene.log.next_aad(&mut scene.devices[2].entropy);
    scene.log.append(EntryKind::Commit, elsewhere, pending.message.clone(), Vec::new());
    scene.assert_skipped(Invalid::OtherEntry);
    scene.log.append(EntryKind::Message, aad, pending.message, Vec::new());
    scene.mallory().with_group(|group, provider, _| group.clear_pending(provider)).expect("cleared");
    scene.assert_skipped(Invalid::OtherKind);

    let aad = scene.log.next_aad(&mut scene.devices[2].entropy);
    let encrypt = |device: &mut Device| {
        device.with_group(|group, provider, own| group.encrypt(provider, own, &aad, b"text")).expect("encrypts")
    };
    let message = encrypt(scene.mallory());
    scene.log.append(EntryKind::Commit, aad, message, Vec::new());
    scene.assert_skipped(Invalid::OtherKind);
}

#[test]
fn public_messages_and_other_structures_are_skipped() {
    let mut scene = Scene::new();
    let aad = scene.log.next_aad(&mut scene.devices[2].entropy);
    let (info, _) =
        scene.mallory().with_group(|group, provider, own| group.group_info(provider, own)).expect("exports");
    scene.log.append(EntryKind::Commit, aad, info, Vec::new());
    scene.assert_skipped(Invalid::NotPrivate);
    for bytes in [vec![], vec![0; 3], vec![0xff; 100]] {
        scene.log.append(EntryKind::Message, aad, bytes, Vec::new());
        scene.assert_skipped(Invalid::Malformed);
    }
}

#[test]
fn messages_of_other_groups_and_epochs_are_skipped() {
    let mut scene = Scene::new();
    let mut stranger = scene.mallory.device(2);
    stranger.create(Suite::Classical);
    let aad = scene.log.next_aad(&mut stranger.entropy);
    let message =
        stranger.with_group(|group, provider, own| group.encrypt(provider, own, &aad, b"text")).expect("encrypts");
    scene.log.append(EntryKind::Message, aad, message, Vec::new());
    scene.assert_skipped(Invalid::OtherEpoch { expected: 1, found: 0 });
    let message = stranger.with(|provider, own| {
        let other = quicprochat_wire::ChannelId::new([8; 32]);
        let mut group = super::Group::create(provider, own, other, Suite::Classical, &profile()).expect("a group");
        group.encrypt(provider, own, &aad, b"text").expect("encrypts")
    });
    scene.log.append(EntryKind::Message, aad, message, Vec::new());
    scene.assert_skipped(Invalid::OtherGroup);
}

#[test]
fn a_tampered_message_is_skipped_wherever_it_is_tampered_with() {
    let mut scene = Scene::new();
    let (aad, pending) = scene.devices[2].commit(&scene.log, &Change::default());
    let text = scene
        .mallory()
        .with_group(|group, provider, own| group.encrypt(provider, own, &aad, b"text"))
        .expect("encrypts");
    for (kind, original) in [(EntryKind::Commit, pending.message), (EntryKind::Message, text)] {
        for index in (0..original.len()).step_by(7) {
            let mut tampered = original.clone();
            tampered[index] ^= 0x10;
            scene.log.append(kind, aad, tampered, Vec::new());
            for device in [0, 1] {
                let received = scene.devices[device].catch_up(&scene.log);
                assert!(matches!(received[..], [Received::Skipped(_)]), "byte {index}: {received:?}");
            }
        }
        // None of that used anything up: the true one still counts.
        scene.log.append(kind, aad, original, Vec::new());
        let received = scene.devices[1].catch_up(&scene.log);
        assert!(matches!(received[..], [Received::OwnPending(_)] | [Received::Message { .. }]), "{received:?}");
        scene.devices[0].catch_up(&scene.log);
        if kind == EntryKind::Commit {
            scene = Scene::new();
        }
    }
}

#[test]
fn a_welcome_into_a_group_against_the_rules_is_refused() {
    let (mallory, bob) = (Account::new("mallory", 1), Account::new("bob", 1));
    let mut devices = [mallory.device(0), bob.device(0)];
    let package = devices[1].key_package(Suite::Classical);
    let (welcome, tree) = devices[0].with(|provider, own| {
        // No profile, no required capabilities.
        let mut group = MlsGroup::builder()
            .with_group_id(GroupId::from_slice(crate::world::CHANNEL.as_bytes()))
            .ciphersuite(Suite::Classical.ciphersuite())
            .with_capabilities(own::capabilities())
            .lifetime(own::unlimited())
            .build(provider, &own.signer(), own.credential_with_key())
            .expect("a group");
        let package = own::parse_key_package(provider, &package).expect("valid");
        let (_, welcome, _) = group.add_members(provider, &own.signer(), &[package]).expect("added");
        group.merge_pending_commit(provider).expect("merged");
        let tree = group.export_ratchet_tree().tls_serialize_detached().expect("encodes");
        (welcome.to_bytes().expect("encodes"), tree)
    });
    let mut join = |channel| {
        let records = EntryRecords::check(&[mallory.record(), bob.record()]);
        devices[1].with(|provider, _| super::Group::join(provider, channel, &welcome, &tree, &records).err())
    };
    assert_eq!(join(crate::world::CHANNEL), Some(Invalid::Context.into()));
    assert_eq!(join(quicprochat_wire::ChannelId::new([1; 32])), Some(Invalid::OtherGroup.into()));
}

#[test]
fn an_own_commit_is_judged_like_any_other() {
    let carol = Account::new("carol", 1);
    let package = carol.device(0).key_package(Suite::Classical);
    let scene = || {
        let mut scene = Scene::new();
        let change = Change { add: vec![package.clone()], ..Change::default() };
        let (aad, pending) = scene.devices[2].commit(&scene.log, &change);
        (scene, aad, pending)
    };
    let elsewhere = Aad { id: quicprochat_wire::MessageId::new([1; 16]), ..scene().1 };
    for (kind, moved, records, reason) in [
        (EntryKind::Commit, false, vec![], Invalid::MissingRecord),
        (EntryKind::Commit, true, vec![carol.record()], Invalid::OtherEntry),
        (EntryKind::Message, false, vec![carol.record()], Invalid::OtherKind),
    ] {
        let (mut scene, aad, pending) = scene();
        scene.log.append(kind, if moved { elsewhere } else { aad }, pending.message, records);
        let received = scene.devices[2].catch_up(&scene.log);
        assert!(matches!(received[..], [Received::Skipped(found)] if found == reason), "{received:?}");
        assert!(!scene.mallory().with_group(|group, _, _| group.has_pending()), "dropped");
        scene.assert_skipped(reason);
    }
}

#[test]
fn credentials_parse_as_they_were_made() {
    let key = IdentitySecretKey::generate(&mut crate::testing::SeededEntropy::new(4));
    let device = DeviceSecretKey::from_bytes(&[1; 32]);
    let id = DeviceId::new([2; 16]);
    let own = OwnDevice {
        account: key.public().account_id(),
        device: id,
        certificate: quicprochat_identity::issue_device_certificate(&key, id, &device.public()),
        secret: device,
        identity_hash: Digest::new([3; 32]),
    };
    let with_key = own.credential_with_key();
    let parsed = super::rules::leaf_credential(&with_key.credential, with_key.signature_key.as_slice());
    assert_eq!(parsed, Ok(own.credential()));
    assert_eq!(own.credential().encode().len(), LeafCredential::LEN);
}
