//! Where what is kept of a conversation's repairs and gaps stands: in settings of their own, so that stores of before need no change.

use quicprochat_wire::{ChannelId, Reader, Writer};

use crate::{
    engine::Cx,
    error::EngineError,
    store::{Gaps, Repair, StoreFault, StoreTx, Stored as _},
};

/// What is kept of a conversation.
pub(super) fn load(cx: &Cx<'_>, channel: &ChannelId) -> Result<Repair, EngineError> {
    let Some(stored) = cx.tx.upkeep().setting(&name(channel))? else { return Ok(Repair::default()) };
    Ok(Repair::decode(&stored).map_err(StoreFault::from)?)
}

/// Keeps it; what says nothing takes no room.
pub(super) fn store(cx: &Cx<'_>, channel: &ChannelId, repair: &Repair) -> Result<(), EngineError> {
    let row = (*repair != Repair::default()).then(|| repair.encode()).transpose()?;
    Ok(cx.tx.upkeep().put_setting(&name(channel), row.as_deref())?)
}

/// What is kept of a conversation's gaps.
pub(super) fn gaps(tx: &dyn StoreTx, channel: &ChannelId) -> Result<Gaps, StoreFault> {
    let Some(stored) = tx.upkeep().setting(&gaps_name(channel))? else { return Ok(Gaps::default()) };
    Ok(Gaps::decode(&stored)?)
}

/// Keeps it; what says nothing takes no room.
pub(super) fn store_gaps(tx: &dyn StoreTx, channel: &ChannelId, gaps: &Gaps) -> Result<(), StoreFault> {
    let row = (*gaps != Gaps::default()).then(|| gaps.encode()).transpose()?;
    tx.upkeep().put_setting(&gaps_name(channel), row.as_deref())
}

/// After this device entered, until somebody is heard who followed: the commit before the one whose GroupInfo was used.
pub(crate) fn unconfirmed(cx: &Cx<'_>, channel: &ChannelId) -> Result<Option<u64>, EngineError> {
    let Some(stored) = cx.tx.upkeep().setting(&entered_name(channel))? else { return Ok(None) };
    let mut reader = Reader::new(&stored);
    let before = reader.u64().map_err(StoreFault::from)?;
    reader.finish().map_err(StoreFault::from)?;
    Ok(Some(before))
}

/// See [`unconfirmed`]. It is kept, because the process may end before anybody is heard.
pub(crate) fn set_unconfirmed(cx: &Cx<'_>, channel: &ChannelId, before: Option<u64>) -> Result<(), EngineError> {
    let row = before.map(|before| Writer::new().u64(before).finish());
    Ok(cx.tx.upkeep().put_setting(&entered_name(channel), row.as_deref())?)
}

/// Whether every gap that the log shows is kept track of.
pub(super) fn knows_all(tx: &dyn StoreTx, channel: &ChannelId) -> Result<bool, StoreFault> {
    Ok(tx.upkeep().setting(&known_name(channel))?.is_some())
}

/// See [`knows_all`].
pub(super) fn set_knows_all(tx: &dyn StoreTx, channel: &ChannelId, knows: bool) -> Result<(), StoreFault> {
    tx.upkeep().put_setting(&known_name(channel), knows.then_some(&[1][..]))
}

fn known_name(channel: &ChannelId) -> String {
    format!("gaps-known/{channel}")
}

fn gaps_name(channel: &ChannelId) -> String {
    format!("gaps/{channel}")
}

fn entered_name(channel: &ChannelId) -> String {
    format!("entered/{channel}")
}

fn name(channel: &ChannelId) -> String {
    format!("repair/{channel}")
}

#[cfg(test)]
mod tests {
    use quicprochat_wire::Timestamp;

    use super::*;
    use crate::engine::bed::Bed;

    #[test]
    fn a_row_reads_back_and_the_one_that_says_nothing_takes_no_room() {
        let (mut bed, channel) = (Bed::new(), ChannelId::new([3; 32]));
        let repair = Repair { returns: 2, returned: Timestamp(5), not_before: Timestamp(9) };
        bed.at(0, |cx| store(cx, &channel, &repair).expect("stores"));
        bed.at(0, |cx| assert_eq!(load(cx, &channel).expect("reads"), repair));
        bed.at(0, |cx| {
            store(cx, &channel, &Repair::default()).expect("stores");
            assert_eq!(cx.tx.upkeep().setting(&name(&channel)).expect("reads"), None);
        });
    }
}
