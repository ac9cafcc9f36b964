//! The server's half of the ceremonies: as little as clients can tell from a server.

use std::collections::BTreeMap;

use opaque_ke::{
    CredentialFinalization, CredentialRequest, RegistrationRequest, RegistrationUpload, ServerLogin,
    ServerLoginParameters, ServerRegistration, ServerSetup,
};
use quicprochat_identity::{
    AccountName, EntropyRng, OPAQUE_CONTEXT, OpaqueSuite, UnverifiedIdentity, UnverifiedKeyPackagePart,
    password::{DEFAULT_STRETCH, credential_identifier, opaque_identifiers},
};
use quicprochat_wire::{
    AccountId, DeviceId, ErrorCode, Fingerprint,
    call::{
        auth::{
            PasswordFinish, PasswordStart, RegisterFinish, RegisterStart, RegisterStarted, SignInFinish, SignInStart,
            SignInStarted, SignedIn, StretchParams,
        },
        directory::{IdentityPart, KeyPackagePart, PublishIdentity, PublishKeyPackage, Record},
        vault::{VaultRecord, VaultRecords, VaultStore, VaultWrap, WAY_PASSWORD, WAY_RECOVERY},
    },
};

use crate::testing::SeededEntropy;

pub(super) const FINGERPRINT: Fingerprint = Fingerprint::new([0x51; 32]);

/// What is stored of an account.
#[derive(Clone)]
pub(super) struct Stored {
    /// By way in.
    ways: BTreeMap<u16, (Vec<u8>, StretchParams)>,
    pub(super) identity: Vec<u8>,
    pub(super) key_packages: BTreeMap<DeviceId, Vec<u8>>,
    pub(super) wraps: Vec<VaultWrap>,
    pub(super) records: BTreeMap<u32, VaultRecord>,
}

/// A server of one connection at a time.
pub(super) struct Sam {
    setup: ServerSetup<OpaqueSuite>,
    entropy: SeededEntropy,
    pub(super) accounts: BTreeMap<String, Stored>,
    login: Option<(String, ServerLogin<OpaqueSuite>)>,
    /// What to answer in place of the stored parameters.
    pub(super) stretch_told: Option<StretchParams>,
}

impl Sam {
    pub(super) fn new() -> Self {
        let mut entropy = SeededEntropy::new(1000);
        let setup = ServerSetup::new(&mut EntropyRng::new(&mut entropy));
        Self { setup, entropy, accounts: BTreeMap::new(), login: None, stretch_told: None }
    }

    pub(super) fn register_start(&self, request: &RegisterStart) -> RegisterStarted {
        let recovery =
            request.recovery.as_ref().map(|recovery| self.registration(&request.name, WAY_RECOVERY, recovery));
        RegisterStarted { recovery, response: self.registration(&request.name, WAY_PASSWORD, &request.request) }
    }

    pub(super) fn register_finish(&mut self, request: RegisterFinish) -> Result<(), ErrorCode> {
        let identity = verified(&request.identity)?;
        if identity.name().as_str() != request.name || identity.serial() != 1 || identity.devices().len() != 1 {
            return Err(ErrorCode::RecordInvalid);
        }
        let mut stored = Stored {
            ways: BTreeMap::from([(WAY_PASSWORD, (request.upload, request.stretch))]),
            identity: request.identity.0,
            key_packages: BTreeMap::new(),
            wraps: request.wraps,
            records: BTreeMap::new(),
        };
        if let Some(recovery) = request.recovery {
            stored.ways.insert(WAY_RECOVERY, (recovery.upload, recovery.stretch));
        }
        put_key_package(&mut stored, request.key_package)?;
        put_records(&mut stored, &request.records)?;
        self.accounts.insert(request.name, stored);
        Ok(())
    }

    pub(super) fn sign_in_start(&mut self, request: &SignInStart) -> SignInStarted {
        let name = AccountName::parse(&request.name).expect("valid name");
        let stored = self.accounts.get(&request.name).and_then(|stored| stored.ways.get(&request.way));
        let file = stored.map(|(upload, _)| ServerRegistration::deserialize(upload).expect("a record"));
        let identifier = credential_identifier(&name, request.way);
        let message = CredentialRequest::deserialize(&request.request).expect("KE1");
        let parameters = parameters(&name);
        let mut rng = EntropyRng::new(&mut self.entropy);
        let started =
            ServerLogin::start(&mut rng, &self.setup, file, message, &identifier, parameters).expect("starts");
        let stretch = stored.map_or(DEFAULT_STRETCH, |(_, stretch)| *stretch);
        self.login = Some((request.name.clone(), started.state));
        SignInStarted { response: started.message.serialize().to_vec(), stretch: self.stretch_told.unwrap_or(stretch) }
    }

    pub(super) fn sign_in_finish(&mut self, request: &SignInFinish) -> Result<SignedIn, ErrorCode> {
        let (name, state) = self.login.take().ok_or(ErrorCode::BadRequest)?;
        let message = CredentialFinalization::deserialize(&request.finalization).map_err(|_| ErrorCode::BadRequest)?;
        let account_name = AccountName::parse(&name).expect("valid name");
        state.finish(message, parameters(&account_name)).map_err(|_| ErrorCode::SignInFailed)?;
        let stored = self.accounts.get(&name).ok_or(ErrorCode::SignInFailed)?;
        Ok(SignedIn { account: account(stored), wraps: stored.wraps.clone() })
    }

