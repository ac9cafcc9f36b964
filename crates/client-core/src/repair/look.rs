//! One look through the own log for what others ask for: however many ask, it is read once.

use std::collections::BTreeSet;

use quicprochat_wire::AccountId;

use super::spans::Spans;
use crate::{
    content::{MAX_RELAYED_BYTES, RelayedEntry, Span},
    engine::Cx,
    error::EngineError,
    store::{Conversation, LogBody, LogEntry},
};

/// How far back the log is looked through.
const FURTHEST: u64 = 20_000;
/// Log entries that are looked at in one go.
const PAGE: usize = 64;

/// What the own log says of some positions, and of when some accounts were in.
pub(super) struct Look {
    /// Before it, this device has read nothing, or not everything.
    own_from: u64,
    end: u64,
    /// Who came in or went, where; `true` if it went.
    changes: Vec<(u64, AccountId, bool)>,
    /// What can be sent again, with its bytes in a batch.
    places: Vec<(u64, usize)>,
    too_large: Vec<Span>,
}

impl Look {
    /// Looks through the log as far back as `asked` and [`FURTHEST`] go, and shows `each` entry of `asked` that people wrote.
    pub(super) fn through(
        cx: &Cx<'_>,
        conversation: &Conversation,
        accounts: &BTreeSet<AccountId>,
        asked: &Spans,
        mut each: impl FnMut(&LogEntry),
    ) -> Result<Self, EngineError> {
        let end = conversation.cursor.position;
        let first = asked.first().unwrap_or(u64::MAX).max(end.saturating_sub(FURTHEST)).max(1);
        let mut look = Self { own_from: first, end, changes: Vec::new(), places: Vec::new(), too_large: Vec::new() };
        let mut after = first.saturating_sub(1);
        loop {
            let page = cx.tx.messages().messages_of(&conversation.channel, after, PAGE)?;
            let Some(last) = page.last() else { break };
            after = last.seq;
            for entry in &page {
                match &entry.body {
                    LogBody::Gap { .. } | LogBody::Joined => look.own_from = entry.seq.saturating_add(1),
                    LogBody::Membership { added, removed, .. } => {
                        let of = |gone: bool| move |account: &AccountId| (entry.seq, *account, gone);
                        let asking = |account: &&AccountId| accounts.contains(*account);
                        // A change that does both removes the account, and adds it again.
                        look.changes.extend(removed.iter().filter(asking).map(of(true)));
                        let only_added = added.iter().filter(asking).filter(|account| !removed.contains(account));
                        look.changes.extend(only_added.map(of(false)));
                    }
                    LogBody::Content { .. } | LogBody::Leave if asked.contains(entry.seq) => {
                        let bytes = RelayedEntry::overhead() + body_bytes(&entry.body);
                        if bytes > MAX_RELAYED_BYTES {
                            look.too_large.push(Span { from: entry.seq, to: entry.seq });
                        } else {
                            look.places.push((entry.seq, bytes));
                            each(entry);
                        }
                    }
                    LogBody::Content { .. }
                    | LogBody::Leave
                    | LogBody::Renamed { .. }
                    | LogBody::Updated
                    | LogBody::Replaced { .. }
                    | LogBody::Relayed { .. } => {}
                }
            }
        }
        Ok(look)
    }

    /// What of some of the positions that were looked for this device can say to one of the accounts.
    pub(super) fn known(&self, conversation: &Conversation, account: &AccountId, asked: &Spans) -> Known {
        // From the end back: before a change that added the account it was not in, before one that removed it, it was.
        let mut is_in = conversation.members.iter().any(|member| member.account == *account);
        let (mut to, mut times) = (self.end, Vec::new());
        for (seq, _, was_in) in self.changes.iter().rev().filter(|(_, whose, _)| whose == account) {
            if is_in {
                times.push(Span { from: seq.saturating_add(1), to });
            }
            (is_in, to) = (*was_in, *seq);
        }
        if is_in {
            times.push(Span { from: 0, to });
        }
        let own = Spans::of([Span { from: self.own_from, to: self.end }]);
        let too_large = Spans::of(self.too_large.iter().copied());
        let spans = asked.and(&Spans::of(times)).and(&own).without(&too_large);
        let places = self.places.iter().filter(|(seq, _)| spans.contains(*seq)).copied().collect();
        Known { spans, places }
    }
}

/// What this device knows of spans that an account may read.
pub(super) struct Known {
    /// The positions that it can speak for.
    pub(super) spans: Spans,
    /// Its entries there, with their bytes in a batch.
    pub(super) places: Vec<(u64, usize)>,
}

fn body_bytes(body: &LogBody) -> usize {
    /// A wish to leave, with room to spare.
    const LEAVE: usize = 256;
    if let LogBody::Content { content } = body { content.len() } else { LEAVE }
}
