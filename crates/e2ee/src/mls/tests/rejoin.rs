//! External commits that must not count, by whoever holds all keys it can hold (DESIGN M2).

use openmls::{
    group::PURE_PLAINTEXT_WIRE_FORMAT_POLICY,
    prelude::{
        ExternalInitProposal, LeafNodeParameters, MlsGroup, MlsGroupJoinConfig, MlsMessageBodyIn, MlsMessageIn,
        PreSharedKeyProposal, Proposal, RatchetTreeIn,
    },
    schedule::{ExternalPsk, PreSharedKeyId, Psk},
};
use openmls_traits::OpenMlsProvider as _;
use quicprochat_identity::{DeviceSecretKey, issue_device_certificate};
use quicprochat_wire::{ChannelId, call::channel::EntryKind};
use tls_codec::{DeserializeBytes as _, Serialize as _};

use super::{
    Aad, Change, Invalid, Received, Scene, Suite, own,
    spoilt::{Spoiler, take},
};
use crate::{
    E2eeError, MlsStep, RejoinCause,
    channel::{ChannelKeys, GroupInfoBody},
    mls::{inspect_group_info, rejoin::psk_id},
    testing::SeededEntropy,
    world::{Account, CHANNEL, Device},
};

/// What a modified client puts into its external commit.
struct Hostile {
    /// Names and secrets of the PSKs that it includes.
    psks: Vec<(Vec<u8>, Vec<u8>)>,
    victims: Vec<Vec<u8>>,
}

impl Hostile {
    fn with(keys: &ChannelKeys) -> Self {
        Self { psks: vec![(psk_id(&CHANNEL), keys.rejoin_key().to_vec())], victims: Vec::new() }
    }

    fn build(self, device: &mut Device, info: &GroupInfoBody, aad: &Aad) -> Vec<u8> {
        let Self { psks, victims } = self;
        device.with(|provider, own| {
            let proposal = |(name, secret): (Vec<u8>, Vec<u8>)| {
                let psk = Psk::External(ExternalPsk::new(name));
                let id = PreSharedKeyId::new(Suite::Classical.ciphersuite(), provider.rand(), psk).expect("an id");
                id.store(provider, &secret).expect("lent");
                PreSharedKeyProposal::new(id)
            };
            let crypto = Spoiler { inner: provider.crypto(), victims, spoil_tag: false };
            let MlsMessageBodyIn::GroupInfo(group_info) =
                MlsMessageIn::tls_deserialize_exact_bytes(&info.group_info).expect("a message").extract()
            else {
                panic!("a GroupInfo")
            };
            let tree = RatchetTreeIn::tls_deserialize_exact_bytes(&info.ratchet_tree).expect("a tree");
            let leaf = LeafNodeParameters::builder().with_capabilities(own::capabilities()).build();
            let built = MlsGroup::external_commit_builder()
                .with_ratchet_tree(tree)
                .with_aad(aad.encode())
                .build_group(provider, group_info, own.credential_with_key())
                .expect("a group")
                .leaf_node_parameters(leaf)
                .add_psk_proposals(psks.into_iter().map(proposal))
                .load_psks(provider.storage())
                .expect("the PSKs")
                .build(provider.rand(), &crypto, &own.signer(), |_| true)
                .expect("builds");
            built.finalize(provider).expect("finalizes").1.into_commit().to_bytes().expect("encodes")
        })
    }
}

impl Scene {
    /// GroupInfo and keys in force, as Alice has them.
    fn inside(&mut self) -> (GroupInfoBody, ChannelKeys) {
        (self.devices[0].group_info(), self.devices[0].in_force.clone())
    }

    fn append_external(&mut self, device: &mut Device, hostile: Hostile, records: Vec<Vec<u8>>) {
        let (info, _) = self.inside();
        let aad = self.log.next_aad(&mut device.entropy);
        let message = hostile.build(device, &info, &aad);
        self.log.append(EntryKind::Commit, aad, message, records);
    }

    /// Appends what `edit` makes of a good external commit of Alice's second device, signed by that device.
    fn append_edited(&mut self, edit: impl FnOnce(&mut Vec<u8>)) {
        let (info, keys) = self.inside();
        let mut device = self.alice.device(1);
        let aad = self.log.next_aad(&mut device.entropy);
        let mut message = Hostile::with(&keys).build(&mut device, &info, &aad);
        let proposals = proposals_at(&message);
        let mut edited = message.split_off(proposals);
        edit(&mut edited);
        message.extend_from_slice(&edited);
        self.sign(&device, &mut message);
        self.log.append(EntryKind::Commit, aad, message, Vec::new());
    }

