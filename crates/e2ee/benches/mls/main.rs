//! MLS operations of this crate beside those of bare OpenMLS: the same provider (crypto, storage in memory, randomness),
//! the same suite, credentials and settings, in turns, so that what this crate adds shows and nothing else.
//!
//! Times are CPU times of the process, all threads. Prints one JSON document of tables; `cargo xtask bench mls` shows them. `--quick` takes
//! small groups and few rounds.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for people and for xtask")]

mod bare;
mod clock;
mod device;
mod ours;
mod side;

use quicprochat_e2ee::mls::{Suite, new_key_package};
use serde_json::json;

use crate::{
    bare::Bare,
    clock::Samples,
    device::Device,
    ours::Ours,
    side::{Result, Side},
};

/// KeyPackages in one commit (protocol.md section 7: at most 32 accounts).
const ADDS_PER_COMMIT: usize = 32;
/// The greatest ratio to bare OpenMLS that we aim at.
const AIM: f64 = 1.1;
/// The content of a message.
const CONTENT: [u8; 200] = [b'x'; 200];

/// Members, and how often each operation is measured.
const SIZES: &[(usize, usize)] = &[(2, 60), (10, 60), (100, 20), (256, 12), (1000, 5)];
const QUICK_SIZES: &[(usize, usize)] = &[(2, 5), (10, 3)];

fn main() -> Result<()> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let sizes = if quick { QUICK_SIZES } else { SIZES };
    let (mut tables, mut over) = (Vec::new(), Vec::new());
    for suite in [Suite::Hybrid, Suite::Classical] {
        let mut rows = Vec::new();
        for &(members, rounds) in sizes {
            eprintln!("{}, {members} members ...", suite.name());
            for (operation, samples) in measure(suite, members, rounds)? {
                rows.push(samples.row(members, operation));
                if let Some(ratio) = samples.ratio().filter(|ratio| *ratio > AIM) {
                    over.push(format!("{operation} at {members}, {} ({ratio:.2})", suite.name()));
                }
            }
        }
        tables.push(json!({
            "title": format!("MLS operations, {}, CPU time", suite.name()),
            "columns": ["members", "operation", "ours, ms", "bare OpenMLS, ms", "ours/bare"],
            "rows": rows,
        }));
    }
    let notes = [
        "Medians. Both sides run in turns over the same provider of crypto, randomness and storage (in memory).",
        "The tree is as after creation: nobody but the creator has updated, so a path is encrypted to every member, which is the dearest case.",
        "\"build\" is creating the group and adding all others, 32 a commit, each merged; KeyPackages are made before. \"commit\" is an own update with GroupInfo and tree: staged, recognised when it comes back, merged. \"process\" is somebody else's commit, judged and merged. Messages have 200 bytes of content.",
    ];
    let found = if over.is_empty() { "every ratio".to_owned() } else { format!("above: {}", over.join("; ")) };
    let text = "at most 10 % more CPU than bare OpenMLS with the same storage provider, at every size";
    let targets = [json!({ "text": text, "met": over.is_empty(), "found": found })];
    println!("{}", json!({ "tables": tables, "targets": targets, "notes": notes }));
    Ok(())
}

