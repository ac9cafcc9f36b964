//! Scenarios by the seed: those that once failed, and a handful. `cargo xtask sim` runs them by the thousand.
//!
//! `QPC_SIM_SCENARIOS=N` runs N of them, `QPC_SIM_SEEDS=7` or `7,9` or `100-200` just those, and
//! `QPC_SIM_TRACE=1` shows what the engines trace. Seeds that once failed stand in `seeds.txt` and always run.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use quicprochat_testkit::{
    engines,
    scenario::{Failure, Plan, Scenario, Summary},
};

/// How many scenarios run where nobody says otherwise.
const DEFAULT: u64 = 6;

fn run(seed: u64) -> Result<Summary, Box<Failure>> {
    let run = || Scenario::run(&Plan::of(seed), engines());
    if std::env::var_os("QPC_SIM_TRACE").is_none() {
        return run();
    }
    let lines = tracing_subscriber::fmt().without_time().with_ansi(false).with_max_level(tracing::Level::DEBUG);
    tracing::subscriber::with_default(lines.with_writer(std::io::stderr).finish(), run)
}

/// The seeds that are asked for.
fn seeds() -> BTreeSet<u64> {
    let number = |text: &str| text.trim().parse().unwrap_or_else(|_| panic!("{text:?} is no seed"));
    if let Ok(asked) = std::env::var("QPC_SIM_SEEDS") {
        let ranges = asked.split(',').map(|part| match part.split_once('-') {
            Some((from, through)) => number(from)..=number(through),
            None => number(part)..=number(part),
        });
        return ranges.flatten().collect();
    }
    let count = std::env::var("QPC_SIM_SCENARIOS").map_or(DEFAULT, |count| number(&count));
    let kept = include_str!("../seeds.txt").lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let kept = kept.map(|line| number(line.split_whitespace().next().unwrap_or_default()));
    kept.chain(1..=count).collect()
}

#[test]
fn scenarios_end_with_everybody_having_what_they_should() {
    let seeds: Vec<u64> = seeds().into_iter().collect();
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    let total = Mutex::new(Summary::default());
    let begun = Instant::now();
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match run(*seed) {
                        Ok(summary) => total.lock().expect("nobody panics").add(&summary),
                        Err(failure) => failures.lock().expect("nobody panics").push(failure),
                    }
                }
            });
        }
    });
    let total = total.into_inner().expect("nobody panics");
    println!("{} scenarios in {:.1?}: {total:?}", seeds.len(), begun.elapsed());
    let mut failures = failures.into_inner().expect("nobody panics");
    failures.sort_by_key(|failure| failure.seed);
    for failure in &failures {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("sim-{}.log", failure.seed));
        std::fs::write(&path, &failure.journal).expect("room for a log");
        println!("{failure}\nthe whole log: {}\n", path.display());
    }
    let failed: Vec<u64> = failures.iter().map(|failure| failure.seed).collect();
    assert!(failed.is_empty(), "{} of {} seeds fail: {failed:?}", failed.len(), seeds.len());
    assert!(total.texts > seeds.len(), "next to nothing was written: {total:?}");
}

#[test]
fn a_scenario_repeats_line_by_line() {
    for seed in [1, 2] {
        let one = run(seed).map_err(|failure| failure.journal);
        let other = run(seed).map_err(|failure| failure.journal);
        assert!(one == other, "seed {seed} ran differently the second time");
    }
}
