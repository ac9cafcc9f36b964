//! RFC 9807's vectors for OPAQUE-3DH with ristretto255 and SHA-512: two real exchanges and one for an unknown user.
//!
//! The vectors stretch with the identity function, so they run on a suite that differs from ours in nothing else. Randomness
//! is scripted in the order in which the library draws it; a scalar is drawn as 64 bytes and reduced, so a published one
//! stands there with 32 zero bytes behind.

use opaque_ke::{
    CipherSuite, ClientLogin, ClientLoginFinishParameters, ClientRegistration, ClientRegistrationFinishParameters,
    CredentialFinalization, CredentialRequest, CredentialResponse, Identifiers, RegistrationRequest,
    RegistrationResponse, RegistrationUpload, Ristretto255, ServerLogin, ServerLoginParameters, ServerRegistration,
    ServerSetup, TripleDh, ksf::Identity,
};
use quicprochat_identity::{
    EntropyRng,
    password::opaque_ke::{self},
};
use sha2::Sha512;

use crate::support::{Script, text, vectors};

struct Unstretched;

impl CipherSuite for Unstretched {
    type OprfCs = Ristretto255;
    type KeyExchange = TripleDh<Ristretto255, Sha512>;
    type Ksf = Identity;
}

/// One case; fields are looked up by their published names.
struct Case<'a>(&'a serde_json::Value);

impl Case<'_> {
    fn input(&self, field: &str) -> Vec<u8> {
        hex::decode(text(&self.0["inputs"], field)).expect("hex")
    }

    fn scalar(&self, field: &str) -> Vec<u8> {
        [self.input(field), vec![0; 32]].concat()
    }

    fn optional(&self, field: &str) -> Option<Vec<u8>> {
        self.0["inputs"][field].as_str().map(|value| hex::decode(value).expect("hex"))
    }

    fn output(&self, field: &str) -> Vec<u8> {
        hex::decode(text(&self.0["outputs"], field)).expect("hex")
    }

    fn context(&self) -> Vec<u8> {
        hex::decode(text(&self.0["config"], "Context")).expect("hex")
    }

    fn setup(&self, fake_client_key: &[u8]) -> ServerSetup<Unstretched> {
        let bytes = [&self.input("oprf_seed"), &self.input("server_private_key"), fake_client_key].concat();
        ServerSetup::deserialize(&bytes).expect("a setup")
    }
}

fn cases(file: &serde_json::Value, fake: &str) -> Vec<serde_json::Value> {
    let ours = |case: &&serde_json::Value| {
        let config = &case["config"];
        config["Group"] == "ristretto255" && config["Hash"] == "SHA512" && config["Fake"] == fake
    };
    file.as_array().expect("a list").iter().filter(ours).cloned().collect()
}

