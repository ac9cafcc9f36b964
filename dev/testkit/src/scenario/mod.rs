//! Scenarios: people do things by chance while things go wrong; then all is calm, and what they have is checked.

mod actions;
mod check;
mod history;
mod settle;
mod view;

use core::fmt;
use std::collections::BTreeMap;

use quicprochat_client_core::CommandId;
use quicprochat_wire::{ChannelId, Duration};

use crate::{
    chance::Dice,
    client::MakeClient,
    people::NAMES,
    world::{DeviceIx, Faults, Setup, World},
};

/// What stands in every text that is written in a scenario, and so nowhere at the server.
pub const MARKER: &str = "plaintext-marker";

/// What a scenario consists of; everything else comes from its seed.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The world.
    pub setup: Setup,
    /// How many things are done.
    pub actions: usize,
}

/// Kinds of trouble, of which a scenario has some.
const TROUBLES: usize = 6;

impl Plan {
    /// The plan of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice::new("plan", seed);
        let people = 2 + dice.index(NAMES.len() - 1);
        let mut setup = Setup::quiet(seed, people);
        setup.second_devices = dice.chance(250);
        setup.faults = faults(&mut dice);
        if dice.chance(300) {
            setup.skew = dice.between(Duration::from_secs(1), Duration::from_secs(36 * 3600));
        }
        Self { setup, actions: 10 + dice.index(30) }
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
            _ => (faults.server_crash, faults.server_full) = (2 + strength / 3, strength / 3),
        }
    }
    faults
}

/// A text that somebody asked to be sent.
#[derive(Clone, Debug)]
struct Text {
    command: CommandId,
    device: DeviceIx,
    /// Where to; `None` for a direct message, which finds its channel itself.
    channel: Option<ChannelId>,
}

/// A scenario under way.
pub struct Scenario {
    world: World,
    dice: Dice,
    plan: Plan,
    texts: BTreeMap<String, Text>,
    titles: Vec<String>,
    /// Invitations that somebody turned down, by person and sender.
    blocked: Vec<(usize, quicprochat_wire::AccountId)>,
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
        };
        scenario.act();
        let violations = match scenario.settle() {
            Err(unsettled) => unsettled,
            Ok(()) => scenario.violations(),
        };
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
}
