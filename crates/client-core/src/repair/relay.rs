//! Sending again what another member asks for (M2): only what its account was there for, by one member after the other.

use std::collections::BTreeSet;

use quicprochat_wire::{AccountId, DeviceId, Timestamp, time::Duration};

use super::{gaps, look::Look, spans::Spans};
use crate::{
    content::{Control, MAX_RELAYED, MAX_RELAYED_BYTES, MAX_SPANS, MimiContent, Relay, RelayedEntry, Salt, Span},
    engine::Cx,
    error::EngineError,
    store::{Answered, Conversation, GapRequest, Gaps, LogBody, LogEntry},
};

/// How long each device in line leaves an answer to those before it.
const TURN: Duration = Duration::from_secs(20);
/// Spread within a turn.
const TURN_SPREAD_MS: u64 = 5_000;
/// Most bytes that are sent again for one request.
const MOST_BYTES: usize = 3 * MAX_RELAYED_BYTES;
/// A device is answered so often in a day.
const MOST_ANSWERS: u32 = 24;
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Requests that wait in one conversation.
const MOST_REQUESTS: usize = 32;
/// Devices whose answers are counted.
const MOST_COUNTED: usize = 256;

/// Somebody asks.
pub(super) fn requested(
    cx: &mut Cx<'_>,
    gaps: &mut Gaps,
    (account, device): (AccountId, DeviceId),
    spans: &[Span],
) -> Result<(), EngineError> {
    if device == cx.own()?.row.device {
        return Ok(());
    }
    let request =
        GapRequest { account, device, spans: Spans::of(spans.iter().copied()).stored(MAX_SPANS), since: cx.now };
    gaps.requests.retain(|other| other.device != device);
    if gaps.requests.len() < MOST_REQUESTS {
        gaps.requests.push(request);
    }
    Ok(())
}

/// Somebody answered: nobody needs to say the same again. Whoever has something else to say still does.
pub(super) fn answered(
    cx: &Cx<'_>,
    conversation: &Conversation,
    gaps: &mut Gaps,
    relay: &Relay,
) -> Result<(), EngineError> {
    let spoken_for = Spans::of(relay.spans.iter().copied());
    let answered_of = |request: &GapRequest| Spans::from(&request.spans[..]).and(&spoken_for);
    let (mut accounts, mut positions) = (BTreeSet::new(), Spans::default());
    for request in gaps.requests.iter() {
        let answered = answered_of(request);
        if !answered.is_empty() {
            accounts.insert(request.account);
            positions = positions.or(&answered);
        }
    }
    if accounts.is_empty() {
        return Ok(());
    }
    let mut others = BTreeSet::new();
    let look = Look::through(cx, conversation, &accounts, &positions, |own| {
        if !says(relay, own) {
            others.insert(own.seq);
        }
    })?;
    gaps.requests.retain_mut(|request| {
        let answered = answered_of(request);
        let known = look.known(conversation, &request.account, &answered);
        if !answered.is_empty() && known.places.iter().all(|(seq, _)| !others.contains(seq)) {
            request.spans = Spans::from(&request.spans[..]).without(&spoken_for).stored(MAX_SPANS);
        }
        !request.spans.is_empty()
    });
    Ok(())
}

/// Whether an answer says the same of a position as the own log.
fn says(relay: &Relay, own: &LogEntry) -> bool {
    let LogBody::Content { content } = &own.body else { return true };
    let said = relay.entries.binary_search_by_key(&own.seq, |entry| entry.position).ok();
    said.and_then(|at| relay.entries.get(at))
        .is_some_and(|said| (said.id, said.sender) == (own.id, own.sender) && said.content == *content)
}

/// Answers whom it is this device's turn to answer; whether messages were queued. The cursor is at the head.
pub(super) fn answer(cx: &mut Cx<'_>, conversation: &Conversation, gaps: &mut Gaps) -> Result<bool, EngineError> {
    let own = cx.own()?.row.device;
    let mut queued = false;
    let mut left = Vec::new();
    for request in core::mem::take(&mut gaps.requests.0) {
        let Some(due) = turn(conversation, &request, own) else { continue };
        if due > cx.now && due <= cx.now.after(longest_turn()) {
            cx.wake(due);
            left.push(request);
            continue;
        }
        if count(cx.now, gaps, request.device) {
            queued |= send(cx, conversation, &request)?;
        }
    }
    gaps.requests = left.into();
    Ok(queued)
}

