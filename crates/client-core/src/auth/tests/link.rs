//! Linking: the account's record, the handover, and what is refused.

use quicprochat_e2ee::sealed::InboxSecretKey;
use quicprochat_identity::DeviceSecretKey;

use super::*;

/// A new device, with the store of its KeyPackage.
struct Joining {
    linking: LinkingDevice,
    store: MemoryMlsStore,
    entropy: SeededEntropy,
}

impl Joining {
    fn new(seed: u64) -> Self {
        let mut entropy = SeededEntropy::new(seed);
        Self { linking: LinkingDevice::generate(&mut entropy), store: MemoryMlsStore::default(), entropy }
    }

    fn offer(&self) -> LinkOffer {
        self.linking.offer("phone").expect("short")
    }

    /// The part for the account's record, and the device.
    fn take(&mut self, handover: LinkHandover) -> Result<(Vec<u8>, DeviceAccount), CeremonyError> {
        let linked = self.linking.take(handover)?;
        let key_package = new_key_package(&self.store, &linked.own_device(), &mut self.entropy);
        let (part, account) = linked.finish(&key_package, NOW)?;
        Ok((part.bytes, account))
    }
}

fn admit(vault: &OpenVault, joining: &Joining) -> PreparedLink {
    vault.admit(&joining.offer(), NOW, &mut SeededEntropy::new(77)).expect("admits")
}

#[test]
fn a_linked_device_has_what_a_new_one_has_and_never_opened_the_vault() {
    let mut sam = Sam::new();
    let laptop = register(&mut sam, "alice", 1);
    let vault = sign_in(&mut sam, "alice", PASSWORD, 2).expect("signs in");
    let mut joining = Joining::new(3);
    let prepared = admit(&vault, &joining);
    let (part, phone) = joining.take(prepared.handover()).expect("takes");
    sam.publish_identity("alice", prepared.publish(part).expect("fits")).expect("publishes");
    assert_eq!(phone.identity.serial(), 2);
    assert_eq!(phone.state_key.as_bytes(), laptop.account.state_key.as_bytes());
    assert_eq!(inbox_bytes(&phone.inbox_keys), inbox_bytes(&laptop.account.inbox_keys));
    let own = phone.own_device().expect("named");
    own.credential().verify(own.secret.public().as_bytes()).expect("certified");
    // With the state key it reads what every device reads; the laptop hears of it.
    let labels = device_labels(&phone.state_key, phone.account(), &sam.vault_fetch("alice").records).expect("reads");
    assert_eq!(labels.iter().map(|label| label.label.as_str()).collect::<Vec<_>>(), ["laptop", "phone"]);
    let adopted = catch_up(&sam, "alice", &laptop).expect("catches up");
    assert_eq!(adopted.account.identity, phone.identity);
    assert!(!adopted.rolled);
}

#[test]
fn the_recovery_key_links_a_device_as_the_password_does() {
    let mut sam = Sam::new();
    let laptop = register(&mut sam, "alice", 1);
    let key = laptop.recovery_key.expect("registered");
    let vault = sign_in_by(&mut sam, "alice", key, 2).expect("signs in");
    let mut joining = Joining::new(3);
    let prepared = admit(&vault, &joining);
    let (part, _) = joining.take(prepared.handover()).expect("takes");
    assert_eq!(sam.publish_identity("alice", prepared.publish(part).expect("fits")), Ok(()));
}

#[test]
fn two_links_at_once_conflict_and_the_loser_is_handed_the_next_record() {
    let mut sam = Sam::new();
    register(&mut sam, "alice", 1);
    let vault = sign_in(&mut sam, "alice", PASSWORD, 2).expect("signs in");
    let (mut one, mut two) = (Joining::new(3), Joining::new(4));
    let (first, second) = (admit(&vault, &one), admit(&vault, &two));
    let (part, _) = one.take(first.handover()).expect("takes");
    sam.publish_identity("alice", first.publish(part).expect("fits")).expect("publishes");
    let (part, _) = two.take(second.handover()).expect("takes");
    let lost = sam.publish_identity("alice", second.publish(part).expect("fits"));
    assert_eq!(lost, Err(ErrorCode::VersionConflict));
    let vault = reopen(&sam, &vault).expect("opens");
    let again = admit(&vault, &two);
    let (part, account) = two.take(again.handover()).expect("takes");
    sam.publish_identity("alice", again.publish(part).expect("fits")).expect("publishes");
    assert_eq!((account.identity.serial(), account.identity.devices().len()), (3, 3));
}

#[test]
fn what_is_not_for_this_device_is_refused() {
    let mut sam = Sam::new();
    register(&mut sam, "alice", 1);
    let vault = sign_in(&mut sam, "alice", PASSWORD, 2).expect("signs in");
    let (mut phone, mut tablet) = (Joining::new(3), Joining::new(4));
    let prepared = admit(&vault, &phone);
    let unnamed = tablet.take(prepared.handover()).map(drop);
    assert_eq!(unnamed, Err(CeremonyError::UnknownDevice { device: tablet.offer().device }));
    let mut damaged = prepared.handover();
    damaged.identity[200] ^= 1;
    assert!(matches!(phone.take(damaged), Err(CeremonyError::Record(_))));
    let mut other_inbox = prepared.handover();
    other_inbox.inbox_keys = vec![InboxSecretKey::from_bytes(&[1; 32])];
    assert_eq!(phone.take(other_inbox).map(drop), Err(CeremonyError::VaultRolledBack { vault_version: 1 }));
    // The same id with another key is another device.
    let offer = LinkOffer { key: DeviceSecretKey::from_bytes(&[5; 32]).public(), ..phone.offer() };
    let other_key = vault.admit(&offer, NOW, &mut SeededEntropy::new(8)).expect("admits");
    let refused = phone.take(other_key.handover()).map(drop);
    assert_eq!(refused, Err(CeremonyError::UnknownDevice { device: offer.device }));
    // And a part of another device is not published.
    let tablets = admit(&vault, &tablet);
    let (part, _) = tablet.take(tablets.handover()).expect("takes");
    assert!(prepared.publish(part).is_err());
}

#[test]
fn a_ninth_device_is_one_too_many_by_a_link_also() {
    let mut sam = Sam::new();
    register(&mut sam, "alice", 1);
    let mut vault = sign_in(&mut sam, "alice", PASSWORD, 50).expect("signs in");
    for seed in 2..=MAX_DEVICES as u64 {
        enrol_with(&mut sam, &vault, "alice", "another", seed).expect("enrols");
        vault = reopen(&sam, &vault).expect("opens");
    }
    let refused = vault.admit(&Joining::new(9).offer(), NOW, &mut SeededEntropy::new(51)).map(drop);
    assert_eq!(refused, Err(CeremonyError::TooManyDevices { limit: MAX_DEVICES }));
}

#[test]
fn a_long_label_is_refused_on_both_sides() {
    let mut sam = Sam::new();
    register(&mut sam, "alice", 1);
    let vault = sign_in(&mut sam, "alice", PASSWORD, 2).expect("signs in");
    let label = "x".repeat(MAX_LABEL_BYTES + 1);
    let long = CeremonyError::LabelTooLong { limit: MAX_LABEL_BYTES, found: label.len() };
    let joining = Joining::new(3);
    assert_eq!(joining.linking.offer(&label), Err(long.clone()));
    let offer = LinkOffer { label, ..joining.offer() };
    assert_eq!(vault.admit(&offer, NOW, &mut SeededEntropy::new(8)).map(drop), Err(long));
}
