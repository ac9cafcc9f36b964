//! Things that happen at one go between two moments of a world: what people do with their passwords, what a thief tries, what an
//! operator does to the server.

use futures::FutureExt as _;
use quicprochat_client_core::store::MemoryStore;
use quicprochat_e2ee::channel::{ChannelKeys, open_keyring};
use quicprochat_identity::attach_text;
use quicprochat_server_core::{
    Limits, Recovery,
    store::{StateKey, memory::MemoryStore as ServerStore, write},
};
use quicprochat_wire::{
    AccessPublicKey, CallFailure, Challenge, ChannelId, ConnectionKind, MessageId, Request, Response,
    call::{
        channel::{ChannelAttach, ChannelRead},
        inbox::InboxDeliver,
        session::Hello,
    },
    limits::PROTOCOL_VERSION,
};

use super::{Device, DeviceIx, World, name_of};
use crate::{
    chance::SeededEntropy,
    errand::{Counter, Enrolled, Errand, Outcome},
    people::{FINGERPRINT, NAMES},
    server::{Answered, ConnId, HostFaults, Tag},
};

/// Connections of errands are numbered from here.
const ERRANDS: u64 = 1 << 60;

impl Counter for World {
    fn open(&mut self) -> Option<ConnId> {
        self.errands += 1;
        let conn = ConnId(ERRANDS + self.errands);
        self.host.open(conn).then_some(conn)
    }

    fn ask(&mut self, conn: ConnId, request: Request) -> Option<Result<Response, CallFailure>> {
        let now = self.now;
        self.host.call(conn, Tag::Hello, request, now);
        loop {
            let mut found = None;
            for said in self.host.poll() {
                if said.conn == conn {
                    found = Some(said.what);
                } else {
                    self.travel_back(said);
                }
            }
            match found {
                Some(Answered::Response(response)) => return Some(Ok(response)),
                Some(Answered::Refused(failure)) => return Some(Err(failure)),
                None if self.host.is_writing() => drop(self.host.sync()),
                None => return None,
            }
        }
    }

    fn close(&mut self, conn: ConnId) {
        self.host.close(conn);
        self.let_server_work();
    }
}

