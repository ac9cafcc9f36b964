//! The channel that takes the place of a spoilt one (DESIGN L11).

use openmls_traits::OpenMlsProvider as _;
use quicprochat_wire::{ChannelId, Writer};
use zeroize::Zeroizing;

use super::{Group, Provider, group::keys_from_exporter, own::refusal};
use crate::{
    channel::ChannelKeys,
    error::{E2eeError, MlsStep},
};

/// Label of the exporter that replacements come from.
const EXPORTER_LABEL: &str = "qpc/1 replacement";
/// Length of a channel's id.
const ID_BYTES: usize = 32;

/// A channel in which a group goes on.
///
/// Secrets:  the keys. The id is as good as public once the channel exists.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replacement {
    /// Its id.
    pub channel: ChannelId,
    /// Its first keys.
    pub keys: ChannelKeys,
}

impl Group {
    /// Replacement `number` of the channel that this group is in: the same for every member of the epoch in force, and for nobody
    /// else.
    ///
    /// The group stays what it is; its next entries are those of the replacement.
    ///
    /// Source:   protocol.md section 7, "Replacement": label "qpc/1 replacement", context `group id fixed(32) || u32 number`.
    pub fn replacement(&self, provider: &Provider<'_>, number: u32) -> Result<Replacement, E2eeError> {
        let refused = E2eeError::Mls { step: MlsStep::Export };
        let context = Writer::new().fixed(self.channel).u32(number).finish();
        let exported = self
            .inner
            .export_secret(provider.crypto(), EXPORTER_LABEL, &context, ID_BYTES + ChannelKeys::LEN)
            .map_err(|error| refusal(&error, refused.clone()))?;
        let exported = Zeroizing::new(exported);
        let (id, keys) = exported.split_at_checked(ID_BYTES).ok_or_else(|| refused.clone())?;
        let channel = ChannelId::from_slice(id).ok_or(refused)?;
        Ok(Replacement { channel, keys: keys_from_exporter(keys.to_vec())? })
    }
}
