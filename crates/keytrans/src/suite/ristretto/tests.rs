use std::{env, fs, path::PathBuf};

use proptest::prelude::*;
use rand_core::{CryptoRng, RngCore};
use voprf::{BlindedElement, EvaluationElement, Proof, VoprfClient, VoprfServer};

use super::*;

type Server = VoprfServer<Ristretto255>;
type Client = VoprfClient<Ristretto255>;

#[test]
fn every_value_of_the_vectors_of_rfc_9497_comes_out() {
    let Some(suite) = vectors() else { return };
    let field = |name: &str| hex::decode(suite[name].as_str().unwrap()).unwrap();
    let seed = <[u8; 32]>::try_from(field("seed")).unwrap();
    let key = RistrettoVrfKey::derive(&seed, &field("keyInfo")).unwrap();
    assert_eq!(key.scalar.to_bytes().to_vec(), field("skSm"));
    assert_eq!(key.public_key(), field("pkSm"));

    let singles = suite["vectors"].as_array().unwrap().iter().filter(|vector| vector["Batch"] == 1);
    let mut checked = 0;
    for vector in singles {
        let field = |value: &serde_json::Value| hex::decode(value.as_str().unwrap()).unwrap();
        let (input, output) = (field(&vector["Input"]), field(&vector["Output"]));
        let client = BlindInput::with_blind(&input, scalar(&field(&vector["Blind"]))).unwrap();
        assert_eq!(client.request().to_vec(), field(&vector["BlindedElement"]));

        let blinded = Element::decode(&client.request()).unwrap();
        let evaluated = Element::of(blinded.point * key.scalar);
        assert_eq!(evaluated.bytes.to_vec(), field(&vector["EvaluationElement"]));
        let nonce = scalar(&field(&vector["Proof"]["r"]));
        let proof = dleq::prove(&key.scalar, &key.public, &blinded, &evaluated, &nonce);
        assert_eq!(proof.to_vec(), field(&vector["Proof"]["proof"]));
        assert!(dleq::verify(&key.public, &blinded, &evaluated, &proof));

        let answer = [evaluated.bytes.as_slice(), &proof].concat();
        assert_eq!(client.finalize(&key.public_key(), &answer).unwrap().0, output[..32]);
        let (place, _) = key.prove(&input).unwrap();
        assert_eq!(place.0, output[..32]);
        let direct = Element::of(hash_to_point(&input).unwrap() * key.scalar);
        assert_eq!(full_output(&input, &direct).unwrap().to_vec(), output);
        checked += 1;
    }
    assert_eq!(checked, 2);
}

#[test]
fn elements_and_scalars_that_are_not_canonical_are_refused() {
    let key = RistrettoVrfKey::from_seed(&[7; 32]).unwrap();
    let (_, proof) = key.prove(b"alice").unwrap();
    // The identity; a negative field element; a field element of p and above; one that is no element (RFC 9496, appendix A.3).
    let elements = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "00ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371",
    ];
    for element in elements.map(|text| hex::decode(text).unwrap()) {
        assert_eq!(check_public_key(&element), Err(KeyTransError::PublicKey { of: KeyOf::Vrf }));
        assert_eq!(key.evaluate_blinded(&element), Err(KeyTransError::VrfInput));
        let changed = [element.as_slice(), &proof[32..]].concat();
        assert_eq!(RistrettoSuite.verify_vrf(&key.public_key(), b"alice", &changed), Err(KeyTransError::VrfProof));
    }
    // The order of the group, little-endian: c + q and s + q mean the same as c and s.
    let order = hex::decode("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010").unwrap();
    for scalar in [32..64, 64..96] {
        let mut changed = proof.clone();
        let mut carry = 0;
        for (byte, add) in changed[scalar].iter_mut().zip(&order) {
            carry += u16::from(*byte) + u16::from(*add);
            *byte = carry as u8;
            carry >>= 8;
        }
        assert_eq!(carry, 0);
        assert_eq!(RistrettoSuite.verify_vrf(&key.public_key(), b"alice", &changed), Err(KeyTransError::VrfProof));
    }
    // With c = s = 0, what is hashed is the identity twice: the one case where nothing is to be inverted.
    let changed = [&proof[..32], [0; 64].as_slice()].concat();
    assert_eq!(RistrettoSuite.verify_vrf(&key.public_key(), b"alice", &changed), Err(KeyTransError::VrfProof));
    for length in [0, 31, 33] {
        assert_eq!(key.evaluate_blinded(&vec![1; length]), Err(KeyTransError::VrfInput));
    }
}