impl World {
    /// Does something at one go; the server's disk behaves meanwhile.
    fn errand<T>(&mut self, label: &str, run: impl FnOnce(Errand<'_>) -> Outcome<T>) -> Outcome<T> {
        let mut entropy = SeededEntropy::new(label, self.seed.wrapping_mul(1_000).wrapping_add(self.errands));
        self.host.set_faults(HostFaults::default(), 0);
        let now = self.now;
        let result = Errand::begin(self, &mut entropy, now).and_then(run);
        let seed = self.net.number();
        self.host.set_faults(self.faults.of_host(), seed);
        result
    }

    /// A person gets one device more.
    ///
    /// Errors:   why not, in words.
    pub fn enrol(&mut self, person: usize) -> Result<DeviceIx, String> {
        let name = name_of(&self.devices, person);
        let label = name.clone();
        let account = NAMES.get(person).copied().unwrap_or_default();
        let (new, _) = self.errand("enrol", |errand| errand.enrol(account, &label))?;
        self.note(format_args!("{name} is enrolled"));
        let Enrolled { account, device, store } = new;
        let (events, resident) = (Vec::new(), None);
        let new =
            Device { name, person, account, device, events, store, online: true, skew: 0, resident, listens: false };
        self.devices.push(new);
        Ok(DeviceIx(self.devices.len() - 1))
    }

    /// A person revokes a device on another.
    ///
    /// Errors:   why not, in words.
    pub fn revoke(&mut self, on: DeviceIx, device: DeviceIx) -> Result<(), String> {
        let (name, revoked) = (self.device(device).name.clone(), self.device(device).device);
        let account = NAMES.get(self.device(on).person).copied().unwrap_or_default();
        let mut store = self.device(on).store.another();
        self.errand("revoke", |errand| errand.revoke(account, &mut store, revoked))?;
        self.note(format_args!("{name} is revoked"));
        Ok(())
    }

    /// A person's account goes.
    ///
    /// Errors:   why not, in words.
    pub fn delete_account(&mut self, person: usize) -> Result<(), String> {
        let name = NAMES.get(person).copied().unwrap_or_default();
        self.errand("delete", |errand| errand.delete(name))?;
        self.note(format_args!("{name}'s account is deleted"));
        Ok(())
    }

    /// Whether the server signs a device in.
    ///
    /// Errors:   why not, in words.
    pub fn tries_to_sign_in(&mut self, device: DeviceIx) -> Result<(), String> {
        let mut store = self.device(device).store.another();
        self.errand("sign in", |errand| errand.signs_in(&mut store))
    }

    /// What the server is now, to go back to.
    #[must_use]
    pub fn back_up_server(&self) -> ServerStore {
        self.host.store().snapshot()
    }

    /// The server is put back to an older backup, and starts on it; with the mark of a restore it takes nothing new for channels
    /// for a while.
    pub fn restore_server(&mut self, backup: &ServerStore, marked: bool) {
        self.note(format_args!("the server is put back"));
        self.kill_server();
        self.break_conns(|_| true);
        self.release_promises();
        let copy = backup.snapshot();
        if marked {
            let mark = write(&copy, |tx| Ok(tx.state().put(StateKey::Recovery, &Recovery::PENDING.encode())?));
            mark.now_or_never().expect("in memory, at once").expect("a store without faults");
        }
        self.host.store().restore(&copy);
    }

    /// What a device's store is now, to go back to.
    #[must_use]
    pub fn back_up_client(&self, device: DeviceIx) -> MemoryStore {
        self.device(device).store.snapshot()
    }

    /// A device's store is put back to an older copy; its processes are gone.
    pub fn restore_client(&mut self, device: DeviceIx, backup: &MemoryStore) {
        self.kill(device);
        let store = backup.snapshot();
        let device = self.devices.get_mut(device.0).expect("a device of this world");
        device.store = store;
        let name = device.name.clone();
        self.note(format_args!("{name} is put back"));
    }

    /// The operator gives the server other limits; it restarts.
    pub fn set_limits(&mut self, limits: Limits) {
        self.kill_server();
        self.host.set_limits(limits);
    }

    /// Whether whoever holds these keys of a channel may read anything behind `after`, with a client that asks for everything.
    pub(crate) fn reads_with(&mut self, channel: ChannelId, keys: &ChannelKeys, after: u64) -> bool {
        self.host.set_faults(HostFaults::default(), 0);
        let Some((conn, challenge)) = self.greet(ConnectionKind::Channel) else { return false };
        let access = keys.access_public();
        let signature = keys.access().sign(&attach_text(&FINGERPRINT, &challenge, &channel, &access)).to_vec();
        let attached = self.ask(conn, ChannelAttach { channel, access, signature }.into());
        let read = self.ask(conn, ChannelRead { channel, after, limit: 1 }.into());
        self.close(conn);
        matches!((attached, read), (Some(Ok(_)), Some(Ok(Response::ChannelPage(page)))) if !page.entries.is_empty())
    }

    /// Whether the server takes a token again that it took with a delivery; `None` if there was none.
    pub(crate) fn spends_again(&mut self) -> Option<bool> {
        let mut delivery = self.delivered.clone()?;
        self.host.set_faults(HostFaults::default(), 0);
        delivery.id = MessageId::new([0xD0; 16]);
        let (conn, _) = self.greet(ConnectionKind::Lookup)?;
        let answer = self.ask(conn, delivery.into());
        self.close(conn);
        Some(matches!(answer, Some(Ok(_))))
    }

    /// Whether one of these devices' accounts finds the keys behind `access` in a keyring.
    pub(crate) fn opens_keyring(
        &self,
        device: DeviceIx,
        channel: &ChannelId,
        access: &AccessPublicKey,
        keyring: &[u8],
    ) -> bool {
        let row = self.read(device, |tx| tx.account().own_account()).expect("in memory");
        let secrets = row.map(|row| {
            let key = |key: &quicprochat_client_core::store::Secret<32>| {
                quicprochat_e2ee::sealed::InboxSecretKey::from_bytes(key.expose())
            };
            row.inbox_keys.iter().map(key).collect::<Vec<_>>()
        });
        let opened = open_keyring(channel, access, keyring, &secrets.unwrap_or_default());
        matches!(opened, Ok(Some(_)))
    }

    fn greet(&mut self, kind: ConnectionKind) -> Option<(ConnId, Challenge)> {
        let conn = self.open()?;
        match self.ask(conn, Hello { version: PROTOCOL_VERSION, kind }.into()) {
            Some(Ok(Response::Hello(hello))) => Some((conn, hello.challenge)),
            _ => None,
        }
    }

    /// Remembers a delivery that the server takes.
    pub(super) fn watch_delivery(&mut self, request: &Request) {
        if let Request::InboxDeliver(delivery) = request {
            let delivery: &InboxDeliver = delivery;
            self.delivered = Some(delivery.clone());
        }
    }
}