/// All operations at one size.
fn measure(suite: Suite, members: usize, rounds: usize) -> Result<Vec<(&'static str, Samples)>> {
    let allowed = members <= quicprochat_wire::limits::MAX_GROUP_LEAVES;
    let mut measured = Vec::new();

    let mut joiner = Device::new(1);
    let mut packages = vec![joiner.with(|provider, own| new_key_package(provider, own, suite))?];
    for number in 2..u64::try_from(members)? {
        packages.push(Device::new(number).with(|provider, own| new_key_package(provider, own, suite))?);
    }
    // The joiner comes with the last commit, so that nothing is left to be processed.
    packages.reverse();

    let builds = (rounds / 10).max(1);
    let mut samples = Samples::default();
    let mut pair = (None, None);
    for _ in 0..builds {
        if allowed {
            pair.0 = Some(samples.ours(|| build::<Ours>(suite, &packages))?);
        }
        pair.1 = Some(samples.bare(|| build::<Bare>(suite, &packages))?);
    }
    measured.push(("build", samples));
    let mut ours = pair.0.map(|built| Pair::join(built, &joiner)).transpose()?;
    let mut bare = pair.1.map(|built| Pair::join(built, &joiner)).transpose()?;

    let operations: [(&str, Operation<Ours>, Operation<Bare>); 7] = [
        ("key package", Pair::key_package, Pair::key_package),
        ("join", Pair::join_again, Pair::join_again),
        ("commit", Pair::commit, Pair::commit),
        ("process", Pair::process, Pair::process),
        ("encrypt", Pair::encrypt, Pair::encrypt),
        ("decrypt", Pair::decrypt, Pair::decrypt),
        ("load", Pair::load, Pair::load),
    ];
    for (name, with_ours, with_bare) in operations {
        let mut samples = Samples::default();
        for round in 0..=rounds {
            // Which goes first changes, and the first round only warms up.
            for turn in 0..2 {
                if (round + turn) % 2 == 0 {
                    if let Some(pair) = &mut ours {
                        samples.ours.push(with_ours(pair)?);
                    }
                } else if let Some(pair) = &mut bare {
                    samples.bare.push(with_bare(pair)?);
                }
            }
            if round == 0 {
                samples = Samples::default();
            }
        }
        measured.push((name, samples));
    }
    Ok(measured)
}

/// Runs an operation once and returns the seconds of CPU it took, without what has to go before or after.
type Operation<S> = fn(&mut Pair<S>) -> Result<f64>;

/// A group's creator, and what its last Welcome and tree are.
struct Built<S> {
    creator: S,
    welcome: Vec<u8>,
    tree: Vec<u8>,
}

fn build<S: Side>(suite: Suite, packages: &[Vec<u8>]) -> Result<Built<S>> {
    let mut creator = S::create(Device::new(0), suite)?;
    let (mut welcome, mut tree) = (Vec::new(), Vec::new());
    for batch in packages.chunks(ADDS_PER_COMMIT) {
        (welcome, tree) = creator.add(batch)?;
    }
    Ok(Built { creator, welcome, tree })
}

/// Two members of a group that are here; the others exist as leaves only.
struct Pair<S> {
    creator: S,
    joiner: S,
    start: Device,
    welcome: Vec<u8>,
    tree: Vec<u8>,
}

impl<S: Side> Pair<S> {
    fn join(built: Built<S>, joiner: &Device) -> Result<Self> {
        let start = joiner.clone();
        let joiner = S::join(joiner.clone(), &built.welcome, &built.tree)?;
        Ok(Self { creator: built.creator, joiner, start, welcome: built.welcome, tree: built.tree })
    }

    fn key_package(&mut self) -> Result<f64> {
        clock::spent(|| self.joiner.key_package()).map(|(_, seconds)| seconds)
    }

    fn join_again(&mut self) -> Result<f64> {
        let device = self.start.clone();
        clock::spent(|| S::join(device, &self.welcome, &self.tree)).map(|(_, seconds)| seconds)
    }

    fn commit(&mut self) -> Result<f64> {
        let (message, seconds) = clock::spent(|| self.creator.commit())?;
        self.joiner.process(&message)?;
        Ok(seconds)
    }

    fn process(&mut self) -> Result<f64> {
        let message = self.creator.commit()?;
        clock::spent(|| self.joiner.process(&message)).map(|((), seconds)| seconds)
    }

    fn encrypt(&mut self) -> Result<f64> {
        let (message, seconds) = clock::spent(|| self.creator.encrypt(&CONTENT))?;
        self.joiner.decrypt(&message)?;
        Ok(seconds)
    }

    fn decrypt(&mut self) -> Result<f64> {
        let message = self.creator.encrypt(&CONTENT)?;
        let (content, seconds) = clock::spent(|| self.joiner.decrypt(&message))?;
        if content == CONTENT { Ok(seconds) } else { Err("another content came out".into()) }
    }

    fn load(&mut self) -> Result<f64> {
        clock::spent(|| self.joiner.load()).map(|((), seconds)| seconds)
    }
}
