//! Between the transport and the services: time, counters, and the shape of answers.

use std::{net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use quicprochat_server_core as core_server;
use quicprochat_transport::{Handler, Reply};
use quicprochat_wire::Request;

use crate::{
    metrics::{CallLabel, Metrics},
    system,
};

/// Answers the calls that the transport brings.
#[derive(Debug)]
pub struct ServiceHandler {
    server: core_server::Server,
    metrics: Arc<Metrics>,
}

impl ServiceHandler {
    /// Lets `server` answer, and counts.
    #[must_use]
    pub const fn new(server: core_server::Server, metrics: Arc<Metrics>) -> Self {
        Self { server, metrics }
    }
}

#[async_trait]
impl Handler for ServiceHandler {
    type Connection = core_server::Connection;

    fn open(&self, _remote: SocketAddr) -> core_server::Connection {
        self.metrics.count_opened();
        self.server.open()
    }

    async fn call(&self, connection: &Arc<core_server::Connection>, request: Request) -> Reply {
        let label = CallLabel::of(&request);
        match self.server.handle(connection, request, system::now()).await {
            core_server::Reply::One(response) => {
                self.metrics.count_call(label, None);
                Reply::One(response)
            }
            core_server::Reply::Stream(items) => {
                self.metrics.count_call(label, None);
                Reply::Stream(items)
            }
            core_server::Reply::Refused(failure) => {
                self.metrics.count_call(label, Some(&failure));
                Reply::Failure(failure)
            }
        }
    }

    fn close(&self, _connection: &core_server::Connection) {
        self.metrics.count_closed();
    }
}
