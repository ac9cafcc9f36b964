//! What every part works with while one input is handled.

use std::collections::{BTreeSet, VecDeque};

use quicprochat_e2ee::{
    channel::ChannelKeys,
    mls::{OwnDevice, Provider},
    sealed::InboxSecretKey,
};
use quicprochat_identity::{DeviceSecretKey, IdentityContent, UnverifiedIdentity};
use quicprochat_wire::{
    ConnectionKind, Digest, Entropy, MessageId, Request, Timestamp,
    entropy::{random_array, random_below},
    time::Duration,
};
use sha2::{Digest as _, Sha256};

use super::net::{LinkStatus, Net, Purpose, Stream};
use crate::{
    effect::Effect,
    error::EngineError,
    event::Event,
    input::SubscriptionId,
    store::{ConversationState, Lease, OwnAccount, Secret, StoreTx},
};

/// How long a claim on an outbox row or pending commit lasts.
const LEASE: Duration = Duration::from_secs(20);

/// Clock, store, randomness and network of one `handle`.
pub(crate) struct Cx<'a> {
    pub(crate) now: Timestamp,
    pub(crate) tx: &'a dyn StoreTx,
    pub(crate) entropy: &'a mut dyn Entropy,
    pub(crate) net: &'a mut Net,
    pub(crate) effects: &'a mut VecDeque<Effect>,
    pub(crate) timers: &'a mut BTreeSet<Timestamp>,
    pub(crate) owner: [u8; 16],
    pub(crate) own: Option<Own>,
    /// Whether a conversation began or ended while this input was handled.
    pub(crate) conversations_changed: bool,
}

impl<'a> Cx<'a> {
    /// Asks to be called again at `at`, or right after this input if that is past.
    pub(crate) fn wake(&mut self, at: Timestamp) {
        self.timers.insert(at);
    }

    /// Asks to be called again after `delay`; returns when that is.
    pub(crate) fn wake_after(&mut self, delay: Duration) -> Timestamp {
        let at = self.now.after(delay);
        self.wake(at);
        at
    }

    pub(crate) fn notify(&mut self, event: Event) {
        if let Event::State { state, .. } = &event {
            use ConversationState::{Active, Left, Removed, Replaced};
            self.conversations_changed |= matches!(state, Active | Left | Removed | Replaced { .. });
        }
        self.conversations_changed |= matches!(&event, Event::Joined { .. });
        self.effects.push_back(Effect::Notify(event));
    }

    /// Whether a connection of this kind can carry calls; opens one if there is none and it is time to try.
    pub(crate) fn link(&mut self, kind: ConnectionKind) -> LinkStatus {
        self.net.status(kind, self.now, self.effects, self.timers)
    }

    pub(crate) fn call(&mut self, kind: ConnectionKind, request: impl Into<Request>, purpose: Purpose) {
        let id = self.net.begin(kind, purpose);
        self.effects.push_back(Effect::Call { id, kind, request: request.into() });
    }

    pub(crate) fn subscribe(
        &mut self,
        kind: ConnectionKind,
        request: impl Into<Request>,
        stream: Stream,
    ) -> SubscriptionId {
        let id = self.net.begin_stream(kind, stream);
        self.effects.push_back(Effect::Subscribe { id, kind, request: request.into() });
        id
    }

    pub(crate) fn unsubscribe(&mut self, id: SubscriptionId) {
        if self.net.end_stream(id).is_some() {
            self.effects.push_back(Effect::Unsubscribe { id });
        }
    }

    /// A random moment within `spread` from now.
    pub(crate) fn jittered(&mut self, spread: Duration) -> Timestamp {
        let bound = u64::try_from(spread.as_millis()).unwrap_or(u64::MAX);
        self.now.after(Duration::from_millis(random_below(self.entropy, bound)))
    }

    /// Whether a stored moment is still to come; asks to be called again then.
    ///
    /// One that is further away than the `longest` pause that is stored of its kind is past: the clock has been set back since.
    pub(crate) fn is_to_come(&mut self, at: Timestamp, longest: Duration) -> bool {
        let to_come = at > self.now && at <= self.now.after(longest);
        if to_come {
            self.wake(at);
        }
        to_come
    }

    pub(crate) fn random_id(&mut self) -> MessageId {
        MessageId::new(random_array(self.entropy))
    }

    /// The server's time, to the minute, as it would put it on an entry.
    pub(crate) fn server_minute(&self) -> Timestamp {
        let time = self.net.server_time(self.now);
        Timestamp(time.0 - time.0 % 60_000)
    }

    /// The own account.
    ///
    /// Errors:   [`EngineError::OwnState`] if there is none: parts run only where there is one.
    pub(crate) fn own(&self) -> Result<&Own, EngineError> {
        self.own.as_ref().ok_or(EngineError::OwnState)
    }

    /// A claim of this engine, to be stored with a row.
    pub(crate) fn lease(&self) -> Lease {
        Lease { owner: self.owner, until: self.now.after(LEASE) }
    }

    /// Whether another process holds a row; asks to be called again when its claim is over (or may have been given up).
    pub(crate) fn held_by_another(&mut self, lease: Option<&Lease>) -> bool {
        const LOOK_AGAIN: Duration = Duration::from_millis(100);
        match lease {
            Some(lease)
                if lease.owner != self.owner && lease.until > self.now && lease.until <= self.now.after(LEASE) =>
            {
                self.wake_after(LOOK_AGAIN);
                true
            }
            Some(_) | None => false,
        }
    }

    /// Crypto and storage for group operations of this transaction.
    pub(crate) fn provider(&mut self) -> Provider<'_> {
        Provider::new(self.tx.mls(), self.entropy)
    }
}

/// The own account with what is derived from it.
pub(crate) struct Own {
    pub(crate) row: OwnAccount,
}

impl Own {
    /// H of the own identity part: what the own leaves name.
    pub(crate) fn identity_hash(&self) -> Digest {
        Digest::new(Sha256::digest(&self.row.identity).into())
    }

    /// What the own leaf is made of.
    pub(crate) fn device(&self) -> OwnDevice {
        OwnDevice {
            account: self.row.account,
            device: self.row.device,
            secret: self.secret(),
            certificate: self.row.certificate,
            identity_hash: self.identity_hash(),
        }
    }

    pub(crate) fn secret(&self) -> DeviceSecretKey {
        DeviceSecretKey::from_bytes(self.row.device_key.expose())
    }

    /// The own identity part, parsed.
    pub(crate) fn identity(&self) -> Result<IdentityContent, EngineError> {
        UnverifiedIdentity::parse(&self.row.identity)
            .map(|part| part.claimed().clone())
            .map_err(|_| EngineError::OwnState)
    }

    pub(crate) fn inbox_secrets(&self) -> Vec<InboxSecretKey> {
        self.row.inbox_keys.iter().map(|key| InboxSecretKey::from_bytes(key.expose())).collect()
    }
}

/// Keys as rows hold them.
pub(crate) fn keys(stored: &Secret<96>) -> ChannelKeys {
    ChannelKeys::from_bytes(stored.expose())
}

/// Keys as rows hold them.
pub(crate) fn stored_keys(keys: &ChannelKeys) -> Secret<96> {
    Secret::new(*keys.to_bytes())
}
