//! Many scenarios, side by side.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use quicprochat_testkit::{
    engines, prepare,
    scenario::{Failure, Plan, Scenario, Summary},
};
use serde_json::{Value, json};

/// How often progress is told.
const PROGRESS: Duration = Duration::from_secs(15);
/// Failures that are printed with the end of their log; the others with their seed alone.
const SHOWN: usize = 3;
/// Seeds that fail for a reason that docs/reliability.md lists as open, one a line, with what they show.
const OPEN: &str = include_str!("../../../open-seeds.txt");

/// Scenarios to run.
pub(crate) struct Campaign {
    pub(crate) first: u64,
    pub(crate) scenarios: u64,
    pub(crate) threads: usize,
    /// None is begun after that.
    pub(crate) limit: Option<Duration>,
    /// Where to put the event logs of those that fail.
    pub(crate) logs: PathBuf,
}

/// How they went.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) scenarios: u64,
    pub(crate) failed: Vec<u64>,
    /// Failed, too, as is known of them.
    open: Vec<u64>,
    /// Known to fail, and did not: to be taken off the list.
    mended: Vec<u64>,
    total: Summary,
    devices: Vec<usize>,
    wall: Duration,
    cpu: Duration,
}

/// One scenario; a panic in it is a failure of it.
pub(crate) fn run_one(plan: &Plan) -> Result<Summary, Box<Failure>> {
    let run = catch_unwind(AssertUnwindSafe(|| Scenario::run(plan, engines())));
    run.unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().map(String::as_str);
        let words = words.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("?");
        let violations = vec![format!("a panic: {words}")];
        Err(Box::new(Failure { seed: plan.setup.seed, violations, journal: String::new() }))
    })
}

impl Campaign {
    /// Runs them all, or as many as there is time for.
    pub(crate) fn run(&self) -> anyhow::Result<Report> {
        prepare();
        let begun = Instant::now();
        let cpu = cpu_time();
        let next = AtomicU64::new(0);
        let told = Mutex::new(Instant::now());
        let report = Mutex::new(Report::default());
        let failures = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..self.threads {
                scope.spawn(|| {
                    while self.limit.is_none_or(|limit| begun.elapsed() < limit) {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        if index >= self.scenarios {
                            break;
                        }
                        let plan = Plan::of(self.first.wrapping_add(index));
                        let is_open = open_seeds().any(|seed| seed == plan.setup.seed);
                        let result = run_one(&plan);
                        let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
                        report.scenarios += 1;
                        report.devices.push(plan.setup.people + plan.setup.more_devices);
                        match result {
                            Ok(summary) => {
                                report.total.add(&summary);
                                // With other cryptography a seed is another scenario.
                                if is_open && cfg!(feature = "simulation") {
                                    report.mended.push(plan.setup.seed);
                                }
                            }
                            Err(failure) => {
                                let list = if is_open { &mut report.open } else { &mut report.failed };
                                list.push(failure.seed);
                                failures.lock().unwrap_or_else(PoisonError::into_inner).push(failure);
                            }
                        }
                        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
                        if told.elapsed() >= PROGRESS {
                            *told = Instant::now();
                            let (done, failed) = (report.scenarios, report.failed.len());
                            eprintln!("{done} of {} scenarios, {failed} failed", self.scenarios);
                        }
                    }
                });
            }
        });
        let mut report = report.into_inner().unwrap_or_else(PoisonError::into_inner);
        for list in [&mut report.failed, &mut report.open, &mut report.mended] {
            list.sort_unstable();
        }
        report.devices.sort_unstable();
        (report.wall, report.cpu) = (begun.elapsed(), cpu_time().saturating_sub(cpu));
        let mut failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
        failures.sort_by_key(|failure| failure.seed);
        for (index, failure) in failures.iter().enumerate() {
            let path = self.logs.join(format!("sim-{}.log", failure.seed));
            std::fs::write(&path, &failure.journal)?;
            if index < SHOWN {
                eprintln!("{failure}");
            }
            let violation = failure.violations.first().map_or("?", String::as_str);
            eprintln!("seed {}: {violation}\n  event log: {}", failure.seed, path.display());
        }
        Ok(report)
    }
}

/// The seeds of [`OPEN`].
fn open_seeds() -> impl Iterator<Item = u64> {
    let lines = OPEN.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_whitespace().next()?.parse().ok())
}

impl Report {
    /// Whether every scenario went well but those that are known not to.
    pub(crate) fn is_as_known(&self) -> bool {
        self.scenarios > 0 && self.failed.is_empty() && self.mended.is_empty()
    }

    /// As one object.
    pub(crate) fn json(&self) -> Value {
        let above = self.devices.iter().filter(|devices| **devices > 10).count();
        json!({
            "suite": if cfg!(feature = "simulation") { "stand-in" } else { "hybrid" },
            "scenarios": self.scenarios,
            "failed": self.failed,
            "open": self.open,
            "mended": self.mended,
            "seconds": self.wall.as_secs_f64(),
            "cpu_seconds": self.cpu.as_secs_f64(),
            "scenarios_per_cpu_second": self.rate(),
            "devices_median": self.devices.get(self.devices.len() / 2),
            "devices_above_10": above,
            "devices_most": self.devices.last(),
            "texts": self.total.texts,
            "entries": self.total.entries,
            "channels": self.total.channels,
            "happenings": self.total.lines,
        })
    }

    fn rate(&self) -> f64 {
        f64::from(u32::try_from(self.scenarios).unwrap_or(u32::MAX)) / self.cpu.as_secs_f64().max(f64::EPSILON)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (wall, cpu) = (self.wall.as_secs_f64(), self.cpu.as_secs_f64());
        writeln!(
            f,
            "{} scenarios in {wall:.1} s, {cpu:.1} s of CPU: {:.1} a second of CPU",
            self.scenarios,
            self.rate()
        )?;
        writeln!(f, "{:?}", self.total)?;
        if !self.open.is_empty() {
            writeln!(f, "{} failed as docs/reliability.md says: {:?}", self.open.len(), self.open)?;
        }
        if !self.mended.is_empty() {
            writeln!(f, "no longer fail, and are to be taken off dev/testkit/open-seeds.txt: {:?}", self.mended)?;
        }
        write!(f, "{} failed: {:?}", self.failed.len(), self.failed)
    }
}

/// CPU time of this process.
pub(crate) fn cpu_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or(0))
}
