//! Asking for what this device cannot read, and taking in what members send again (M2).
//!
//! ```text
//!   entered anew behind a span ──▶ Gap in the log ──short pause──▶ gap request ──▶ relayed entries, at their positions
//!                                                     ▲ growing pauses   │              └─▶ the Gap shrinks, and goes
//!                                                     └──── nobody ──────┘
//! ```
//!
//! Whoever sends again can lie about what was written; so it is shown as relayed, and takes the place of nothing.

use quicprochat_wire::{AccountId, ChannelId, MessageId, Timestamp, call::channel::ChannelEntry, time::Duration};

use super::{Awaited, row, spans::Spans};
use crate::{
    command::CommandError,
    commands::send,
    content::{Control, MAX_SPANS, MimiContent, Relay, RelayedEntry, Salt, Span},
    engine::Cx,
    error::EngineError,
    store::{Conversation, ConversationState, GapRow, Gaps, LogBody, LogEntry, MessagePurpose, StoreFault, StoreTx},
};

/// Within which time after it entered a device asks.
const FIRST_SPREAD: Duration = Duration::from_secs(2);
/// How long what the archive has is waited for.
const ARCHIVE_WAIT: Duration = Duration::from_secs(3600);
/// Pause after a request that nobody answered; twice as long after each further one.
const PAUSE: Duration = Duration::from_secs(600);
/// The longest pause, its spread included.
const LONGEST_PAUSE: Duration = Duration::from_secs(8 * 24 * 3600);
/// After so many requests in vain none follows by itself.
const MOST_TRIES: u32 = 12;
/// Pause after an answer that brought a part.
const NEXT_PART: Duration = Duration::from_secs(30);
/// Gaps of one conversation that are kept track of.
const MOST_ROWS: usize = 64;
/// Spans that are kept of what is missing in one conversation.
const MOST_MISSING: usize = 4096;
/// How far the server's clock may be ahead of what is said of an entry's time.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(24 * 3600);
/// Log entries that are looked at in one go.
const PAGE: usize = 256;

/// A gap comes into the log, at `seq`: what is to be shown there. An archive or a backup may have brought all of it before.
pub(crate) fn opened(cx: &mut Cx<'_>, channel: &ChannelId, gap: GapRow) -> Result<LogBody, EngineError> {
    let mut gaps = row::gaps(cx.tx, channel)?;
    if add(cx.tx, channel, &mut gaps, gap.clone())? {
        gaps.next = cx.jittered(FIRST_SPREAD);
        gaps.tries = 0;
        cx.wake(gaps.next);
        row::store_gaps(cx.tx, channel, &gaps)?;
    }
    Ok(left_of(&gap, &Spans::from(&gaps.missing[..])).unwrap_or(LogBody::Joined))
}

/// Keeps track of a gap; whether it is a new one. What stands in it already is not missing.
fn add(tx: &dyn StoreTx, channel: &ChannelId, gaps: &mut Gaps, gap: GapRow) -> Result<bool, StoreFault> {
    if gaps.rows.contains(&gap) {
        return Ok(false);
    }
    let span = Span { from: gap.from, to: gap.to };
    let new = Spans::of([span]).without(&there(tx, channel, span)?);
    let missing = Spans::from(&gaps.missing[..]).or(&new);
    gaps.missing = missing.stored(MOST_MISSING);
    let surplus = (gaps.rows.len() + 1).saturating_sub(MOST_ROWS);
    gaps.rows.drain(..surplus);
    gaps.rows.push(gap);
    Ok(true)
}

/// The positions within a span at which something stands.
fn there(tx: &dyn StoreTx, channel: &ChannelId, span: Span) -> Result<Spans, StoreFault> {
    let mut there = Vec::new();
    let mut after = span.from.saturating_sub(1);
    loop {
        let page = tx.messages().messages_of(channel, after, PAGE)?;
        let within = page.iter().take_while(|entry| entry.seq <= span.to);
        there.extend(within.map(|entry| Span { from: entry.seq, to: entry.seq }));
        match page.last() {
            Some(last) if last.seq < span.to => after = last.seq,
            Some(_) | None => return Ok(Spans::of(there)),
        }
    }
}