#[test]
fn halves_are_doubled_where_they_are_encoded() {
    assert_eq!(dleq::half() + dleq::half(), Scalar::ONE);
    let points =
        [Scalar::ZERO, Scalar::ONE, Scalar::from(7_u64), -Scalar::ONE].map(|times| RistrettoPoint::mul_base(&times));
    let halves = points.map(|point| point * dleq::half());
    let encoded = RistrettoPoint::double_and_compress_batch(&halves);
    assert_eq!(encoded, points.map(|point| point.compress()));
}

#[test]
fn an_element_that_the_key_did_not_evaluate_has_no_proof() {
    let key = RistrettoVrfKey::from_seed(&[7; 32]).unwrap();
    let input = hash_to_group(b"alice").unwrap();
    let nonce = key.nonce(&input);
    for scalar in [Scalar::ONE, key.scalar + Scalar::ONE, -key.scalar] {
        let evaluated = Element::of(input.point * scalar);
        // With its own key, the statement's other half is wrong; with the operator's, this half.
        for used in [scalar, key.scalar] {
            let proof = dleq::prove(&used, &key.public, &input, &evaluated, &nonce);
            assert!(!dleq::verify(&key.public, &input, &evaluated, &proof));
        }
    }
}

#[test]
fn an_input_may_be_as_long_as_its_length_can_say() {
    let key = RistrettoVrfKey::from_seed(&[7; 32]).unwrap();
    let longest = vec![1; INPUT_LIMIT];
    let (place, proof) = key.prove(&longest).unwrap();
    assert_eq!(RistrettoSuite.verify_vrf(&key.public_key(), &longest, &proof), Ok(place));
    let above = vec![1; INPUT_LIMIT + 1];
    let refused = KeyTransError::Decode(DecodeError::TooLong { limit: 65_535, found: 65_536 });
    assert_eq!(key.prove(&above), Err(refused.clone()));
    assert_eq!(key.evaluate(&above), Err(refused.clone()));
    assert_eq!(RistrettoSuite.verify_vrf(&key.public_key(), &above, &proof), Err(refused.clone()));
    assert_eq!(BlindInput::new(&above, &mut Fixed::of(1)).map(|client| client.request()), Err(refused));
}

#[test]
fn a_blind_of_zero_hides_nothing_and_is_refused() {
    let found = BlindInput::new(b"alice", &mut Fixed([0; 64])).map(|client| client.request());
    assert_eq!(found, Err(KeyTransError::VrfInput));
}

#[test]
fn an_answer_counts_for_its_request_and_key_alone() {
    let (sam, mallory) = (RistrettoVrfKey::from_seed(&[1; 32]).unwrap(), RistrettoVrfKey::from_seed(&[2; 32]).unwrap());
    let client = BlindInput::new(b"alice", &mut Fixed::of(1)).unwrap();
    let again = BlindInput::new(b"alice", &mut Fixed::of(2)).unwrap();
    assert_ne!(client.request(), again.request());
    let answer = sam.evaluate_blinded(&client.request()).unwrap();
    assert_eq!(client.finalize(&sam.public_key(), &answer), sam.evaluate(b"alice"));
    for answer in [sam.evaluate_blinded(&again.request()), mallory.evaluate_blinded(&client.request())] {
        assert_eq!(client.finalize(&sam.public_key(), &answer.unwrap()), Err(KeyTransError::VrfProof));
    }
    for byte in 0..PROOF_LEN {
        let mut changed = answer;
        changed[byte] ^= 1;
        assert_eq!(client.finalize(&sam.public_key(), &changed), Err(KeyTransError::VrfProof));
    }
    assert_eq!(client.finalize(&sam.public_key(), &answer[..95]), Err(KeyTransError::VrfProof));
    assert_eq!(client.finalize(&[0; 32], &answer), Err(KeyTransError::PublicKey { of: KeyOf::Vrf }));
    let shown = format!("{client:?}");
    assert_eq!(shown, format!("BlindInput {{ request: {:?}, .. }}", client.request()));
}

