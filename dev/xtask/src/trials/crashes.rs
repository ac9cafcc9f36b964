//! kill -9 of server and clients at random moments: nothing acknowledged is lost, nothing stands twice, no group forks.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};

use super::{Trial, cast, done, group, logged, same};
use crate::sandbox::{Person, Sandbox};

pub(super) const TRIALS: &[Trial] = &[
    ("a_killed_server_loses_nothing", a_killed_server_loses_nothing),
    ("a_killed_client_loses_nothing", a_killed_client_loses_nothing),
];

/// How often something is killed.
const CUTS: usize = 6;

fn a_killed_server_loses_nothing(sandbox: &mut Sandbox) -> Result<()> {
    let [alice, bob] = cast(sandbox, ["alice", "bob"])?;
    group(sandbox, "picnic", &[&alice, &bob])?;
    let mut chance = Chance::new();
    let mut acknowledged = BTreeSet::new();
    for cut in 0..CUTS {
        let writers: Vec<_> = [&alice, &bob]
            .into_iter()
            .flat_map(|person| (0..3).map(move |n| (person, format!("{} {cut}.{n}", person.name()))))
            .map(|(person, text)| Ok((sandbox.start_qpc(person, &["send", "picnic", &text])?, text)))
            .collect::<Result<_>>()?;
        // Not to wait for something, but to cut at a random moment.
        thread::sleep(chance.up_to(Duration::from_millis(900)));
        sandbox.kill_server()?;
        for (writer, text) in writers {
            if writer.wait(Duration::from_secs(90))?.success() {
                acknowledged.insert(text);
            }
        }
        sandbox.start_server()?;
    }
    nothing_is_lost(sandbox, &[&alice, &bob], &acknowledged)
}

fn a_killed_client_loses_nothing(sandbox: &mut Sandbox) -> Result<()> {
    let [alice, bob, carol] = cast(sandbox, ["alice", "bob", "carol"])?;
    group(sandbox, "picnic", &[&alice, &bob])?;
    let mut chance = Chance::new();
    let mut acknowledged = BTreeSet::new();
    for cut in 0..CUTS {
        let text = format!("alice {cut}");
        let writer = sandbox.start_qpc(&alice, &["send", "picnic", &text])?;
        let changer =
            sandbox.start_qpc(&alice, &["group", if cut % 2 == 0 { "invite" } else { "remove" }, "picnic", "carol"])?;
        thread::sleep(chance.up_to(Duration::from_millis(900)));
        let first = chance.up_to(Duration::from_millis(2)) < Duration::from_millis(1);
        let status =
            if first { writer.kill(Duration::from_secs(10))? } else { writer.wait(Duration::from_secs(90))? };
        if status.success() {
            acknowledged.insert(text);
        }
        changer.kill(Duration::from_secs(10))?;
        let text = format!("bob {cut}");
        if sandbox.qpc(&bob, &["send", "picnic", &text])?.code == 0 {
            acknowledged.insert(text);
        }
    }
    done(sandbox, &carol, &["sync"])?;
    nothing_is_lost(sandbox, &[&alice, &bob], &acknowledged)
}

/// Everybody has the same log; what was acknowledged is in it, and nothing twice; and the group goes on.
fn nothing_is_lost(sandbox: &Sandbox, people: &[&Person], acknowledged: &BTreeSet<String>) -> Result<()> {
    // The first sync sends what was queued, the second reads what the others sent.
    for _ in 0..2 {
        for person in people {
            done(sandbox, person, &["sync"])?;
        }
    }
    let logs: Vec<Vec<String>> =
        people.iter().map(|person| logged(sandbox, person, "picnic")).collect::<Result<_>>()?;
    let first = logs.first().context("nobody is there to have a log")?;
    for (person, log) in people.iter().zip(&logs) {
        same(person.name(), log, first)?;
        let distinct: BTreeSet<&String> = log.iter().collect();
        same("messages that stand twice", &(log.len() - distinct.len()), &0)?;
        let lost: Vec<&String> = acknowledged.iter().filter(|text| !distinct.contains(text)).collect();
        ensure!(lost.is_empty(), "{} lost what was acknowledged: {lost:?}", person.name());
    }
    for person in people {
        done(sandbox, person, &["send", "picnic", &format!("{} goes on", person.name())])?;
    }
    println!("          {} acknowledged, {} in the log, 0 lost, 0 twice", acknowledged.len(), first.len());
    Ok(())
}

/// Moments that differ from run to run.
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(since.as_nanos() as u64 | 1)
    }

    pub(super) fn up_to(&mut self, most: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        most.mul_f64((self.0 >> 11) as f64 / (1u64 << 53) as f64)
    }
}
