use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};

use super::*;

/// RFC 9381, appendix B.3: the examples of ECVRF-EDWARDS25519-SHA512-TAI.
struct Example {
    secret_key: &'static str,
    public_key: &'static str,
    alpha: &'static str,
    x: &'static str,
    counter: u8,
    h: &'static str,
    k: &'static str,
    u: &'static str,
    v: &'static str,
    pi: &'static str,
    beta: &'static str,
}

const EXAMPLES: [Example; 3] = [
    // Example 16.
    Example {
        secret_key: "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        public_key: "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        alpha: "",
        x: "307c83864f2833cb427a2ef1c00a013cfdff2768d980c0a3a520f006904de94f",
        counter: 0,
        h: "91bbed02a99461df1ad4c6564a5f5d829d0b90cfc7903e7a5797bd658abf3318",
        k: "8a49edbd1492a8ee09766befe50a7d563051bf3406cbffc20a88def030730f0f",
        u: "aef27c725be964c6a9bf4c45ca8e35df258c1878b838f37d9975523f09034071",
        v: "5016572f71466c646c119443455d6cb9b952f07d060ec8286d678615d55f954f",
        pi: "8657106690b5526245a92b003bb079ccd1a92130477671f6fc01ad16f26f723f26f8a57ccaed74ee1b190bed1f479d9727d2d0f9b005a6e456a35d4fb0daab1268a1b0db10836d9826a528ca76567805",
        beta: "90cf1df3b703cce59e2a35b925d411164068269d7b2d29f3301c03dd757876ff66b71dda49d2de59d03450451af026798e8f81cd2e333de5cdf4f3e140fdd8ae",
    },
    // Example 17.
    Example {
        secret_key: "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        public_key: "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        alpha: "72",
        x: "68bd9ed75882d52815a97585caf4790a7f6c6b3b7f821c5e259a24b02e502e51",
        counter: 1,
        h: "5b659fc3d4e9263fd9a4ed1d022d75eaacc20df5e09f9ea937502396598dc551",
        k: "d8c3a66921444cb3427d5d989f9b315aa8ca3375e9ec4d52207711a1fdb44107",
        u: "1dcb0a4821a2c48bf53548228b7f170962988f6d12f5439f31987ef41f034ab3",
        v: "fd03c0bf498c752161bae4719105a074630a2aa5f200ff7b3995f7bfb1513423",
        pi: "f3141cd382dc42909d19ec5110469e4feae18300e94f304590abdced48aed5933bf0864a62558b3ed7f2fea45c92a465301b3bbf5e3e54ddf2d935be3b67926da3ef39226bbc355bdc9850112c8f4b02",
        beta: "eb4440665d3891d668e7e0fcaf587f1b4bd7fbfe99d0eb2211ccec90496310eb5e33821bc613efb94db5e5b54c70a848a0bef4553a41befc57663b56373a5031",
    },
    // Example 18.
    Example {
        secret_key: "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        public_key: "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        alpha: "af82",
        x: "909a8b755ed902849023a55b15c23d11ba4d7f4ec5c2f51b1325a181991ea95c",
        counter: 0,
        h: "bf4339376f5542811de615e3313d2b36f6f53c0acfebb482159711201192576a",
        k: "5ffdbc72135d936014e8ab708585fda379405542b07e3bd2c0bd48437fbac60a",
        u: "2bae73e15a64042fcebf062abe7e432b2eca6744f3e8265bc38e009cd577ecd5",
        v: "88cba1cb0d4f9b649d9a86026b69de076724a93a65c349c988954f0961c5d506",
        pi: "9bc0f79119cc5604bf02d23b4caede71393cedfbb191434dd016d30177ccbf8096bb474e53895c362d8628ee9f9ea3c0e52c7a5c691b6c18c9979866568add7a2d41b00b05081ed0f58ee5e31b3a970e",
        beta: "645427e5d00c62a23fb703732fa5d892940935942101e456ecca7bb217c61c452118fec1219202a0edcf038bb6373241578be7217ba85a2687f7a0310b2df19f",
    },
];

#[test]
fn every_value_of_the_examples_of_rfc_9381_comes_out() {
    for example in EXAMPLES {
        let key = EcvrfKey::from_secret_key(&array(example.secret_key));
        let alpha = hex::decode(example.alpha).unwrap();
        assert_eq!(hex::encode(key.public_key()), example.public_key);
        assert_eq!(key.scalar, Scalar::from_bytes_mod_order(array(example.x)));

        let hashed = encode_to_curve(key.public.as_bytes(), &alpha).unwrap();
        assert_eq!(hex::encode(hashed.compress().as_bytes()), example.h);
        assert_eq!(first_counter(&key, &alpha), Some(example.counter));
        let nonce = key.nonce(&hashed.compress());
        assert_eq!(hex::encode(nonce.as_bytes()), example.k);
        assert_eq!(hex::encode(EdwardsPoint::mul_base(&nonce).compress().as_bytes()), example.u);
        assert_eq!(hex::encode((hashed * *nonce).compress().as_bytes()), example.v);

        let (place, proof) = key.prove(&alpha).unwrap();
        assert_eq!(hex::encode(&proof), example.pi);
        assert_eq!(hex::encode(full_output(&(hashed * key.scalar))), example.beta);
        assert_eq!(hex::encode(place.0), example.beta[..64]);
        assert_eq!(key.evaluate(&alpha), Ok(place));
        assert_eq!(Ed25519Suite.verify_vrf(&key.public_key(), &alpha, &proof), Ok(place));
    }
}

