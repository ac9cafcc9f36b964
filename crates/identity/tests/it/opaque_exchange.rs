//! The suite that both sides use, with real stretching.

use opaque_ke::{
    ClientLogin, ClientLoginFinishParameters, ClientRegistration, ClientRegistrationFinishParameters, ServerLogin,
    ServerLoginParameters, ServerRegistration, ServerSetup,
};
use quicprochat_identity::{
    AccountName, EntropyRng, OPAQUE_CONTEXT, OpaqueSuite,
    password::{DEFAULT_STRETCH, opaque_identifiers, opaque_ke, stretching},
};
use quicprochat_wire::{Fingerprint, call::auth::StretchParams};

use crate::support::Seeded;

const SERVER: Fingerprint = Fingerprint::new([4; 32]);

fn register(
    setup: &ServerSetup<OpaqueSuite>,
    name: &AccountName,
    password: &[u8],
    stretch: &StretchParams,
) -> (ServerRegistration<OpaqueSuite>, Vec<u8>) {
    let mut seeded = Seeded(1);
    let mut rng = EntropyRng::new(&mut seeded);
    let start = ClientRegistration::<OpaqueSuite>::start(&mut rng, password).expect("starts");
    let answer = ServerRegistration::start(setup, start.message, name.as_str().as_bytes()).expect("answers");
    let stretching = stretching(stretch).expect("in range");
    let parameters = ClientRegistrationFinishParameters::new(opaque_identifiers(name, &SERVER), Some(&stretching));
    let finish = start.state.finish(&mut rng, password, answer.message, parameters).expect("finishes");
    (ServerRegistration::finish(finish.message), finish.export_key.to_vec())
}

/// The export key, if both sides agree.
fn sign_in(
    setup: &ServerSetup<OpaqueSuite>,
    record: Option<ServerRegistration<OpaqueSuite>>,
    name: &AccountName,
    password: &[u8],
    stretch: &StretchParams,
    client_sees: &Fingerprint,
) -> Option<Vec<u8>> {
    let mut seeded = Seeded(2);
    let mut rng = EntropyRng::new(&mut seeded);
    let start = ClientLogin::<OpaqueSuite>::start(&mut rng, password).expect("starts");
    let parameters =
        || ServerLoginParameters { context: Some(OPAQUE_CONTEXT), identifiers: opaque_identifiers(name, &SERVER) };
    let id = name.as_str().as_bytes();
    let answer = ServerLogin::start(&mut rng, setup, record, start.message, id, parameters()).expect("answers");
    let stretching = stretching(stretch).expect("in range");
    let identifiers = opaque_identifiers(name, client_sees);
    let client = ClientLoginFinishParameters::new(Some(OPAQUE_CONTEXT), identifiers, Some(&stretching));
    let finish = start.state.finish(&mut rng, password, answer.message, client).ok()?;
    let server_side = answer.state.finish(finish.message, parameters()).ok()?;
    assert_eq!(finish.session_key, server_side.session_key);
    Some(finish.export_key.to_vec())
}

#[test]
fn a_password_opens_the_same_export_key_and_a_wrong_one_opens_nothing() {
    let cheap = StretchParams { memory_kib: 19 * 1024, iterations: 2, parallelism: 1 };
    let setup = ServerSetup::<OpaqueSuite>::new(&mut EntropyRng::new(&mut Seeded(3)));
    let (alice, bob) = (AccountName::parse("alice").expect("valid"), AccountName::parse("bob").expect("valid"));
    let (record, export_key) = register(&setup, &alice, b"tin roof rusted", &cheap);
    let attempt = |name, password, stretch, server: &Fingerprint| {
        sign_in(&setup, Some(record.clone()), name, password, stretch, server)
    };
    assert_eq!(attempt(&alice, b"tin roof rusted", &cheap, &SERVER), Some(export_key));
    assert_eq!(attempt(&alice, b"tin roof busted", &cheap, &SERVER), None);
    assert_eq!(attempt(&bob, b"tin roof rusted", &cheap, &SERVER), None);
    assert_eq!(attempt(&alice, b"tin roof rusted", &cheap, &Fingerprint::new([5; 32])), None);
    let other = StretchParams { iterations: 3, ..cheap };
    assert_eq!(attempt(&alice, b"tin roof rusted", &other, &SERVER), None);
    assert_eq!(sign_in(&setup, None, &bob, b"tin roof rusted", &cheap, &SERVER), None);
}

#[test]
fn the_default_stretching_completes_an_exchange() {
    let setup = ServerSetup::<OpaqueSuite>::new(&mut EntropyRng::new(&mut Seeded(3)));
    let restored = ServerSetup::<OpaqueSuite>::deserialize(&setup.serialize()).expect("restores");
    let alice = AccountName::parse("alice").expect("valid");
    let (record, export_key) = register(&setup, &alice, b"tin roof rusted", &DEFAULT_STRETCH);
    let opened = sign_in(&restored, Some(record), &alice, b"tin roof rusted", &DEFAULT_STRETCH, &SERVER);
    assert_eq!(opened, Some(export_key));
}