    /// Replaces the signature: everybody who checks no more than MLS does gets as far as to the path.
    fn sign(&mut self, device: &Device, message: &mut [u8]) {
        let context = self.devices[0].with_group(|group, _, _| {
            group.inner.public_group().group_context().tls_serialize_detached().expect("encodes")
        });
        // The signature's length (1 byte more than 63 takes two), the signature, the tag: 2 + 64 + 1 + 32 bytes from the end.
        let end = message.len() - 99;
        let content = [&message[..end], &context].concat();
        let vector = |bytes: &[u8]| tls_codec::VLBytes::new(bytes.to_vec()).tls_serialize_detached().expect("encodes");
        let text = [vector(b"MLS 1.0 FramedContentTBS"), vector(&content)].concat();
        message[end + 2..end + 66].copy_from_slice(&device.own.secret.sign(&text));
    }
}

/// Where the proposals' length stands: behind version, format, group id, epoch, sender, authenticated data, content type.
fn proposals_at(message: &[u8]) -> usize {
    let aad = 2 + 2 + 33 + 8 + 1;
    assert!(message[aad] < 0x40, "a length of one byte");
    aad + 1 + usize::from(message[aad]) + 1
}

/// Puts a proposal in front of the others.
fn insert(commit: &mut Vec<u8>, proposal: &[u8]) {
    assert_eq!(commit[0] >> 6, 1, "a length of two bytes");
    let len = usize::from(u16::from_be_bytes([commit[0] & 0x3f, commit[1]])) + proposal.len();
    let [high, low] = u16::try_from(len).expect("short").to_be_bytes();
    commit.splice(..2, [0x40 | high, low].into_iter().chain(proposal.iter().copied()));
}

#[test]
fn a_signed_edit_that_changes_nothing_counts() {
    let mut scene = Scene::new();
    scene.append_edited(|_| ());
    for device in &mut scene.devices {
        let received = device.catch_up(&scene.log);
        let [Received::OwnPending(effect)] = &received[..] else { panic!("{received:?}") };
        assert!(effect.joined_externally && !effect.rolls);
    }
}

#[test]
fn an_external_commit_without_the_rejoin_key_is_skipped() {
    let other_channel = ChannelId::new([8; 32]);
    let wrong = ChannelKeys::from_bytes(&[5; 96]);
    let mut good = Scene::new();
    let keys = good.inside().1.rejoin_key().to_vec();
    let cases = [
        (vec![], Invalid::RejoinKey),
        (vec![(psk_id(&CHANNEL), wrong.rejoin_key().to_vec())], Invalid::RejoinKey),
        (vec![(psk_id(&CHANNEL), vec![])], Invalid::RejoinKey),
        (vec![(psk_id(&other_channel), keys.clone())], Invalid::RejoinKey),
        (vec![(psk_id(&CHANNEL), keys.clone()), (psk_id(&CHANNEL), keys.clone())], Invalid::ForbiddenProposal),
        (vec![(psk_id(&CHANNEL), keys), (b"more".to_vec(), vec![1])], Invalid::RejoinKey),
    ];
    for (psks, reason) in cases {
        let mut scene = Scene::new();
        let mut device = scene.alice.device(1);
        let hostile = Hostile { psks, victims: Vec::new() };
        scene.append_external(&mut device, hostile, Vec::new());
        scene.assert_skipped(reason);
    }
}

#[test]
fn a_key_that_was_rolled_away_opens_nothing_any_more() {
    let mut scene = Scene::new();
    let (_, old) = scene.inside();
    // Bob leaves, so the keys roll; Alice's second device has the old ones and the newest GroupInfo.
    let (aad, pending) = scene.devices[0].commit(&scene.log, &Change { remove: vec![1], ..Change::default() });
    scene.log.append_commit(aad, &pending, Vec::new());
    for device in [0, 2] {
        scene.devices[device].catch_up(&scene.log);
    }
    let mut device = scene.alice.device(1);
    scene.append_external(&mut device, Hostile::with(&old), Vec::new());
    // Bob himself has no leaf to come back for, whichever keys he has.
    let (_, new) = scene.inside();
    for keys in [&old, &new] {
        let mut bob = scene.bob.device(0);
        scene.append_external(&mut bob, Hostile::with(keys), vec![scene.bob.record()]);
    }
    for device in [0, 2] {
        let received = scene.devices[device].catch_up(&scene.log);
        let verdicts = [Invalid::RejoinKey, Invalid::NoLeaf, Invalid::NoLeaf];
        for (received, verdict) in received.iter().zip(verdicts) {
            assert!(matches!(received, Received::Skipped(found) if *found == verdict), "{received:?}");
        }
        assert_eq!((received.len(), scene.devices[device].epoch()), (3, 2));
    }
}

