//! Commits with a path or tag that is spoilt for some members or for all.

use openmls::prelude::{LeafNodeIndex, MlsMessageOut};
use openmls_traits::{
    OpenMlsProvider as _,
    crypto::OpenMlsCrypto,
    types::{
        AeadType, Ciphersuite, CryptoError, ExporterSecret, HashType, HpkeCiphertext, HpkeConfig, HpkeKeyPair,
        KemOutput, SignatureScheme,
    },
};
use tls_codec::SecretVLBytes;

use super::{Scene, context, package, profile};
use crate::{
    E2eeError, RejoinCause,
    mls::{EntryRecords, Invalid, OwnDevice, Profile, Provider, Received, crypto::Crypto},
    world::{Device, Log},
};

/// Mallory's crypto: seals garbage to some keys, and spoils tags.
pub(super) struct Spoiler<'a, 'b> {
    pub(super) inner: &'a Crypto<'b>,
    pub(super) victims: Vec<Vec<u8>>,
    pub(super) spoil_tag: bool,
}

impl OpenMlsCrypto for Spoiler<'_, '_> {
    fn hmac(&self, hash: HashType, key: &[u8], message: &[u8]) -> Result<SecretVLBytes, CryptoError> {
        let tag = self.inner.hmac(hash, key, message)?;
        if !self.spoil_tag {
            return Ok(tag);
        }
        Ok(tag.as_slice().iter().map(|byte| byte ^ 1).collect::<Vec<u8>>().into())
    }

    fn hpke_seal(
        &self,
        config: HpkeConfig,
        public: &[u8],
        info: &[u8],
        aad: &[u8],
        plaintext: &[u8],
    ) -> Result<HpkeCiphertext, CryptoError> {
        let spoilt = self.victims.iter().any(|victim| victim == public);
        let garbage = vec![0; plaintext.len()];
        self.inner.hpke_seal(config, public, info, aad, if spoilt { &garbage } else { plaintext })
    }

    fn supports(&self, suite: Ciphersuite) -> Result<(), CryptoError> {
        self.inner.supports(suite)
    }
    fn supported_ciphersuites(&self) -> Vec<Ciphersuite> {
        self.inner.supported_ciphersuites()
    }
    fn hkdf_extract(&self, hash: HashType, salt: &[u8], ikm: &[u8]) -> Result<SecretVLBytes, CryptoError> {
        self.inner.hkdf_extract(hash, salt, ikm)
    }
    fn hkdf_expand(&self, hash: HashType, prk: &[u8], info: &[u8], len: usize) -> Result<SecretVLBytes, CryptoError> {
        self.inner.hkdf_expand(hash, prk, info, len)
    }
    fn hash(&self, hash: HashType, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.inner.hash(hash, data)
    }
    fn aead_encrypt(&self, a: AeadType, k: &[u8], d: &[u8], n: &[u8], aad: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.inner.aead_encrypt(a, k, d, n, aad)
    }
    fn aead_decrypt(&self, a: AeadType, k: &[u8], d: &[u8], n: &[u8], aad: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.inner.aead_decrypt(a, k, d, n, aad)
    }
    fn signature_key_gen(&self, scheme: SignatureScheme) -> Result<(Vec<u8>, Vec<u8>), CryptoError> {
        self.inner.signature_key_gen(scheme)
    }
    fn verify_signature(&self, s: SignatureScheme, d: &[u8], pk: &[u8], sig: &[u8]) -> Result<(), CryptoError> {
        self.inner.verify_signature(s, d, pk, sig)
    }
    fn sign(&self, scheme: SignatureScheme, data: &[u8], key: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.inner.sign(scheme, data, key)
    }
    fn hpke_open(
        &self,
        config: HpkeConfig,
        input: &HpkeCiphertext,
        secret: &[u8],
        info: &[u8],
        aad: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        self.inner.hpke_open(config, input, secret, info, aad)
    }
    fn hpke_setup_sender_and_export(
        &self,
        config: HpkeConfig,
        public: &[u8],
        info: &[u8],
        context: &[u8],
        len: usize,
    ) -> Result<(KemOutput, ExporterSecret), CryptoError> {
        self.inner.hpke_setup_sender_and_export(config, public, info, context, len)
    }
    fn hpke_setup_receiver_and_export(
        &self,
        config: HpkeConfig,
        output: &[u8],
        secret: &[u8],
        info: &[u8],
        context: &[u8],
        len: usize,
    ) -> Result<ExporterSecret, CryptoError> {
        self.inner.hpke_setup_receiver_and_export(config, output, secret, info, context, len)
    }
    fn derive_hpke_keypair(&self, config: HpkeConfig, ikm: &[u8]) -> Result<HpkeKeyPair, CryptoError> {
        self.inner.derive_hpke_keypair(config, ikm)
    }
}

