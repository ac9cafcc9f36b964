//! How many invitations this device could not open. The inbox is the account's: other devices may have joined by them, so
//! that nothing is shown but a count for whoever looks for what is wrong.

use crate::{
    engine::Cx,
    error::EngineError,
    store::{StoreFault, StoreTx},
};

/// Name of the setting with the count.
const SETTING: &str = "unopened-invitations";

/// One more.
pub(super) fn count(cx: &Cx<'_>) -> Result<(), EngineError> {
    let counted = read(cx.tx)?.saturating_add(1);
    Ok(cx.tx.upkeep().put_setting(SETTING, Some(&counted.to_be_bytes()))?)
}

/// How many there were.
///
/// Errors:   [`StoreFault::Damaged`] if the setting is not one that [`count`] wrote.
pub(crate) fn read(tx: &dyn StoreTx) -> Result<u64, StoreFault> {
    match tx.upkeep().setting(SETTING)? {
        None => Ok(0),
        Some(bytes) => bytes.try_into().map(u64::from_be_bytes).map_err(|_| StoreFault::Damaged),
    }
}
