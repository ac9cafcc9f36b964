use quicprochat_wire::{AccountId, ChainHash, ChannelId, MessageId, ServerLink, call::channel::ChainPoint};

use super::{InboxKind, InboxSecretKey, InboxSender, Invitation, open_inbox, seal_inbox};
use crate::{
    E2eeError, Sealed,
    channel::ChannelKeys,
    testing::{Person, SeededEntropy},
};

const ID: MessageId = MessageId::new([9; 16]);

fn sealed(alice: &Person, bob: &Person, body: &[u8]) -> Vec<u8> {
    let sender = InboxSender { identity: &alice.identity, device: alice.device, secret: &alice.secret };
    let mut entropy = SeededEntropy::new(5);
    let key = bob.identity.inbox_key();
    seal_inbox(&bob.identity.account(), key, &ID, InboxKind::Invitation, &sender, body, &mut entropy).expect("seals")
}

#[test]
fn only_the_recipient_learns_who_wrote() {
    let (alice, bob, mallory) = (Person::new("alice"), Person::new("bob"), Person::new("mallory"));
    let bytes = sealed(&alice, &bob, b"body");
    let account = bob.identity.account();
    let keys = [InboxSecretKey::generate(&mut SeededEntropy::new(77)), bob.inbox.clone()];
    let entry = open_inbox(&account, &keys, &ID, &bytes).expect("opens").verify().expect("verifies");
    assert_eq!(
        (entry.sender.account(), entry.device, entry.kind),
        (alice.identity.account(), alice.device, InboxKind::Invitation)
    );
    assert_eq!(entry.body.as_slice(), b"body");

    let refused = E2eeError::CannotOpen { what: Sealed::InboxEntry };
    let open = |account: &AccountId, keys: &[InboxSecretKey], id: &MessageId, bytes: &[u8]| {
        open_inbox(account, keys, id, bytes).err()
    };
    assert_eq!(open(&account, std::slice::from_ref(&mallory.inbox), &ID, &bytes), Some(refused.clone()));
    assert_eq!(open(&account, &keys, &MessageId::new([8; 16]), &bytes), Some(refused.clone()));
    assert_eq!(open(&mallory.identity.account(), &keys, &ID, &bytes), Some(refused.clone()));
    for index in [1, 1121, bytes.len() - 1] {
        let mut tampered = bytes.clone();
        tampered[index] ^= 1;
        assert_eq!(open(&account, &keys, &ID, &tampered), Some(refused.clone()), "byte {index}");
    }
    for end in [0, 1, 1120, 1121] {
        assert!(open(&account, &keys, &ID, &bytes[..end]).is_some());
    }
}

#[test]
fn a_device_cannot_write_for_another_account_or_device() {
    let (alice, bob, mallory) = (Person::new("alice"), Person::new("bob"), Person::new("mallory"));
    let account = bob.identity.account();
    let mut entropy = SeededEntropy::new(5);
    let forged = [
        InboxSender { identity: &alice.identity, device: alice.device, secret: &mallory.secret },
        InboxSender { identity: &alice.identity, device: mallory.device, secret: &mallory.secret },
    ];
    for sender in forged {
        let key = bob.identity.inbox_key();
        let bytes =
            seal_inbox(&account, key, &ID, InboxKind::Invitation, &sender, b"body", &mut entropy).expect("seals");
        let opened = open_inbox(&account, std::slice::from_ref(&bob.inbox), &ID, &bytes).expect("opens");
        assert!(matches!(opened.verify(), Err(E2eeError::Identity(_))));
    }
}

#[test]
fn invitations_round_trip_and_refuse_what_follows() {
    let alice = Person::new("alice");
    let link: ServerLink =
        "qpc://chat.example:4433/#AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".parse().expect("a link");
    let invitation = Invitation {
        link,
        channel: ChannelId::new([1; 32]),
        start: ChainPoint { position: 5, hash: ChainHash::new([2; 32]) },
        commit: MessageId::new([3; 16]),
        welcome: vec![4; 700],
        keys: ChannelKeys::from_bytes(&[5; 96]),
        since: 2,
        records: vec![alice.identity.signed_bytes().to_vec()],
    };
    let bytes = invitation.encode();
    assert_eq!(Invitation::parse(&bytes), Ok(invitation));
    for end in 0..bytes.len() {
        assert!(Invitation::parse(&bytes[..end]).is_err(), "cut at {end}");
    }
    assert!(Invitation::parse(&[bytes.as_slice(), &[0]].concat()).is_err());
}

#[test]
fn secrets_do_not_show() {
    assert_eq!(format!("{:?}", Person::new("alice").inbox), "InboxSecretKey(..)");
}
