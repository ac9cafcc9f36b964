//! Links, calls in flight and subscriptions: all of it is forgotten with the process.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use quicprochat_wire::{
    Challenge, ChannelId, ConnectionKind, Entropy, MessageId, Timestamp, call::session::HelloReply,
    entropy::random_below, time::Duration,
};

use crate::{
    archive::ArchiveCall,
    channels::ChannelCall,
    effect::Effect,
    inbox::InboxCall,
    input::{LinkDownReason, RequestId, SubscriptionId},
    own_record::OwnRecordCallKind,
    state::StateCall,
    stock::StockCall,
    upkeep::UpkeepCall,
    vault::VaultCall,
};

/// Pause after the first failure; doubles with each further one.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
/// Longest pause between two attempts to connect, before its jitter (as much again by half).
const MAX_BACKOFF: Duration = Duration::from_secs(60);

/// Whose call it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    Authenticate,
    Channel(ChannelId, ChannelCall),
    Lookup(u64),
    Delivery(MessageId),
    Inbox(InboxCall),
    Stock(StockCall),
    Upkeep(UpkeepCall),
    OwnRecord(OwnRecordCallKind),
    Vault(VaultCall),
    State(StateCall),
    Archive(ArchiveCall),
}

/// Whose subscription it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stream {
    Channel(ChannelId),
    Inbox,
    Vault,
}

/// Whether a link can carry calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LinkStatus {
    /// Up, and authenticated where it must be.
    Ready,
    /// On its way.
    Waiting,
    /// Down; another attempt is made later.
    Down(LinkDownReason),
    /// The server no longer takes this device.
    Refused,
}

#[derive(Default)]
struct Link {
    state: LinkState,
    /// Attempts since the link last worked.
    failures: u32,
    retry_at: Option<Timestamp>,
    reason: Option<LinkDownReason>,
}

#[derive(Default)]
enum LinkState {
    #[default]
    Down,
    Connecting,
    Up {
        challenge: Challenge,
        auth: Auth,
    },
}

/// Where the authentication of an account link stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Auth {
    Pending,
    Done,
    Refused,
}

/// The network as the engine sees it.
#[derive(Default)]
pub(crate) struct Net {
    links: BTreeMap<ConnectionKind, Link>,
    calls: BTreeMap<RequestId, (ConnectionKind, Purpose)>,
    streams: BTreeMap<SubscriptionId, (ConnectionKind, Stream)>,
    last_id: u64,
    /// Whether somebody was told that the server does not know this device.
    unknown_told: bool,
    /// Clock of the server and of this device at the last `hello`.
    clocks: Option<(Timestamp, Timestamp)>,
}

impl Net {
    /// See [`super::Cx::link`].
    pub(crate) fn status(
        &mut self,
        kind: ConnectionKind,
        now: Timestamp,
        effects: &mut VecDeque<Effect>,
        timers: &mut BTreeSet<Timestamp>,
    ) -> LinkStatus {
        let link = self.links.entry(kind).or_default();
        match &link.state {
            LinkState::Up { auth, .. } => match auth {
                _ if kind != ConnectionKind::Account => LinkStatus::Ready,
                Auth::Done => LinkStatus::Ready,
                Auth::Pending => LinkStatus::Waiting,
                Auth::Refused => LinkStatus::Refused,
            },
            LinkState::Connecting => LinkStatus::Waiting,
            LinkState::Down => match (link.retry_at, link.reason) {
                (Some(at), Some(reason)) if at > now => {
                    timers.insert(at);
                    LinkStatus::Down(reason)
                }
                _ => {
                    link.state = LinkState::Connecting;
                    effects.push_back(Effect::Connect { kind });
                    LinkStatus::Waiting
                }
            },
        }
    }

    /// What a link last went down for, if it is down and an attempt was made.
    pub(crate) fn down(&self, kind: ConnectionKind) -> Option<LinkDownReason> {
        let link = self.links.get(&kind)?;
        if matches!(link.state, LinkState::Down) { link.reason } else { None }
    }

    /// Lets links that are down try again at once: somebody asks for something new.
    pub(crate) fn retry_now(&mut self) {
        for link in self.links.values_mut() {
            link.retry_at = None;
            if matches!(link.state, LinkState::Down) {
                link.reason = None;
            }
        }
    }

