use quicprochat_wire::{
    ErrorCode, Timestamp,
    call::{session::Registration, token::TokenKeys},
};

use crate::{
    Limits, Server, ServerConfig, ServerError,
    store::memory::MemoryStore,
    test_support::{FINGERPRINT, Person, Sam, Seeded},
};

#[test]
fn a_batch_verifies_at_the_client_and_an_account_gets_so_many_a_day() {
    let sam = Sam::with(Registration::Open, Limits { tokens_per_day: 64, ..Limits::default() });
    let mut alice = Person::new("alice", 1);
    alice.register(&sam).expect("registers");
    let line = alice.line(&sam);
    let first = alice.tokens(&line).expect("a batch whose proof verifies");
    let second = alice.tokens(&line).expect("another");
    assert_eq!((first.len(), second.len()), (32, 32));
    let failure = alice.tokens(&line).expect_err("no more today");
    assert_eq!(failure.code, ErrorCode::RateLimited);
    let wait = failure.retry_after.expect("it says when");
    let (day, moment) = (Timestamp(sam.now().0).day(), sam.now().after(wait));
    assert_eq!((moment.day(), moment.0 % Timestamp::DAY_MS), (day + 1, 0));
    assert!(alice.tokens(&alice.line(&sam)).is_err(), "not on another connection either");
    sam.pass(wait);
    assert!(alice.tokens(&line).is_ok());
}

#[test]
fn issuer_keys_are_the_same_for_everybody_and_outlive_a_restart() {
    let sam = Sam::new();
    let (alice, bob) = (Person::new("alice", 1), Person::new("bob", 2));
    alice.register(&sam).expect("registers");
    bob.register(&sam).expect("registers");
    let keys = alice.line(&sam).call(TokenKeys {}).expect("keys");
    assert_eq!(bob.line(&sam).call(TokenKeys {}).expect("keys"), keys);
    assert_eq!(keys.keys.len(), 2);
    let again = Sam::on(sam.store.clone(), Registration::Open, Limits::default());
    assert_eq!(alice.line(&again).call(TokenKeys {}).expect("keys"), keys);
}

#[test]
fn limits_that_cannot_work_are_refused_at_the_start() {
    for (limits, limit) in [
        (Limits { token_epoch_days: 0, ..Limits::default() }, "token_epoch_days"),
        (Limits { token_grace_days: 8, ..Limits::default() }, "token_grace_days"),
    ] {
        let registration = Registration::Open;
        let config = ServerConfig { host: "h".to_owned(), fingerprint: FINGERPRINT, registration, limits };
        let store = std::sync::Arc::new(MemoryStore::new());
        let started = futures::executor::block_on(Server::start(config, store, Box::new(Seeded::new(1))));
        assert_eq!(started.err(), Some(ServerError::LimitInvalid { limit }));
    }
}
