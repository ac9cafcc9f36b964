//! What both suites promise.

use proptest::prelude::*;

use super::*;

const SUITES: [CipherSuite; 2] = [CipherSuite::ED25519, CipherSuite::RISTRETTO255];

#[test]
fn a_suite_that_is_not_there_is_named() {
    for found in [CipherSuite(0), CipherSuite(1), CipherSuite(3), CipherSuite(0xf000), CipherSuite(0xf002)] {
        let refused = KeyTransError::UnsupportedSuite { found };
        assert_eq!(by_id(found).map(|suite| suite.id()), Err(refused.clone()));
        assert_eq!(vrf_key(found, &[1; 32]).map(|key| key.public_key()), Err(refused.clone()));
        assert_eq!(head_key(found, &[1; 32]).map(|key| key.public_key()), Err(refused.clone()));
        assert_eq!(check_vrf_key(found, &[1; 32]), Err(refused.clone()));
        assert_eq!(check_head_key(found, &[1; 32], KeyOf::Operator), Err(refused));
    }
}

#[test]
fn one_seed_gives_a_key_for_every_purpose_and_always_the_same() {
    let mut keys = Vec::new();
    for suite in SUITES {
        let (vrf, head) = (vrf_key(suite, &[1; 32]).unwrap(), head_key(suite, &[1; 32]).unwrap());
        assert_eq!(check_vrf_key(suite, &vrf.public_key()), Ok(()));
        assert_eq!(check_head_key(suite, &head.public_key(), KeyOf::Operator), Ok(()));
        assert_eq!(by_id(suite).unwrap().id(), suite);
        keys.extend([vrf.public_key(), head.public_key()]);
    }
    // Computed once, and frozen: a server finds its log again after an update.
    assert_eq!(
        keys.iter().map(hex::encode).collect::<Vec<_>>(),
        [
            "ae41f4d073c57fb5d5b42179a20fd19d749d3d4bff95e01f0053d83ff71ff219",
            "f9732010efadef5ea252b04afbd08da4d70fe7a83fc34eea7b86d2f31661c695",
            "6ea635ac58363ad16ce70d010f4eb614e55585dc9c91170b397b624a0e1a6e03",
            "27d08e32c3ef963220f91444a4648f51adfc0ecb534a9626bb4b8d7fce57aaef",
        ]
    );
}

#[test]
fn keys_of_wrong_length_are_refused() {
    for suite in SUITES {
        let key = vrf_key(suite, &[1; 32]).unwrap();
        let (_, proof) = key.prove(b"alice").unwrap();
        let public = key.public_key();
        for bytes in [&public[..31], &[public.as_slice(), &[0]].concat(), &[]] {
            let refused = KeyTransError::PublicKey { of: KeyOf::Vrf };
            assert_eq!(by_id(suite).unwrap().verify_vrf(bytes, b"alice", &proof), Err(refused.clone()));
            assert_eq!(check_vrf_key(suite, bytes), Err(refused));
            let refused = KeyTransError::PublicKey { of: KeyOf::Witness };
            assert_eq!(check_head_key(suite, bytes, KeyOf::Witness), Err(refused));
        }
    }
}

#[test]
fn a_proof_counts_for_its_key_and_input_alone() {
    for id in SUITES {
        let suite = by_id(id).unwrap();
        let (alice, mallory) = (vrf_key(id, &[1; 32]).unwrap(), vrf_key(id, &[2; 32]).unwrap());
        let (place, proof) = alice.prove(b"\x05alice\0\0\0\0").unwrap();
        let (other, swapped) = alice.prove(b"\x05alice\0\0\0\x01").unwrap();
        let public = alice.public_key();
        assert_eq!(suite.verify_vrf(&public, b"\x05alice\0\0\0\0", &proof), Ok(place));
        assert_eq!(suite.verify_vrf(&public, b"\x05alice\0\0\0\x01", &swapped), Ok(other));
        assert_ne!(place, other);
        for (key, input, proof) in [
            (&public, b"\x05alice\0\0\0\0", &swapped),
            (&public, b"\x05alice\0\0\0\x02", &proof),
            (&public, b"\x05alicf\0\0\0\0", &proof),
            (&mallory.public_key(), b"\x05alice\0\0\0\0", &proof),
        ] {
            assert_eq!(suite.verify_vrf(key, input, proof), Err(KeyTransError::VrfProof));
        }
    }
}