    pub(super) fn password_start(&self, name: &str, request: &PasswordStart) -> RegisterStarted {
        RegisterStarted { response: self.registration(name, request.way, &request.request), recovery: None }
    }

    pub(super) fn password_finish(&mut self, name: &str, request: PasswordFinish) -> Result<(), ErrorCode> {
        let mut stored = self.stored(name).clone();
        stored.ways.insert(request.way, (request.upload, request.stretch));
        stored.wraps = request.wraps;
        put_records(&mut stored, &request.records)?;
        *self.stored(name) = stored;
        Ok(())
    }

    pub(super) fn own_record(&self, name: &str) -> Record {
        let stored = &self.accounts[name];
        let part = |(device, bytes): (&DeviceId, &Vec<u8>)| KeyPackagePart { device: *device, bytes: bytes.clone() };
        Record {
            identity: IdentityPart(stored.identity.clone()),
            key_packages: stored.key_packages.iter().map(part).collect(),
        }
    }

    pub(super) fn vault_fetch(&self, name: &str) -> VaultRecords {
        VaultRecords { records: self.accounts[name].records.values().cloned().collect() }
    }

    pub(super) fn vault_store(&mut self, name: &str, request: &VaultStore) -> Result<(), ErrorCode> {
        put_records(self.stored(name), &request.records)
    }

    pub(super) fn publish_key_package(&mut self, name: &str, request: PublishKeyPackage) -> Result<(), ErrorCode> {
        put_key_package(self.stored(name), request.part)
    }

    pub(super) fn publish_identity(&mut self, name: &str, request: PublishIdentity) -> Result<(), ErrorCode> {
        let mut stored = self.stored(name).clone();
        let (before, after) = (verified(&IdentityPart(stored.identity.clone()))?, verified(&request.identity)?);
        if after.key() != before.key() || after.name() != before.name() {
            return Err(ErrorCode::RecordInvalid);
        }
        if after.serial() != before.serial() + 1 && (request.records.is_empty() || after.serial() <= before.serial()) {
            return Err(ErrorCode::VersionConflict);
        }
        stored.identity = request.identity.0;
        stored.key_packages.retain(|device, _| after.device(device).is_some());
        for part in request.key_packages {
            put_key_package(&mut stored, part)?;
        }
        if let Some(wraps) = request.wraps {
            stored.wraps = wraps;
        }
        put_records(&mut stored, &request.records)?;
        *self.stored(name) = stored;
        Ok(())
    }

    pub(super) fn stored(&mut self, name: &str) -> &mut Stored {
        self.accounts.get_mut(name).expect("registered")
    }

    fn registration(&self, name: &str, way: u16, request: &[u8]) -> Vec<u8> {
        let identifier = credential_identifier(&AccountName::parse(name).expect("a name"), way);
        let message = RegistrationRequest::deserialize(request).expect("a request");
        let started = ServerRegistration::<OpaqueSuite>::start(&self.setup, message, &identifier).expect("starts");
        started.message.serialize().to_vec()
    }
}

fn parameters(name: &AccountName) -> ServerLoginParameters<'static, '_> {
    ServerLoginParameters { context: Some(OPAQUE_CONTEXT), identifiers: opaque_identifiers(name, &FINGERPRINT) }
}

fn verified(part: &IdentityPart) -> Result<quicprochat_identity::VerifiedIdentity, ErrorCode> {
    let parsed = UnverifiedIdentity::parse(&part.0).map_err(|_| ErrorCode::RecordInvalid)?;
    parsed.verify().map_err(|_| ErrorCode::BadSignature)
}

fn account(stored: &Stored) -> AccountId {
    verified(&IdentityPart(stored.identity.clone())).expect("was verified").account()
}

fn put_key_package(stored: &mut Stored, part: KeyPackagePart) -> Result<(), ErrorCode> {
    let identity = verified(&IdentityPart(stored.identity.clone()))?;
    let parsed = UnverifiedKeyPackagePart::parse(&part.bytes).map_err(|_| ErrorCode::RecordInvalid)?;
    let verified = parsed.verify(&identity).map_err(|_| ErrorCode::BadSignature)?;
    assert_eq!(verified.device(), part.device);
    stored.key_packages.insert(part.device, part.bytes);
    Ok(())
}

fn put_records(stored: &mut Stored, records: &[VaultRecord]) -> Result<(), ErrorCode> {
    let version = |id| stored.records.get(&id).map_or(0, |record| record.version);
    if records.iter().any(|record| record.version != version(record.id) + 1) {
        return Err(ErrorCode::VersionConflict);
    }
    for record in records {
        stored.records.insert(record.id, record.clone());
    }
    Ok(())
}

/// Checks that an upload is one.
pub(super) fn is_upload(bytes: &[u8]) -> bool {
    RegistrationUpload::<OpaqueSuite>::deserialize(bytes).is_ok()
}