    /// Looks again whether the server knows this device by now: it has been away, perhaps to be put back once more.
    pub(crate) fn retry_unknown(&mut self) {
        let link = self.links.entry(ConnectionKind::Account).or_default();
        if link.reason == Some(LinkDownReason::DeviceUnknown) {
            link.retry_at = None;
        }
    }

    /// Whether it is news that the server does not know this device.
    pub(crate) fn is_unknown_news(&mut self) -> bool {
        !core::mem::replace(&mut self.unknown_told, true)
    }

    /// What the server's clock shows.
    pub(crate) fn server_time(&self, now: Timestamp) -> Timestamp {
        match self.clocks {
            Some((theirs, ours)) => Timestamp(now.0.saturating_sub(ours.0).saturating_add(theirs.0)),
            None => now,
        }
    }

    pub(crate) fn up(&mut self, kind: ConnectionKind, hello: &HelloReply, now: Timestamp) {
        self.clocks = Some((hello.time, now));
        let state = LinkState::Up { challenge: hello.challenge, auth: Auth::Pending };
        let failures = match kind {
            // It is of no use before the server takes the device.
            ConnectionKind::Account => self.links.get(&kind).map_or(0, |link| link.failures),
            ConnectionKind::Channel | ConnectionKind::Lookup => 0,
        };
        self.links.insert(kind, Link { state, failures, retry_at: None, reason: None });
    }

    /// Takes the link down, for a jittered pause that grows with each failure and is no shorter than `at_least`; returns what
    /// was on it.
    pub(crate) fn take_down(
        &mut self,
        kind: ConnectionKind,
        reason: LinkDownReason,
        now: Timestamp,
        at_least: Duration,
        entropy: &mut dyn Entropy,
    ) -> (Vec<Purpose>, Vec<Stream>) {
        let link = self.links.entry(kind).or_default();
        link.state = LinkState::Down;
        link.reason = Some(reason);
        let pause = (FIRST_BACKOFF * (1 << link.failures.min(6))).min(MAX_BACKOFF).max(at_least);
        let spread = u64::try_from(pause.as_millis() / 2).unwrap_or(u64::MAX);
        link.failures = link.failures.saturating_add(1);
        link.retry_at = Some(now.after(pause + Duration::from_millis(random_below(entropy, spread))));
        let calls = take(&mut self.calls, kind);
        let streams = take(&mut self.streams, kind);
        (calls, streams)
    }

    pub(crate) fn set_auth(&mut self, to: Auth) {
        let Some(link) = self.links.get_mut(&ConnectionKind::Account) else { return };
        if let LinkState::Up { auth, .. } = &mut link.state {
            *auth = to;
            if to == Auth::Done {
                self.unknown_told = false;
                link.failures = 0;
            }
        }
    }

    /// What is to be signed on this link.
    pub(crate) fn challenge(&self, kind: ConnectionKind) -> Option<Challenge> {
        match &self.links.get(&kind)?.state {
            LinkState::Up { challenge, .. } => Some(*challenge),
            LinkState::Down | LinkState::Connecting => None,
        }
    }

    pub(crate) fn begin(&mut self, kind: ConnectionKind, purpose: Purpose) -> RequestId {
        self.last_id += 1;
        let id = RequestId(self.last_id);
        self.calls.insert(id, (kind, purpose));
        id
    }

    /// Whose answer it is; `None` for one that nobody waits for any more.
    pub(crate) fn finish(&mut self, id: RequestId) -> Option<Purpose> {
        self.calls.remove(&id).map(|(_, purpose)| purpose)
    }

    pub(crate) fn begin_stream(&mut self, kind: ConnectionKind, stream: Stream) -> SubscriptionId {
        self.last_id += 1;
        let id = SubscriptionId(self.last_id);
        self.streams.insert(id, (kind, stream));
        id
    }

    pub(crate) fn stream(&self, id: SubscriptionId) -> Option<Stream> {
        self.streams.get(&id).map(|(_, stream)| *stream)
    }

    pub(crate) fn end_stream(&mut self, id: SubscriptionId) -> Option<Stream> {
        self.streams.remove(&id).map(|(_, stream)| stream)
    }

    /// Whether any call is in flight.
    pub(crate) fn is_busy(&self) -> bool {
        !self.calls.is_empty()
    }
}