/// Takes for missing again what the log shows as a gap and nothing stands in, also if a member said that nothing was written
/// there.
fn reopen(tx: &dyn StoreTx, channel: &ChannelId, gaps: &mut Gaps) -> Result<(), StoreFault> {
    let mut missing = Spans::from(&gaps.missing[..]);
    for gap in gaps.rows.iter() {
        if let Some(LogBody::Gap { from, to }) = shown_at(tx, channel, gap.seq)? {
            let span = Span { from, to };
            missing = missing.or(&Spans::of([span]).without(&there(tx, channel, span)?));
        }
    }
    gaps.missing = missing.stored(MOST_MISSING);
    Ok(())
}

fn shown_at(tx: &dyn StoreTx, channel: &ChannelId, seq: u64) -> Result<Option<LogBody>, StoreFault> {
    let shown = tx.messages().messages_of(channel, seq.saturating_sub(1), 1)?;
    Ok(shown.into_iter().find(|entry| entry.seq == seq).map(|entry| entry.body))
}

/// Keeps track of every gap that the log shows, also of those of which nothing was kept.
fn add_all(tx: &dyn StoreTx, channel: &ChannelId, gaps: &mut Gaps) -> Result<(), StoreFault> {
    let mut after = 0;
    loop {
        let page = tx.messages().messages_of(channel, after, PAGE)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.seq;
        for entry in &page {
            if let LogBody::Gap { from, to } = entry.body
                && !gaps.rows.iter().any(|row| row.seq == entry.seq)
            {
                add(tx, channel, gaps, GapRow { seq: entry.seq, from, to })?;
            }
        }
    }
}

/// Asks again now for everything that is missing; how many positions that are.
pub(crate) fn ask_again(cx: &mut Cx<'_>, channel: &ChannelId) -> Result<u64, EngineError> {
    let mut gaps = row::gaps(cx.tx, channel)?;
    add_all(cx.tx, channel, &mut gaps)?;
    reopen(cx.tx, channel, &mut gaps)?;
    gaps.tries = 0;
    gaps.next = cx.now;
    row::store_gaps(cx.tx, channel, &gaps)?;
    Ok(super::missing(cx.tx, channel)?)
}

/// Entries came in from elsewhere than members (a backup, an archive), which say all that there was in `covered`: it is not
/// missing any more.
pub(crate) fn filled(tx: &dyn StoreTx, channel: &ChannelId, covered: &Spans) -> Result<(), StoreFault> {
    let before = row::gaps(tx, channel)?;
    let mut gaps = before.clone();
    // An archive comes in many parts: the log is looked through once.
    if !row::knows_all(tx, channel)? {
        add_all(tx, channel, &mut gaps)?;
        row::set_knows_all(tx, channel, true)?;
    }
    let mut missing = Spans::from(&gaps.missing[..]).without(covered);
    for span in missing.clone().iter() {
        missing = missing.without(&there(tx, channel, span)?);
    }
    gaps.missing = missing.stored(MOST_MISSING);
    let missing = Spans::from(&gaps.missing[..]);
    if gaps != before {
        row::store_gaps(tx, channel, &gaps)?;
    }
    let concerned = |gap: &&GapRow| !covered.and(&Spans::of([Span { from: gap.from, to: gap.to }])).is_empty();
    gaps.rows.iter().filter(concerned).try_for_each(|gap| show(tx, channel, gap, &missing, covered))
}

/// A gap of another device came in, of which nothing is kept yet.
pub(crate) fn imported_gap(tx: &dyn StoreTx, channel: &ChannelId) -> Result<(), StoreFault> {
    row::set_knows_all(tx, channel, false)
}

/// Whether a request that was never made is to come in a moment, for which a sync waits.
pub(crate) fn is_due_soon(
    cx: &mut Cx<'_>,
    conversation: &Conversation,
    awaited: &Awaited,
) -> Result<bool, EngineError> {
    let gaps = row::gaps(cx.tx, &conversation.channel)?;
    let is_due = may_ask(cx, conversation, &gaps)? && gaps.tries == 0;
    Ok(is_due && askable(cx, conversation, &gaps, awaited).first().is_some())
}

