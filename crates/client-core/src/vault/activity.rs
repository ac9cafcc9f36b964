//! When something last happened in conversations that this device is to enter: the newest ones come first.

use std::collections::BTreeMap;

use quicprochat_wire::{ChannelId, DecodeError, Reader, Timestamp, Writer};

use crate::store::{StoreFault, StoreTx};

const SETTING: &str = "conversation-activity";
const VERSION: u8 = 1;
/// More than a vault lists.
const MOST: usize = 16 * 1024;

/// What the vault's list said when the device took it over. A conversation that is not in it counts as the oldest.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Activity(BTreeMap<ChannelId, Timestamp>);

impl Activity {
    pub(crate) fn load(tx: &dyn StoreTx) -> Result<Self, StoreFault> {
        let Some(stored) = tx.upkeep().setting(SETTING)? else { return Ok(Self::default()) };
        Ok(Self::decode(&stored)?)
    }

    pub(crate) fn store(&self, tx: &dyn StoreTx) -> Result<(), StoreFault> {
        let encoded = (!self.0.is_empty()).then(|| self.encode());
        tx.upkeep().put_setting(SETTING, encoded.as_deref())
    }

    pub(crate) fn note(&mut self, channel: ChannelId, at: Timestamp) {
        self.0.insert(channel, at);
    }

    /// When something last happened there.
    pub(crate) fn of(&self, channel: &ChannelId) -> Timestamp {
        self.0.get(channel).copied().unwrap_or(Timestamp(0))
    }

    fn encode(&self) -> Vec<u8> {
        let all: Vec<_> = self.0.iter().collect();
        Writer::new().u8(VERSION).list(&all, |writer, (channel, at)| writer.fixed(channel).u64(at.0)).finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return Err(DecodeError::WrongLabel);
        }
        let all = reader
            .list::<_, DecodeError>(MOST, |reader| Ok((ChannelId::new(reader.array()?), Timestamp(reader.u64()?))))?;
        reader.finish()?;
        Ok(Self(all.into_iter().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_reads_back_and_what_is_not_is_the_oldest() {
        let (tea, coffee) = (ChannelId::new([1; 32]), ChannelId::new([2; 32]));
        let mut activity = Activity::default();
        activity.note(tea, Timestamp(60_000));
        let bytes = activity.encode();
        assert_eq!(Activity::decode(&bytes), Ok(activity.clone()));
        assert_eq!((activity.of(&tea), activity.of(&coffee)), (Timestamp(60_000), Timestamp(0)));
        for cut in 0..bytes.len() {
            assert!(Activity::decode(&bytes[..cut]).is_err(), "{cut}");
        }
        assert!(Activity::decode(&[&bytes[..], &[0]].concat()).is_err());
    }
}
