//! `cargo xtask power-loss`: the real programs on disks that forget what was not synced, cut under load.
//!
//! ```text
//!   world ── a server and people, each with a disk of its own (dev/powerloss)
//!     cut ── load ─▶ hold disks, kill, cut, start again ─▶ next command ─▶ settle ─▶ verdict
//! ```
//!
//! [`world`] sets up and cuts, [`load`] is what people do meanwhile and what they were promised, [`verdict`] compares promises with
//! what everybody has in the end.

mod load;
mod report;
mod verdict;
mod world;

use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::process::{Deadline, descendants};
use crate::sandbox::{Binaries, Profile};
use report::Report;
use world::World;

/// Examples for `--help`.
pub(crate) const EXAMPLES: &str = "\
Examples:
  cargo xtask power-loss --cuts 8                        a look
  cargo xtask power-loss --cuts 200 --seed 1 --jobs 4
  cargo xtask power-loss --cuts 200 --seed 1 --skip 75   goes on after 75 cuts

A seed decides who is cut, when, and what is left on the disks; how processes take turns differs from run to run.
The last line is the summary, one JSON object.";

/// Cuts in one world: then a new server and new people begin.
const CUTS_OF_A_WORLD: usize = 25;

/// What the cuts can be told.
#[derive(Args)]
pub(crate) struct Arguments {
    /// How often the power goes.
    #[arg(long, default_value_t = 8)]
    cuts: usize,
    /// Decides who is cut, when, and what is left.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Leave out this many cuts from the beginning, whole worlds of 25.
    #[arg(long, default_value_t = 0)]
    skip: usize,
    /// Stop, as failed, after this many minutes.
    #[arg(long, default_value_t = 60)]
    minutes: u64,
    /// How many worlds live at once; they spend most of their time waiting.
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Disks only say that they have synced: promises must break, or these cuts prove nothing.
    #[arg(long)]
    lying: bool,
    /// With which build the programs run.
    #[arg(long, value_enum, default_value = "dev")]
    profile: Profile,
}

/// Cuts as often as asked and prints the summary.
///
/// Errors: a promise was broken, or a program could not go on; with disks that lie: nothing was.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    ensure!(arguments.skip.is_multiple_of(CUTS_OF_A_WORLD), "--skip takes multiples of {CUTS_OF_A_WORLD}");
    ensure!(arguments.skip < arguments.cuts, "nothing is left to cut");
    let build = Deadline::minutes("build", 60);
    let binaries = Binaries::build(arguments.profile, &build)?;
    let layer = Binaries::build_layer(&build)?;
    let deadline = Deadline::minutes("power-loss", arguments.minutes);
    let report = Mutex::new(Report::new(arguments.seed));
    let next = AtomicUsize::new(arguments.skip / CUTS_OF_A_WORLD);
    thread::scope(|scope| {
        for _ in 0..arguments.jobs {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let first = number * CUTS_OF_A_WORLD;
                    if first >= arguments.cuts || deadline.is_over() {
                        return;
                    }
                    let own = one_world(&binaries, &layer, arguments, number, &deadline);
                    report.lock().unwrap_or_else(PoisonError::into_inner).add(&own);
                }
            });
        }
    });
    let left = descendants::wait_until_gone(Duration::from_secs(2), |_| true);
    let report = report.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("{}", report.json());
    ensure!(left.is_empty(), "left running: {left:?}");
    ensure!(!deadline.is_over(), "exceeded the budget: {deadline}");
    if arguments.lying {
        ensure!(!report.is_clean(), "nobody noticed that the disks lie");
        return Ok(());
    }
    ensure!(report.is_clean(), "promises were broken or programs failed; see above");
    Ok(())
}

/// Cuts a world as often as it is its turn, and ends it with its first failure.
fn one_world(binaries: &Binaries, layer: &Path, arguments: &Arguments, number: usize, deadline: &Deadline) -> Report {
    let first = number * CUTS_OF_A_WORLD;
    let mut report = Report::new(arguments.seed);
    let seed = arguments.seed.wrapping_mul(1_000_003).wrapping_add(number as u64);
    let world = World::new(binaries.clone(), layer, seed, arguments.lying);
    let lived = world.context("a world without cuts").and_then(|mut world| {
        let cuts = first..arguments.cuts.min(first + CUTS_OF_A_WORLD);
        let lived = live(&mut world, cuts, deadline, &mut report);
        if lived.is_err() {
            println!("{}", world.last_words());
        }
        lived
    });
    if let Err(error) = lived {
        println!("  FAILED  world {number} (--seed {} --skip {first}): {error:#}", arguments.seed);
        report.failed_worlds += 1;
    }
    report
}

fn live(world: &mut World, cuts: Range<usize>, deadline: &Deadline, report: &mut Report) -> Result<()> {
    for cut in cuts {
        if deadline.is_over() {
            return Ok(());
        }
        let said = world.cut_once(cut, report).with_context(|| format!("cut {cut}"))?;
        println!("  cut {cut:>4}  {said}  ({:.0} s)", deadline.elapsed().as_secs_f64());
    }
    world.end(report).context("after the last cut")
}
