//! The load of the benchmarks. `cargo xtask bench` starts it beside a server; see docs/benchmarks.md.
//!
//! Every command prints one JSON document: `{"tables": [{"title", "columns", "rows"}], "targets": [{"text",
//! "met", "found"}], "notes": [...]}`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for xtask and for people")]

mod account;
mod archive;
mod bytes;
mod catch_up;
mod channel;
mod counting;
mod durable;
mod enqueue;
mod flood;
mod home;
mod latency;
mod memory;
mod new_device;
mod pair;
mod people;
mod process;
mod reader;
mod redis;
mod report;
mod system;
mod window;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

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
    /// Catching up after a long time away
    CatchUp(CatchUpArguments),
    /// From signing in on a new device to conversations that can be used
    NewDevice(NewDeviceArguments),
    /// The account's history at its server, and on a new device
    Archive(ArchiveArguments),
    /// The device that `archive` measures
    #[command(hide = true)]
    ArchiveReader(LoginReaderArguments),
    /// The device that `catch-up` measures
    #[command(hide = true)]
    CatchUpReader(ReaderArguments),
    /// The device that `new-device` measures
    #[command(hide = true)]
    NewDeviceReader(NewDeviceReaderArguments),
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
struct CatchUpArguments {
    /// The server's link
    #[arg(long)]
    server: ServerLink,
    /// Folder for the clients' homes
    #[arg(long)]
    scratch: PathBuf,
    /// Messages that were missed, all conversations together
    #[arg(long, value_delimiter = ',', default_value = "10000,100000")]
    messages: Vec<usize>,
    /// Conversations that they are in
    #[arg(long, default_value_t = 20)]
    conversations: usize,
}

#[derive(Args)]
struct NewDeviceArguments {
    /// The server's link
    #[arg(long)]
    server: ServerLink,
    /// Folder for the clients' homes
    #[arg(long)]
    scratch: PathBuf,
    /// Conversations of the account
    #[arg(long, value_delimiter = ',', default_value = "10,100,300")]
    groups: Vec<usize>,
}

#[derive(Args)]
struct ArchiveArguments {
    /// The server's link
    #[arg(long)]
    server: ServerLink,
    /// Folder for the clients' homes
    #[arg(long)]
    scratch: PathBuf,
    /// Messages of the account, all conversations together
    #[arg(long, value_delimiter = ',', default_value = "1000,10000")]
    messages: Vec<usize>,
    /// Conversations that they are in
    #[arg(long, default_value_t = 10)]
    conversations: usize,
}

#[derive(Args)]
struct LoginReaderArguments {
    #[command(flatten)]
    home: ReaderArguments,
    #[arg(long)]
    server: ServerLink,
    #[arg(long)]
    name: String,
}

#[derive(Args)]
struct ReaderArguments {
    #[arg(long)]
    scratch: PathBuf,
    #[arg(long)]
    folder: String,
    /// Milliseconds that each answer takes longer
    #[arg(long, default_value_t = 0)]
    delay: u64,
}

#[derive(Args)]
struct NewDeviceReaderArguments {
    #[command(flatten)]
    login: LoginReaderArguments,
    #[arg(long)]
    expected: usize,
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
        Command::CatchUp(arguments) => catch_up::run(&arguments).await?,
        Command::NewDevice(arguments) => new_device::run(&arguments).await?,
        Command::Archive(arguments) => archive::run(&arguments).await?,
        Command::ArchiveReader(LoginReaderArguments { home, server, name }) => {
            let delay = Duration::from_millis(home.delay);
            println!("{}", archive::take_out(&home.scratch, &home.folder, delay, &server, &name).await?);
            return Ok(());
        }
        Command::CatchUpReader(ReaderArguments { scratch, folder, delay }) => {
            println!("{}", reader::catch_up(&scratch, &folder, Duration::from_millis(delay)).await?);
            return Ok(());
        }
        Command::NewDeviceReader(NewDeviceReaderArguments { login, expected }) => {
            let LoginReaderArguments { home, server, name } = login;
            let delay = Duration::from_millis(home.delay);
            let found = reader::new_device(&home.scratch, &home.folder, delay, &server, &name, expected).await?;
            println!("{found}");
            return Ok(());
        }
    };
    println!("{}", report.json());
    Ok(())
}
