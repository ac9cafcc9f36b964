//! A server and people, each with a disk of its own, and the cut.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use quicprochat_powerloss::{Chance, Disk, Held};

use super::load::{self, CONVERSATION, Deed, GUEST, Promises};
use super::report::Report;
use super::verdict;
use crate::sandbox::{Binaries, Person, Sandbox};
use crate::trials;

/// Who writes.
const NAMES: [&str; 3] = ["alice", "bob", "carol"];
/// Messages that each of them sends around a cut.
const SENDS: usize = 3;
/// Promises are compared after so many cuts: a promise must survive all cuts that follow it.
const CUTS_PER_VERDICT: usize = 5;
/// A cut comes at most this long after the load has begun.
const LONGEST: Duration = Duration::from_millis(1000);
/// The same for somebody who registers, which takes longer.
const LONGEST_REGISTRATION: Duration = Duration::from_secs(6);
/// How long a cut waits for a moment in which something is not synced.
const LURKING: Duration = Duration::from_secs(1);
/// How long a command may take, with a server that comes back meanwhile.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long a person waits who then gives up.
const IMPATIENCE: Duration = Duration::from_secs(4);

/// A server and people.
pub(super) struct World {
    sandbox: Sandbox,
    layer: PathBuf,
    server: Disk,
    people: Vec<Person>,
    disks: Vec<Disk>,
    promises: Promises,
    chance: Chance,
}

/// Whose power goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    Server,
    /// One client, by its place.
    Client(usize),
    All,
    /// Somebody who registers just then, perhaps with the server.
    Newcomer {
        with_server: bool,
    },
}

impl World {
    /// Starts a server, registers people, and lets them meet. No power goes meanwhile; disks that lie begin to do so afterwards.
    pub(super) fn new(binaries: Binaries, layer: &Path, seed: u64, lying: bool) -> Result<Self> {
        let mut sandbox = Sandbox::new(binaries)?;
        let folder = sandbox.folder("sam")?;
        let server = preload(&mut sandbox, layer, &folder, "sam")?;
        sandbox.server_lives_in(folder.join("data"));
        sandbox.start_server()?;
        let mut world = Self {
            sandbox,
            layer: layer.to_owned(),
            server,
            people: Vec::new(),
            disks: Vec::new(),
            promises: Promises { guest_is_in: Some(false), ..Promises::default() },
            chance: Chance::of_seed(seed),
        };
        for name in NAMES {
            let (person, disk) = world.person(name)?;
            world.sandbox.register(&person)?;
            world.people.push(person);
            world.disks.push(disk);
        }
        let guest = world.sandbox.person(GUEST)?;
        world.sandbox.register(&guest)?;
        trials::group(&world.sandbox, CONVERSATION, &world.people.iter().collect::<Vec<_>>())?;
        if lying {
            world.disks.iter_mut().chain([&mut world.server]).try_for_each(Disk::begin_to_lie)?;
        }
        Ok(world)
    }

    /// Load, a cut, and what is left; in a few words.
    ///
    /// Errors: a promise was broken, or a command failed that should have worked.
    pub(super) fn cut_once(&mut self, number: usize, report: &mut Report) -> Result<String> {
        let cut = self.choose(number);
        let mut deeds = self.begin(number)?;
        let newcomer = match cut {
            Cut::Newcomer { .. } => {
                let (person, disk) = self.person(&format!("new{number}"))?;
                self.people.push(person.clone());
                self.disks.push(disk);
                let who = self.people.len() - 1;
                deeds.push(Deed::register(&self.sandbox, who, &person)?);
                Some(who)
            }
            Cut::Server | Cut::Client(_) | Cut::All => None,
        };
        let before = (report.acknowledged, report.loss);
        // Not to wait for something, but to cut at a random moment.
        let longest = if newcomer.is_some() { LONGEST_REGISTRATION } else { LONGEST };
        thread::sleep(longest.mul_f64(self.chance.up_to(1000) as f64 / 1000.0));
        let registered = self.cut(cut, newcomer, deeds, report)?;
        if let Some(who) = newcomer {
            self.newcomer_goes_on(who, registered, report)?;
            self.people.truncate(NAMES.len());
            self.disks.truncate(NAMES.len());
        }
        if let Cut::Client(who) = cut {
            self.goes_on(who, report)?;
        }
        if cut == Cut::All {
            (0..NAMES.len()).try_for_each(|who| self.goes_on(who, report))?;
        }
        if (number + 1).is_multiple_of(CUTS_PER_VERDICT) {
            verdict::pass(&self.sandbox, &self.people, &self.promises, report)?;
        }
        Ok(format!(
            "{cut:?}: {} acknowledged, {} of {} unsynced writes and {} of {} names forgotten",
            report.acknowledged - before.0,
            report.loss.forgotten - before.1.forgotten,
            report.loss.unsynced - before.1.unsynced,
            report.loss.forgotten_names - before.1.forgotten_names,
            report.loss.unsynced_names - before.1.unsynced_names,
        ))
    }

