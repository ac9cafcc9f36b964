//! The vectors of RFC 9420 through our provider, for the suites it has (1 and 3 of the standard's seven).

use openmls::{
    group::{MIXED_CIPHERTEXT_WIRE_FORMAT_POLICY, MlsGroupJoinConfig},
    prelude::{
        KeyPackageBundle, KeyPackageIn, MlsGroup, MlsMessageBodyIn, MlsMessageIn, ProcessedMessageContent,
        ProtocolMessage, RatchetTreeIn, SenderRatchetConfiguration, StagedWelcome,
    },
    schedule::{ExternalPsk, PreSharedKeyId, Psk},
};
use openmls_traits::{
    OpenMlsProvider as _,
    crypto::OpenMlsCrypto as _,
    storage::StorageProvider as _,
    types::{Ciphersuite, HpkeCiphertext, HpkePrivateKey, SignatureScheme},
};
use serde::Serialize;
use serde_json::Value;
use tls_codec::DeserializeBytes as _;

use crate::{
    mls::{MemoryMlsStore, Provider, crypto::Crypto},
    testing::{SeededEntropy, hex_field, vectors},
};

/// The suite of a case, if our provider has it.
fn suite(crypto: &Crypto<'_>, case: &Value) -> Option<Ciphersuite> {
    let number = u16::try_from(case["cipher_suite"].as_u64().expect("a number")).expect("small");
    Ciphersuite::try_from(number).ok().filter(|suite| crypto.supports(*suite).is_ok())
}

fn cases(file: &str) -> Option<Vec<Value>> {
    vectors(file).map(|cases| cases.as_array().expect("a list of cases").clone())
}

fn number(value: &Value, name: &str) -> u64 {
    value[name].as_u64().expect("a number")
}

fn text(value: &Value, name: &str) -> Vec<u8> {
    value[name].as_str().expect("text").as_bytes().to_vec()
}

/// A vector of up to 16,383 bytes.
fn vector(bytes: &[u8]) -> Vec<u8> {
    let len = u16::try_from(bytes.len()).expect("short");
    let head = if len < 64 { vec![len.to_be_bytes()[1]] } else { (len | 0x4000).to_be_bytes().to_vec() };
    [head, bytes.to_vec()].concat()
}

fn labelled(label: &[u8], content: &[u8]) -> Vec<u8> {
    [vector(&[b"MLS 1.0 ", label].concat()), vector(content)].concat()
}

fn expand(crypto: &Crypto<'_>, suite: Ciphersuite, secret: &[u8], label: &[u8], context: &[u8], len: u64) -> Vec<u8> {
    let length = u16::try_from(len).expect("short").to_be_bytes();
    let info = [length.to_vec(), labelled(label, context)].concat();
    let out = crypto.hkdf_expand(suite.hash_algorithm(), secret, &info, usize::from(u16::from_be_bytes(length)));
    out.expect("expands").as_slice().to_vec()
}

#[test]
fn crypto_basics() {
    let Some(cases) = cases("mls/crypto-basics.json") else { return };
    let mut entropy = SeededEntropy::new(1);
    let crypto = Crypto::new(&mut entropy);
    let mut ran = 0;
    for case in &cases {
        let Some(suite) = suite(&crypto, case) else { continue };
        let hash = suite.hash_algorithm();

        let part = &case["ref_hash"];
        let input = [vector(&text(part, "label")), vector(&hex_field(part, "value"))].concat();
        assert_eq!(crypto.hash(hash, &input), Ok(hex_field(part, "out")));

        let part = &case["expand_with_label"];
        let (secret, context) = (hex_field(part, "secret"), hex_field(part, "context"));
        let out = expand(&crypto, suite, &secret, &text(part, "label"), &context, number(part, "length"));
        assert_eq!(out, hex_field(part, "out"));

        let part = &case["derive_secret"];
        let out = expand(&crypto, suite, &hex_field(part, "secret"), &text(part, "label"), &[], hash.size() as u64);
        assert_eq!(out, hex_field(part, "out"));

        let part = &case["derive_tree_secret"];
        let generation = u32::try_from(number(part, "generation")).expect("32 bits").to_be_bytes();
        let (secret, label) = (hex_field(part, "secret"), text(part, "label"));
        let out = expand(&crypto, suite, &secret, &label, &generation, number(part, "length"));
        assert_eq!(out, hex_field(part, "out"));

        let part = &case["sign_with_label"];
        let content = labelled(&text(part, "label"), &hex_field(part, "content"));
        let (secret, public) = (hex_field(part, "priv"), hex_field(part, "pub"));
        let scheme = SignatureScheme::ED25519;
        assert_eq!(crypto.verify_signature(scheme, &content, &public, &hex_field(part, "signature")), Ok(()));
        let signature = crypto.sign(scheme, &content, &secret).expect("signs");
        assert_eq!(signature, hex_field(part, "signature"), "Ed25519 is deterministic");

        let part = &case["encrypt_with_label"];
        let info = labelled(&text(part, "label"), &hex_field(part, "context"));
        let (secret, public, plaintext) =
            (hex_field(part, "priv"), hex_field(part, "pub"), hex_field(part, "plaintext"));
        let given = HpkeCiphertext {
            kem_output: hex_field(part, "kem_output").into(),
            ciphertext: hex_field(part, "ciphertext").into(),
        };
        let open = |input: &HpkeCiphertext| crypto.hpke_open(suite.hpke_config(), input, &secret, &info, &[]);
        assert_eq!(open(&given), Ok(plaintext.clone()));
        let own = crypto.hpke_seal(suite.hpke_config(), &public, &info, &[], &plaintext).expect("seals");
        assert_eq!(open(&own), Ok(plaintext));
        ran += 1;
    }
    assert_eq!(ran, 2, "suites 1 and 3");
}

