//! The same with OpenMLS alone: what a program would do that adds no rules of its own.

use openmls::{
    group::{MlsGroupJoinConfig, PURE_CIPHERTEXT_WIRE_FORMAT_POLICY},
    prelude::{
        Capabilities, Ciphersuite, Credential, CredentialType, CredentialWithKey, ExtensionType, GroupId, KeyPackage,
        KeyPackageIn, LeafNodeParameters, Lifetime, MlsGroup, MlsMessageBodyIn, MlsMessageIn, MlsMessageOut,
        ProcessedMessage, ProcessedMessageContent, ProtocolVersion, RatchetTreeIn, SenderRatchetConfiguration,
        StagedWelcome,
    },
};
use openmls_traits::OpenMlsProvider as _;
use quicprochat_e2ee::mls::{DeviceSigner, OwnDevice, PROFILE_EXTENSION, Suite};
use quicprochat_identity::CREDENTIAL_TYPE;
use tls_codec::{DeserializeBytes as _, Serialize as _};

use crate::{
    device::{CHANNEL, Device},
    side::{Result, Side},
};

pub(crate) struct Bare {
    device: Device,
    group: MlsGroup,
}

/// As long as what this crate puts there.
const AAD: [u8; 57] = [1; 57];

struct Committed {
    message: Vec<u8>,
    welcome: Option<Vec<u8>>,
    tree: Vec<u8>,
}

impl Bare {
    fn change(&mut self, packages: &[Vec<u8>]) -> Result<Committed> {
        let group = &mut self.group;
        self.device.with(|provider, own| {
            let packages = packages.iter().map(|bytes| {
                Ok(KeyPackageIn::tls_deserialize_exact_bytes(bytes)?
                    .validate(provider.crypto(), ProtocolVersion::Mls10)?)
            });
            let packages = packages.collect::<Result<Vec<_>>>()?;
            group.set_aad(AAD.to_vec());
            let (message, welcome, info) = group
                .commit_builder()
                .consume_proposal_store(false)
                .force_self_update(packages.is_empty())
                .leaf_node_parameters(LeafNodeParameters::default())
                .propose_adds(packages)
                .load_psks(provider.storage())?
                .create_group_info(true)
                .build(provider.rand(), provider.crypto(), &signer(own), |_| true)?
                .stage_commit(provider)?
                .into_messages();
            let bytes = |message: MlsMessageOut| message.to_bytes();
            let (message, welcome) = (bytes(message)?, welcome.map(bytes).transpose()?);
            bytes(info.ok_or("no GroupInfo")?)?;
            // The tree goes out with the commit, so before it is merged.
            let staged = group.pending_commit().ok_or("no pending commit")?;
            let tree = staged.export_ratchet_tree(provider.crypto(), group.export_ratchet_tree())?.ok_or("no tree")?;
            let tree = tree.tls_serialize_detached()?;
            group.merge_pending_commit(provider)?;
            Ok(Committed { message, welcome, tree })
        })
    }

    fn processed(&mut self, message: &[u8]) -> Result<ProcessedMessage> {
        let MlsMessageBodyIn::PrivateMessage(message) = MlsMessageIn::tls_deserialize_exact_bytes(message)?.extract()
        else {
            return Err("no private message".into());
        };
        let group = &mut self.group;
        Ok(self.device.with(|provider, _| group.process_message(provider, message))?)
    }
}

impl Side for Bare {
    fn create(mut device: Device, suite: Suite) -> Result<Self> {
        let group = device.with(|provider, own| {
            MlsGroup::builder()
                .with_group_id(GroupId::from_slice(CHANNEL.as_bytes()))
                .with_wire_format_policy(PURE_CIPHERTEXT_WIRE_FORMAT_POLICY)
                .padding_size(0)
                .max_past_epochs(0)
                .number_of_resumption_psks(0)
                .use_ratchet_tree_extension(false)
                .sender_ratchet_configuration(ratchet())
                .ciphersuite(ciphersuite(suite)?)
                .with_capabilities(capabilities())
                .build(provider, &signer(own), credential(own))
                .map_err(Into::<Box<dyn std::error::Error>>::into)
        })?;
        Ok(Self { device, group })
    }

