//! What should be impossible, noticed and mended: a store that was put back to an older copy, and spans that cannot be read.
//!
//! ```text
//!   own leaf wrote what this store does not know ──▶ StoreRolledBack ──▶ enter anew, with other keys ──▶ Active
//!                                                        └─ again within a day: said, and with growing pauses
//!   a span was passed over ──▶ Gap ──▶ gap request ──▶ members, one after the other ──▶ Relayed entries
//! ```

mod awaited;
mod gaps;
mod look;
mod relay;
mod returned;
mod row;
mod spans;

use quicprochat_wire::{AccountId, ChannelId, DeviceId};

pub(crate) use awaited::Awaited;
pub(crate) use gaps::{ask_again, filled, imported_gap, is_due_soon, is_own, note_own, opened};
pub(crate) use returned::{attempt_id, enter_now, noticed, scan, scan_is_due, waits};
pub(crate) use row::{set_unconfirmed, unconfirmed};
pub(crate) use spans::Spans;

use crate::{
    content::{Relay, Span},
    engine::Cx,
    error::EngineError,
    store::{Conversation, StoreFault, StoreTx},
};

/// How many positions of a conversation's gaps this device still misses, as far as it keeps track of them.
pub(crate) fn missing(tx: &dyn StoreTx, channel: &ChannelId) -> Result<u64, StoreFault> {
    let gaps = row::gaps(tx, channel)?;
    Ok(gaps.missing.iter().map(|span| span.to.saturating_sub(span.from).saturating_add(1)).sum())
}

/// Asks for what is missing and answers who asks, as far as it is time; whether a message was queued. The cursor is at the head.
pub(crate) fn drive(cx: &mut Cx<'_>, conversation: &Conversation, awaited: &Awaited) -> Result<bool, EngineError> {
    let channel = conversation.channel;
    let mut gaps = row::gaps(cx.tx, &channel)?;
    if gaps.missing.is_empty() && gaps.requests.is_empty() {
        return Ok(false);
    }
    let before = gaps.clone();
    let asked = gaps::ask(cx, conversation, &mut gaps, awaited)?;
    let answered = relay::answer(cx, conversation, &mut gaps)?;
    if gaps != before {
        row::store_gaps(cx.tx, &channel, &gaps)?;
    }
    Ok(asked || answered)
}

/// A member's device asks for spans.
pub(crate) fn requested(
    cx: &mut Cx<'_>,
    conversation: &Conversation,
    from: (AccountId, DeviceId),
    spans: &[Span],
) -> Result<(), EngineError> {
    let mut gaps = row::gaps(cx.tx, &conversation.channel)?;
    relay::requested(cx, &mut gaps, from, spans)?;
    Ok(row::store_gaps(cx.tx, &conversation.channel, &gaps)?)
}

/// A member sent entries again.
pub(crate) fn relayed(
    cx: &mut Cx<'_>,
    conversation: &Conversation,
    by: AccountId,
    relay: &Relay,
) -> Result<(), EngineError> {
    let mut gaps = row::gaps(cx.tx, &conversation.channel)?;
    let before = gaps.clone();
    gaps::take(cx, conversation, &mut gaps, by, relay)?;
    if !gaps.requests.is_empty() {
        relay::answered(cx, conversation, &mut gaps, relay)?;
    }
    if gaps != before {
        row::store_gaps(cx.tx, &conversation.channel, &gaps)?;
    }
    Ok(())
}
