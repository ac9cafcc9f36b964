//! The three connections of a session and the calls on them, as tasks that report back.

use std::{collections::BTreeMap, sync::Arc};

use futures::StreamExt as _;
use quicprochat_client_core::{CallError, Input, LinkDownReason, RequestId, SubscriptionId};
use quicprochat_transport::{Connector, Link, LinkError};
use quicprochat_wire::{ConnectionKind, Request, ServerLink, call::session::HelloReply};
use tokio::{sync::mpsc, task::AbortHandle};

/// Something that a task of a connection reports. `generation` tells a connection from an earlier one of its kind.
pub(super) enum Arrival {
    Up { kind: ConnectionKind, generation: u64, link: Arc<dyn Link>, hello: HelloReply },
    Down { kind: ConnectionKind, generation: u64, reason: LinkDownReason },
    Input(Input),
}

pub(super) struct Links {
    server: ServerLink,
    connector: Arc<dyn Connector>,
    arrivals: mpsc::Sender<Arrival>,
    slots: BTreeMap<ConnectionKind, Slot>,
    subscriptions: BTreeMap<SubscriptionId, AbortHandle>,
    generation: u64,
}

struct Slot {
    generation: u64,
    link: Option<Arc<dyn Link>>,
    task: AbortHandle,
}

impl Links {
    pub(super) fn new(server: ServerLink, connector: Arc<dyn Connector>, arrivals: mpsc::Sender<Arrival>) -> Self {
        let (slots, subscriptions) = (BTreeMap::new(), BTreeMap::new());
        Self { server, connector, arrivals, slots, subscriptions, generation: 0 }
    }

    /// Opens a connection of this kind and watches it until it is over.
    pub(super) fn connect(&mut self, kind: ConnectionKind) {
        self.disconnect(kind);
        self.generation += 1;
        let generation = self.generation;
        let (connector, server, arrivals) = (Arc::clone(&self.connector), self.server.clone(), self.arrivals.clone());
        let task = tokio::spawn(async move {
            let reason = match connector.connect(&server, kind).await {
                Ok((link, hello)) => {
                    let watched = Arc::clone(&link);
                    drop(arrivals.send(Arrival::Up { kind, generation, link, hello }).await);
                    watched.closed().await;
                    LinkDownReason::Unreachable
                }
                Err(error) => {
                    tracing::debug!(?kind, %error, "no connection");
                    down_reason(&error)
                }
            };
            drop(arrivals.send(Arrival::Down { kind, generation, reason }).await);
        });
        self.slots.insert(kind, Slot { generation, link: None, task: task.abort_handle() });
    }

    pub(super) fn disconnect(&mut self, kind: ConnectionKind) {
        if let Some(slot) = self.slots.remove(&kind) {
            slot.task.abort();
            if let Some(link) = slot.link {
                link.close();
            }
        }
    }

    pub(super) fn close(&mut self) {
        for kind in [ConnectionKind::Account, ConnectionKind::Channel, ConnectionKind::Lookup] {
            self.disconnect(kind);
        }
        for (_, task) in core::mem::take(&mut self.subscriptions) {
            task.abort();
        }
    }

    /// Turns a report into an input, unless it is of a connection that was replaced in the meantime.
    pub(super) fn arrived(&mut self, arrival: Arrival) -> Option<Input> {
        match arrival {
            Arrival::Input(input) => {
                if let Input::Ended(id, _) = &input {
                    self.subscriptions.remove(id);
                }
                Some(input)
            }
            Arrival::Up { kind, generation, link, hello } => {
                let slot = self.slots.get_mut(&kind).filter(|slot| slot.generation == generation)?;
                slot.link = Some(link);
                Some(Input::LinkUp { kind, hello })
            }
            Arrival::Down { kind, generation, reason } => {
                self.slots.get(&kind).filter(|slot| slot.generation == generation)?;
                self.slots.remove(&kind);
                Some(Input::LinkDown { kind, reason })
            }
        }
    }

    pub(super) fn call(&self, id: RequestId, kind: ConnectionKind, request: Request) {
        let (link, arrivals) = (self.link(kind), self.arrivals.clone());
        tokio::spawn(async move {
            let result = match link {
                Some(link) => link.call_raw(request).await.map_err(call_error),
                None => Err(CallError::LinkLost),
            };
            drop(arrivals.send(Arrival::Input(Input::Response(id, result))).await);
        });
    }

    pub(super) fn subscribe(&mut self, id: SubscriptionId, kind: ConnectionKind, request: Request) {
        let (link, arrivals) = (self.link(kind), self.arrivals.clone());
        let task = tokio::spawn(async move {
            let ended = match link {
                None => CallError::LinkLost,
                Some(link) => match link.stream_raw(request).await {
                    Err(error) => call_error(error),
                    Ok(mut items) => loop {
                        match items.next().await {
                            Some(Ok(response)) => {
                                if arrivals.send(Arrival::Input(Input::Push(id, response))).await.is_err() {
                                    return;
                                }
                            }
                            Some(Err(error)) => break call_error(error),
                            None => break CallError::LinkLost,
                        }
                    },
                },
            };
            drop(arrivals.send(Arrival::Input(Input::Ended(id, ended))).await);
        });
        self.subscriptions.insert(id, task.abort_handle());
    }

    pub(super) fn unsubscribe(&mut self, id: SubscriptionId) {
        if let Some(task) = self.subscriptions.remove(&id) {
            task.abort();
        }
    }

    fn link(&self, kind: ConnectionKind) -> Option<Arc<dyn Link>> {
        self.slots.get(&kind).and_then(|slot| slot.link.clone())
    }
}

fn call_error(error: LinkError) -> CallError {
    if let LinkError::Refused(failure) = error {
        return CallError::Refused(failure);
    }
    tracing::debug!(%error, "a call got no answer");
    CallError::LinkLost
}

#[expect(clippy::wildcard_enum_match_arm, reason = "whatever is not named may pass, so that trying again helps")]
fn down_reason(error: &LinkError) -> LinkDownReason {
    match error {
        LinkError::WrongFingerprint { .. } => LinkDownReason::WrongFingerprint,
        LinkError::Protocol(_) => LinkDownReason::Unsupported,
        _ => LinkDownReason::Unreachable,
    }
}
