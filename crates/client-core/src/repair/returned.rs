//! A store that is older than what its device wrote (a restored disk image, a home that was copied back), or that is in use
//! twice.
//!
//! Such a store would encrypt with keys and nonces that were used. It notices because nothing is encrypted before the log is read
//! up to the end that the server told on this link: there the device meets entries of its own leaf that it does not know.

use std::collections::BTreeMap;

use quicprochat_wire::{
    CallFailure, ChannelId, ErrorCode, MessageId, Timestamp, Writer,
    call::channel::{ChannelPage, EntryKind},
    time::Duration,
};
use sha2::{Digest as _, Sha256};

use super::row;
use crate::{
    channels::{Session, own_unread},
    engine::Cx,
    error::EngineError,
    event::Event,
    store::{Conversation, OutboxMessage},
    vault,
};

/// After so long without another one, a return is a first one.
const MEMORY: Duration = Duration::from_secs(24 * 3600);
/// Pause before the second entry within that time; four times as long before each further one.
const PAUSE: Duration = Duration::from_secs(60);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 3600);
/// How many attempts at a message a newer state of the store may have made beyond those that this one knows.
const MOST_ATTEMPTS_AHEAD: u32 = 64;

/// The entry id of an attempt at a message: the same in every copy of the store, and nobody else can tell that two of them
/// belong together.
///
/// Shape:    first 16 bytes of `H(label("qpc/1 attempt") || intent || u32 attempt)`.
pub(crate) fn attempt_id(intent: &MessageId, attempt: u32) -> MessageId {
    let digest: [u8; 32] = Sha256::digest(Writer::labelled("qpc/1 attempt").fixed(intent).u32(attempt).finish()).into();
    let mut id = [0; 16];
    id.copy_from_slice(digest.split_at(16).0);
    MessageId::new(id)
}

/// A conversation's log has entries of this device's leaf that the store does not know.
///
/// Once is a copy that was put back. Again within a day means that the copies take turns, or that a member only pretends: it
/// is said, and the pauses grow, so that nobody enters in place of each other for ever.
pub(crate) fn noticed(cx: &mut Cx<'_>, conversation: &Conversation) -> Result<(), EngineError> {
    let channel = conversation.channel;
    let mut repair = row::load(cx, &channel)?;
    let again = repair.returns > 0 && cx.now.since(repair.returned) < MEMORY && repair.returned <= cx.now;
    repair.returns = if again { repair.returns.saturating_add(1) } else { 1 };
    repair.returned = cx.now;
    repair.not_before = if again {
        let steps = repair.returns.saturating_sub(2).min(12);
        cx.now.after(PAUSE.saturating_mul(4_u32.saturating_pow(steps)).min(LONGEST_PAUSE))
    } else {
        Timestamp(0)
    };
    row::store(cx, &channel, &repair)?;
    tracing::warn!(returns = repair.returns, "the log has entries of this device that its store does not know");
    if again {
        cx.notify(Event::UsedTwice { channel });
    } else {
        // What the account came into since the copy was made stands in the vault.
        vault::import_again(cx.tx)?;
    }
    Ok(())
}

/// Forgets the pause before a conversation is entered anew.
pub(crate) fn enter_now(cx: &Cx<'_>, channel: &ChannelId) -> Result<(), EngineError> {
    let mut repair = row::load(cx, channel)?;
    repair.not_before = Timestamp(0);
    row::store(cx, channel, &repair)
}

/// Until when a conversation is not to be entered anew, and why nothing moves.
pub(crate) fn waits(cx: &mut Cx<'_>, channel: &ChannelId) -> Result<Option<(Timestamp, CallFailure)>, EngineError> {
    let until = row::load(cx, channel)?.not_before;
    if !cx.is_to_come(until, LONGEST_PAUSE) {
        return Ok(None);
    }
    Ok(Some((until, CallFailure::retry(ErrorCode::Unavailable, until.since(cx.now)))))
}

/// Whether the entries that are passed over must be looked at before anything is written: something waits that a newer state of
/// this store may have sent already.
pub(crate) fn scan_is_due(cx: &Cx<'_>, session: &Session, conversation: &Conversation) -> Result<bool, EngineError> {
    let reached = session.rejoin.scanned.unwrap_or(conversation.cursor.position);
    Ok(!session.rejoin.scan_ended
        && reached < session.head
        && !cx.tx.outbox().outbox_of(&conversation.channel)?.is_empty())
}

/// Looks through entries that are passed over for messages that wait here: what stands in the log is not sent again. Their ids
/// are enough.
pub(crate) fn scan(
    cx: &mut Cx<'_>,
    session: &mut Session,
    conversation: &mut Conversation,
    page: &ChannelPage,
) -> Result<(), EngineError> {
    let mut waiting = Waiting::of(cx, &conversation.channel)?;
    for entry in page.entries.iter().filter(|entry| entry.kind == EntryKind::Message) {
        if let Some(row) = waiting.take(&entry.id) {
            own_unread(cx, conversation, entry, row)?;
        }
    }
    match page.entries.last() {
        Some(last) => session.rejoin.scanned = Some(last.seq),
        None => session.rejoin.scan_ended = true,
    }
    session.rejoin.scan_ended |= !page.more;
    Ok(())
}

