//! Measures small calls over QUIC on this machine: `cargo run --release -p quicprochat-transport --example echo [CONNECTIONS [CALLS_AT_A_TIME [SECONDS]]]`.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use quicprochat_transport::{Handler, Listener, LookupLink, QuicConnector, Reply, ServerIdentity, quic::ServerConfig};
use quicprochat_wire::{
    Challenge, ErrorCode, Request, Response, ServerLink, Timestamp,
    call::{
        directory::{IdentityPart, Lookup, Record, Subject},
        session::{HelloReply, Registration, ServerLimits},
    },
};

struct Echo;

#[async_trait]
impl Handler for Echo {
    type Connection = ();

    fn open(&self, _remote: SocketAddr) {}

    #[expect(clippy::wildcard_enum_match_arm, reason = "two methods are enough here")]
    async fn call(&self, _connection: &Arc<()>, request: Request) -> Reply {
        match request {
            Request::Hello(_) => Response::from(HelloReply {
                version: 1,
                challenge: Challenge::new([0; 32]),
                time: Timestamp(0),
                host: "localhost".to_owned(),
                registration: Registration::Closed,
                limits: ServerLimits {
                    frame_bytes: 1,
                    message_bytes: 1,
                    commit_bytes: 1,
                    group_info_bytes: 1,
                    keyring_bytes: 1,
                    inbox_bytes: 1,
                    retention: Duration::ZERO,
                },
            })
            .into(),
            Request::Lookup(Lookup { subject: Subject::Name(name) }) => {
                Response::from(Record { identity: IdentityPart(name.into_bytes()), key_packages: vec![] }).into()
            }
            _ => ErrorCode::NotFound.into(),
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u32>());
    let connections = numbers.next().transpose()?.unwrap_or(64);
    let at_a_time = numbers.next().transpose()?.unwrap_or(8);
    let seconds = numbers.next().transpose()?.unwrap_or(10);

    let identity = ServerIdentity::generate("localhost")?;
    let listener = Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0)), &identity, ServerConfig::default())?;
    let server = ServerLink::new("127.0.0.1", listener.local_addr().port(), identity.fingerprint())?;
    tokio::spawn(listener.serve(Arc::new(Echo), core::future::pending()));

    let connector = QuicConnector::default();
    let begin = Instant::now();
    let mut links = Vec::new();
    for _ in 0..connections {
        links.push(LookupLink::connect(&connector, &server).await?.0);
    }
    println!("{connections} connections in {:?}", begin.elapsed());

    let (calls, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let begin = Instant::now();
    let mut tasks = Vec::new();
    for link in links {
        for _ in 0..at_a_time {
            let (link, calls, over) = (link.clone(), Arc::clone(&calls), Arc::clone(&over));
            tasks.push(tokio::spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    link.call(Lookup { subject: Subject::Name("somebody".to_owned()) }).await?;
                    calls.fetch_add(1, Ordering::Relaxed);
                }
                Ok::<_, quicprochat_transport::LinkError>(())
            }));
        }
    }
    tokio::time::sleep(Duration::from_secs(u64::from(seconds))).await;
    over.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await??;
    }
    let calls = calls.load(Ordering::Relaxed);
    println!("{calls} calls in {:?}: {:.0}/s", begin.elapsed(), calls as f64 / begin.elapsed().as_secs_f64());
    Ok(())
}
