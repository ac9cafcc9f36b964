//! Scenarios: people do things by chance while things go wrong; then all is calm, and what they have is checked.

mod actions;
mod archive;
mod check;
mod history;
mod losses;
mod model;
mod put_back;
mod settle;
mod thief;
mod told;
mod view;

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};

use quicprochat_client_core::{CommandId, store::LogEntry};
use quicprochat_server_core::Limits;
use quicprochat_wire::{AccountId, ChannelId, Duration, Timestamp};

use model::Model;
use put_back::Backup;

use crate::{
    chance::Dice,
    client::MakeClient,
    people::{MAX_DEVICES_EACH, NAMES, START},
    world::{DeviceIx, Faults, Setup, World},
};

/// What stands in every text that is written in a scenario, and so nowhere at the server.
pub const MARKER: &str = "plaintext-marker";

const DAY: Duration = Duration::from_secs(24 * 3600);

/// What a scenario consists of; everything else comes from its seed.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The world.
    pub setup: Setup,
    /// How many things are done.
    pub actions: usize,
    /// Whether the server is put back to an older backup at the end; then devices have to notice, and nothing else holds.
    pub server_goes_back: bool,
    /// Whether devices' stores are put back to older copies.
    pub clients_go_back: bool,
    /// Whether people have their history kept at the server.
    pub archive: bool,
}

/// Kinds of trouble, of which a scenario has some.
const TROUBLES: usize = 7;
/// Devices of most scenarios; half of them have four or fewer.
const USUAL: [usize; 20] = [2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 5, 5, 5, 6, 6, 7, 8, 9, 10];
/// Of 1,000 scenarios, how many have more.
const LARGE: u32 = 50;
/// Of 1,000 scenarios, in how many stores are put back to older copies.
const CLIENTS_GO_BACK: u32 = 60;
/// Of 1,000 scenarios, in how many the server dies right after it has answered.
const ANSWERED_CRASH: u32 = 80;
/// Most devices of a scenario at its beginning.
const MOST: usize = 30;

impl Plan {
    /// The plan of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice::new("plan", seed);
        let large = dice.chance(LARGE);
        let devices =
            if large { 11 + dice.index(MOST - 10) } else { dice.pick(&USUAL).copied().unwrap_or(USUAL.len()) };
        let least = devices.div_ceil(MAX_DEVICES_EACH).max(2);
        // One device each is what most people have.
        let most = devices.min(NAMES.len());
        let people = if dice.chance(500) { most } else { least + dice.index(most - least + 1) };
        let mut setup = Setup::quiet(seed, people);
        setup.more_devices = devices - people;
        setup.faults = faults(&mut dice);
        setup.faults.answered_crash = answered_crash(seed);
        if dice.chance(300) {
            setup.skew = dice.between(Duration::from_secs(1), Duration::from_secs(36 * 3600));
        }
        if dice.chance(50) {
            setup.limits.channel_entries = 5 + dice.below(30);
        }
        if dice.chance(50) {
            setup.limits.retention = DAY * 5;
        }
        let actions = if large { 8 + dice.index(12) } else { 10 + dice.index(30) };
        let server_goes_back = dice.chance(30);
        let clients_go_back = dice.chance(CLIENTS_GO_BACK) && !server_goes_back;
        let archive = archive::plan(seed, &mut setup.limits);
        Self { setup, actions, server_goes_back, clients_go_back, archive }
    }

    /// Whether nothing goes wrong by itself.
    fn is_calm(&self) -> bool {
        let of = &self.setup.faults;
        let links = of.slow + of.lost_answer + of.broken_link;
        let deaths = of.client_crash + of.client_commit + of.server_crash + of.server_full + of.answered_crash;
        let quota = self.setup.limits.channel_entries < Limits::default().channel_entries;
        !quota && links + deaths == 0
    }

    /// Whether entries may be gone before somebody has read them.
    fn forgets(&self) -> bool {
        self.setup.limits.retention < Limits::default().retention
    }
}

/// No trouble, one kind of it, or several.
fn faults(dice: &mut Dice) -> Faults {
    let mut faults = Faults::none();
    let troubles = [0, 1, 1, 2, TROUBLES].get(dice.index(5)).copied().unwrap_or(0);
    for _ in 0..troubles {
        let strength = u32::try_from(dice.below(60)).unwrap_or(0);
        match dice.index(TROUBLES) {
            0 => faults.slow = 50,
            1 => faults.lost_answer = 5 + strength,
            2 => faults.broken_link = 5 + strength,
            3 => faults.client_crash = 5 + strength,
            4 => faults.client_commit = 5 + strength,
            5 => faults.twice = 20 + strength * 5,
            _ => (faults.server_crash, faults.server_full) = (2 + strength / 3, strength / 3),
        }
    }
    faults
}

/// How often the server dies between an answer and what comes next: in few scenarios, and then a few times.
fn answered_crash(seed: u64) -> u32 {
    let mut dice = Dice::new("answered crash", seed);
    if dice.chance(ANSWERED_CRASH) { 5 + u32::try_from(dice.below(20)).unwrap_or(0) } else { 0 }
}