/// The messages that wait, by the ids under which they may stand in the log: worked out once for a page.
struct Waiting {
    messages: BTreeMap<u64, OutboxMessage>,
    rows: BTreeMap<MessageId, u64>,
}

impl Waiting {
    fn of(cx: &Cx<'_>, channel: &ChannelId) -> Result<Self, EngineError> {
        let messages = cx.tx.outbox().outbox_of(channel)?;
        let mut rows = BTreeMap::new();
        for message in &messages {
            rows.extend(message.attempt.iter().map(|attempt| (attempt.id, message.row)));
            let ahead = (0..MOST_ATTEMPTS_AHEAD).map(|ahead| message.tries.saturating_add(ahead));
            rows.extend(ahead.map(|attempt| (attempt_id(&message.intent, attempt), message.row)));
        }
        Ok(Self { messages: messages.into_iter().map(|message| (message.row, message)).collect(), rows })
    }

    /// The message of which an entry is an attempt; each once.
    fn take(&mut self, id: &MessageId) -> Option<OutboxMessage> {
        self.messages.remove(self.rows.get(id)?)
    }
}

#[cfg(test)]
mod tests {
    use quicprochat_wire::call::channel::ChannelEntry;

    use super::*;
    use crate::{channels::tests::conversation, effect::Effect, engine::bed::Bed, store::MessagePurpose};

    #[test]
    fn each_attempt_has_an_id_of_its_own_and_every_copy_the_same() {
        let (one, other) = (MessageId::new([1; 16]), MessageId::new([2; 16]));
        let ids: std::collections::BTreeSet<_> =
            (0..100).flat_map(|attempt| [attempt_id(&one, attempt), attempt_id(&other, attempt)]).collect();
        assert_eq!(ids.len(), 200);
        assert_eq!(attempt_id(&one, 7), attempt_id(&one, 7));
        let expected: [u8; 32] = Sha256::digest([&b"qpc/1 attempt\0"[..], &[1; 16], &[7, 0, 0, 0]].concat()).into();
        assert_eq!(attempt_id(&one, 7).as_ref(), expected.split_at(16).0);
    }

    #[test]
    fn copies_that_take_turns_wait_longer_each_time_and_say_so() {
        let (mut bed, conversation) = (Bed::new(), conversation());
        let channel = conversation.channel;
        let mut now = 1_000_000;
        let mut pauses = Vec::new();
        for _ in 0..12 {
            bed.at(now, |cx| noticed(cx, &conversation).expect("stores"));
            let until = bed.at(now, |cx| waits(cx, &channel).expect("reads"));
            pauses.push(until.map_or(0, |(until, _)| until.0 - now));
            now = until.map_or(now, |(until, _)| until.0);
        }
        assert_eq!(pauses.get(..4), Some(&[0, 60_000, 240_000, 960_000][..]));
        assert!(pauses.iter().all(|pause| *pause <= 24 * 3600 * 1000), "{pauses:?}");
        let told =
            bed.effects.iter().filter(|effect| matches!(effect, Effect::Notify(Event::UsedTwice { .. }))).count();
        assert!(told >= 5, "{told}");
        now += 25 * 3600 * 1000;
        bed.at(now, |cx| noticed(cx, &conversation).expect("stores"));
        assert_eq!(bed.at(now, |cx| waits(cx, &channel).expect("reads")), None, "a day later it is a first time again");
    }

    #[test]
    fn what_waits_is_read_once_for_a_page_of_entries_and_each_message_is_found_once() {
        let (mut bed, mut conversation) = (Bed::new(), conversation());
        let channel = conversation.channel;
        let intent = |n: u8| MessageId::new([n; 16]);
        bed.at(1_000, |cx| {
            for n in 1..=8 {
                let message = OutboxMessage {
                    row: 0,
                    intent: intent(n),
                    channel,
                    purpose: MessagePurpose::Content,
                    content: Vec::new(),
                    queued: Timestamp(n.into()),
                    attempt: None,
                    tries: 3,
                    not_before: Timestamp(0),
                    lease: None,
                };
                cx.tx.outbox().push_outbox(&message).expect("pushes");
            }
        });
        let strange = |seq: u64| ChannelEntry {
            seq,
            id: MessageId::new(u128::from(seq).to_be_bytes()),
            kind: EntryKind::Message,
            after_commit: conversation.last_commit,
            sealed: Vec::new(),
            next_access: None,
            time: Timestamp(500),
        };
        let page = ChannelPage { entries: (1..=200).map(strange).collect(), more: true };
        let mut session = Session::default();
        bed.at(2_000, |cx| scan(cx, &mut session, &mut conversation, &page).expect("scans"));
        assert_eq!((session.rejoin.scanned, bed.entries_read), (Some(200), 8), "each row is read once");
        let mut waiting = bed.at(2_000, |cx| Waiting::of(cx, &channel).expect("reads"));
        let mut found = |n, attempt| waiting.take(&attempt_id(&intent(n), attempt)).map(|message| message.intent);
        assert_eq!(found(2, 2), None, "an attempt that this store knows to be over");
        assert_eq!(found(2, 3 + MOST_ATTEMPTS_AHEAD), None, "too far ahead");
        assert_eq!(found(2, 3 + MOST_ATTEMPTS_AHEAD - 1), Some(intent(2)));
        assert_eq!(found(2, 3), None, "each message once");
        assert_eq!(found(8, 3), Some(intent(8)));
    }
}
