//! What a log never changes: suite, mode, keys, and its times (draft section 10.2).

use core::fmt;

use crate::{
    DecodeError, Digest,
    codec::{Reader, Writer},
};

/// Which cryptography a log uses (draft section 15.1), chosen when it is made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CipherSuite(pub u16);

impl CipherSuite {
    /// `KT_128_SHA256_Ed25519` of the draft: Ed25519 and ECVRF-EDWARDS25519-SHA512-TAI.
    pub const ED25519: Self = Self(0x0002);
    /// Ours, of the private range: Ed25519, and the ristretto255 function of RFC 9497 in verifiable mode.
    pub const RISTRETTO255: Self = Self(0xF001);
}

impl fmt::Display for CipherSuite {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:#06x}", self.0)
    }
}

impl fmt::Debug for CipherSuite {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// Who watches the log besides those who use it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeploymentMode {
    /// Whoever looks a label up checks later that it stayed (`contactMonitoring`).
    ContactMonitoring,
    /// A third party sees every change and signs (`thirdPartyAuditing`).
    ThirdPartyAuditing {
        /// Milliseconds that the auditor may be behind the log.
        max_auditor_lag: u64,
        /// The first entry that this auditor has seen.
        auditor_start_pos: u64,
        /// The auditor's key for heads.
        auditor_public_key: Vec<u8>,
    },
}

/// A log's configuration. It is signed with every head, so whoever knows it knows which log a head belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configuration {
    /// The suite.
    pub cipher_suite: CipherSuite,
    /// Who watches.
    pub mode: DeploymentMode,
    /// The operator's key for heads.
    pub signature_public_key: Vec<u8>,
    /// The key of the verifiable random function.
    pub vrf_public_key: Vec<u8>,
    /// Milliseconds that the newest entry may be ahead of a clock.
    pub max_ahead: u64,
    /// Milliseconds that the newest entry may be behind a clock.
    pub max_behind: u64,
    /// The Reasonable Monitoring Window, in milliseconds: owners look at their labels about so often.
    pub reasonable_monitoring_window: u64,
    /// Milliseconds for which entries are kept; for ever, if none.
    pub maximum_lifetime: Option<u64>,
}

const STRUCTURE: &str = "Configuration";

impl Configuration {
    /// The configuration's bytes, as they are signed.
    ///
    /// Errors:   [`DecodeError::TooLong`] for keys above 65,535 bytes.
    pub fn encode(&self) -> Result<Vec<u8>, DecodeError> {
        let mut writer = Writer::new();
        self.write(&mut writer)?;
        Ok(writer.finish())
    }

    /// Reads a configuration.
    ///
    /// Errors:   [`DecodeError`], also for the mode of third-party management, which is not supported, and for a lifetime that is not longer
    ///           than the monitoring window.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Reader::whole(STRUCTURE, bytes, Self::read)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let cipher_suite = CipherSuite(reader.u16()?);
        let mode = reader.u8()?;
        let signature_public_key = reader.bytes16()?.to_vec();
        let vrf_public_key = reader.bytes16()?.to_vec();
        let mode = match mode {
            1 => DeploymentMode::ContactMonitoring,
            3 => DeploymentMode::ThirdPartyAuditing {
                max_auditor_lag: reader.u64()?,
                auditor_start_pos: reader.u64()?,
                auditor_public_key: reader.bytes16()?.to_vec(),
            },
            other => return Err(reader.unknown("mode", other.into())),
        };
        let (max_ahead, max_behind) = (reader.u64()?, reader.u64()?);
        let reasonable_monitoring_window = reader.u64()?;
        let maximum_lifetime = reader.optional(Reader::u64)?;
        if let Some(lifetime) = maximum_lifetime.filter(|lifetime| *lifetime <= reasonable_monitoring_window) {
            return Err(reader.unknown("maximum_lifetime", lifetime));
        }
        Ok(Self {
            cipher_suite,
            mode,
            signature_public_key,
            vrf_public_key,
            max_ahead,
            max_behind,
            reasonable_monitoring_window,
            maximum_lifetime,
        })
    }

    fn write(&self, writer: &mut Writer) -> Result<(), DecodeError> {
        let mode = match &self.mode {
            DeploymentMode::ContactMonitoring => 1,
            DeploymentMode::ThirdPartyAuditing { .. } => 3,
        };
        writer.u16(self.cipher_suite.0).u8(mode);
        writer.bytes16(&self.signature_public_key)?.bytes16(&self.vrf_public_key)?;
        if let DeploymentMode::ThirdPartyAuditing { max_auditor_lag, auditor_start_pos, auditor_public_key } =
            &self.mode
        {
            writer.u64(*max_auditor_lag).u64(*auditor_start_pos).bytes16(auditor_public_key)?;
        }
        writer.u64(self.max_ahead).u64(self.max_behind).u64(self.reasonable_monitoring_window);
        writer.optional(self.maximum_lifetime.as_ref(), |writer, lifetime| writer.u64(*lifetime).done())?;
        Ok(())
    }

    /// `TreeHeadTBS`: what the operator signs.
    pub(crate) fn head_to_sign(&self, tree_size: u64, root: &Digest) -> Result<Vec<u8>, DecodeError> {
        let mut writer = Writer::new();
        self.write(&mut writer)?;
        writer.u64(tree_size).put(&root.0);
        Ok(writer.finish())
    }

    /// `AuditorTreeHeadTBS`: what the auditor signs.
    pub(crate) fn auditor_head_to_sign(
        &self,
        timestamp: u64,
        tree_size: u64,
        root: &Digest,
    ) -> Result<Vec<u8>, DecodeError> {
        let mut writer = Writer::new();
        self.write(&mut writer)?;
        writer.u64(timestamp).u64(tree_size).put(&root.0);
        Ok(writer.finish())
    }
}