#[test]
fn a_removed_device_with_every_key_cannot_enter() {
    let mut scene = Scene::new();
    let bytes = scene.alice.device(1).key_package(Suite::Classical);
    for change in [Change { add: vec![bytes], ..Change::default() }, Change { remove: vec![3], ..Change::default() }] {
        let (aad, pending) = scene.devices[0].commit(&scene.log, &change);
        scene.log.append_commit(aad, &pending, Vec::new());
        scene.devices.iter_mut().for_each(|device| drop(device.catch_up(&scene.log)));
    }
    let (info, keys) = scene.inside();
    let mut device = scene.alice.device(1);
    let reason = Invalid::RemovedDevice { device: device.own.device };
    let refused = device.rejoin(&scene.log, &info, &keys).err();
    assert_eq!(refused, Some(reason.into()), "this crate does not build it");
    assert!(device.store.is_empty());
    scene.append_external(&mut device, Hostile::with(&keys), Vec::new());
    for device in &mut scene.devices {
        let received = device.catch_up(&scene.log);
        assert!(matches!(received[..], [Received::Skipped(found)] if found == reason), "{received:?}");
    }
}

#[test]
fn only_devices_of_accounts_inside_enter_and_only_in_place_of_themselves() {
    let carol = Account::new("carol", 1);
    // The key that is certified decides which leaf OpenMLS removes.
    let impostor = |account: &Account, index: usize, key: &Device| {
        let mut device = account.device(index);
        device.own.secret = DeviceSecretKey::from_bytes(&key.own.secret.to_bytes());
        device.own.certificate = issue_device_certificate(&account.key, device.own.device, &device.own.secret.public());
        device.entropy = SeededEntropy::new(77);
        device
    };
    let scene = Scene::new();
    let fresh = scene.alice.device(5);
    let device = scene.alice.own(0).device;
    let cases = [
        (carol.device(0), vec![carol.record()], Invalid::NoLeaf),
        // Mallory with Bob's key in place of Bob, and Alice's second device in place of her first.
        (impostor(&scene.mallory, 1, &scene.devices[1]), vec![], Invalid::OtherLeaf),
        (impostor(&scene.alice, 1, &scene.devices[0]), vec![], Invalid::OtherLeaf),
        // The same device with another key gets no Remove.
        (impostor(&scene.alice, 0, &fresh), vec![], Invalid::DuplicateDevice { device }),
    ];
    for (mut device, records, reason) in cases {
        let mut scene = Scene::new();
        let (info, keys) = scene.inside();
        assert!(device.rejoin(&scene.log, &info, &keys).is_err(), "this crate does not build it: {reason:?}");
        scene.append_external(&mut device, Hostile::with(&keys), records);
        scene.assert_skipped(reason);
    }
}

#[test]
fn a_forged_certificate_does_not_enter() {
    let mut scene = Scene::new();
    let mut device = scene.alice.device(1);
    device.own.certificate =
        issue_device_certificate(&scene.mallory.key, device.own.device, &device.own.secret.public());
    let (_, keys) = scene.inside();
    scene.append_external(&mut device, Hostile::with(&keys), Vec::new());
    scene.assert_skipped(Invalid::Certificate);
}

#[test]
fn a_new_identity_hash_needs_its_record() {
    for with_record in [false, true] {
        let mut scene = Scene::new();
        scene.alice.renew();
        let mut device = scene.alice.device(1);
        let (_, keys) = scene.inside();
        let records = if with_record { vec![scene.alice.record()] } else { vec![] };
        scene.append_external(&mut device, Hostile::with(&keys), records);
        if with_record {
            assert!(matches!(scene.devices[1].catch_up(&scene.log)[..], [Received::OwnPending(_)]));
        } else {
            scene.assert_skipped(Invalid::MissingRecord);
        }
    }
}

#[test]
fn a_ninth_device_does_not_enter() {
    let mut scene = Scene::new();
    let packages = (1..8).map(|index| scene.alice.device(index).key_package(Suite::Classical)).collect();
    let (aad, pending) = scene.devices[0].commit(&scene.log, &Change { add: packages, ..Change::default() });
    scene.log.append_commit(aad, &pending, Vec::new());
    scene.devices.iter_mut().for_each(|device| drop(device.catch_up(&scene.log)));
    let (_, keys) = scene.inside();
    let mut ninth = scene.alice.device(8);
    scene.append_external(&mut ninth, Hostile::with(&keys), Vec::new());
    for device in &mut scene.devices {
        let received = device.catch_up(&scene.log);
        assert!(matches!(received[..], [Received::Skipped(Invalid::TooManyDevices)]), "{received:?}");
    }
}

