//! The links there are. Bounded by count and by age, whoever opens them.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use quicprochat_wire::{
    AccountId, DeviceId, Duration, ErrorCode, LinkId, Timestamp, call::linking::LinkSide, limits::MAX_LINK_MESSAGES,
};

use crate::{connection::Device, wakers::Wakers};

/// Bytes of messages that a link holds, of both sides together.
const MAX_BYTES: usize = 64 * 1024;

/// See the module.
#[derive(Default)]
pub(crate) struct LinkTable {
    links: Mutex<BTreeMap<LinkId, Link>>,
    pub(super) wakers: Wakers<LinkId>,
}

struct Link {
    opener: Device,
    expires: Timestamp,
    holder: Vec<Vec<u8>>,
    joiner: Vec<Vec<u8>>,
}

impl Link {
    const fn messages(&self, side: LinkSide) -> &Vec<Vec<u8>> {
        match side {
            LinkSide::Holder => &self.holder,
            LinkSide::Joiner => &self.joiner,
        }
    }

    fn bytes(&self) -> usize {
        self.holder.iter().chain(&self.joiner).map(Vec::len).sum()
    }

    fn left(&self, now: Timestamp) -> Duration {
        Duration::from_millis(self.expires.0.saturating_sub(now.0))
    }
}

impl LinkTable {
    /// Opens a link for a device; an earlier one of the same device is taken back.
    ///
    /// Errors:   `link-used` for an id that another device has; `quota-full` if there are `most` already.
    pub(super) fn open(
        &self,
        id: LinkId,
        opener: Device,
        validity: Duration,
        most: u32,
        now: Timestamp,
    ) -> Result<Duration, ErrorCode> {
        let expires = now.after(validity);
        let mut links = self.lock();
        let gone = Self::take(&mut links, |_, link| link.opener == opener || link.expires <= now);
        let result = if links.contains_key(&id) {
            Err(ErrorCode::LinkUsed)
        } else if u32::try_from(links.len()).unwrap_or(u32::MAX) >= most {
            Err(ErrorCode::QuotaFull)
        } else {
            links.insert(id, Link { opener, expires, holder: Vec::new(), joiner: Vec::new() });
            Ok(validity)
        };
        drop(links);
        self.wake(&gone);
        result
    }

    /// Who opened a link.
    ///
    /// Errors:   `link-expired`.
    pub(super) fn opener(&self, id: &LinkId, now: Timestamp) -> Result<Device, ErrorCode> {
        let links = self.lock();
        let link = links.get(id).filter(|link| link.expires > now).ok_or(ErrorCode::LinkExpired)?;
        Ok(link.opener)
    }

    /// Keeps a message; one that is kept already is the same or `link-used`.
    ///
    /// Errors:   `link-expired`, `link-used`, `bad-request` for a number that leaves a gap, `quota-full`.
    pub(super) fn put(
        &self,
        id: &LinkId,
        side: LinkSide,
        number: u16,
        sealed: Vec<u8>,
        now: Timestamp,
    ) -> Result<Duration, ErrorCode> {
        let mut links = self.lock();
        let link = links.get_mut(id).filter(|link| link.expires > now).ok_or(ErrorCode::LinkExpired)?;
        let left = link.left(now);
        let number = usize::from(number);
        if let Some(kept) = link.messages(side).get(number) {
            return if *kept == sealed { Ok(left) } else { Err(ErrorCode::LinkUsed) };
        }
        if number != link.messages(side).len() {
            return Err(ErrorCode::BadRequest);
        }
        if number >= usize::from(MAX_LINK_MESSAGES) || link.bytes().saturating_add(sealed.len()) > MAX_BYTES {
            return Err(ErrorCode::QuotaFull);
        }
        match side {
            LinkSide::Holder => link.holder.push(sealed),
            LinkSide::Joiner => link.joiner.push(sealed),
        }
        drop(links);
        self.wakers.wake(id);
        Ok(left)
    }

    /// A side's messages from a number on; `None` if there is no such link (any more).
    pub(super) fn messages(&self, id: &LinkId, side: LinkSide, from: usize) -> Option<Vec<Vec<u8>>> {
        let links = self.lock();
        Some(links.get(id)?.messages(side).iter().skip(from).cloned().collect())
    }

    /// Takes back the links of an account's devices that it has no more.
    pub(crate) fn keep_devices(&self, account: &AccountId, has: impl Fn(&DeviceId) -> bool) {
        self.remove(|link| link.opener.account == *account && !has(&link.opener.device));
    }

    /// Forgets what is too old.
    pub(crate) fn sweep(&self, now: Timestamp) {
        self.remove(|link| link.expires <= now);
    }

    fn remove(&self, gone: impl Fn(&Link) -> bool) {
        let mut links = self.lock();
        let gone = Self::take(&mut links, |_, link| gone(link));
        drop(links);
        self.wake(&gone);
    }

    fn take(links: &mut BTreeMap<LinkId, Link>, gone: impl Fn(&LinkId, &Link) -> bool) -> Vec<LinkId> {
        let ids: Vec<LinkId> = links.iter().filter(|(id, link)| gone(id, link)).map(|(id, _)| *id).collect();
        for id in &ids {
            links.remove(id);
        }
        ids
    }

    fn wake(&self, ids: &[LinkId]) {
        ids.iter().for_each(|id| self.wakers.wake(id));
    }

    /// Lets every subscription look again.
    pub(crate) fn wake_all(&self) {
        self.wakers.wake_all();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<LinkId, Link>> {
        // Nothing here can panic halfway through a change.
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
