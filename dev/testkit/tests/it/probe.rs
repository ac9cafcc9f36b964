//! A client without a protocol: it shows its device and asks for one invite code, again and again until it has the answer.

use std::{cell::RefCell, collections::VecDeque, rc::Rc};

use quicprochat_client_core::{Effect, Input, RequestId, StoreTx};
use quicprochat_identity::{DeviceSecretKey, authenticate_text};
use quicprochat_testkit::{Client, FINGERPRINT, MakeClient};
use quicprochat_wire::{
    ConnectionKind, Duration, Request, Response, Timestamp,
    call::auth::{Authenticate, InviteCreate},
};

/// What probes were told, over all of them.
#[derive(Default, Debug)]
pub(crate) struct Told {
    pub(crate) starts: u32,
    pub(crate) links_down: u32,
    pub(crate) codes: Vec<String>,
    /// The setting of the store as each start found it.
    pub(crate) found: Vec<Option<Vec<u8>>>,
}

pub(crate) struct Probe {
    told: Rc<RefCell<Told>>,
    effects: VecDeque<Effect>,
    timeout: Option<Timestamp>,
    calls: u64,
}

pub(crate) fn probes() -> (Rc<RefCell<Told>>, MakeClient) {
    let told = Rc::<RefCell<Told>>::default();
    let shared = Rc::clone(&told);
    let make: MakeClient = Box::new(move |_| {
        Box::new(Probe { told: Rc::clone(&shared), effects: VecDeque::new(), timeout: None, calls: 0 })
    });
    (told, make)
}

impl Probe {
    fn call(&mut self, request: impl Into<Request>) {
        self.calls += 1;
        let kind = ConnectionKind::Account;
        self.effects.push_back(Effect::Call { id: RequestId(self.calls), kind, request: request.into() });
    }
}

impl Client for Probe {
    fn handle(&mut self, now: Timestamp, input: Input, tx: &mut dyn StoreTx) -> Result<(), String> {
        let mut told = self.told.borrow_mut();
        let kind = ConnectionKind::Account;
        self.timeout = self.timeout.filter(|at| *at > now);
        match input {
            Input::Start => {
                told.starts += 1;
                told.found.push(tx.upkeep().setting("probe").expect("in memory"));
                self.effects.push_back(Effect::Connect { kind });
            }
            Input::LinkUp { hello, .. } => {
                drop(told);
                let own = tx.account().own_account().expect("in memory").expect("registered");
                let text = authenticate_text(&FINGERPRINT, &hello.challenge, &own.account, &own.device);
                let signature = DeviceSecretKey::from_bytes(own.device_key.expose()).sign(&text).to_vec();
                self.call(Authenticate { account: own.account, device: own.device, signature });
            }
            Input::LinkDown { .. } => {
                told.links_down += 1;
                self.timeout = Some(now.after(Duration::from_secs(1)));
            }
            Input::Tick => self.effects.push_back(Effect::Connect { kind }),
            Input::Response(_, Ok(Response::Done(_))) => {
                drop(told);
                tx.upkeep().put_setting("probe", Some(b"asked")).expect("in memory");
                self.call(InviteCreate {});
            }
            Input::Response(_, Ok(Response::InviteCreated(created))) => told.codes.push(created.invite.code),
            _ => {}
        }
        Ok(())
    }

    fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        self.timeout
    }
}
