//! Breaking each rule in turn, until a scenario notices.

use std::{
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use quicprochat_testkit::{prepare, scenario::Plan};
use quicprochat_wire::mutant::{self, Mutant};
use serde_json::{Value, json};

use crate::campaign::{cpu_time, run_one};

/// What to try on each of them.
pub(crate) struct Hunt {
    pub(crate) first: u64,
    /// At most.
    pub(crate) scenarios: u64,
    pub(crate) threads: usize,
}

/// What became of one.
struct Catch {
    mutant: Mutant,
    /// How many scenarios it took, and what the last one said; `None` for a survivor.
    caught: Option<(u64, String)>,
}

/// The table.
pub(crate) struct Table {
    rows: Vec<Catch>,
    scenarios: u64,
    wall: Duration,
    cpu: Duration,
}

/// The rule that each of them breaks.
const fn rule(mutant: Mutant) -> &'static str {
    match mutant {
        Mutant::AcknowledgeBeforeSync => "an answer leaves after the disk has what it says",
        Mutant::AcceptStaleCommit => "an entry names the last commit, or is refused",
        Mutant::SkipIdCheck => "an entry sent again is not appended again",
        Mutant::EndedKeyReads => "a key that was replaced reads nothing later",
        Mutant::RevokedDeviceSignsIn => "a revoked device signs in no more",
        Mutant::SpendTokenTwice => "a token counts once",
        Mutant::KeyringLost => "a rolling commit and its keyring are stored together",
        Mutant::ForgetToWake => "whoever listens hears of an entry",
        Mutant::SendBeforeCommit => "nothing leaves before the transaction is committed",
        Mutant::MergeOwnCommitEarly => "an own commit is merged when it is in the log",
        Mutant::WelcomeBeforeAcceptance => "an invitation leaves after its commit is in the log",
        Mutant::ApplyTwice => "an entry is applied once",
        Mutant::DropOutboxEarly => "a message stays in the outbox until it is in the log",
        Mutant::KeepLostAttempt => "what lost against a commit is encrypted anew",
        Mutant::KeepSpentToken => "a token leaves the stock with what it is spent on",
        Mutant::KeepRevokedDevice => "a revoked device is removed from every group",
        Mutant::KeepLeaver => "whoever left is removed",
        Mutant::KeepOldKeys => "a commit that removes somebody rolls the channel's keys",
        Mutant::KeyringToRemoved => "new keys are sealed to those who stay, and nobody else",
        Mutant::RatchetNotKept => "a ratchet step is stored before its message leaves",
        Mutant::TrustOldStore => "a store that was put back enters its groups anew",
        Mutant::HideGap => "what a device could not read shows as a gap",
        Mutant::GiveNothingBack => "a server that was put back is given back what it lost",
    }
}

impl Hunt {
    /// Tries every break, one after another: a break holds for the whole process.
    pub(crate) fn run(&self) -> Table {
        prepare();
        let (begun, cpu) = (Instant::now(), cpu_time());
        let mut rows = Vec::new();
        for mutant in Mutant::ALL {
            let caught = self.catch(mutant);
            eprintln!("{mutant:?}: {}", caught.as_ref().map_or("survives", |(_, words)| words));
            rows.push(Catch { mutant, caught });
        }
        let cpu = cpu_time().saturating_sub(cpu);
        Table { rows, scenarios: self.scenarios, wall: begun.elapsed(), cpu }
    }

    fn catch(&self, mutant: Mutant) -> Option<(u64, String)> {
        let batch = u64::try_from(self.threads).unwrap_or(1).saturating_mul(4);
        let mut from = 0;
        while from < self.scenarios {
            let through = from.saturating_add(batch).min(self.scenarios);
            mutant::set(Some(mutant));
            let failures = self.failures(from..through);
            mutant::set(None);
            // A scenario that fails anyway has noticed nothing.
            let noticed = failures.into_iter().find(|(index, _)| run_one(&self.plan(*index)).is_ok());
            if let Some((index, words)) = noticed {
                return Some((index + 1, words));
            }
            from = through;
        }
        None
    }

    fn plan(&self, index: u64) -> Plan {
        Plan::of(self.first.wrapping_add(index))
    }

    /// What fails of some scenarios, in their order.
    fn failures(&self, range: core::ops::Range<u64>) -> Vec<(u64, String)> {
        let next = AtomicU64::new(range.start);
        let found = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..self.threads {
                scope.spawn(|| {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        if index >= range.end {
                            break;
                        }
                        if let Err(failure) = run_one(&self.plan(index)) {
                            let words = failure.violations.first().cloned().unwrap_or_default();
                            found.lock().unwrap_or_else(PoisonError::into_inner).push((index, words));
                        }
                    }
                });
            }
        });
        let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        found.sort();
        found
    }
}

impl Table {
    /// Breaks that nobody noticed.
    pub(crate) fn survivors(&self) -> impl Iterator<Item = Mutant> {
        self.rows.iter().filter(|row| row.caught.is_none()).map(|row| row.mutant)
    }

    /// As one object.
    pub(crate) fn json(&self) -> Value {
        let row = |row: &Catch| {
            json!({
                "mutant": format!("{:?}", row.mutant),
                "rule": rule(row.mutant),
                "scenarios": row.caught.as_ref().map(|(count, _)| count),
                "caught_by": row.caught.as_ref().map(|(_, words)| words),
            })
        };
        json!({
            "mutants": self.rows.iter().map(row).collect::<Vec<_>>(),
            "survivors": self.survivors().map(|mutant| format!("{mutant:?}")).collect::<Vec<_>>(),
            "scenarios_at_most": self.scenarios,
            "seconds": self.wall.as_secs_f64(),
            "cpu_seconds": self.cpu.as_secs_f64(),
        })
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const WORDS: usize = 100;
        writeln!(f, "| mutant | rule | scenarios | caught by |\n|---|---|---|---|")?;
        for row in &self.rows {
            let (count, words) = match &row.caught {
                Some((count, words)) => (count.to_string(), words.chars().take(WORDS).collect()),
                None => ("-".to_owned(), format!("SURVIVES {} scenarios", self.scenarios)),
            };
            writeln!(f, "| {:?} | {} | {count} | {words} |", row.mutant, rule(row.mutant))?;
        }
        let survivors: Vec<Mutant> = self.survivors().collect();
        write!(f, "{} of {} survive", survivors.len(), self.rows.len())?;
        write!(f, " ({:.1} s, {:.1} s of CPU): {survivors:?}", self.wall.as_secs_f64(), self.cpu.as_secs_f64())
    }
}