#[derive(Default)]
struct Spoilt {
    victims: Vec<u32>,
    tag: bool,
    path: bool,
    profile: Option<Profile>,
    remove: Vec<u32>,
    add_alices_second: bool,
}

fn append(scene: &mut Scene, spoilt: Spoilt) {
    let added = spoilt.add_alices_second.then(|| package(&scene.alice, 1, |_| ()));
    scene.append_hostile(Vec::new(), |group, provider, own| build(group, provider, own, spoilt, added));
}

fn build(
    group: &mut openmls::prelude::MlsGroup,
    provider: &Provider<'_>,
    own: &OwnDevice,
    spoilt: Spoilt,
    added: Option<openmls::prelude::KeyPackage>,
) -> MlsMessageOut {
    let victims = group
        .members()
        .filter(|member| spoilt.victims.contains(&member.index.u32()))
        .map(|member| member.encryption_key)
        .collect();
    let crypto = Spoiler { inner: provider.crypto(), victims, spoil_tag: spoilt.tag };
    let mut builder = group
        .commit_builder()
        .force_self_update(spoilt.path)
        .propose_adds(added)
        .propose_removals(spoilt.remove.into_iter().map(LeafNodeIndex::new));
    if let Some(profile) = &spoilt.profile {
        builder = builder.propose_group_context_extensions(context(profile)).expect("proposes");
    }
    let built = builder.load_psks(provider.storage()).expect("no PSK");
    let built = built.build(provider.rand(), &crypto, &own.signer(), |_| true).expect("builds");
    built.stage_commit(provider).expect("stages").into_commit()
}

pub(super) fn take(device: &mut Device, log: &Log) -> Result<Received, E2eeError> {
    let entry = &log.entries[device.cursor];
    let records = EntryRecords::check(&entry.records);
    device.cursor += 1;
    let keys = device.in_force.clone();
    device.with_group(|group, provider, _| {
        group.receive(provider, entry.kind, &entry.message, &entry.aad, &records, &keys)
    })
}

#[test]
fn a_path_spoilt_for_one_member_is_a_failure_of_that_member_alone() {
    let mut scene = Scene::new();
    append(&mut scene, Spoilt { victims: vec![1], path: true, ..Spoilt::default() });
    let [alice, bob, _] = &mut scene.devices;
    assert!(matches!(alice.catch_up(&scene.log)[..], [Received::OwnPending(_)]));
    let failed = take(bob, &scene.log).expect_err("cannot follow");
    let E2eeError::NeedsRejoin { cause, expected } = failed else { panic!("{failed:?}") };
    assert_eq!(cause, RejoinCause::PathSecret);
    // What he can tell of the epoch that he cannot enter is what the others have.
    assert_eq!(expected, Some(alice.with_group(|group, _, _| group.transcript())));
}

#[test]
fn a_commit_against_the_rules_is_skipped_also_where_its_path_is_spoilt() {
    let twice = quicprochat_wire::DeviceId::new([1; 16]);
    let cases = [
        (Some(Profile { removed: vec![twice], ..profile() }), vec![], Invalid::RemovedList),
        (Some(Profile { kind: crate::mls::ConversationKind::Direct, ..profile() }), vec![], Invalid::Kind),
    ];
    for (profile, remove, reason) in cases {
        let mut scene = Scene::new();
        let before = scene.mallory().store.clone();
        append(&mut scene, Spoilt { victims: vec![1], path: true, profile, remove, ..Spoilt::default() });
        for device in &mut scene.devices[..2] {
            let received = take(device, &scene.log).expect("a verdict");
            assert!(matches!(received, Received::Skipped(found) if found == reason), "{received:?}");
        }
        // Mallory uses the same generation of her ratchet again, for a commit that counts: everybody takes it.
        scene.mallory().store = before;
        append(&mut scene, Spoilt { path: true, ..Spoilt::default() });
        for device in &mut scene.devices[..2] {
            let received = take(device, &scene.log);
            assert!(matches!(received, Ok(Received::Commit(_))), "{received:?}");
        }
    }
}

#[test]
fn a_wrong_tag_is_everybodys_to_see_if_there_is_no_path() {
    let mut scene = Scene::new();
    append(&mut scene, Spoilt { tag: true, add_alices_second: true, ..Spoilt::default() });
    scene.assert_skipped(Invalid::Mls);
    append(&mut scene, Spoilt { tag: true, path: true, ..Spoilt::default() });
    for device in &mut scene.devices[..2] {
        let failed = take(device, &scene.log).expect_err("cannot follow");
        assert!(matches!(failed, E2eeError::NeedsRejoin { cause: RejoinCause::ConfirmationTag, .. }), "{failed:?}");
    }
}
