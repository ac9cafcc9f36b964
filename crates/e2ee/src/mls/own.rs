//! What a device needs to be a leaf: its signer, credential, capabilities and KeyPackages.

use openmls::{
    ciphersuite::hash_ref::{HashReference, KeyPackageRef},
    prelude::{
        Capabilities, Credential, CredentialType, CredentialWithKey, ExtensionType, KeyPackage, KeyPackageBundle,
        KeyPackageIn, Lifetime, ProtocolVersion,
    },
};
use openmls_traits::{
    OpenMlsProvider as _,
    signatures::{Signer, SignerError},
    storage::StorageProvider as _,
    types::SignatureScheme,
};
use quicprochat_identity::{CREDENTIAL_TYPE, DeviceSecretKey, LeafCredential};
use quicprochat_wire::{AccountId, DeviceId, Digest};
use tls_codec::{DeserializeBytes as _, Serialize as _};
use zeroize::Zeroizing;

use super::{PROFILE_EXTENSION, Provider, StoreFault, Suite};
use crate::error::{E2eeError, MlsStep, StateFault};

const KEY_PACKAGE_REF_LABEL: &[u8] = b"MLS 1.0 KeyPackage Reference";

/// The one lifetime a KeyPackage has: a group's rules must not depend on anybody's clock (DESIGN L9). Freshness is the signed
/// time of the directory's record.
pub(super) fn unlimited() -> Lifetime {
    Lifetime::init(0, u64::MAX)
}

/// This device: what its leaf in every group is made of.
///
/// Secrets:  the signing key, zeroised on drop.
#[derive(Debug)]
pub struct OwnDevice {
    /// The account.
    pub account: AccountId,
    /// The device.
    pub device: DeviceId,
    /// Its signing key.
    pub secret: DeviceSecretKey,
    /// The account's certificate over it.
    pub certificate: [u8; 64],
    /// Hash of the account's identity part in force.
    pub identity_hash: Digest,
}

impl OwnDevice {
    /// The credential of its leaf.
    #[must_use]
    pub fn credential(&self) -> LeafCredential {
        LeafCredential {
            account: self.account,
            device: self.device,
            certificate: self.certificate,
            identity_hash: self.identity_hash,
        }
    }

    pub(super) fn credential_with_key(&self) -> CredentialWithKey {
        CredentialWithKey {
            credential: Credential::new(CredentialType::Other(CREDENTIAL_TYPE), self.credential().encode()),
            signature_key: self.secret.public().as_bytes().as_slice().into(),
        }
    }

    /// Its leaf as the rules see it.
    pub(super) fn leaf(&self) -> super::rules::NewLeaf {
        super::rules::NewLeaf { credential: self.credential(), key: self.secret.public(), capable: true }
    }

    pub(super) fn signer(&self) -> DeviceSigner<'_> {
        DeviceSigner(&self.secret)
    }
}

/// Signs as a leaf.
#[derive(Debug)]
pub struct DeviceSigner<'a>(pub &'a DeviceSecretKey);

impl Signer for DeviceSigner<'_> {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        Ok(self.0.sign(payload).to_vec())
    }

    fn signature_scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

/// What every leaf declares.
pub(super) fn capabilities() -> Capabilities {
    Capabilities::new(
        Some(&[ProtocolVersion::Mls10]),
        Some(&[Suite::Hybrid.ciphersuite(), Suite::Classical.ciphersuite()]),
        Some(&[ExtensionType::Unknown(PROFILE_EXTENSION), ExtensionType::LastResort]),
        Some(&[]),
        Some(&[CredentialType::Other(CREDENTIAL_TYPE)]),
    )
}

/// Makes a KeyPackage: reusable (`last_resort`) and without an end. Its private part stays in the store.
pub fn new_key_package(provider: &Provider<'_>, own: &OwnDevice, suite: Suite) -> Result<Vec<u8>, E2eeError> {
    let refused = E2eeError::Mls { step: MlsStep::KeyPackage };
    let bundle = KeyPackage::builder()
        .key_package_lifetime(unlimited())
        .mark_as_last_resort()
        .leaf_node_capabilities(capabilities())
        .build(suite.ciphersuite(), provider, &own.signer(), own.credential_with_key())
        .map_err(|error| refusal(&error, refused.clone()))?;
    bundle.key_package().tls_serialize_detached().map_err(|_| refused)
}

