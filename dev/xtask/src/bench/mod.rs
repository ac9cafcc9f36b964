//! `cargo xtask bench`: measures what a release build does, and keeps docs/benchmarks.md.
//!
//! ```text
//!   programs (release build) ─▶ server, redis ◀── load: quicprochat-bench ──JSON──▶ report ─▶ terminal, document
//! ```
//!
//! A benchmark is a row of [`BENCHMARKS`]. Server and load are processes of their own; benchmarks are no part of any suite.

mod document;
mod load;
mod machine;
mod programs;
mod redis;
mod report;
mod server;

use anyhow::{Context as _, Result};
use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::process::Deadline;
use crate::process::cleanup::Scratch;
use machine::Machine;
use programs::Programs;
use redis::Redis;
use report::Report;
use server::Server;

pub(crate) const EXAMPLES: &str = "\
Examples:
  cargo xtask bench                     every benchmark
  cargo xtask bench mls bytes           two of them
  cargo xtask bench enqueue --write     and put the tables into docs/benchmarks.md

Nothing else should run on the machine: the load average is printed with every table.";

/// Minutes for the release build.
const BUILD_MINUTES: u64 = 60;

/// What to measure.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Benchmarks, all if none is named
    #[arg(value_name = "NAME", value_parser = PossibleValuesParser::new(BENCHMARKS.iter().map(|benchmark| benchmark.name)))]
    names: Vec<String>,
    /// Put the tables into docs/benchmarks.md
    #[arg(long)]
    write: bool,
    /// Small and short, to see that everything works
    #[arg(long, conflicts_with = "write")]
    quick: bool,
}

/// Something that can be measured.
struct Benchmark {
    name: &'static str,
    run: fn(&Programs, quick: bool) -> Result<Report>,
}

const BENCHMARKS: &[Benchmark] = &[
    Benchmark { name: "enqueue", run: enqueue },
    Benchmark { name: "latency", run: latency },
    Benchmark { name: "catch-up", run: catch_up },
    Benchmark { name: "new-device", run: new_device },
    Benchmark { name: "archive", run: archive },
    Benchmark { name: "memory", run: memory },
    Benchmark { name: "mls", run: mls },
    Benchmark { name: "bytes", run: bytes },
];

/// Builds, measures, prints, and writes if asked to.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    println!("Building ...");
    let programs = Programs::build(&Deadline::minutes("build", BUILD_MINUTES))?;
    for benchmark in BENCHMARKS {
        if !arguments.names.is_empty() && !arguments.names.iter().any(|name| name == benchmark.name) {
            continue;
        }
        println!("\n=== {}", benchmark.name);
        let machine = Machine::look()?;
        let report = (benchmark.run)(&programs, arguments.quick)?;
        println!("{machine}\n\n{}", report.plain());
        if arguments.write {
            document::replace(benchmark.name, &format!("{machine}\n\n{}", report.markdown()))?;
        }
    }
    Ok(())
}

fn enqueue(programs: &Programs, quick: bool) -> Result<Report> {
    let (server, redis) = (Server::start(programs)?, Redis::start()?);
    let (server_pid, redis_pid) = (server.pid().to_string(), redis.pid().to_string());
    let seconds = if quick { "1" } else { "5" };
    let mut arguments = vec!["enqueue", "--server", server.link(), "--server-pid", &server_pid];
    arguments.extend(["--redis", redis.address(), "--redis-pid", &redis_pid, "--seconds", seconds]);
    let report = load::run(&programs.load, &arguments)?;
    redis.stop()?;
    server.stop()?;
    Ok(report)
}

fn memory(programs: &Programs, quick: bool) -> Result<Report> {
    let server = Server::start(programs)?;
    let pid = server.pid().to_string();
    let clients = if quick { "50" } else { "1000,5000" };
    let arguments = ["memory", "--server", server.link(), "--server-pid", &pid, "--clients", clients];
    let report = load::run(&programs.load, &arguments)?;
    server.stop()?;
    Ok(report)
}

fn latency(programs: &Programs, quick: bool) -> Result<Report> {
    with_homes(programs, "latency", &["--seconds", if quick { "1" } else { "20" }])
}

fn catch_up(programs: &Programs, quick: bool) -> Result<Report> {
    let sizes = if quick {
        ["--messages", "200", "--conversations", "2"]
    } else {
        ["--messages", "10000,100000", "--conversations", "20"]
    };
    with_homes(programs, "catch-up", &sizes)
}

fn new_device(programs: &Programs, quick: bool) -> Result<Report> {
    with_homes(programs, "new-device", &["--groups", if quick { "3" } else { "10,100,300" }])
}

fn archive(programs: &Programs, quick: bool) -> Result<Report> {
    let sizes = if quick {
        ["--messages", "200", "--conversations", "2"]
    } else {
        ["--messages", "1000,10000", "--conversations", "10"]
    };
    with_homes(programs, "archive", &sizes)
}

/// A load that has clients with homes.
fn with_homes(programs: &Programs, load: &str, sizes: &[&str]) -> Result<Report> {
    let (server, scratch) = (Server::start(programs)?, Scratch::new("qpc-bench-homes-")?);
    let homes = scratch.path().to_str().context("the scratch folder's path is UTF-8")?;
    let mut arguments = vec![load, "--server", server.link(), "--scratch", homes];
    arguments.extend(sizes);
    let report = load::run(&programs.load, &arguments)?;
    server.stop()?;
    Ok(report)
}

fn mls(programs: &Programs, quick: bool) -> Result<Report> {
    let report = load::run(&programs.mls, if quick { &["--quick"] } else { &[] })?;
    let scratch = Scratch::new("qpc-bench-stores-")?;
    let stores = scratch.path().to_str().context("the scratch folder's path is UTF-8")?;
    let (members, rounds) = if quick { ("2,10", "3") } else { ("2,10,100,256", "50") };
    let arguments = ["durable", "--members", members, "--rounds", rounds, "--scratch", stores];
    Ok(report.and(load::run(&programs.load, &arguments)?))
}

fn bytes(programs: &Programs, quick: bool) -> Result<Report> {
    let members = if quick { "2,10" } else { "2,10,100,1000" };
    load::run(&programs.load, &["bytes", "--members", members])
}