/// A text that somebody asked to be sent.
#[derive(Clone, Debug)]
struct Text {
    command: CommandId,
    device: DeviceIx,
    /// Where to; `None` for a direct message, which finds its channel itself.
    channel: Option<ChannelId>,
    /// When.
    given: Timestamp,
    /// How far the device had read there.
    cursor: Option<u64>,
}

/// An invitation that somebody turned down.
#[derive(Clone, Debug)]
struct Block {
    person: usize,
    from: AccountId,
    command: CommandId,
}

/// A scenario under way.
pub struct Scenario {
    world: World,
    dice: Dice,
    plan: Plan,
    texts: BTreeMap<String, Text>,
    titles: Vec<String>,
    blocked: Vec<Block>,
    /// Devices that were revoked, with the conversations in which the device was that revoked them.
    revoked: BTreeSet<DeviceIx>,
    /// People whose account is gone.
    gone: BTreeSet<usize>,
    model: Model,
    looks: u64,
    /// What was wrong after a step.
    violations: Vec<String>,
    /// Devices whose store was put back, and when that was done last.
    put_back: BTreeMap<DeviceIx, Timestamp>,
    /// What such stores showed before: nobody else may have been there to read it.
    lost_logs: Vec<(DeviceIx, ChannelId, Vec<LogEntry>)>,
    /// When something last went wrong on purpose.
    disturbed: Timestamp,
    /// Whether so many days passed that a KeyPackage may be gone before the invitation made with it comes.
    aged: bool,
    /// An older state of the server, to go back to.
    backup: Option<Backup>,
}

/// What a scenario that failed leaves.
pub struct Failure {
    /// Its seed: [`Scenario::run`] with it fails in the same way.
    pub seed: u64,
    /// What is wrong.
    pub violations: Vec<String>,
    /// What happened.
    pub journal: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const TAIL: usize = 60;
        writeln!(f, "seed {} fails; replay it with QPC_SIM_SEEDS={}", self.seed, self.seed)?;
        for violation in &self.violations {
            writeln!(f, "  * {violation}")?;
        }
        let lines: Vec<&str> = self.journal.lines().collect();
        writeln!(f, "the last of {} lines:", lines.len())?;
        lines.iter().skip(lines.len().saturating_sub(TAIL)).try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// What a scenario that went well was like.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Summary {
    /// Hash over its journal.
    pub journal: [u8; 32],
    /// Lines of its journal.
    pub lines: u64,
    /// Texts that stand in a log.
    pub texts: usize,
    /// Entries of all channels.
    pub entries: usize,
    /// Channels at the server.
    pub channels: usize,
}

impl Summary {
    /// Counts another scenario in; hashes do not add up.
    pub fn add(&mut self, other: &Self) {
        self.lines += other.lines;
        self.texts += other.texts;
        self.entries += other.entries;
        self.channels += other.channels;
    }
}

impl Scenario {
    /// Does what the plan says, lets everything settle, and checks it.
    ///
    /// Errors:   what is wrong, with the journal.
    pub fn run(plan: &Plan, make: MakeClient) -> Result<Summary, Box<Failure>> {
        let mut scenario = Self {
            world: World::new(&plan.setup, make),
            dice: Dice::new("scenario", plan.setup.seed),
            plan: plan.clone(),
            texts: BTreeMap::new(),
            titles: Vec::new(),
            blocked: Vec::new(),
            revoked: BTreeSet::new(),
            gone: BTreeSet::new(),
            put_back: BTreeMap::new(),
            lost_logs: Vec::new(),
            model: Model::default(),
            looks: 0,
            violations: Vec::new(),
            disturbed: START,
            aged: false,
            backup: None,
        };
        scenario.act();
        let mut violations = core::mem::take(&mut scenario.violations);
        if violations.is_empty() && plan.server_goes_back && scenario.backup.is_some() {
            violations = scenario.server_goes_back();
        } else if violations.is_empty() {
            violations = match scenario.settle() {
                Err(unsettled) => unsettled,
                Ok(()) => scenario.at_the_end(),
            };
        }
        if violations.is_empty() {
            return Ok(scenario.summary());
        }
        let journal = scenario.world.journal().to_string();
        Err(Box::new(Failure { seed: plan.setup.seed, violations, journal }))
    }

    fn name(&self, device: DeviceIx) -> &str {
        &self.world.device(device).name
    }

    fn everybody(&self) -> Vec<DeviceIx> {
        (0..self.world.devices().len()).map(DeviceIx).collect()
    }

    /// Devices that were not revoked, of accounts that are not gone.
    fn able(&self) -> Vec<DeviceIx> {
        let able = |device: &DeviceIx| {
            !self.revoked.contains(device) && !self.gone.contains(&self.world.device(*device).person)
        };
        self.everybody().into_iter().filter(able).collect()
    }

    /// Something goes wrong on purpose.
    fn disturb(&mut self) {
        self.disturbed = self.world.now();
    }
}