#[test]
fn proposals_besides_those_of_an_entry_are_skipped() {
    let remove = |leaf: u8| vec![1, 0, 3, 0, 0, 0, leaf];
    let init = [&[1, 0, 6, 32][..], &[0; 32]].concat();
    let context = vec![1, 0, 7, 0];
    let reference = vec![2, 4, 0, 0, 0, 0];
    let cases = [
        (remove(1), Invalid::OtherLeaf),
        (remove(0), Invalid::OtherLeaf),
        ([remove(0), remove(1)].concat(), Invalid::OtherLeaf),
        (remove(9), Invalid::Mls),
        (init, Invalid::ForbiddenProposal),
        (context, Invalid::ForbiddenProposal),
        (vec![1, 0, 5, 0, 0, 1, 0, 1, 0], Invalid::ForbiddenProposal),
        (reference, Invalid::ByReference),
        (vec![1, 0, 3], Invalid::Malformed),
    ];
    for (proposal, reason) in cases {
        let mut scene = Scene::new();
        scene.append_edited(|commit| insert(commit, &proposal));
        scene.assert_skipped(reason);
    }
}

#[test]
fn an_external_commit_counts_in_its_own_place_and_epoch_only() {
    let mut scene = Scene::new();
    let (info, keys) = scene.inside();
    let mut device = scene.alice.device(1);
    let aad = scene.log.next_aad(&mut device.entropy);
    let message = Hostile::with(&keys).build(&mut device, &info, &aad);
    let elsewhere = scene.log.next_aad(&mut device.entropy);
    scene.log.append(EntryKind::Message, aad, message.clone(), Vec::new());
    scene.assert_skipped(Invalid::OtherKind);
    scene.log.append(EntryKind::Commit, elsewhere, message.clone(), Vec::new());
    scene.assert_skipped(Invalid::OtherEntry);
    // Somebody else's commit came first: the GroupInfo is stale.
    let (next, pending) = scene.devices[1].commit(&scene.log, &Change::default());
    scene.log.append_commit(next, &pending, Vec::new());
    scene.devices.iter_mut().for_each(|device| drop(device.catch_up(&scene.log)));
    scene.log.append(EntryKind::Commit, aad, message, Vec::new());
    for device in &mut scene.devices {
        let received = device.catch_up(&scene.log);
        let reason = Invalid::OtherEpoch { expected: 2, found: 1 };
        assert!(matches!(received[..], [Received::Skipped(found)] if found == reason), "{received:?}");
    }
}

#[test]
fn other_public_messages_and_entries_framed_as_private_are_skipped() {
    let mut scene = Scene::new();
    scene.append_hostile(Vec::new(), |group, provider, own| {
        let plain = MlsGroupJoinConfig::builder().wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY).build();
        group.set_configuration(provider.storage(), &plain).expect("set");
        let built = group.commit_builder().force_self_update(true).load_psks(provider.storage()).expect("no PSK");
        let built = built.build(provider.rand(), provider.crypto(), &own.signer(), |_| true).expect("builds");
        built.stage_commit(provider).expect("stages").into_commit()
    });
    for device in &mut scene.devices[..2] {
        let received = device.catch_up(&scene.log);
        assert!(matches!(received[..], [Received::Skipped(Invalid::NotPrivate)]), "{received:?}");
    }
    let mut scene = Scene::new();
    scene.append_hostile(Vec::new(), |group, provider, own| {
        let init = Proposal::ExternalInit(Box::new(ExternalInitProposal::from(vec![1; 32])));
        let builder = group.commit_builder().add_proposal(init).force_self_update(true);
        let built = builder.load_psks(provider.storage()).expect("no PSK");
        let built = built.build(provider.rand(), provider.crypto(), &own.signer(), |_| true).expect("builds");
        built.stage_commit(provider).expect("stages").into_commit()
    });
    for device in &mut scene.devices[..2] {
        let received = device.catch_up(&scene.log);
        assert!(matches!(received[..], [Received::Skipped(Invalid::Mls)]), "{received:?}");
    }
}