    /// Everybody still writes, every disk is as its journal says, and the server ends as it should.
    pub(super) fn end(&mut self, report: &mut Report) -> Result<()> {
        verdict::pass(&self.sandbox, &self.people, &self.promises, report)?;
        for person in &self.people {
            self.sandbox.qpc(person, &["send", CONVERSATION, &format!("{} goes on", person.name())])?.expect_done()?;
        }
        self.sandbox.stop_server()?;
        for disk in self.disks.iter_mut().chain([&mut self.server]) {
            let mut held = disk.hold()?;
            disk.check(&mut held)?;
        }
        Ok(())
    }

    /// What the programs logged last, for whoever looks into a failure.
    pub(super) fn last_words(&self) -> String {
        format!("server: {}", self.sandbox.tail_of_log())
    }

    fn choose(&mut self, number: usize) -> Cut {
        match self.chance.up_to(9) {
            0..=3 => Cut::Server,
            4..=6 => Cut::Client(number % NAMES.len()),
            7..=8 => Cut::All,
            _ => Cut::Newcomer { with_server: self.chance.coin() },
        }
    }

    /// Everybody sends; every other time the group changes meanwhile.
    fn begin(&mut self, number: usize) -> Result<Vec<Deed>> {
        let alice = self.people.first().context("alice is there")?;
        let invites = if self.chance.coin() { Some(!verdict::has_guest(&self.sandbox, alice)?) } else { None };
        let mut deeds = Vec::new();
        for turn in 0..SENDS {
            for (who, person) in self.people.iter().enumerate() {
                let text = format!("{} {number}.{turn}", person.name());
                deeds.push(Deed::send(&self.sandbox, who, person, text)?);
            }
            if let Some(invites) = invites.filter(|_| turn == 0) {
                deeds.push(Deed::change(&self.sandbox, 0, alice, invites)?);
            }
        }
        Ok(deeds)
    }

    /// Takes the power, puts back what is left, and starts the server again; whether a newcomer was told to be registered.
    fn cut(&mut self, cut: Cut, newcomer: Option<usize>, deeds: Vec<Deed>, report: &mut Report) -> Result<bool> {
        let server_goes = matches!(cut, Cut::Server | Cut::All | Cut::Newcomer { with_server: true });
        let goes = |who: usize| match cut {
            Cut::Server => false,
            Cut::Client(one) => who == one,
            Cut::All => true,
            Cut::Newcomer { .. } => Some(who) == newcomer,
        };
        let ends = cut == Cut::Server && self.chance.up_to(2) == 0;
        if ends {
            // The moment in which it moves its log into its database.
            self.sandbox.ask_server_to_end()?;
        }
        let (mut held_server, mut held) = (None, Vec::new());
        if ends || self.chance.coin() {
            let victim = (0..self.disks.len()).find(|who| goes(*who)).filter(|_| !server_goes || self.chance.coin());
            match victim {
                Some(who) => held.push((who, lurk(self.disks.get_mut(who).context("everybody has a disk")?)?)),
                None => held_server = Some(lurk(&mut self.server)?),
            }
        }
        if server_goes && held_server.is_none() {
            held_server = Some(self.server.hold()?);
        }
        for (who, disk) in self.disks.iter().enumerate() {
            if goes(who) && held.iter().all(|(other, _)| *other != who) {
                held.push((who, disk.hold()?));
            }
        }
        let (dying, living): (Vec<Deed>, Vec<Deed>) = deeds.into_iter().partition(|deed| goes(deed.who));
        let mut registered = false;
        if ends {
            self.sandbox.kill_ending_server()?;
        } else if server_goes {
            self.sandbox.kill_server()?;
        }
        for deed in dying {
            let is_newcomer = Some(deed.who) == newcomer;
            registered |= deed.end(Duration::ZERO, &mut self.promises, report)? && is_newcomer;
        }
        if let Some(held) = held_server {
            report.loss.add(self.server.cut(held, &mut self.chance).context("the server's disk")?);
        }
        for (who, held) in held {
            let disk = self.disks.get_mut(who).context("everybody has a disk")?;
            report.loss.add(disk.cut(held, &mut self.chance).with_context(|| format!("the disk of client {who}"))?);
        }
        let count = match cut {
            Cut::Server => 0,
            Cut::Client(_) => 1,
            Cut::All => 2,
            Cut::Newcomer { .. } => 3,
        };
        if let Some(count) = report.cuts.get_mut(count) {
            *count += 1;
        }
        // The others see the server return while they still try, or give up before.
        let early = self.chance.coin();
        if server_goes && early {
            self.start_again(report)?;
        }
        // Clients notice late that their server died. Mostly nobody waits so long; what was queued must arrive all the same.
        let patience = if server_goes && self.chance.up_to(7) > 0 { IMPATIENCE } else { PATIENCE };
        for deed in living {
            deed.end(patience, &mut self.promises, report)?;
        }
        if server_goes && !early {
            self.start_again(report)?;
        }
        Ok(registered)
    }

