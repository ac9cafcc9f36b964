//! The load of the benchmarks. `cargo xtask bench` starts it beside a server; see docs/benchmarks.md.
//!
//! Every command prints one JSON document: `{"tables": [{"title", "columns", "rows"}], "targets": [{"text",
//! "met", "found"}], "notes": [...]}`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for xtask and for people")]

mod account;
mod bytes;
mod channel;
mod enqueue;
mod memory;
mod process;
mod redis;
mod report;
mod system;
mod window;

use std::net::SocketAddr;

use clap::{Args, Parser, Subcommand};
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
        Command::Bytes(arguments) => bytes::run(&arguments.members)?,
    };
    println!("{}", report.json());
    Ok(())
}