#[test]
fn a_tampered_external_commit_is_skipped_wherever_it_is_tampered_with() {
    let mut scene = Scene::new();
    let (info, keys) = scene.inside();
    let mut device = scene.alice.device(1);
    let aad = scene.log.next_aad(&mut device.entropy);
    let message = Hostile::with(&keys).build(&mut device, &info, &aad);
    for index in (0..message.len()).step_by(5) {
        let mut tampered = message.clone();
        tampered[index] ^= 0x10;
        scene.log.append(EntryKind::Commit, aad, tampered, Vec::new());
        for device in &mut scene.devices {
            let received = device.catch_up(&scene.log);
            assert!(matches!(received[..], [Received::Skipped(_)]), "byte {index}: {received:?}");
        }
    }
    scene.log.append(EntryKind::Commit, aad, message, Vec::new());
    for device in &mut scene.devices {
        assert!(matches!(device.catch_up(&scene.log)[..], [Received::OwnPending(_)]), "the true one still counts");
    }
}

#[test]
fn a_path_spoilt_for_one_is_that_members_alone_and_a_wrong_key_is_everybodys() {
    let victims = |scene: &mut Scene| {
        let bob = scene.devices[0].with_group(|group, _, _| group.inner.members().nth(1).expect("Bob"));
        vec![bob.encryption_key]
    };
    let mut scene = Scene::new();
    let (_, keys) = scene.inside();
    let hostile = Hostile { victims: victims(&mut scene), ..Hostile::with(&keys) };
    let mut device = scene.alice.device(1);
    scene.append_external(&mut device, hostile, Vec::new());
    let [alice, bob, _] = &mut scene.devices;
    assert!(matches!(alice.catch_up(&scene.log)[..], [Received::OwnPending(_)]));
    let failed = take(bob, &scene.log).expect_err("cannot follow");
    let expected = Some(alice.with_group(|group, _, _| group.transcript()));
    assert_eq!(failed, E2eeError::NeedsRejoin { cause: RejoinCause::PathSecret, expected });
    let info = alice.group_info();
    let summary = bob.with(|provider, _| inspect_group_info(provider, CHANNEL, &info)).expect("good");
    assert_eq!(Some(summary.transcript), expected, "Bob sees that he shares the others' past");

    // Both at once: Bob cannot see the key, only that his part of the path is bad. He enters anew without need.
    let mut scene = Scene::new();
    let wrong = ChannelKeys::from_bytes(&[5; 96]);
    let hostile = Hostile { victims: victims(&mut scene), ..Hostile::with(&wrong) };
    let mut device = scene.alice.device(1);
    scene.append_external(&mut device, hostile, Vec::new());
    let [alice, bob, _] = &mut scene.devices;
    assert!(matches!(alice.catch_up(&scene.log)[..], [Received::Skipped(Invalid::RejoinKey)]));
    let failed = take(bob, &scene.log).expect_err("cannot follow");
    assert!(matches!(failed, E2eeError::NeedsRejoin { expected: Some(found), .. } if found.epoch == 2));
}

#[test]
fn a_group_info_that_is_not_the_channels_opens_nothing() {
    let mut scene = Scene::new();
    let (info, keys) = scene.inside();
    let mut device = scene.alice.device(1);
    let mut refused = |info: &GroupInfoBody| {
        let refused = device.rejoin(&scene.log, info, &keys).err();
        assert!(device.store.is_empty(), "nothing stays");
        refused
    };
    let mls = Some(E2eeError::Mls { step: MlsStep::Rejoin });
    let malformed = Some(Invalid::Malformed.into());
    let edited = |group_info: &[u8], ratchet_tree: &[u8]| GroupInfoBody {
        group_info: group_info.to_vec(),
        ratchet_tree: ratchet_tree.to_vec(),
    };
    let mut unsigned = info.group_info.clone();
    *unsigned.last_mut().expect("a signature") ^= 1;
    assert_eq!(refused(&edited(&unsigned, &info.ratchet_tree)), mls);
    let mut spoilt = info.ratchet_tree.clone();
    let middle = spoilt.len() / 2;
    spoilt[middle] ^= 1;
    let found = refused(&edited(&info.group_info, &spoilt));
    assert!(found == mls || found == malformed, "{found:?}");
    assert_eq!(refused(&edited(&info.group_info[..20], &info.ratchet_tree)), malformed);
    assert_eq!(refused(&edited(&info.group_info, &[])), malformed);
    let elsewhere = device.with(|provider, own| {
        let other = ChannelId::new([8; 32]);
        let group = super::super::Group::create(provider, own, other, Suite::Classical, &super::profile());
        let (group_info, ratchet_tree) = group.expect("a group").group_info(provider, own).expect("exports");
        GroupInfoBody { group_info, ratchet_tree }
    });
    let found = device.rejoin(&scene.log, &elsewhere, &keys).err();
    assert_eq!(found, Some(Invalid::OtherGroup.into()));
}