    fn start_again(&mut self, report: &mut Report) -> Result<()> {
        let started = self.sandbox.start_server().map(drop);
        report.failed_commands += usize::from(started.is_err());
        started.context("the server does not start again")
    }

    /// The next command of somebody whose power went.
    fn goes_on(&self, who: usize, report: &mut Report) -> Result<()> {
        let person = self.people.get(who).context("who was cut is there")?;
        let done = self.sandbox.qpc(person, &["sync"])?.expect_done().map(drop);
        report.failed_commands += usize::from(done.is_err());
        done.context("the next command after a cut")
    }

    /// Who was told to be registered has an account; who was not can register now.
    fn newcomer_goes_on(&self, who: usize, registered: bool, report: &mut Report) -> Result<()> {
        let person = self.people.get(who).context("the newcomer is there")?;
        let whoami = self.sandbox.qpc(person, &["whoami"])?;
        if registered {
            report.lost += usize::from(whoami.code != 0);
            ensure!(whoami.code == 0, "an account is lost: {}", whoami.log);
        } else if whoami.code != 0 {
            let again = load::registration(&self.sandbox, person)?;
            let done = self.sandbox.qpc(person, &load::as_text(&again))?.expect_done().map(drop);
            report.failed_commands += usize::from(done.is_err());
            done.context("registering again after a cut")?;
        }
        self.goes_on(who, report)
    }

    fn person(&mut self, name: &str) -> Result<(Person, Disk)> {
        let person = self.sandbox.person(name)?;
        // The client makes it, and is responsible for its name, too.
        fs::remove_dir(person.home())?;
        let folder = person.home().parent().context("a home is in a folder")?.to_owned();
        let disk = preload(&mut self.sandbox, &self.layer, &folder, name)?;
        Ok((person, disk))
    }
}

/// Holds a disk in a moment in which something on it was just done and is not synced, or after long enough.
fn lurk(disk: &mut Disk) -> Result<Held> {
    let end = Instant::now() + LURKING;
    // What nobody ever syncs, as a lock file, is no such moment.
    let mut least = usize::MAX;
    loop {
        let mut held = disk.hold()?;
        let unsynced = disk.unsynced(&mut held)?;
        if unsynced > least || Instant::now() > end {
            return Ok(held);
        }
        least = unsynced;
        drop(held);
        // No event tells of it: to look again and again is the point.
        thread::sleep(Duration::from_micros(200));
    }
}

/// A disk in a folder, and the layer for all programs on it.
fn preload(sandbox: &mut Sandbox, layer: &Path, folder: &Path, name: &str) -> Result<Disk> {
    let journal = sandbox.folder("journals")?.join(name);
    let disk = Disk::new(folder, &journal)?;
    let mut variables = vec![("LD_PRELOAD".into(), layer.as_os_str().to_owned())];
    variables.extend(disk.environment().map(|(name, value)| (name.into(), value.as_os_str().to_owned())));
    sandbox.set_environment(folder, variables);
    Ok(disk)
}