fn take<K: Ord + Copy, T>(map: &mut BTreeMap<K, (ConnectionKind, T)>, kind: ConnectionKind) -> Vec<T> {
    let keys: Vec<K> = map.iter().filter(|(_, (of, _))| *of == kind).map(|(key, _)| *key).collect();
    keys.iter().filter_map(|key| map.remove(key)).map(|(_, value)| value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{engine::bed::hello, testing::SeededEntropy};

    const LOOKUP: ConnectionKind = ConnectionKind::Lookup;

    fn down(net: &mut Net, kind: ConnectionKind, now: u64, at_least: u64) -> u64 {
        let mut entropy = SeededEntropy::new(now);
        let at_least = Duration::from_millis(at_least);
        net.take_down(kind, LinkDownReason::Unreachable, Timestamp(now), at_least, &mut entropy);
        net.links[&kind].retry_at.expect("a link that is down has a next attempt").0 - now
    }

    #[test]
    fn a_link_is_asked_for_once_and_after_a_failure_only_later() {
        let (mut net, mut effects, mut timers) = (Net::default(), VecDeque::new(), BTreeSet::new());
        let mut status = |net: &mut Net, now| net.status(LOOKUP, Timestamp(now), &mut effects, &mut timers);
        assert_eq!(status(&mut net, 0), LinkStatus::Waiting);
        assert_eq!(status(&mut net, 0), LinkStatus::Waiting);
        let pause = down(&mut net, LOOKUP, 0, 0);
        assert!((1_000..1_500).contains(&pause), "{pause}");
        assert_eq!(status(&mut net, 1), LinkStatus::Down(LinkDownReason::Unreachable));
        assert_eq!(status(&mut net, pause - 1), LinkStatus::Down(LinkDownReason::Unreachable));
        assert_eq!(status(&mut net, pause), LinkStatus::Waiting);
        net.up(LOOKUP, &hello(0), Timestamp(1506));
        assert_eq!(status(&mut net, 1506), LinkStatus::Ready);
        assert_eq!(effects.len(), 2, "one Connect for each attempt");
        assert_eq!(timers.first(), Some(&Timestamp(pause)));
    }

    #[test]
    fn the_pause_grows_up_to_a_bound_and_a_server_may_ask_for_a_longer_one() {
        let mut net = Net::default();
        for (failures, low) in [1, 2, 4, 8, 16, 32, 60, 60, 60].into_iter().enumerate() {
            let pause = down(&mut net, LOOKUP, failures as u64, 0);
            assert!((low * 1_000..low * 1_500).contains(&pause), "{pause} ms after {failures} failures");
        }
        let pause = down(&mut net, LOOKUP, 9, 300_000);
        assert!((300_000..450_000).contains(&pause), "{pause}");
        net.up(LOOKUP, &hello(0), Timestamp(0));
        assert!(down(&mut net, LOOKUP, 10, 0) < 1_500, "it worked in between");
    }

    #[test]
    fn an_account_link_works_when_the_server_takes_the_device_and_not_before() {
        let (mut net, account) = (Net::default(), ConnectionKind::Account);
        for low in [1_000, 2_000, 4_000] {
            net.up(account, &hello(0), Timestamp(0));
            let pause = down(&mut net, account, low, 0);
            assert!((low..low + low / 2).contains(&pause), "{pause}");
        }
        net.up(account, &hello(0), Timestamp(0));
        net.set_auth(Auth::Done);
        assert!(down(&mut net, account, 0, 0) < 1_500);
    }

    #[test]
    fn a_new_wish_tries_at_once() {
        let (mut net, mut effects, mut timers) = (Net::default(), VecDeque::new(), BTreeSet::new());
        down(&mut net, LOOKUP, 0, 0);
        net.retry_now();
        assert_eq!(net.status(LOOKUP, Timestamp(0), &mut effects, &mut timers), LinkStatus::Waiting);
    }

    #[test]
    fn calls_are_lost_with_their_own_link_only() {
        let mut net = Net::default();
        let lost = net.begin(LOOKUP, Purpose::Lookup(1));
        let kept = net.begin(ConnectionKind::Account, Purpose::Authenticate);
        let mut entropy = SeededEntropy::new(1);
        let reason = LinkDownReason::Unreachable;
        let (calls, streams) = net.take_down(LOOKUP, reason, Timestamp(0), Duration::ZERO, &mut entropy);
        assert_eq!((calls, streams), (vec![Purpose::Lookup(1)], vec![]));
        assert_eq!(net.finish(lost), None);
        assert_eq!(net.finish(kept), Some(Purpose::Authenticate));
    }
}