#[test]
fn a_proof_with_any_bit_changed_is_refused() {
    for id in SUITES {
        let (suite, key) = (by_id(id).unwrap(), vrf_key(id, &[1; 32]).unwrap());
        let (_, proof) = key.prove(b"alice").unwrap();
        assert_eq!(proof.len(), suite.vrf_proof_len());
        for bit in 0..proof.len() * 8 {
            let mut changed = proof.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let found = suite.verify_vrf(&key.public_key(), b"alice", &changed);
            assert_eq!(found, Err(KeyTransError::VrfProof), "{id} bit {bit}");
        }
        for bytes in [&proof[..proof.len() - 1], &[proof.as_slice(), &[0]].concat(), &[]] {
            assert_eq!(suite.verify_vrf(&key.public_key(), b"alice", bytes), Err(KeyTransError::VrfProof));
        }
    }
}

#[test]
fn a_signature_counts_for_its_key_and_message_alone() {
    for id in SUITES {
        let suite = by_id(id).unwrap();
        let (sam, mallory) = (head_key(id, &[1; 32]).unwrap(), head_key(id, &[2; 32]).unwrap());
        let signature = sam.sign(b"head");
        assert!(suite.verify_signature(&sam.public_key(), b"head", &signature));
        assert!(!suite.verify_signature(&sam.public_key(), b"heac", &signature));
        assert!(!suite.verify_signature(&mallory.public_key(), b"head", &signature));
        assert!(!suite.verify_signature(&sam.public_key(), b"head", &signature[..63]));
        assert!(!suite.verify_signature(&sam.public_key()[..31], b"head", &signature));
        for bit in 0..signature.len() * 8 {
            let mut changed = signature.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(!suite.verify_signature(&sam.public_key(), b"head", &changed), "bit {bit}");
        }
    }
}

#[test]
fn a_key_of_small_order_signs_nothing() {
    // The identity as key and as R, with s = 0, verifies for every message where it is not refused.
    let identity = [&[1], [0; 31].as_slice()].concat();
    let signature = [identity.as_slice(), &[0; 32]].concat();
    for id in SUITES {
        assert!(!by_id(id).unwrap().verify_signature(&identity, b"head", &signature));
        assert_eq!(check_head_key(id, &identity, KeyOf::Auditor), Err(KeyTransError::PublicKey { of: KeyOf::Auditor }));
    }
}

#[test]
fn debug_shows_no_secret() {
    for id in SUITES {
        let (vrf, head) = (vrf_key(id, &[1; 32]).unwrap(), head_key(id, &[1; 32]).unwrap());
        for (shown, public) in [(format!("{vrf:?}"), vrf.public_key()), (format!("{head:?}"), head.public_key())] {
            let name = shown.split(' ').next().unwrap();
            assert_eq!(shown, format!("{name} {{ public: {public:?}, .. }}"));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_is_proven_verifies_and_is_what_is_evaluated(seed: [u8; 32], input in prop::collection::vec(any::<u8>(), 0..300)) {
        for id in SUITES {
            let (suite, key) = (by_id(id).unwrap(), vrf_key(id, &seed).unwrap());
            let (place, proof) = key.prove(&input).unwrap();
            prop_assert_eq!(key.prove(&input).unwrap(), (place, proof.clone()));
            prop_assert_eq!(key.evaluate(&input), Ok(place));
            prop_assert_eq!(suite.verify_vrf(&key.public_key(), &input, &proof), Ok(place));
        }
    }

    #[test]
    fn bytes_from_outside_never_panic(
        key in prop::collection::vec(any::<u8>(), 0..40),
        input in prop::collection::vec(any::<u8>(), 0..40),
        proof in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        for id in SUITES {
            let suite = by_id(id).unwrap();
            let own = vrf_key(id, &[1; 32]).unwrap().public_key();
            prop_assert!(suite.verify_vrf(&key, &input, &proof).is_err());
            prop_assert!(suite.verify_vrf(&own, &input, &proof).is_err());
            prop_assert!(!suite.verify_signature(&key, &input, &proof));
        }
    }
}
