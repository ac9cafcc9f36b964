//! The load of the benchmarks. `cargo xtask bench` starts it beside a server; see docs/benchmarks.md.
//!
//! Every command prints one JSON document: `{"tables": [{"title", "columns", "rows"}], "targets": [{"text",
//! "met", "found"}], "notes": [...]}`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for xtask and for people")]

mod account;
mod bytes;
mod channel;
mod durable;
mod enqueue;
mod home;
mod latency;
mod memory;
mod people;
mod process;
mod redis;
mod report;
mod system;
mod window;

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};
use enqueue::Shape;
use quicprochat_wire::ServerLink;

#[derive(Parser)]
#[command(about = "Measures a running server", after_help = "Started by `cargo xtask bench`.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Synced enqueues per second, beside XADD of a Redis in turns
    Enqueue(EnqueueArguments),
    /// Memory of the server at start and per idle subscribed client
    Memory(MemoryArguments),
    /// From sending to decrypted, between two clients
    Latency(LatencyArguments),
    /// Group operations with a client's encrypted store
    Durable(DurableArguments),
    /// Sizes of what is sent
    Bytes(BytesArguments),
}

#[derive(Args)]
struct EnqueueArguments {
    #[command(flatten)]
    server: Server,
    /// Where Redis listens
    #[arg(long)]
    redis: SocketAddr,
    /// Process id of Redis
    #[arg(long)]
    redis_pid: u32,
    /// Connections and calls in flight on each, as 64x8
    #[arg(long, value_delimiter = ',', default_value = "1x1,1x8,16x1,16x8,64x1,64x8")]
    shapes: Vec<Shape>,
    /// Seconds of measuring per row and side
    #[arg(long, default_value_t = 5)]
    seconds: u64,
}

#[derive(Args)]
struct MemoryArguments {
    #[command(flatten)]
    server: Server,
    /// Measure at these numbers of clients, ascending
    #[arg(long, value_delimiter = ',', default_value = "1000,5000")]
    clients: Vec<usize>,
}

#[derive(Args)]
struct LatencyArguments {
    /// The server's link
    #[arg(long)]
    server: ServerLink,
    /// Folder for the clients' homes
    #[arg(long)]
    scratch: PathBuf,
    /// Messages a second
    #[arg(long, value_delimiter = ',', default_value = "10,50")]
    rates: Vec<usize>,
    /// Seconds of measuring per rate
    #[arg(long, default_value_t = 20)]
    seconds: usize,
}

#[derive(Args)]
struct DurableArguments {
    /// Members of the groups
    #[arg(long, value_delimiter = ',', default_value = "2,10,100,256")]
    members: Vec<usize>,
    /// How often each operation is measured
    #[arg(long, default_value_t = 50)]
    rounds: usize,
    /// Folder for the stores
    #[arg(long)]
    scratch: PathBuf,
}

#[derive(Args)]
struct BytesArguments {
    /// Members of the groups
    #[arg(long, value_delimiter = ',', default_value = "2,10,100,256")]
    members: Vec<usize>,
}

#[derive(Args)]
struct Server {
    /// The server's link
    #[arg(long)]
    server: ServerLink,
    /// The server's process id
    #[arg(long)]
    server_pid: u32,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let report = match Cli::parse().command {
        Command::Enqueue(arguments) => enqueue::run(&arguments).await?,
        Command::Memory(arguments) => memory::run(&arguments).await?,
        Command::Latency(arguments) => latency::run(&arguments).await?,
        Command::Durable(arguments) => durable::run(&arguments.members, arguments.rounds, &arguments.scratch)?,
        Command::Bytes(arguments) => bytes::run(&arguments.members)?,
    };
    println!("{}", report.json());
    Ok(())
}