/// Every value of the worked example in the document, computed.
#[test]
fn the_documents_example_is_what_the_code_does() {
    let seed: [u8; 32] = core::array::from_fn(|at| at as u8);
    let key = RistrettoVrfKey::from_seed(&seed).unwrap();
    let input = b"\x05alice\0\0\0\0";
    let hashed = hash_to_group(input).unwrap();
    let evaluated = Element::of(hashed.point * key.scalar);
    let weight = dleq::weight(&key.public, &hashed, &evaluated);
    let (place, proof) = key.prove(input).unwrap();
    let blinding = BlindInput::with_blind(input, Scalar::from(2_u64)).unwrap();
    let answer = key.evaluate_blinded(&blinding.request()).unwrap();
    let values: [(&str, Vec<u8>); 15] = [
        ("seed", seed.to_vec()),
        ("k", key.scalar.to_bytes().to_vec()),
        ("pk", key.public.bytes.to_vec()),
        ("input", input.to_vec()),
        ("P", hashed.bytes.to_vec()),
        ("Z", evaluated.bytes.to_vec()),
        ("d", weight.to_bytes().to_vec()),
        ("M", Element::of(hashed.point * weight).bytes.to_vec()),
        ("N", Element::of(evaluated.point * weight).bytes.to_vec()),
        ("r", key.nonce(&hashed).to_bytes().to_vec()),
        ("c", proof[32..64].to_vec()),
        ("s", proof[64..].to_vec()),
        ("output", place.0.to_vec()),
        ("blinded", blinding.request().to_vec()),
        ("answer", answer[..32].to_vec()),
    ];
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/key-transparency-suite.md");
    let document = fs::read_to_string(path).unwrap();
    let lines: Vec<&str> = document.lines().collect();
    for (name, value) in &values {
        let line = format!("{name:<8}{}", hex::encode(value));
        assert!(lines.contains(&line.as_str()), "the document has no line: {line}");
    }
    assert_eq!(blinding.finalize(&key.public.bytes, &answer), Ok(place));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn blinded_evaluation_gives_the_direct_output(
        seed: [u8; 32],
        random in prop::array::uniform32(any::<u8>()),
        input in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let key = RistrettoVrfKey::from_seed(&seed).unwrap();
        let mut rng = Fixed([0; 64]);
        rng.0[..32].copy_from_slice(&random);
        rng.0[63] = 1;
        let client = BlindInput::new(&input, &mut rng).unwrap();
        let answer = key.evaluate_blinded(&client.request()).unwrap();
        prop_assert_eq!(client.finalize(&key.public_key(), &answer), key.evaluate(&input));
    }

    /// The library as the other side of each step, and as the other writer of each byte.
    #[test]
    fn the_library_does_the_same(seed: [u8; 32], nonce in 1..u64::MAX, blind in 1..u64::MAX, input in prop::collection::vec(any::<u8>(), 1..300)) {
        let key = RistrettoVrfKey::from_seed(&seed).unwrap();
        let server = Server::new_from_seed(&seed, b"qpc/1 keytrans vrf key").unwrap();
        let output = key.evaluate(&input).unwrap().0.to_vec();
        prop_assert_eq!(server.get_public_key(), key.public.point);
        prop_assert_eq!(server.evaluate(&input).unwrap()[..32].to_vec(), output.clone());
        for blind in [Scalar::ONE, Scalar::from(blind)] {
            let theirs = Client::deterministic_blind_unchecked(&input, blind).unwrap();
            let ours = BlindInput::with_blind(&input, blind).unwrap();
            prop_assert_eq!(theirs.message.serialize().to_vec(), ours.request().to_vec());

            // Their proof with our nonce is our proof.
            let blinded = Element::decode(&ours.request()).unwrap();
            let evaluated = Element::of(blinded.point * key.scalar);
            let mut rng = Fixed::of(nonce);
            let answer = server.blind_evaluate(&mut rng, &BlindedElement::deserialize(&ours.request()).unwrap());
            let proof = dleq::prove(&key.scalar, &key.public, &blinded, &evaluated, &Scalar::from(nonce));
            prop_assert_eq!(answer.message.serialize().to_vec(), evaluated.bytes.to_vec());
            prop_assert_eq!(answer.proof.serialize().to_vec(), proof.to_vec());

            // They accept our answer, and refuse what we refuse.
            let mut answer = key.evaluate_blinded(&ours.request()).unwrap();
            prop_assert_eq!(their_output(&theirs.state, &input, &answer, &key), Some(output.clone()));
            answer[40] ^= 1;
            prop_assert_eq!(their_output(&theirs.state, &input, &answer, &key), None);
            prop_assert_eq!(ours.finalize(&key.public.bytes, &answer), Err(KeyTransError::VrfProof));
        }
        let direct = Client::deterministic_blind_unchecked(&input, Scalar::ONE).unwrap();
        let (place, proof) = key.prove(&input).unwrap();
        prop_assert_eq!(their_output(&direct.state, &input, &proof, &key), Some(place.0.to_vec()));
    }
}