fn run<T>(script: &[&[u8]], act: impl FnOnce(&mut EntropyRng<'_>) -> T) -> T {
    let mut script = Script::new(script);
    let result = act(&mut EntropyRng::new(&mut script));
    assert!(script.is_spent(), "the library drew less than expected");
    result
}

#[test]
fn registration_and_sign_in_match_every_message_and_key() {
    let Some(file) = vectors("opaque/vectors.json") else { return };
    let cases = cases(&file, "False");
    assert_eq!(cases.len(), 2);
    for case in &cases {
        let case = Case(case);
        let upload = registration(&case);
        sign_in(&case, &upload);
    }
}

fn registration(case: &Case<'_>) -> Vec<u8> {
    let (client, server) = (case.optional("client_identity"), case.optional("server_identity"));
    let identifiers = Identifiers { client: client.as_deref(), server: server.as_deref() };
    let password = case.input("password");
    let setup = case.setup(&case.input("server_public_key"));

    let blind = case.scalar("blind_registration");
    let start = run(&[&blind], |rng| ClientRegistration::<Unstretched>::start(rng, &password)).expect("starts");
    assert_eq!(start.message.serialize().to_vec(), case.output("registration_request"));

    let request = RegistrationRequest::deserialize(&case.output("registration_request")).expect("a request");
    let answer = ServerRegistration::start(&setup, request, &case.input("credential_identifier")).expect("answers");
    assert_eq!(answer.message.serialize().to_vec(), case.output("registration_response"));

    let response = RegistrationResponse::deserialize(&case.output("registration_response")).expect("a response");
    let parameters = ClientRegistrationFinishParameters::new(identifiers, None);
    let nonce = case.input("envelope_nonce");
    let finish = run(&[&nonce], |rng| start.state.finish(rng, &password, response, parameters)).expect("finishes");
    assert_eq!(finish.message.serialize().to_vec(), case.output("registration_upload"));
    assert_eq!(finish.export_key.to_vec(), case.output("export_key"));
    finish.message.serialize().to_vec()
}

fn sign_in(case: &Case<'_>, upload: &[u8]) {
    let (client, server) = (case.optional("client_identity"), case.optional("server_identity"));
    let identifiers = Identifiers { client: client.as_deref(), server: server.as_deref() };
    let (password, context) = (case.input("password"), case.context());
    let setup = case.setup(&case.input("server_public_key"));
    let record = ServerRegistration::finish(RegistrationUpload::<Unstretched>::deserialize(upload).expect("an upload"));

    let script = [&case.scalar("blind_login")[..], &case.input("client_keyshare_seed"), &case.input("client_nonce")];
    let start = run(&script, |rng| ClientLogin::<Unstretched>::start(rng, &password)).expect("starts");
    assert_eq!(start.message.serialize().to_vec(), case.output("KE1"));

    let parameters = || ServerLoginParameters { context: Some(&context), identifiers };
    // The library draws a fake record's masking key for real users as well, so that both take the same time.
    let script: [&[u8]; 4] =
        [&[0; 64], &case.input("masking_nonce"), &case.input("server_keyshare_seed"), &case.input("server_nonce")];
    let request = CredentialRequest::deserialize(&case.output("KE1")).expect("a request");
    let id = case.input("credential_identifier");
    let answer = run(&script, |rng| ServerLogin::start(rng, &setup, Some(record), request, &id, parameters()));
    let answer = answer.expect("answers");
    assert_eq!(answer.message.serialize().to_vec(), case.output("KE2"));

    let response = CredentialResponse::deserialize(&case.output("KE2")).expect("a response");
    let finish_parameters = ClientLoginFinishParameters::new(Some(&context), identifiers, None);
    let finish = run(&[], |rng| start.state.finish(rng, &password, response, finish_parameters)).expect("finishes");
    assert_eq!(finish.message.serialize().to_vec(), case.output("KE3"));
    assert_eq!(finish.session_key.to_vec(), case.output("session_key"));
    assert_eq!(finish.export_key.to_vec(), case.output("export_key"));

    let finalization = CredentialFinalization::deserialize(&case.output("KE3")).expect("a finalization");
    let server_side = answer.state.finish(finalization, parameters()).expect("finishes");
    assert_eq!(server_side.session_key.to_vec(), case.output("session_key"));
}

#[test]
fn the_answer_for_an_unknown_user_matches() {
    let Some(file) = vectors("opaque/vectors.json") else { return };
    let cases = cases(&file, "True");
    assert_eq!(cases.len(), 1);
    for case in &cases {
        let case = Case(case);
        let (client, server, context) = (case.input("client_identity"), case.input("server_identity"), case.context());
        let setup = case.setup(&case.input("client_public_key"));
        let request = CredentialRequest::deserialize(&case.input("KE1")).expect("a request");
        let parameters = ServerLoginParameters {
            context: Some(&context),
            identifiers: Identifiers { client: Some(&client), server: Some(&server) },
        };
        let script = [
            &case.input("masking_key")[..],
            &case.input("masking_nonce"),
            &case.input("server_keyshare_seed"),
            &case.input("server_nonce"),
        ];
        let id = case.input("credential_identifier");
        let answer = run(&script, |rng| ServerLogin::start(rng, &setup, None, request, &id, parameters));
        assert_eq!(answer.expect("answers").message.serialize().to_vec(), case.output("KE2"));
    }
}