/// When a device is to answer: those of the asking account first, each by its leaf. `None` if it is none of the members, or if
/// whoever asks is none any more.
fn turn(conversation: &Conversation, request: &GapRequest, own: DeviceId) -> Option<Timestamp> {
    if conversation.members.iter().all(|member| member.device != request.device) {
        return None;
    }
    let mut line: Vec<_> = conversation.members.iter().filter(|member| member.device != request.device).collect();
    line.sort_by_key(|member| (member.account != request.account, member.leaf));
    let rank = line.iter().position(|member| member.device == own)?;
    let rank = u32::try_from(rank).unwrap_or(u32::MAX);
    let jitter = if rank == 0 { 0 } else { crate::channels::spread(own, TURN_SPREAD_MS) };
    Some(request.since.after(TURN.saturating_mul(rank) + Duration::from_millis(jitter)))
}

fn longest_turn() -> Duration {
    TURN.saturating_mul(u32::try_from(quicprochat_wire::limits::MAX_GROUP_LEAVES).unwrap_or(u32::MAX))
        + Duration::from_millis(TURN_SPREAD_MS)
}

/// Counts an answer to a device; whether it may be given.
fn count(now: Timestamp, gaps: &mut Gaps, device: DeviceId) -> bool {
    gaps.answered.retain(|answered| answered.since <= now && now.since(answered.since) < DAY);
    if let Some(answered) = gaps.answered.iter_mut().find(|answered| answered.device == device) {
        answered.times = answered.times.saturating_add(1);
        return answered.times <= MOST_ANSWERS;
    }
    let room = gaps.answered.len() < MOST_COUNTED;
    if room {
        gaps.answered.push(Answered { device, since: now, times: 1 });
    }
    room
}

/// Queues what there is to a request, the newest first, up to its bound.
fn send(cx: &mut Cx<'_>, conversation: &Conversation, request: &GapRequest) -> Result<bool, EngineError> {
    let asked = Spans::from(&request.spans[..]);
    let look = Look::through(cx, conversation, &BTreeSet::from([request.account]), &asked, |_| {})?;
    let known = look.known(conversation, &request.account, &asked);
    let mut places = known.places.as_slice();
    let (mut left, mut sent, mut queued) = (known.spans, 0, false);
    while let Some(end) = left.last().filter(|_| sent < MOST_BYTES) {
        // As many entries from the end as fit into one message.
        let (mut size, mut count) = (0, 0);
        for (_, bytes) in places.iter().rev() {
            if size + bytes > MAX_RELAYED_BYTES || count == MAX_RELAYED {
                break;
            }
            (size, count) = (size + bytes, count + 1);
        }
        let (rest, chunk) = places.split_at(places.len().saturating_sub(count));
        let from = match (rest.last(), chunk.first()) {
            // Behind the entry before, which goes with the next message.
            (Some((before, _)), _) => before.saturating_add(1),
            (None, _) => 0,
        };
        let spans = left.and(&Spans::of([Span { from, to: end }])).newest(MAX_SPANS);
        let Some(first) = spans.first().map(|span| span.from) else { break };
        let mut entries = Vec::new();
        for (seq, _) in chunk.iter().filter(|(seq, _)| *seq >= first) {
            if let Some(entry) = entry_at(cx, conversation, *seq)?
                && let Some(content) = content_of(&entry)
            {
                let LogEntry { seq: position, id, sender, device, time, .. } = entry;
                entries.push(RelayedEntry { position, id, sender, device, time, content });
            }
        }
        left = left.without(&Spans::of([Span { from: first, to: u64::MAX }]));
        places = places.split_at(places.partition_point(|(seq, _)| *seq < first)).0;
        sent += size.max(1);
        queued |= gaps::queue(cx, conversation, &Control::Relayed(Relay { spans, entries }))?.is_ok();
    }
    Ok(queued)
}

/// What is sent again of an entry.
fn content_of(entry: &LogEntry) -> Option<Vec<u8>> {
    match &entry.body {
        LogBody::Content { content } => Some(content.clone()),
        LogBody::Leave => MimiContent::control(&Control::Leave, Salt::new([0; 16])).encode().ok(),
        LogBody::Membership { .. }
        | LogBody::Renamed { .. }
        | LogBody::Joined
        | LogBody::Updated
        | LogBody::Gap { .. }
        | LogBody::Replaced { .. }
        | LogBody::Relayed { .. } => None,
    }
}

fn entry_at(cx: &Cx<'_>, conversation: &Conversation, seq: u64) -> Result<Option<LogEntry>, EngineError> {
    let there = cx.tx.messages().messages_of(&conversation.channel, seq.saturating_sub(1), 1)?;
    Ok(there.into_iter().find(|entry| entry.seq == seq))
}

#[cfg(test)]
mod tests {
    use quicprochat_wire::{Digest, MessageId};

    use super::*;
    use crate::{channels::tests::conversation, engine::bed::Bed, store::MemberDevice};

    fn member(leaf: u32, account: u8, device: u8) -> MemberDevice {
        let (account, device) = (AccountId::new([account; 32]), DeviceId::new([device; 16]));
        MemberDevice { leaf, account, device, identity_hash: Digest::new([0; 32]) }
    }

