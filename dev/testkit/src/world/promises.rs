//! What the server acknowledged to anybody, also to a process that died of the answer: it must be there, whatever the server dies of.

use futures::FutureExt as _;
use quicprochat_server_core::store::{PageLimit, read};
use quicprochat_wire::{
    AccountId, ChannelId, Duration, MessageId, Request, Response, Timestamp, call::channel::Enqueued,
};

use super::World;

/// How long a promise is looked after: longer than a server is away. Nothing expires, and few things are taken back, within it.
const KEPT: Duration = Duration::from_secs(120);

/// What a call asks to be stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Asked {
    Entry { channel: ChannelId, id: MessageId },
    Delivery { account: AccountId, id: MessageId },
    Records { account: AccountId, versions: Vec<(u32, u64)> },
}

/// What was answered to be stored.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Promise {
    at: Timestamp,
    what: Asked,
    /// Of an entry.
    seq: u64,
}

/// Promises that were heard, and those that were broken.
#[derive(Default)]
pub(super) struct Promises {
    heard: Vec<Promise>,
    broken: Vec<String>,
}

impl Asked {
    /// What a device asks for with a call, if that is something to store.
    pub(super) fn of(request: &Request, account: AccountId) -> Option<Self> {
        match request {
            Request::ChannelEnqueue(call) => Some(Self::Entry { channel: call.channel, id: call.id }),
            Request::InboxDeliver(call) => Some(Self::Delivery { account: call.account, id: call.id }),
            Request::VaultStore(call) => {
                let versions = call.records.iter().map(|record| (record.id, record.version)).collect();
                Some(Self::Records { account, versions })
            }
            _ => None,
        }
    }
}

impl World {
    /// A process hears the answer to what it asked.
    pub(super) fn hears_promise(&mut self, what: Asked, answer: &Response) {
        let seq = match (&what, answer) {
            (Asked::Entry { .. }, Response::Enqueued(Enqueued::Accepted { at, .. })) => at.position,
            (Asked::Delivery { .. } | Asked::Records { .. }, Response::Done(_)) => 0,
            _ => return,
        };
        let promise = Promise { at: self.now, what, seq };
        if self.host.is_up() {
            self.holds(&promise);
        }
        self.promises.heard.push(promise);
    }

    /// Looks after everything that was promised lately: the server has come back.
    pub(super) fn look_after_promises(&mut self) {
        let now = self.now;
        self.promises.heard.retain(|promise| now.since(promise.at) <= KEPT);
        for promise in core::mem::take(&mut self.promises.heard) {
            self.holds(&promise);
            self.promises.heard.push(promise);
        }
    }

    /// The server is an older one: nothing that it said later counts.
    pub(super) fn release_promises(&mut self) {
        self.promises.heard.clear();
    }

    /// Promises that the server has broken, in words, since this was last asked.
    pub(crate) fn broken_promises(&mut self) -> Vec<String> {
        core::mem::take(&mut self.promises.broken)
    }

    fn holds(&mut self, promise: &Promise) {
        let broken = match promise.what.clone() {
            Asked::Entry { channel, id } => match self.entry_at(&channel, promise.seq) {
                Some(found) if found != Some(id) => Some(format!("{id:?} as #{} of {channel:?}", promise.seq)),
                _ => None,
            },
            Asked::Delivery { account, id } => {
                let found = read(self.host.store(), move |tx| {
                    let is_there = tx.accounts().load(&account)?.is_some();
                    Ok(is_there && tx.inboxes().find_id(&account, &id)?.is_none())
                });
                let lacks = found.now_or_never().and_then(Result::ok).unwrap_or(false);
                lacks.then(|| format!("{id:?} for {account:?}"))
            }
            Asked::Records { account, versions } => {
                let found = read(self.host.store(), move |tx| {
                    let rows = tx.vaults().rows(&account)?;
                    let has =
                        |(id, version): &(u32, u64)| rows.iter().any(|row| row.id == *id && row.version >= *version);
                    Ok(tx.accounts().load(&account)?.is_some() && !versions.iter().all(has))
                });
                let lacks = found.now_or_never().and_then(Result::ok).unwrap_or(false);
                lacks.then(|| format!("records of {account:?}"))
            }
        };
        if let Some(what) = broken {
            self.note(format_args!("acknowledged and lost: {what}"));
            self.promises.broken.push(format!("{what} was acknowledged, and is not there"));
        }
    }

    /// The id of what stands at a position; outer `None` if the channel is gone or what stood there is too old.
    pub(crate) fn entry_at(&self, channel: &ChannelId, seq: u64) -> Option<Option<MessageId>> {
        let channel = *channel;
        let found = read(self.host.store(), move |tx| {
            let Some(row) = tx.channels().load(&channel)?.filter(|row| row.first <= seq) else { return Ok(None) };
            let limit = PageLimit { entries: 1, bytes: usize::MAX };
            let page = tx.channels().page(&channel, seq.saturating_sub(1), row.last.position, limit)?;
            Ok(Some(page.first().filter(|entry| entry.at.position == seq).map(|entry| entry.id)))
        });
        found.now_or_never().and_then(Result::ok).flatten()
    }
}