/// Deletes the private part of a KeyPackage. Nothing happens if there is none.
///
/// Call it a grace period after the KeyPackage was replaced, and after reading the inbox (DESIGN A1).
pub fn delete_key_package(provider: &Provider<'_>, key_package: &[u8]) -> Result<(), E2eeError> {
    let reference = key_package_ref(provider, key_package)?;
    Ok(provider.storage().delete_key_package(&reference)?)
}

/// Whether the private part of a KeyPackage is in the store.
pub fn has_key_package(provider: &Provider<'_>, key_package: &[u8]) -> Result<bool, E2eeError> {
    Ok(bundle(provider, key_package)?.is_some())
}

/// The private init key of a KeyPackage of this device.
///
/// Errors:   [`StateFault::NoKeyPackage`] if it is not in the store.
pub(crate) fn init_secret(provider: &Provider<'_>, key_package: &[u8]) -> Result<Zeroizing<Vec<u8>>, E2eeError> {
    let bundle = bundle(provider, key_package)?.ok_or(StateFault::NoKeyPackage)?;
    Ok(Zeroizing::new(bundle.init_private_key().to_vec()))
}

/// The public init key of a KeyPackage and its suite. Its signatures are not checked here: the directory's part is signed by
/// the device.
pub(crate) fn init_public(key_package: &[u8]) -> Result<(Suite, Vec<u8>), E2eeError> {
    // Version u16, suite u16, init key<V>: the first fields of a KeyPackage (RFC 9420, section 10).
    let mut reader = super::welcome::TlsReader::new(key_package);
    let version = reader.u16()?;
    if version != 1 {
        return Err(E2eeError::Unsupported { what: "MLS version", found: version.into() });
    }
    let suite = Suite::from_number(reader.u16()?)?;
    Ok((suite, reader.vector()?.to_vec()))
}

/// Who a KeyPackage is of and for which suite it is, after checking its signatures and credential.
pub fn inspect_key_package(provider: &Provider<'_>, key_package: &[u8]) -> Result<(Suite, LeafCredential), E2eeError> {
    let package = parse_key_package(provider, key_package)?;
    let leaf = package.leaf_node();
    let credential = super::rules::leaf_credential(leaf.credential(), leaf.signature_key().as_slice())?;
    Ok((Suite::from_ciphersuite(package.ciphersuite())?, credential))
}

pub(super) fn parse_key_package(provider: &Provider<'_>, bytes: &[u8]) -> Result<KeyPackage, E2eeError> {
    let refused = E2eeError::Mls { step: MlsStep::KeyPackage };
    KeyPackageIn::tls_deserialize_exact_bytes(bytes)
        .map_err(|error| refusal(&error, refused.clone()))?
        .validate(provider.crypto(), ProtocolVersion::Mls10)
        .map_err(|error| refusal(&error, refused))
}

/// The reference under which a Welcome addresses a KeyPackage. Both suites hash with SHA-256.
pub(super) fn key_package_ref(provider: &Provider<'_>, key_package: &[u8]) -> Result<KeyPackageRef, E2eeError> {
    let suite = Suite::Hybrid.ciphersuite();
    HashReference::new(key_package, suite, provider.crypto(), KEY_PACKAGE_REF_LABEL)
        .map_err(|_| E2eeError::Mls { step: MlsStep::KeyPackage })
}

fn bundle(provider: &Provider<'_>, key_package: &[u8]) -> Result<Option<KeyPackageBundle>, E2eeError> {
    let reference = key_package_ref(provider, key_package)?;
    let found: Result<Option<KeyPackageBundle>, StoreFault> = provider.storage().key_package(&reference);
    Ok(found?)
}

/// Notes why the library refused, for whoever traces at debug level, and passes the typed error on.
pub(super) fn refusal(error: &dyn core::fmt::Debug, typed: E2eeError) -> E2eeError {
    tracing::debug!(?error, "MLS refused");
    typed
}