    fn request(account: u8, device: u8) -> GapRequest {
        let (account, device) = (AccountId::new([account; 32]), DeviceId::new([device; 16]));
        GapRequest { account, device, spans: Vec::new().into(), since: Timestamp(1_000) }
    }

    #[test]
    fn own_devices_answer_first_and_then_members_by_leaf() {
        let mut conversation = conversation();
        conversation.members = vec![member(0, 2, 20), member(1, 1, 10), member(3, 3, 30), member(4, 1, 11)].into();
        let due = |device: u8| turn(&conversation, &request(1, 10), DeviceId::new([device; 16])).map(|at| at.0);
        assert_eq!(due(11), Some(1_000), "the other device of the account, at once");
        assert!((21_000..26_000).contains(&due(20).expect("in line")));
        assert!((41_000..46_000).contains(&due(30).expect("in line")));
        assert_eq!(due(10), None, "whoever asks does not answer");
        assert_eq!(due(99), None, "nor does somebody who is not there");
        let gone = turn(&conversation, &request(7, 70), DeviceId::new([20; 16]));
        assert_eq!(gone, None, "whoever is not there any more is not answered");
    }

    #[test]
    fn a_device_is_answered_so_often_in_a_day() {
        let mut gaps = Gaps::default();
        let (mallory, bob) = (DeviceId::new([6; 16]), DeviceId::new([2; 16]));
        let answered = (0..100).filter(|n| count(Timestamp(n * 1_000), &mut gaps, mallory)).count();
        assert_eq!(u32::try_from(answered), Ok(MOST_ANSWERS));
        assert!(count(Timestamp(100_000), &mut gaps, bob), "others are, still");
        assert!(count(Timestamp(86_500_000), &mut gaps, mallory), "and tomorrow again");
    }

    #[test]
    fn however_many_ask_an_answer_has_the_log_read_once_and_only_if_it_is_to_what_they_asked_for() {
        const ENTRIES: u64 = 400;
        let (mut bed, mut conversation) = (Bed::new(), conversation());
        conversation.members = vec![member(0, 1, 1), member(1, 2, 2)].into();
        conversation.cursor.position = ENTRIES;
        let content = |seq: u64| vec![u8::try_from(seq % 251).expect("small"); 9];
        let sender = AccountId::new([1; 32]);
        let id = |seq: u64| MessageId::new(u128::from(seq).to_le_bytes());
        bed.at(1_000, |cx| {
            for seq in 1..=ENTRIES {
                let row = LogEntry {
                    index: 0,
                    channel: conversation.channel,
                    seq,
                    id: id(seq),
                    sender,
                    device: DeviceId::new([1; 16]),
                    time: cx.now,
                    sent_at: cx.now,
                    intent: None,
                    body: LogBody::Content { content: content(seq) },
                };
                cx.tx.messages().append_message(&row).expect("appends");
            }
        });
        let all = Spans::of([Span { from: 1, to: ENTRIES }]);
        let asking = |device| GapRequest { spans: all.stored(MAX_SPANS), ..request(2, device) };
        let requests: Vec<_> = (100..132).map(asking).collect();
        assert_eq!(requests.len(), MOST_REQUESTS);
        let before = Gaps { requests: requests.into(), ..Gaps::default() };
        let mut answer = |from: u64, to: u64, change: &dyn Fn(&mut RelayedEntry)| {
            let entry = |position: u64| {
                let device = DeviceId::new([1; 16]);
                let (time, content) = (Timestamp(1_000), content(position));
                let mut entry = RelayedEntry { position, id: id(position), sender, device, time, content };
                change(&mut entry);
                entry
            };
            let entries = (from..=to.min(ENTRIES)).map(entry).collect();
            let relay = Relay { spans: vec![Span { from, to }], entries };
            let mut gaps = before.clone();
            bed.at(2_000, |cx| answered(cx, &conversation, &mut gaps, &relay).expect("reads"));
            (gaps, bed.entries_read)
        };
        let (left, read) = answer(ENTRIES + 1, ENTRIES + 64, &|_| {});
        assert_eq!((&left, read), (&before, 0), "nobody asked for that");
        let (left, read) = answer(101, 200, &|_| {});
        assert!(read <= 300, "{read} entries were read for {MOST_REQUESTS} requests");
        let rest = Spans::of([Span { from: 1, to: 100 }, Span { from: 201, to: ENTRIES }]);
        assert!(left.requests.iter().all(|request| Spans::from(&request.spans[..]) == rest));
        assert_eq!(left.requests.len(), MOST_REQUESTS);
        let (left, _) = answer(1, ENTRIES, &|_| {});
        assert!(left.requests.is_empty(), "all was said");
        let (left, _) = answer(101, 200, &|entry| entry.content[0] ^= u8::from(entry.position == 150));
        assert_eq!(left, before, "this device has something else to say");
    }
}
