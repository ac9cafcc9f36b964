//! Keeping entries as they stood, for as long as a server may be put back to before them (L3).

use quicprochat_wire::{
    ChannelId, Timestamp,
    call::channel::{ChainPoint, ChannelEntry},
    time::Duration,
};

use crate::{
    engine::Cx,
    error::EngineError,
    store::{Conversation, RawEntry, RawMark, RawRoll, Secret},
};

/// How long an entry is kept, by the server's time.
const AGE: Duration = Duration::from_secs(14 * 24 * 3600);
/// How many sealed bytes of a channel are kept.
const MOST_BYTES: u64 = 64 * 1024 * 1024;
/// How many old ones are dropped for each that is added: the work stays bounded, and the span shrinks to what is allowed.
const MOST_DROPPED: usize = 4;

/// How many are dropped when a channel is looked at after a while.
const MOST_PRUNED: usize = 64;

/// What an entry may change of a conversation.
pub(super) struct Before {
    keys: Secret<96>,
    epoch: Option<u64>,
}

impl Before {
    pub(super) fn of(conversation: &Conversation) -> Self {
        Self { keys: conversation.keys.clone(), epoch: Some(conversation.epoch) }
    }

    /// For a commit by which this device enters.
    pub(super) fn entering(conversation: &Conversation) -> Self {
        Self { keys: conversation.keys.clone(), epoch: None }
    }
}

/// Keeps the entry at the cursor, which was just applied or passed over, in the same transaction.
pub(super) fn keep(
    cx: &Cx<'_>,
    conversation: &Conversation,
    before: &Before,
    entry: &ChannelEntry,
    at: ChainPoint,
) -> Result<(), EngineError> {
    if !conversation.is_live() {
        return Ok(());
    }
    let (channel, store) = (conversation.channel, cx.tx.raw_log());
    let mut span = store.raw_span(&channel)?;
    if span.is_some_and(|(_, last)| last.position.checked_add(1) != Some(at.position)) {
        // What came in between was not read here: what is before it cannot lead to this entry.
        store.clear_raw(&channel)?;
        span = None;
    }
    let rolls = conversation.keys_since == at.position && conversation.keys != before.keys;
    let row = RawEntry {
        channel,
        position: at.position,
        hash: at.hash,
        id: entry.id,
        kind: entry.kind,
        after: entry.after_commit,
        sealed: entry.sealed.clone(),
        time: entry.time,
        begins: (before.epoch != Some(conversation.epoch)).then_some(conversation.epoch),
        roll: rolls.then(|| RawRoll { before: before.keys.clone(), next: conversation.keys.clone() }),
        offset: span.map_or(0, |(_, last)| last.end),
    };
    store.put_raw(&row)?;
    drop_surplus(cx, &channel, span.map(|(first, _)| (first, row.mark())), MOST_DROPPED)
}

/// Drops some of what is too old.
pub(super) fn prune(cx: &Cx<'_>, channel: &ChannelId) -> Result<(), EngineError> {
    let span = cx.tx.raw_log().raw_span(channel)?;
    drop_surplus(cx, channel, span, MOST_PRUNED)
}

fn drop_surplus(
    cx: &Cx<'_>,
    channel: &ChannelId,
    mut span: Option<(RawMark, RawMark)>,
    most: usize,
) -> Result<(), EngineError> {
    for _ in 0..most {
        let now = cx.server_minute();
        let Some((oldest, _)) = span.filter(|(first, last)| is_surplus(first, last, now)) else { break };
        cx.tx.raw_log().delete_raw(channel, oldest.position)?;
        span = cx.tx.raw_log().raw_span(channel)?;
    }
    Ok(())
}

/// Whether the oldest entry is too old, or one too many; the newest never is.
fn is_surplus(first: &RawMark, last: &RawMark, now: Timestamp) -> bool {
    let kept = last.end.saturating_sub(first.end.saturating_sub(first.bytes));
    first.position < last.position && (now.since(first.time) > AGE || kept > MOST_BYTES)
}

#[cfg(test)]
mod tests {
    use quicprochat_wire::{MessageId, call::channel::EntryKind};

    use super::*;
    use crate::{engine::bed::Bed, store::ConversationState};

    const MINUTE: u64 = 60_000;
    const DAY: u64 = 24 * 60 * MINUTE;

    fn channel() -> ChannelId {
        ChannelId::new([1; 32])
    }

