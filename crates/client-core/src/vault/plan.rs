//! When the vault is to be written next, and what is known of it: kept with the device, because most processes are short.

use quicprochat_wire::{DecodeError, Reader, Timestamp, Writer};

use crate::{
    error::EngineError,
    store::{StoreFault, StoreTx},
};

const SETTING: &str = "vault-conversations";
const VERSION: u8 = 1;

/// See the module.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Plan {
    /// When a change is to be written.
    pub(super) due: Option<Timestamp>,
    /// When to look whether keys or commits moved.
    pub(super) refresh: Timestamp,
    /// Highest version of the records that was seen or stored.
    pub(super) version: u64,
    /// Whether this device took over what it has seen of it.
    pub(super) imported: bool,
}

impl Plan {
    pub(super) fn load(tx: &dyn StoreTx) -> Result<Self, StoreFault> {
        let Some(stored) = tx.upkeep().setting(SETTING)? else { return Ok(Self::default()) };
        Ok(Self::decode(&stored)?)
    }

    pub(super) fn store(&self, tx: &dyn StoreTx) -> Result<(), EngineError> {
        Ok(tx.upkeep().put_setting(SETTING, Some(&self.encode()))?)
    }

    /// Whether the vault is to be asked now: to write, or to read what another device wrote, of which there is version `told`.
    pub(super) fn is_due(&self, now: Timestamp, inbox_read: bool, told: u64) -> bool {
        self.due.is_some_and(|due| due <= now) || ((!self.imported || told > self.version) && inbox_read)
    }

    fn encode(&self) -> Vec<u8> {
        let writer = Writer::new().u8(VERSION).u64(self.due.map_or(0, |due| due.0)).u64(self.refresh.0);
        writer.u64(self.version).u8(u8::from(self.imported)).finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return Err(DecodeError::WrongLabel);
        }
        let due = Some(reader.u64()?).filter(|due| *due != 0).map(Timestamp);
        let (refresh, version) = (Timestamp(reader.u64()?), reader.u64()?);
        let imported = match reader.u8()? {
            0 => false,
            1 => true,
            found => return Err(DecodeError::BadValue { found: found.into() }),
        };
        reader.finish()?;
        Ok(Self { due, refresh, version, imported })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_reads_back_and_nothing_else_does() {
        for due in [None, Some(Timestamp(7))] {
            let plan = Plan { due, refresh: Timestamp(8), version: 9, imported: due.is_some() };
            assert_eq!(Plan::decode(&plan.encode()), Ok(plan.clone()));
            for cut in 0..plan.encode().len() {
                assert!(Plan::decode(&plan.encode()[..cut]).is_err(), "{cut}");
            }
        }
        assert!(Plan::decode(&[2; 26]).is_err() && Plan::decode(&[1; 27]).is_err());
    }

    #[test]
    fn an_import_waits_for_the_inbox_and_a_write_does_not() {
        let due = |due, imported, inbox_read| {
            let plan = Plan { due, imported, ..Plan::default() };
            plan.is_due(Timestamp(100), inbox_read, 0)
        };
        assert!(due(None, false, true) && !due(None, false, false));
        assert!(due(Some(Timestamp(100)), true, false) && !due(Some(Timestamp(101)), true, true));
        assert!(!due(None, true, true));
        let behind = Plan { version: 4, imported: true, ..Plan::default() };
        assert!(behind.is_due(Timestamp(0), true, 5) && !behind.is_due(Timestamp(0), false, 5));
        assert!(!behind.is_due(Timestamp(0), true, 4), "read already");
    }
}
