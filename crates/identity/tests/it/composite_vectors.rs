//! draft-ietf-lamps-pq-composite-sigs, id-MLDSA65-Ed25519-SHA512: both published cases and the published key.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use quicprochat_identity::{IdentityPublicKey, IdentitySecretKey};

use crate::support::{Seeded, text, vectors};

#[test]
fn published_keys_and_signatures_agree_with_ours() {
    let Some(file) = vectors("composite-sigs/testvectors.json") else { return };
    let decode = |value: &serde_json::Value, field| STANDARD.decode(text(value, field)).expect("base64");
    let cases = file["tests"].as_array().expect("a list");
    let cases: Vec<_> = cases.iter().filter(|case| case["tcId"] == "id-MLDSA65-Ed25519-SHA512").collect();
    assert_eq!(cases.len(), 1);
    let (message, context) = (decode(&file, "m"), decode(&file, "ctx"));
    for case in cases {
        let public = IdentityPublicKey::from_bytes(&decode(case, "pk")).expect("a public key");
        let (plain, with_context) = (decode(case, "s"), decode(case, "sWithContext"));
        assert_eq!(public.verify(b"", &message, &plain), Ok(()));
        assert_eq!(public.verify(&context, &message, &with_context), Ok(()));
        assert!(public.verify(&context, &message, &plain).is_err());
        assert!(public.verify(b"", &message, &with_context).is_err());

        let seeds = <[u8; 64]>::try_from(decode(case, "sk")).expect("two seeds");
        let secret = IdentitySecretKey::from_seeds(&seeds);
        assert_eq!(secret.public(), &public);
        let ours = secret.sign(&context, &message, &mut Seeded(1)).expect("signs");
        assert_eq!(public.verify(&context, &message, &ours), Ok(()));
        // The Ed25519 half is deterministic, so it must be the published one to the byte.
        assert_eq!(ours[3309..], with_context[3309..]);
    }
}