/// What OpenMLS stores for a KeyPackage, which it lets nobody construct: the same shape for serde. The package is the
/// unchecked one, because these have expired.
#[derive(Serialize)]
struct Bundle {
    key_package: KeyPackageIn,
    private_init_key: HpkePrivateKey,
    private_encryption_key: EncryptionPrivateKey,
}

#[derive(Serialize)]
struct EncryptionPrivateKey {
    key: HpkePrivateKey,
}

fn message(value: &Value) -> MlsMessageBodyIn {
    let bytes = hex::decode(value.as_str().expect("text")).expect("hexadecimal");
    MlsMessageIn::tls_deserialize_exact_bytes(&bytes).expect("an MLSMessage").extract()
}

fn protocol_message(value: &Value) -> ProtocolMessage {
    let bytes = hex::decode(value.as_str().expect("text")).expect("hexadecimal");
    let message = MlsMessageIn::tls_deserialize_exact_bytes(&bytes).expect("an MLSMessage");
    message.try_into_protocol_message().expect("a public or private message")
}

fn join(provider: &Provider<'_>, suite: Ciphersuite, case: &Value) -> MlsGroup {
    let MlsMessageBodyIn::KeyPackage(package) = message(&case["key_package"]) else { panic!("a KeyPackage") };
    let bundle = Bundle {
        key_package: package,
        private_init_key: hex_field(case, "init_priv").into(),
        private_encryption_key: EncryptionPrivateKey { key: hex_field(case, "encryption_priv").into() },
    };
    let mut bytes = Vec::new();
    ciborium::into_writer(&bundle, &mut bytes).expect("encodes");
    let bundle: KeyPackageBundle = ciborium::from_reader(&bytes[..]).expect("has the shape of a bundle");
    let reference = bundle.key_package().hash_ref(provider.crypto()).expect("a reference");
    provider.storage().write_key_package(&reference, &bundle).expect("stored");
    for psk in case["external_psks"].as_array().expect("a list") {
        let id = Psk::External(ExternalPsk::new(hex_field(psk, "psk_id")));
        let id = PreSharedKeyId::new(suite, provider.rand(), id).expect("an id");
        id.store(provider, &hex_field(psk, "psk")).expect("stored");
    }

    let MlsMessageBodyIn::Welcome(welcome) = message(&case["welcome"]) else { panic!("a Welcome") };
    let config = MlsGroupJoinConfig::builder()
        .wire_format_policy(MIXED_CIPHERTEXT_WIRE_FORMAT_POLICY)
        .number_of_resumption_psks(16)
        .sender_ratchet_configuration(SenderRatchetConfiguration::new(10, 10))
        .build();
    let mut builder = StagedWelcome::build_from_welcome(provider, &config, welcome)
        .expect("a Welcome for this KeyPackage")
        .skip_lifetime_validation();
    if !case["ratchet_tree"].is_null() {
        let tree = RatchetTreeIn::tls_deserialize_exact_bytes(&hex_field(case, "ratchet_tree"));
        builder = builder.with_ratchet_tree(tree.expect("a tree"));
    }
    builder.build().expect("a valid group").into_group(provider).expect("stored")
}

/// Runs the cases of a file. Returns how many, and how many epochs they had.
fn passive_client(file: &str) -> Option<(usize, usize)> {
    let (mut ran, mut epochs) = (0, 0);
    for case in &cases(file)? {
        let (store, mut entropy) = (MemoryMlsStore::new(), SeededEntropy::new(1));
        let provider = Provider::new(&store, &mut entropy);
        let Some(suite) = suite(provider.crypto(), case) else { continue };
        let mut group = join(&provider, suite, case);
        assert_eq!(group.epoch_authenticator().as_slice(), hex_field(case, "initial_epoch_authenticator"));
        for epoch in case["epochs"].as_array().expect("a list") {
            // Every epoch from the store, as a client would.
            let id = group.group_id().clone();
            group = MlsGroup::load(provider.storage(), &id).expect("readable").expect("there");
            for proposal in epoch["proposals"].as_array().expect("a list") {
                let processed = group.process_message(&provider, protocol_message(proposal)).expect("a valid proposal");
                let ProcessedMessageContent::ProposalMessage(proposal) = processed.into_content() else {
                    panic!("expected a proposal")
                };
                group.store_pending_proposal(provider.storage(), *proposal).expect("stored");
            }
            let processed =
                group.process_message(&provider, protocol_message(&epoch["commit"])).expect("a valid commit");
            let ProcessedMessageContent::StagedCommitMessage(staged) = processed.into_content() else {
                panic!("expected a commit")
            };
            group.merge_staged_commit(&provider, *staged).expect("merged");
            assert_eq!(group.epoch_authenticator().as_slice(), hex_field(epoch, "epoch_authenticator"));
            epochs += 1;
        }
        ran += 1;
    }
    Some((ran, epochs))
}

#[test]
fn a_passive_client_joins() {
    if let Some(ran) = passive_client("mls/passive-client-welcome.json") {
        assert_eq!(ran, (16, 0));
    }
}

#[test]
fn a_passive_client_follows_commits_of_every_kind() {
    if let Some(ran) = passive_client("mls/passive-client-handling-commit.json") {
        assert_eq!(ran, (26, 52));
    }
}

#[test]
fn a_passive_client_follows_two_hundred_random_commits() {
    if let Some(ran) = passive_client("mls/passive-client-random.json") {
        assert_eq!(ran, (1, 200));
    }
}
