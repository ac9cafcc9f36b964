//! The server's side of one connection.

use std::sync::Arc;

use quinn::{Connection, Incoming};
use tokio::{sync::mpsc, time::timeout};

use super::{
    code,
    config::ServerConfig,
    guard::Admission,
    stream::{self, Terms},
};
use crate::{server::Handler, session::Session};

/// Shakes hands, then serves streams until the connection ends. Every call holds `under_way`;
/// once it is gone the server has stopped and all calls have ended.
pub(super) async fn serve<H: Handler>(
    incoming: Incoming,
    _admission: Admission,
    handler: Arc<H>,
    config: Arc<ServerConfig>,
    terms: Terms,
    under_way: mpsc::WeakSender<()>,
) {
    let connection = match incoming.accept() {
        Ok(connecting) => match timeout(config.hello_timeout, connecting).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return tracing::debug!(%error, "no handshake"),
            Err(_) => return tracing::debug!("no handshake in time"),
        },
        Err(error) => return tracing::debug!(%error, "no handshake"),
    };
    let session = Arc::new(Session::open(handler, connection.remote_address(), config.frame_bytes));
    let greeting = async {
        tokio::time::sleep(config.hello_timeout).await;
        if !session.greeted() {
            connection.close(code::TIMED_OUT, b"no hello");
        }
        core::future::pending::<()>().await;
    };
    tokio::select! {
        () = accept(&connection, &session, Arc::new(terms), under_way) => {}
        () = greeting => {}
    }
}

async fn accept<H: Handler>(
    connection: &Connection,
    session: &Arc<Session<H>>,
    terms: Arc<Terms>,
    under_way: mpsc::WeakSender<()>,
) {
    loop {
        match connection.accept_bi().await {
            Ok((send, recv)) => {
                let Some(under_way) = under_way.upgrade() else { return };
                let (session, terms) = (Arc::clone(session), Arc::clone(&terms));
                tokio::spawn(async move {
                    stream::serve(&session, &terms, send, recv).await;
                    drop(under_way);
                });
            }
            Err(error) => return tracing::debug!(%error, "a connection ended"),
        }
    }
}
