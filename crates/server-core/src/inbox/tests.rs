use futures::executor::block_on;
use quicprochat_wire::{
    AccountId, CallFailure, ConnectionKind, ErrorCode, MessageId,
    call::{
        Done,
        inbox::{InboxDeliver, InboxEntry, InboxPage, InboxRead, InboxSubscribe},
        session::Registration,
        token::Token,
    },
};

use crate::{
    Limits,
    test_support::{Line, Person, Sam, refused},
};

/// Alice with tokens, and Bob with an inbox.
fn people(sam: &Sam) -> (Vec<Token>, Person) {
    let (mut alice, bob) = (Person::new("alice", 1), Person::new("bob", 2));
    alice.register(sam).expect("registers");
    bob.register(sam).expect("registers");
    (alice.tokens(&alice.line(sam)).expect("tokens"), bob)
}

fn delivery(account: AccountId, id: u8, token: Token) -> InboxDeliver {
    InboxDeliver { account, id: MessageId::new([id; 16]), sealed: vec![id; 10], token }
}

fn read(line: &Line<'_>, after: u64) -> Result<InboxPage, CallFailure> {
    line.call(InboxRead { after, limit: 100 })
}

fn entry(seq: u64, id: u8) -> InboxEntry {
    InboxEntry { seq, id: MessageId::new([id; 16]), sealed: vec![id; 10] }
}

#[test]
fn a_delivery_costs_a_token_and_only_the_owner_reads_it() {
    let sam = Sam::new();
    let (mut tokens, bob) = people(&sam);
    let lookup = sam.connect(ConnectionKind::Lookup);
    let token = tokens.remove(0);
    lookup.call(delivery(bob.account(), 1, token.clone())).expect("delivers");
    lookup.call(delivery(bob.account(), 1, token.clone())).expect("the same again is done");
    let mut forged = token.clone();
    forged.authenticator.clear();
    lookup.call(delivery(bob.account(), 1, forged.clone())).expect("the id is looked up before the token");
    assert_eq!(lookup.call(delivery(bob.account(), 2, token)), refused(ErrorCode::TokenSpent));
    assert_eq!(lookup.call(delivery(bob.account(), 2, forged)), refused(ErrorCode::TokenInvalid));
    lookup.call(delivery(bob.account(), 2, tokens.remove(0))).expect("delivers");
    let line = bob.line(&sam);
    assert_eq!(read(&line, 0), Ok(InboxPage { entries: vec![entry(1, 1), entry(2, 2)], more: false }));
    assert_eq!(read(&line, 1), Ok(InboxPage { entries: vec![entry(2, 2)], more: false }));
    let one = line.call(InboxRead { after: 0, limit: 1 });
    assert_eq!(one, Ok(InboxPage { entries: vec![entry(1, 1)], more: true }));
    assert_eq!(line.call(InboxRead { after: 0, limit: 0 }), read(&line, 0), "0 is no limit");
    let alice = Person::new("alice", 1).line(&sam);
    assert_eq!(read(&alice, 0), Ok(InboxPage { entries: Vec::new(), more: false }));
}

#[test]
fn what_is_not_delivered_spends_no_token() {
    let sam = Sam::with(Registration::Open, Limits { inbox_entries: 2, inbox_entry_bytes: 10, ..Limits::default() });
    let (mut tokens, bob) = people(&sam);
    let lookup = sam.connect(ConnectionKind::Lookup);
    let token = tokens.remove(0);
    let nobody = AccountId::new([7; 32]);
    assert_eq!(lookup.call(delivery(nobody, 1, token.clone())), refused(ErrorCode::NotFound));
    let mut large = delivery(bob.account(), 1, token.clone());
    large.sealed.push(0);
    assert_eq!(lookup.call(large), refused(ErrorCode::TooLarge));
    lookup.call(delivery(bob.account(), 1, token)).expect("the token is unspent");
    lookup.call(delivery(bob.account(), 2, tokens.remove(0))).expect("delivers");
    let token = tokens.remove(0);
    assert_eq!(lookup.call(delivery(bob.account(), 3, token.clone())), refused(ErrorCode::QuotaFull));
    sam.days(5);
    assert_eq!(
        lookup.call(delivery(bob.account(), 3, token.clone())),
        refused(ErrorCode::QuotaFull),
        "only age deletes"
    );
    let other = Person::new("alice", 1).account();
    lookup.call(delivery(other, 3, token)).expect("the token is unspent");
}

#[test]
fn a_subscription_begins_at_its_cursor_and_is_pushed_what_arrives() {
    let sam = Sam::new();
    let (mut tokens, bob) = people(&sam);
    let lookup = sam.connect(ConnectionKind::Lookup);
    let line = bob.line(&sam);
    let mut subscription = line.subscribe(InboxSubscribe { after: 0 }).expect("subscribes");
    assert_eq!(subscription.next(), Some(Ok(InboxPage { entries: Vec::new(), more: false })), "it is up");
    assert!(subscription.next().is_none());
    lookup.call(delivery(bob.account(), 1, tokens.remove(0))).expect("delivers");
    assert_eq!(subscription.next(), Some(Ok(InboxPage { entries: vec![entry(1, 1)], more: false })));
    assert!(subscription.next().is_none());
    let mut late = line.subscribe(InboxSubscribe { after: 1 }).expect("subscribes");
    assert_eq!(late.next(), Some(Ok(InboxPage { entries: Vec::new(), more: false })));
    sam.server.drain();
    assert_eq!(late.next(), Some(refused(ErrorCode::Unavailable)));
}

#[test]
fn entries_are_kept_for_the_retention_time_and_positions_go_on() {
    let sam = Sam::new();
    let (mut tokens, bob) = people(&sam);
    let lookup = sam.connect(ConnectionKind::Lookup);
    lookup.call(delivery(bob.account(), 1, tokens.remove(0))).expect("delivers");
    sam.days(90);
    assert_eq!(block_on(sam.server.sweep(sam.now())).expect("sweeps").inbox_entries, 0);
    sam.days(1);
    assert_eq!(block_on(sam.server.sweep(sam.now())).expect("sweeps").inbox_entries, 1);
    let mut alice = Person::new("alice", 1);
    let token = alice.tokens(&alice.line(&sam)).expect("tokens").remove(0);
    assert_eq!(lookup.call(delivery(bob.account(), 2, tokens.remove(0))), refused(ErrorCode::TokenExpired));
    assert_eq!(lookup.call(delivery(bob.account(), 2, token)), Ok(Done));
    assert_eq!(read(&bob.line(&sam), 0), Ok(InboxPage { entries: vec![entry(2, 2)], more: false }));
}
