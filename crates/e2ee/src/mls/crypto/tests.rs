use openmls_traits::{
    crypto::OpenMlsCrypto as _,
    types::{Ciphersuite, CryptoError, HpkeAeadType, HpkeCiphertext, HpkeConfig, HpkeKdfType, HpkeKemType},
};

use super::Crypto;
use crate::testing::{SeededEntropy, hex_field, vectors};

const XWING: HpkeConfig =
    HpkeConfig(HpkeKemType::XWingKemDraft6, HpkeKdfType::HkdfSha256, HpkeAeadType::ChaCha20Poly1305);

#[test]
fn x_wing_matches_the_published_vectors() {
    let Some(cases) = vectors("hpke-pq/test-vectors.json") else { return };
    let mut entropy = SeededEntropy::new(1);
    let crypto = Crypto::new(&mut entropy);
    let mut ran = 0;
    for case in cases.as_array().expect("a list of cases") {
        if case["kem_id"] != 0x647a || case["kdf_id"] != 1 {
            continue;
        }
        let (secret, public) = (hex_field(case, "skRm"), hex_field(case, "pkRm"));
        let derived = crypto.derive_hpke_keypair(XWING, &hex_field(case, "ikmR")).expect("derives");
        assert_eq!(&*derived.private, secret.as_slice(), "private key");
        assert_eq!(derived.public, public, "public key");

        let (info, enc) = (hex_field(case, "info"), hex_field(case, "enc"));
        let first = &case["encryptions"][0];
        let input = HpkeCiphertext { kem_output: enc.clone().into(), ciphertext: hex_field(first, "ct").into() };
        let opened = crypto.hpke_open(XWING, &input, &secret, &info, &hex_field(first, "aad")).expect("opens");
        // The plaintext of these vectors is given in hexadecimal of hexadecimal, or not, so compare either way.
        assert_eq!(opened, hex_field(first, "pt"), "plaintext");
        for export in case["exports"].as_array().expect("a list of exports") {
            let len = usize::try_from(export["L"].as_u64().expect("a length")).expect("small");
            let exported = crypto
                .hpke_setup_receiver_and_export(
                    XWING,
                    &enc,
                    &secret,
                    &info,
                    &hex_field(export, "exporter_context"),
                    len,
                )
                .expect("exports");
            assert_eq!(&*exported, hex_field(export, "exported_value").as_slice());
            ran += 1;
        }
    }
    assert!(ran > 0, "the file has an X-Wing case with HKDF-SHA-256");
}

#[test]
fn what_is_sealed_opens_and_is_the_same_for_the_same_seed() {
    let mut outputs = Vec::new();
    for seed in [7, 7, 8] {
        let mut entropy = SeededEntropy::new(seed);
        let crypto = Crypto::new(&mut entropy);
        for suite in crypto.supported_ciphersuites() {
            let pair = crypto.derive_hpke_keypair(suite.hpke_config(), &[3; 64]).expect("derives");
            let sealed = crypto.hpke_seal(suite.hpke_config(), &pair.public, b"info", b"aad", b"text").expect("seals");
            let opened = crypto.hpke_open(suite.hpke_config(), &sealed, &pair.private, b"info", b"aad");
            assert_eq!(opened, Ok(b"text".to_vec()), "{suite:?}");
            let wrong = crypto.hpke_open(suite.hpke_config(), &sealed, &pair.private, b"info", b"other");
            assert_eq!(wrong, Err(CryptoError::HpkeDecryptionError));
            let (output, sent) = crypto
                .hpke_setup_sender_and_export(suite.hpke_config(), &pair.public, b"info", b"context", 32)
                .expect("exports");
            let received = crypto
                .hpke_setup_receiver_and_export(suite.hpke_config(), &output, &pair.private, b"info", b"context", 32)
                .expect("exports");
            assert_eq!(*sent, *received);
            outputs.push((seed, suite, sealed));
        }
    }
    let of = |seed: u64| -> Vec<_> { outputs.iter().filter(|(of, ..)| *of == seed).map(|(_, _, out)| out).collect() };
    let (seven, eight) = (of(7), of(8));
    assert_eq!(seven[..3], seven[3..], "a run can be replayed");
    assert!(seven.iter().zip(&eight).all(|(a, b)| a.kem_output != b.kem_output), "seeds differ");
}

#[test]
fn other_suites_are_refused_by_type() {
    let mut entropy = SeededEntropy::new(1);
    let crypto = Crypto::new(&mut entropy);
    let suite = Ciphersuite::MLS_128_DHKEMP256_AES128GCM_SHA256_P256;
    assert_eq!(crypto.supports(suite), Err(CryptoError::UnsupportedCiphersuite));
    assert_eq!(
        crypto.derive_hpke_keypair(suite.hpke_config(), &[1; 32]).err(),
        Some(CryptoError::UnsupportedCiphersuite)
    );
    assert_eq!(
        crypto.hpke_seal(suite.hpke_config(), &[], &[], &[], &[]).err(),
        Some(CryptoError::UnsupportedCiphersuite)
    );
}
