//! Writing has the bounds of reading.

use super::*;

fn fits<T: Field + PartialEq + core::fmt::Debug>(value: &T) {
    let bytes = value.write(Writer::new()).expect("fits").finish();
    let mut reader = Reader::new(&bytes);
    assert!(T::read(&mut reader).as_ref() == Ok(value), "what was written reads back");
    reader.finish().expect("all of it");
}

fn is_refused<T: Field>(value: &T) {
    assert_eq!(value.write(Writer::new()).map(Writer::finish), Err(StoreFault::TooLarge));
}

#[test]
fn what_could_not_be_read_back_is_not_written() {
    fits(&List(vec![7_u8; MAX_FIELD_ITEMS]));
    is_refused(&List(vec![7_u8; MAX_FIELD_ITEMS + 1]));
    fits(&vec![7_u8; MAX_FIELD_BYTES]);
    is_refused(&vec![7_u8; MAX_FIELD_BYTES + 1]);
    fits(&"a".repeat(MAX_FIELD_BYTES));
    is_refused(&"a".repeat(MAX_FIELD_BYTES + 1));
    fits(&SecretBytes::new(vec![7; MAX_FIELD_BYTES]));
    is_refused(&SecretBytes::new(vec![7; MAX_FIELD_BYTES + 1]));
    let token = |nonce, authenticator| Token { epoch: 1, nonce: vec![2; nonce], authenticator: vec![3; authenticator] };
    fits(&token(MAX_NONCE_BYTES, MAX_AUTHENTICATOR_BYTES));
    is_refused(&token(MAX_NONCE_BYTES + 1, 1));
    is_refused(&token(1, MAX_AUTHENTICATOR_BYTES + 1));
}

#[test]
fn a_part_that_is_too_large_refuses_what_it_is_part_of() {
    let large = || List(vec![7_u8; MAX_FIELD_ITEMS + 1]);
    is_refused(&Some(large()));
    is_refused(&List(vec![List::default(), large()]));
    let body = |content| crate::store::LogBody::Content { content };
    fits(&body(vec![7; 9]));
    is_refused(&body(vec![7; MAX_FIELD_BYTES + 1]));
}
