use super::*;
use crate::{testing::SeededEntropy, tokens::testing::Issuer, vectors};

const FINGERPRINT: Fingerprint = Fingerprint::new([4; 32]);

fn requested(issuer: &Issuer) -> (TokenIssue, PendingBatch) {
    let pin = IssuerPin::first_seen(&issuer.key()).expect("valid key");
    PendingBatch::request(&pin, &FINGERPRINT, &mut SeededEntropy::new(5)).expect("blinds")
}

#[test]
fn a_batch_becomes_tokens_that_the_server_takes() {
    let sam = Issuer::new(3, 1);
    let (request, pending) = requested(&sam);
    assert_eq!((request.epoch, request.blinded.len()), (3, TOKEN_BATCH));
    let tokens = pending.finish(&sam.issue(&request)).expect("verifies");
    assert_eq!(tokens.len(), TOKEN_BATCH);
    for token in &tokens {
        assert!(sam.takes(&FINGERPRINT, token));
        assert!(!sam.takes(&Fingerprint::new([5; 32]), token), "bound to one server");
        assert!(!Issuer::new(3, 2).takes(&FINGERPRINT, token));
    }
    let nonces: std::collections::BTreeSet<_> = tokens.iter().map(|token| token.nonce.clone()).collect();
    assert_eq!(nonces.len(), TOKEN_BATCH);
}

#[test]
fn a_pending_batch_survives_storage() {
    let sam = Issuer::new(3, 1);
    let (request, pending) = requested(&sam);
    let stored = pending.to_bytes();
    let tokens = pending.finish(&sam.issue(&request)).expect("verifies");
    let restored = PendingBatch::from_bytes(&stored).expect("as stored");
    assert_eq!(format!("{restored:?}"), "PendingBatch(epoch 3, 32 tokens)");
    assert_eq!(restored.finish(&sam.issue(&request)), Ok(tokens));
    for end in 0..stored.len() {
        assert!(PendingBatch::from_bytes(&stored[..end]).is_err(), "cut at {end}");
    }
}

#[test]
fn refuses_another_key_and_any_changed_answer() {
    let sam = Issuer::new(3, 1);
    let (request, pending) = requested(&sam);
    let stored = pending.to_bytes();
    let finish = |issued: &TokensIssued| PendingBatch::from_bytes(&stored).expect("as stored").finish(issued).err();
    let good = sam.issue(&request);
    assert_eq!(finish(&Issuer::new(3, 2).issue(&request)), Some(TokenError::ProofInvalid));
    let mut swapped = good.clone();
    swapped.evaluated.swap(0, 1);
    assert_eq!(finish(&swapped), Some(TokenError::ProofInvalid));
    let mut short = good.clone();
    short.evaluated.pop();
    assert_eq!(finish(&short), Some(TokenError::BatchSize { expected: 32, found: 31 }));
    let mut one_by_another = good.clone();
    one_by_another.evaluated[9] = Issuer::new(3, 2).issue(&request).evaluated[9].clone();
    assert_eq!(finish(&one_by_another), Some(TokenError::ProofInvalid));
    for proof in [Vec::new(), vec![0; 63], vec![0; 65], vec![0xff; 64]] {
        assert_eq!(finish(&TokensIssued { proof, ..good.clone() }), Some(TokenError::Malformed));
    }
    for element in [Vec::new(), vec![0; 32], vec![0xff; 32], vec![1; 33]] {
        let mut bad = good.clone();
        bad.evaluated[31] = element;
        assert_eq!(finish(&bad), Some(TokenError::Malformed));
    }
}

/// RFC 9497, appendix A.1.2: ristretto255-SHA512 in mode VOPRF, the batch of two among them.
#[test]
fn agrees_with_the_published_vectors() {
    let Some(bytes) = vectors::read("voprf/allVectors.json") else { return };
    let suites: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
    let suite = suites
        .as_array()
        .expect("a list")
        .iter()
        .find(|suite| suite["identifier"] == "ristretto255-SHA512" && suite["mode"] == 1)
        .expect("our suite");
    let bytes = |value: &serde_json::Value| hex::decode(value.as_str().expect("text")).expect("hex");
    let list = |value: &serde_json::Value| -> Vec<Vec<u8>> {
        value.as_str().expect("text").split(',').map(|item| hex::decode(item).expect("hex")).collect()
    };
    let public_key = bytes(&suite["pkSm"]).try_into().expect("32 bytes");
    let mut batches = Vec::new();
    for vector in suite["vectors"].as_array().expect("a list") {
        let (inputs, blinds) = (list(&vector["Input"]), list(&vector["Blind"]));
        let mut clients = Vec::new();
        for ((input, blind), blinded) in inputs.iter().zip(blinds).zip(list(&vector["BlindedElement"])) {
            let blind = Ristretto255::deserialize_scalar(&blind).expect("a scalar");
            let result = VoprfClient::deterministic_blind_unchecked(input, blind).expect("blinds");
            assert_eq!(result.message.serialize().to_vec(), blinded);
            clients.push(result.state);
        }
        let proof = bytes(&vector["Proof"]["proof"]);
        let evaluated = list(&vector["EvaluationElement"]);
        let outputs = unblind(&public_key, &inputs, &clients, &evaluated, &proof);
        assert_eq!(outputs, Ok(list(&vector["Output"])));
        batches.push(inputs.len());
        let mut changed = proof;
        changed[0] ^= 1;
        assert_eq!(unblind(&public_key, &inputs, &clients, &evaluated, &changed), Err(TokenError::ProofInvalid));
    }
    assert_eq!(batches, [1, 1, 2]);
}