    /// Keeps an entry of so many bytes at `position`, sent and read at `now`.
    fn read(bed: &mut Bed, conversation: &mut Conversation, position: u64, bytes: usize, now: u64) {
        let start = conversation.cursor;
        let entry = ChannelEntry {
            seq: position,
            id: MessageId::new([1; 16]),
            kind: EntryKind::Message,
            after_commit: start,
            sealed: vec![1; bytes],
            next_access: None,
            time: Timestamp(now),
        };
        let at = ChainPoint { position, hash: start.hash };
        bed.at(now, |cx| {
            let before = Before::of(conversation);
            keep(cx, conversation, &before, &entry, at).expect("keeps");
        });
    }

    fn kept(bed: &mut Bed) -> Vec<u64> {
        bed.at(0, |cx| {
            let rows = cx.tx.raw_log().raw_after(&channel(), 0, 1_000).expect("reads");
            rows.iter().map(|row| row.position).collect()
        })
    }

    #[test]
    fn entries_go_after_fourteen_days_some_with_each_that_comes() {
        let (mut bed, mut conversation) = (Bed::new(), crate::testing::conversation(channel()));
        for position in 1..=10 {
            read(&mut bed, &mut conversation, position, 100, DAY);
        }
        read(&mut bed, &mut conversation, 11, 100, 15 * DAY);
        assert_eq!(kept(&mut bed), (1..=11).collect::<Vec<_>>(), "they are fourteen days old");
        read(&mut bed, &mut conversation, 12, 100, 15 * DAY + 2 * MINUTE);
        assert_eq!(kept(&mut bed), (5..=12).collect::<Vec<_>>(), "as many as one entry drops");
        for position in 13..=15 {
            read(&mut bed, &mut conversation, position, 100, 15 * DAY + 2 * MINUTE);
        }
        assert_eq!(kept(&mut bed), (11..=15).collect::<Vec<_>>());
    }

    #[test]
    fn a_channel_keeps_as_many_bytes_as_are_allowed() {
        let (mut bed, mut conversation) = (Bed::new(), crate::testing::conversation(channel()));
        let quarter = usize::try_from(MOST_BYTES / 4).expect("fits");
        for position in 1..=4 {
            read(&mut bed, &mut conversation, position, quarter, DAY);
        }
        assert_eq!(kept(&mut bed), [1, 2, 3, 4], "exactly as many");
        read(&mut bed, &mut conversation, 5, 1, DAY);
        assert_eq!(kept(&mut bed), [2, 3, 4, 5]);
        read(&mut bed, &mut conversation, 6, quarter, DAY);
        assert_eq!(kept(&mut bed), [3, 4, 5, 6]);
    }

    #[test]
    fn what_is_kept_has_no_gap_and_is_of_a_conversation_that_goes_on() {
        let (mut bed, mut conversation) = (Bed::new(), crate::testing::conversation(channel()));
        for position in [1, 2, 3, 7, 8] {
            read(&mut bed, &mut conversation, position, 10, DAY);
        }
        assert_eq!(kept(&mut bed), [7, 8]);
        conversation.state = ConversationState::Removed;
        read(&mut bed, &mut conversation, 9, 10, DAY);
        assert_eq!(kept(&mut bed), [7, 8], "what removed this device is not kept");
    }

    #[test]
    fn a_commit_that_rolls_is_kept_with_the_keys_of_both_sides() {
        let (mut bed, mut conversation) = (Bed::new(), crate::testing::conversation(channel()));
        let before = Before::of(&conversation);
        conversation.keys = Secret::new([2; 96]);
        (conversation.keys_since, conversation.epoch) = (5, 1);
        let at = ChainPoint { position: 5, hash: conversation.cursor.hash };
        let entry = ChannelEntry {
            seq: 5,
            id: MessageId::new([1; 16]),
            kind: EntryKind::Commit,
            after_commit: conversation.cursor,
            sealed: vec![1; 600],
            next_access: None,
            time: Timestamp(0),
        };
        bed.at(0, |cx| keep(cx, &conversation, &before, &entry, at).expect("keeps"));
        read(&mut bed, &mut conversation, 6, 10, 0);
        let rows = bed.at(0, |cx| cx.tx.raw_log().raw_after(&channel(), 0, 9).expect("reads"));
        let roll = RawRoll { before: Secret::new([1; 96]), next: Secret::new([2; 96]) };
        assert_eq!((rows[0].begins, &rows[0].roll), (Some(1), &Some(roll)));
        assert_eq!((rows[1].begins, &rows[1].roll), (None, &None));
    }
}
