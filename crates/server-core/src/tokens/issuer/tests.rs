use std::path::PathBuf;

use quicprochat_wire::Duration;
use serde_json::Value;

use super::*;

/// Yields one scalar, in the width that the library draws one from.
struct Scalar([u8; 32]);

impl Entropy for Scalar {
    fn fill(&mut self, out: &mut [u8]) {
        assert_eq!(out.len(), 64, "the library draws a scalar as 64 bytes");
        out.fill(0);
        out[..32].copy_from_slice(&self.0);
    }
}

fn vectors() -> Option<Value> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors");
    let folder = std::env::var_os("QPC_VECTORS").map_or(beside, PathBuf::from);
    let path = folder.join("voprf/allVectors.json");
    match std::fs::read(&path) {
        Ok(bytes) => Some(serde_json::from_slice(&bytes).expect("valid JSON")),
        Err(error) => {
            let ci = std::env::var("CI").is_ok_and(|value| value == "true");
            assert!(!ci, "{}: {error}", path.display());
            println!("SKIPPED: {}: {error}. Set QPC_VECTORS to the folder of vectors", path.display());
            None
        }
    }
}

fn bytes(value: &Value) -> Vec<Vec<u8>> {
    let text = value.as_str().expect("a string");
    text.split(',').map(|item| hex::decode(item).expect("hex")).collect()
}

fn one(value: &Value) -> Vec<u8> {
    bytes(value).remove(0)
}

#[test]
fn matches_the_vectors_of_rfc_9497_in_batches_too() {
    let Some(vectors) = vectors() else { return };
    let suite = vectors.as_array().expect("a list").iter();
    let suite = suite.filter(|suite| suite["identifier"] == "ristretto255-SHA512" && suite["mode"] == 1);
    let [suite] = suite.collect::<Vec<_>>()[..] else { panic!("one suite is ours") };
    let server = VoprfServer::new_from_seed(&one(&suite["seed"]), &one(&suite["keyInfo"])).expect("a key");
    let key = EpochKey::new(server);
    assert_eq!(key.public.to_vec(), one(&suite["pkSm"]));
    let mut batches = Vec::new();
    for vector in suite["vectors"].as_array().expect("a list") {
        let blinded = bytes(&vector["BlindedElement"]);
        let elements = blinded.iter().map(|bytes| BlindedElement::deserialize(bytes).expect("a point")).collect();
        let mut scalar = Scalar(one(&vector["Proof"]["r"]).try_into().expect("32 bytes"));
        let issued = key.evaluate(&elements, &mut scalar).expect("evaluates");
        assert_eq!(issued.evaluated, bytes(&vector["EvaluationElement"]));
        assert_eq!(issued.proof, one(&vector["Proof"]["proof"]));
        for (input, output) in bytes(&vector["Input"]).iter().zip(bytes(&vector["Output"])) {
            assert_eq!(key.output(input).expect("an output").to_vec(), output);
        }
        batches.push(elements.len());
    }
    assert_eq!(batches, [1, 1, 2]);
}

#[test]
fn a_key_issues_for_an_epoch_and_its_tokens_count_for_a_grace_period() {
    let issuer = Issuer::new(Zeroizing::new([7; 32]), &Fingerprint::new([1; 32]), 7, 3);
    let start = Day(7 * 2_900).start();
    let days = |days: u64| start.after(Duration::from_millis(days * Timestamp::DAY_MS));
    let epochs = |now| issuer.public_keys(now).expect("keys").iter().map(|key| key.epoch).collect::<Vec<_>>();
    assert_eq!(epochs(start), [2_900, 2_899]);
    assert_eq!(epochs(Timestamp(days(3).0 - 1)), [2_900, 2_899]);
    assert_eq!(epochs(days(3)), [2_900], "the grace period of the epoch before is over");
    assert_eq!(epochs(days(7)), [2_901, 2_900]);
    let keys = issuer.public_keys(start).expect("keys");
    assert_eq!(keys[0].issues_until, days(7));
    assert_eq!(keys[0].redeems_until, days(10));
    assert_ne!(keys[0].public_key, keys[1].public_key);

    let nonce = [5; 32];
    let key = issuer.key(2_900).expect("a key");
    let authenticator = key.output(&issuer.input(&nonce, &key.public)).expect("an output").to_vec();
    let token = Token { epoch: 2_900, nonce: nonce.to_vec(), authenticator };
    let verify = |token: &Token, now| issuer.verify(token, now).map(|verified| (verified.epoch, verified.nonce));
    assert_eq!(verify(&token, start), Ok((2_900, nonce)));
    assert_eq!(verify(&token, Timestamp(days(10).0 - 1)), Ok((2_900, nonce)));
    assert_eq!(verify(&token, days(10)), Err(ErrorCode::TokenExpired));
    assert_eq!(verify(&token, days(21)), Err(ErrorCode::TokenExpired));
    assert_eq!(verify(&token, Timestamp(start.0 - 1)), Err(ErrorCode::TokenInvalid), "from the future");
    assert_eq!(verify(&Token { epoch: 2_899, ..token.clone() }, start), Err(ErrorCode::TokenInvalid));
    assert_eq!(verify(&Token { nonce: vec![5; 31], ..token.clone() }, start), Err(ErrorCode::TokenInvalid));
    assert_eq!(verify(&Token { authenticator: Vec::new(), ..token.clone() }, start), Err(ErrorCode::TokenInvalid));
    let mut wrong = token;
    wrong.authenticator[63] ^= 1;
    assert_eq!(verify(&wrong, start), Err(ErrorCode::TokenInvalid));
}

#[test]
fn only_whole_batches_of_points_are_accepted_and_only_by_the_current_key() {
    let issuer = Issuer::new(Zeroizing::new([7; 32]), &Fingerprint::new([1; 32]), 7, 7);
    let now = Day(7 * 2_900).start();
    let batch = vec![issuer.key(2_900).expect("a key").public.to_vec(); TOKEN_BATCH];
    let accept = |epoch, batch: &[Vec<u8>]| issuer.accept(epoch, batch, now).map(|elements| elements.len());
    assert_eq!(accept(2_900, &batch), Ok(TOKEN_BATCH));
    assert_eq!(accept(2_899, &batch), Err(ErrorCode::TokenExpired));
    assert_eq!(accept(2_900, &batch[1..]), Err(ErrorCode::BadRequest));
    for bad in [vec![0; 32], vec![0xFF; 32], batch[0][1..].to_vec(), [&batch[0][..], &[0]].concat()] {
        let mut batch = batch.clone();
        batch[9] = bad;
        assert_eq!(accept(2_900, &batch), Err(ErrorCode::BadRequest));
    }
}