    fn join(mut device: Device, welcome: &[u8], tree: &[u8]) -> Result<Self> {
        let MlsMessageBodyIn::Welcome(welcome) = MlsMessageIn::tls_deserialize_exact_bytes(welcome)?.extract() else {
            return Err("no Welcome".into());
        };
        let tree = RatchetTreeIn::tls_deserialize_exact_bytes(tree)?;
        let config = MlsGroupJoinConfig::builder()
            .wire_format_policy(PURE_CIPHERTEXT_WIRE_FORMAT_POLICY)
            .padding_size(0)
            .max_past_epochs(0)
            .number_of_resumption_psks(0)
            .use_ratchet_tree_extension(false)
            .sender_ratchet_configuration(ratchet())
            .build();
        let group = device.with(|provider, _| {
            let staged = StagedWelcome::build_from_welcome(provider, &config, welcome)?
                .with_ratchet_tree(tree)
                .skip_lifetime_validation()
                .build()?;
            staged.into_group(provider).map_err(Into::<Box<dyn std::error::Error>>::into)
        })?;
        Ok(Self { device, group })
    }

    fn key_package(&mut self) -> Result<Vec<u8>> {
        let suite = self.group.ciphersuite();
        self.device.with(|provider, own| {
            let bundle = KeyPackage::builder()
                .key_package_lifetime(Lifetime::init(0, u64::MAX))
                .mark_as_last_resort()
                .leaf_node_capabilities(capabilities())
                .build(suite, provider, &signer(own), credential(own))?;
            Ok(bundle.key_package().tls_serialize_detached()?)
        })
    }

    fn add(&mut self, packages: &[Vec<u8>]) -> Result<(Vec<u8>, Vec<u8>)> {
        let committed = self.change(packages)?;
        Ok((committed.welcome.ok_or("no Welcome")?, committed.tree))
    }

    fn commit(&mut self) -> Result<Vec<u8>> {
        self.change(&[]).map(|committed| committed.message)
    }

    fn process(&mut self, commit: &[u8]) -> Result<()> {
        let ProcessedMessageContent::StagedCommitMessage(staged) = self.processed(commit)?.into_content() else {
            return Err("no commit".into());
        };
        let group = &mut self.group;
        Ok(self.device.with(|provider, _| group.merge_staged_commit(provider, *staged))?)
    }

    fn encrypt(&mut self, content: &[u8]) -> Result<Vec<u8>> {
        let group = &mut self.group;
        group.set_aad(AAD.to_vec());
        Ok(self.device.with(|provider, own| group.create_message(provider, &signer(own), content))?.to_bytes()?)
    }

    fn decrypt(&mut self, message: &[u8]) -> Result<Vec<u8>> {
        let ProcessedMessageContent::ApplicationMessage(content) = self.processed(message)?.into_content() else {
            return Err("no message".into());
        };
        Ok(content.into_bytes())
    }

    fn load(&mut self) -> Result<()> {
        let id = self.group.group_id().clone();
        self.group = self.device.with(|provider, _| MlsGroup::load(provider.storage(), &id))?.ok_or("no group")?;
        Ok(())
    }
}

fn ciphersuite(suite: Suite) -> Result<Ciphersuite> {
    Ciphersuite::try_from(suite.number()).map_err(|error| format!("{error:?}").into())
}

fn ratchet() -> SenderRatchetConfiguration {
    SenderRatchetConfiguration::new(16, 2000)
}

const fn signer(own: &OwnDevice) -> DeviceSigner<'_> {
    DeviceSigner(&own.secret)
}

fn credential(own: &OwnDevice) -> CredentialWithKey {
    CredentialWithKey {
        credential: Credential::new(CredentialType::Other(CREDENTIAL_TYPE), own.credential().encode()),
        signature_key: own.secret.public().as_bytes().as_slice().into(),
    }
}

fn capabilities() -> Capabilities {
    let suites = [Suite::Hybrid, Suite::Classical].map(|suite| ciphersuite(suite).ok());
    Capabilities::new(
        Some(&[ProtocolVersion::Mls10]),
        Some(&suites.into_iter().flatten().collect::<Vec<_>>()),
        Some(&[ExtensionType::Unknown(PROFILE_EXTENSION), ExtensionType::LastResort]),
        Some(&[]),
        Some(&[CredentialType::Other(CREDENTIAL_TYPE)]),
    )
}