/// What members are asked for: what the archive is about to bring is waited for, but not for ever.
fn askable(cx: &mut Cx<'_>, conversation: &Conversation, gaps: &Gaps, awaited: &Awaited) -> Spans {
    let missing = Spans::from(&gaps.missing[..]);
    let longest = ARCHIVE_WAIT.saturating_add(FIRST_SPREAD);
    if gaps.tries == 0 && cx.is_to_come(gaps.next.after(ARCHIVE_WAIT), longest) {
        return awaited.left(&conversation.channel, &missing);
    }
    missing
}

/// Whether something is missing and somebody could have it.
fn may_ask(cx: &Cx<'_>, conversation: &Conversation, gaps: &Gaps) -> Result<bool, EngineError> {
    let own = cx.own()?.row.device;
    let somebody = conversation.members.iter().any(|member| member.device != own);
    Ok(!gaps.missing.is_empty() && somebody && conversation.state == ConversationState::Active)
}

/// Asks, if it is time; whether a message was queued. The cursor is at the head.
pub(super) fn ask(
    cx: &mut Cx<'_>,
    conversation: &Conversation,
    gaps: &mut Gaps,
    awaited: &Awaited,
) -> Result<bool, EngineError> {
    if !may_ask(cx, conversation, gaps)? || gaps.tries >= MOST_TRIES || cx.is_to_come(gaps.next, LONGEST_PAUSE) {
        return Ok(false);
    }
    let missing = askable(cx, conversation, gaps, awaited).newest(MAX_SPANS);
    if missing.is_empty() {
        return Ok(false);
    }
    if queue(cx, conversation, &Control::GapRequest(missing))?.is_err() {
        return Ok(false);
    }
    let pause = PAUSE.saturating_mul(1 << gaps.tries.min(10)).min(LONGEST_PAUSE / 2);
    gaps.tries = gaps.tries.saturating_add(1);
    gaps.next = cx.now.after(pause).max(cx.jittered(pause * 2));
    cx.wake(gaps.next);
    Ok(true)
}

/// Puts a control message into the outbox.
pub(super) fn queue(
    cx: &mut Cx<'_>,
    conversation: &Conversation,
    control: &Control,
) -> Result<Result<MessageId, CommandError>, EngineError> {
    let salt = Salt::random(cx.entropy);
    let Ok(content) = MimiContent::control(control, salt).encode() else { return Ok(Err(CommandError::Crypto)) };
    send::push(cx, conversation, MessagePurpose::Control, content).map(Ok)
}

/// A member sent entries again: takes in those that this device asked for.
pub(super) fn take(
    cx: &mut Cx<'_>,
    conversation: &Conversation,
    gaps: &mut Gaps,
    by: AccountId,
    relay: &Relay,
) -> Result<(), EngineError> {
    if gaps.rows.is_empty() || gaps.next == Timestamp(0) {
        return Ok(());
    }
    let asked = Spans::of(gaps.rows.iter().map(|row| Span { from: row.from, to: row.to }));
    for entry in &relay.entries {
        if asked.contains(entry.position) && is_plausible(cx, conversation, entry)? {
            let row = LogEntry {
                index: 0,
                channel: conversation.channel,
                seq: entry.position,
                id: entry.id,
                sender: entry.sender,
                device: entry.device,
                time: entry.time,
                sent_at: entry.time,
                intent: None,
                body: LogBody::Relayed { by, content: entry.content.clone() },
            };
            // What stands there already stays: what this device decrypted, and what came first.
            cx.tx.messages().append_message(&row)?;
        }
    }
    let before = Spans::from(&gaps.missing[..]);
    gaps.missing = before.without(&Spans::of(relay.spans.iter().copied())).stored(MOST_MISSING);
    let missing = Spans::from(&gaps.missing[..]);
    if missing == before {
        return Ok(());
    }
    gaps.tries = 1;
    gaps.next = cx.now.after(NEXT_PART).max(cx.jittered(NEXT_PART * 2));
    cx.wake(gaps.next);
    for gap in gaps.rows.iter() {
        show(cx.tx, &conversation.channel, gap, &missing, &Spans::default())?;
    }
    Ok(())
}