fn their_output(client: &Client, input: &[u8], answer: &[u8], key: &RistrettoVrfKey) -> Option<Vec<u8>> {
    let evaluated = EvaluationElement::deserialize(&answer[..32]).ok()?;
    let proof = Proof::deserialize(&answer[32..]).ok()?;
    client.finalize(input, &evaluated, &proof, key.public.point).ok().map(|output| output[..32].to_vec())
}

fn scalar(bytes: &[u8]) -> Scalar {
    Scalar::from_canonical_bytes(bytes.try_into().unwrap()).unwrap()
}

/// Mode 1 of ristretto255-SHA512 in the published vectors of RFC 9497.
fn vectors() -> Option<serde_json::Value> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors");
    let folders = [env::var_os("QPC_VECTORS").map(PathBuf::from), Some(beside)];
    let found = folders.into_iter().flatten().find_map(|folder| fs::read(folder.join("voprf/allVectors.json")).ok());
    let Some(bytes) = found else {
        assert_ne!(env::var("CI").as_deref(), Ok("true"), "voprf/allVectors.json is missing");
        println!("SKIPPED: voprf/allVectors.json is missing; set QPC_VECTORS to the folder of vectors");
        return None;
    };
    let suites: Vec<serde_json::Value> = serde_json::from_slice(&bytes).unwrap();
    let found = suites.into_iter().find(|suite| suite["identifier"] == "ristretto255-SHA512" && suite["mode"] == 1);
    Some(found.expect("mode 1 of ristretto255-SHA512"))
}

/// Randomness that is known: the same 64 bytes whenever it is asked.
struct Fixed([u8; 64]);

impl Fixed {
    /// Bytes that are reduced to this scalar.
    fn of(scalar: u64) -> Self {
        let mut bytes = [0; 64];
        bytes[..8].copy_from_slice(&scalar.to_le_bytes());
        Self(bytes)
    }
}

impl RngCore for Fixed {
    fn next_u32(&mut self) -> u32 {
        unreachable!("bytes are asked for")
    }

    fn next_u64(&mut self) -> u64 {
        unreachable!("bytes are asked for")
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.0[..bytes.len()]);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl CryptoRng for Fixed {}