/// The counter at which the loop of RFC 9381 ends, found without the code above it.
fn first_counter(key: &EcvrfKey, alpha: &[u8]) -> Option<u8> {
    (0..=u8::MAX).find(|counter| {
        let hash = Sha512::digest([&[3, 1], key.public.as_bytes().as_slice(), alpha, &[*counter, 0]].concat());
        decode_point(&hash[..32]).is_some()
    })
}

#[test]
fn a_scalar_that_is_not_reduced_is_refused() {
    let key = EcvrfKey::from_secret_key(&[7; 32]);
    let (_, mut proof) = key.prove(b"alice").unwrap();
    // The order of the group, little-endian (RFC 8032, section 5.1).
    let order = hex::decode("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010").unwrap();
    let mut carry = 0;
    for (byte, add) in proof[48..].iter_mut().zip(order) {
        carry += u16::from(*byte) + u16::from(add);
        *byte = carry as u8;
        carry >>= 8;
    }
    assert_eq!(carry, 0);
    assert_eq!(Ed25519Suite.verify_vrf(&key.public_key(), b"alice", &proof), Err(KeyTransError::VrfProof));
}

#[test]
fn a_key_of_small_order_is_refused_in_every_encoding() {
    let key = EcvrfKey::from_secret_key(&[7; 32]);
    let (_, proof) = key.prove(b"alice").unwrap();
    let mut encodings: Vec<[u8; 32]> = EIGHT_TORSION.iter().map(|point| point.compress().to_bytes()).collect();
    // p and p + 1 stand for y = 0 and 1; with the sign, x = 0 is negative.
    for (low, high) in [(0xed, 0x7f), (0xed, 0xff), (0xee, 0x7f), (0xee, 0xff), (0xec, 0xff)] {
        let mut encoding = [0xff; 32];
        (encoding[0], encoding[31]) = (low, high);
        encodings.push(encoding);
    }
    for encoding in encodings {
        let refused = Err(KeyTransError::PublicKey { of: KeyOf::Vrf });
        assert_eq!(Ed25519Suite.verify_vrf(&encoding, b"alice", &proof), refused);
        assert_eq!(check_public_key(&encoding), Err(KeyTransError::PublicKey { of: KeyOf::Vrf }));
        assert!(head::verifying_key(&encoding).is_none());
    }
}

#[test]
fn a_point_has_one_encoding() {
    // All encodings near both ends of the field, where y is not reduced or x is zero: those that the library changes are refused.
    let mut refused = 0;
    for low in 0..=255 {
        for (middle, high) in [(0xff, 0x7f), (0xff, 0xff), (0x00, 0x00), (0x00, 0x80)] {
            let mut encoding = [middle; 32];
            (encoding[0], encoding[31]) = (low, high);
            let canonical = CompressedEdwardsY(encoding).decompress().filter(|point| point.compress().0 == encoding);
            refused += usize::from(canonical.is_none() && CompressedEdwardsY(encoding).decompress().is_some());
            assert_eq!(decode_point(&encoding), canonical, "{low:02x} {middle:02x} {high:02x}");
        }
    }
    assert!(refused > 10);
    assert_eq!(decode_point(&[0; 31]), None);
    assert_eq!(decode_point(&[]), None);
}

#[test]
fn a_gamma_with_a_part_of_small_order_has_the_same_output() {
    let key = EcvrfKey::from_secret_key(&[7; 32]);
    let hashed = encode_to_curve(key.public.as_bytes(), b"alice").unwrap();
    let honest = key.evaluate(b"alice").unwrap();
    let gamma = hashed * key.scalar + EIGHT_TORSION[1];
    // An operator may search for a challenge that hides the part of order 8: V is then the same with and without it.
    let proofs = (1..200_u64).map(|nonce| key.prove_point(&hashed, &gamma, &Scalar::from(nonce)));
    let (hiding, showing): (Vec<_>, Vec<_>) = proofs.partition(|proof| proof[32] % 8 == 0);
    assert!(!hiding.is_empty() && !showing.is_empty());
    for proof in hiding {
        assert_eq!(Ed25519Suite.verify_vrf(&key.public_key(), b"alice", &proof), Ok(honest));
    }
    for proof in showing {
        assert_eq!(Ed25519Suite.verify_vrf(&key.public_key(), b"alice", &proof), Err(KeyTransError::VrfProof));
    }
}

#[test]
fn a_proof_with_another_gamma_is_refused_though_its_challenge_is_right() {
    let key = EcvrfKey::from_secret_key(&[7; 32]);
    let hashed = encode_to_curve(key.public.as_bytes(), b"alice").unwrap();
    for gamma in [hashed, ED25519_BASEPOINT_POINT, EIGHT_TORSION[0], hashed * (key.scalar + Scalar::ONE)] {
        let proof = key.prove_point(&hashed, &gamma, &Scalar::from(9_u64));
        assert_eq!(Ed25519Suite.verify_vrf(&key.public_key(), b"alice", &proof), Err(KeyTransError::VrfProof));
    }
}

fn array(text: &str) -> [u8; 32] {
    hex::decode(text).unwrap().try_into().unwrap()
}