/// Whether a relayed entry can be what it is said to be: of somebody who was announced here, with content to show, and under an
/// id that this device does not know.
fn is_plausible(cx: &Cx<'_>, conversation: &Conversation, entry: &RelayedEntry) -> Result<bool, EngineError> {
    let channel = &conversation.channel;
    let is_member = conversation.members.iter().any(|member| member.account == entry.sender);
    let known = is_member || cx.tx.records().records_of(channel)?.iter().any(|record| record.account == entry.sender);
    let shows = MimiContent::decode(&entry.content)
        .is_ok_and(|content| matches!(content.as_control(), Ok(None | Some(Control::Leave))));
    let dated = entry.time <= cx.net.server_time(cx.now).after(CLOCK_TOLERANCE);
    Ok(known && shows && dated && !cx.tx.messages().message_seen(channel, &entry.sender, &entry.id)?)
}

/// What is left of a gap, to be shown.
fn left_of(gap: &GapRow, missing: &Spans) -> Option<LogBody> {
    let left = missing.and(&Spans::of([Span { from: gap.from, to: gap.to }]));
    Some(LogBody::Gap { from: left.first()?, to: left.last()? })
}

/// Shows what is left of a gap; where nothing is, the place at which this device came in. What is `covered`, a backup or an
/// archive speaks for.
///
/// A gap in which nothing stands stays where only members said that nothing was written in it: any one of them can say so.
fn show(
    tx: &dyn StoreTx,
    channel: &ChannelId,
    gap: &GapRow,
    missing: &Spans,
    covered: &Spans,
) -> Result<(), StoreFault> {
    let Some(shown @ LogBody::Gap { .. }) = shown_at(tx, channel, gap.seq)? else { return Ok(()) };
    let span = Span { from: gap.from, to: gap.to };
    let body = match left_of(gap, missing) {
        Some(left) => left,
        None if covered.and(&Spans::of([span])).is_empty() && there(tx, channel, span)?.is_empty() => {
            LogBody::Gap { from: gap.from, to: gap.to }
        }
        None => LogBody::Joined,
    };
    if body == shown { Ok(()) } else { tx.messages().replace_body(channel, gap.seq, &body) }
}

/// An own control message came to stand in the log: nothing is shown, and its repetition is known.
pub(crate) fn note_own(cx: &Cx<'_>, entry: &ChannelEntry, channel: &ChannelId) -> Result<(), EngineError> {
    const MOST_CONTROLS: usize = 64;
    let mut gaps = row::gaps(cx.tx, channel)?;
    let surplus = (gaps.controls.len() + 1).saturating_sub(MOST_CONTROLS);
    gaps.controls.drain(..surplus);
    gaps.controls.push(entry.id);
    Ok(row::store_gaps(cx.tx, channel, &gaps)?)
}

/// Whether an entry is such a message.
pub(crate) fn is_own(cx: &Cx<'_>, channel: &ChannelId, id: &MessageId) -> Result<bool, EngineError> {
    Ok(row::gaps(cx.tx, channel)?.controls.contains(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        channels::tests::conversation,
        engine::bed::Bed,
        store::{Positions, Stored as _},
    };

    #[test]
    fn what_is_missing_can_be_read_back_however_members_cut_it() {
        const END: u64 = 1 << 20;
        let (mut bed, conversation) = (Bed::new(), conversation());
        let mallory = AccountId::new([6; 32]);
        let mut gaps = Gaps {
            rows: vec![GapRow { seq: END + 1, from: 1, to: END }].into(),
            missing: vec![Positions { from: 1, to: END }].into(),
            next: Timestamp(1),
            ..Gaps::default()
        };
        let single = |at: u64| Span { from: at, to: at };
        for message in 0..100 {
            let spans = (0..MAX_SPANS as u64).map(|n| single((message * MAX_SPANS as u64 + n) * 2 + 2)).collect();
            let relay = Relay { spans, entries: Vec::new() };
            bed.at(1_000, |cx| take(cx, &conversation, &mut gaps, mallory, &relay).expect("takes"));
        }
        assert_eq!(gaps.missing.len(), MOST_MISSING, "more were cut out");
        let stored = gaps.encode().expect("fits");
        assert_eq!(Gaps::decode(&stored).as_ref(), Ok(&gaps));
        let missing = Spans::from(&gaps.missing[..]);
        assert_eq!((missing.first(), missing.last()), (Some(1), Some(END)), "and nothing was forgotten");
        let whole = Relay { spans: vec![Span { from: 1, to: END }], entries: Vec::new() };
        bed.at(2_000, |cx| take(cx, &conversation, &mut gaps, mallory, &whole).expect("takes"));
        assert!(gaps.missing.is_empty());
    }
}
