//! Processes of devices: inputs go in, transactions are committed, effects are carried out, and at any point they die.

use std::collections::BTreeSet;

use quicprochat_client_core::{Command, CommandId, Effect, Input, store::MemoryStore};
use quicprochat_wire::{
    Duration, Timestamp,
    mutant::{Mutant, is_on},
};

use super::{DeviceIx, Fate, Given, Happening, ProcessId, Runner, World, describe};
use crate::{chance::SeededEntropy, client::Client, server::Tag};

/// One engine on its device's store.
pub(super) struct Process {
    pub(super) device: DeviceIx,
    pub(super) runner: Runner,
    client: Box<dyn Client>,
    /// Its own handle on the device's store.
    store: MemoryStore,
    /// Which wake-up counts, and when it is due.
    tick: (u64, Option<Timestamp>),
    commands: BTreeSet<CommandId>,
}

impl World {
    /// Asks a device for something.
    pub fn give(&mut self, device: DeviceIx, command: Command, runner: Runner) -> CommandId {
        self.given += 1;
        let id = CommandId(self.given);
        if runner == Runner::Resident {
            let device = self.devices.get_mut(device.0).expect("a device of this world");
            match command {
                Command::Listen => device.listens = true,
                Command::StopListening => device.listens = false,
                _ => {}
            }
        }
        self.commands.insert(id, Given { device, command: command.clone(), fate: Fate::Open });
        let resident = self.device(device).resident;
        let process = match (runner, resident) {
            (Runner::Resident, Some(process)) => process,
            (Runner::Resident, None) => self.start(device, Runner::Resident),
            (Runner::OneShot, _) => self.start(device, Runner::OneShot),
        };
        // It may have died of its start.
        let Some(running) = self.processes.get_mut(&process) else {
            self.lose(id);
            return id;
        };
        running.commands.insert(id);
        self.deliver(process, Input::Command(id, command));
        id
    }

    /// Kills a device's processes, now; a resident one that listens comes back.
    pub fn kill(&mut self, device: DeviceIx) {
        for process in self.processes_of(device) {
            self.die(process, "is killed");
        }
    }

    pub(super) fn processes_of(&self, device: DeviceIx) -> Vec<ProcessId> {
        self.processes.iter().filter(|(_, process)| process.device == device).map(|(id, _)| *id).collect()
    }

    pub(super) fn is_online(&self, process: ProcessId) -> bool {
        self.processes.get(&process).is_some_and(|process| self.device(process.device).online)
    }

    pub(super) fn name_of(&self, process: ProcessId) -> String {
        match self.processes.get(&process) {
            Some(found) => {
                let name = &self.device(found.device).name;
                if found.runner == Runner::OneShot { format!("{name}+{}", process.0) } else { name.clone() }
            }
            None => format!("(gone {})", process.0),
        }
    }

    fn start(&mut self, device: DeviceIx, runner: Runner) -> ProcessId {
        self.started += 1;
        let id = ProcessId(self.started);
        let entropy = SeededEntropy::new("process", self.seed.wrapping_mul(100_000).wrapping_add(self.started));
        let client = (self.make)(Box::new(entropy));
        let store = self.device(device).store.another();
        let commands = BTreeSet::new();
        self.processes.insert(id, Process { device, runner, client, store, tick: (0, None), commands });
        if runner == Runner::Resident {
            self.devices.get_mut(device.0).expect("a device of this world").resident = Some(id);
        }
        self.deliver(id, Input::Start);
        id
    }

    /// A resident process that died starts again.
    pub(super) fn revive(&mut self, device: DeviceIx) {
        if self.device(device).listens {
            self.give(device, Command::Listen, Runner::Resident);
        }
    }

    pub(super) fn tick(&mut self, process: ProcessId, generation: u64) {
        let Some(found) = self.processes.get_mut(&process).filter(|found| found.tick.0 == generation) else { return };
        found.tick.1 = None;
        self.deliver(process, Input::Tick);
    }

    /// One input: one transaction, then the effects.
    pub(super) fn deliver(&mut self, id: ProcessId, input: Input) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        let skew = self.devices.get(process.device.0).map_or(0, |device| device.skew);
        let local = Timestamp(self.now.0.saturating_add_signed(skew));
        let quiet = matches!(input, Input::Tick);
        let words = describe::input(&input);
        let fails = self.deaths.chance(self.faults.client_commit);
        let mut too_early = false;
        let died_of = {
            let mut tx = process.store.begin().expect("one transaction at a time");
            match process.client.handle(local, input, &mut tx) {
                Err(error) => {
                    self.errors.push(format!("an engine gives up: {error}"));
                    Some(format!("dies: {error}"))
                }
                Ok(()) if fails && is_on(Mutant::SendBeforeCommit) => {
                    too_early = true;
                    None
                }
                Ok(()) if fails => Some("dies: its transaction fails".to_owned()),
                Ok(()) => {
                    tx.commit();
                    None
                }
            }
        };
        if !quiet || died_of.is_some() {
            let name = self.name_of(id);
            self.note(format_args!("{name}: {words}"));
        }
        match died_of {
            Some(why) => self.die(id, &why),
            None => self.carry_out(id),
        }
        if too_early {
            self.die(id, "dies: its transaction fails, after its effects");
        }
    }

    fn carry_out(&mut self, id: ProcessId) {
        loop {
            let Some(process) = self.processes.get_mut(&id) else { return };
            let Some(effect) = process.client.poll_effect() else { break };
            let words = describe::effect(&effect);
            if self.deaths.chance(self.faults.client_crash) {
                return self.die(id, &format!("dies before it could: {words}"));
            }
            let name = self.name_of(id);
            self.note(format_args!("{name} => {words}"));
            self.effect(id, effect);
        }
        self.schedule_tick(id);
    }

    fn effect(&mut self, id: ProcessId, effect: Effect) {
        match effect {
            Effect::Connect { kind } => self.dial(id, kind),
            Effect::Disconnect { kind } => self.disconnect(id, kind),
            Effect::Call { id: call, kind, request } => self.send(id, kind, Tag::Call(call), request),
            Effect::Subscribe { id: stream, kind, request } => self.send(id, kind, Tag::Stream(stream), request),
            Effect::Unsubscribe { id: stream } => self.unsubscribe(id, stream),
            Effect::Notify(event) => {
                let Some(process) = self.processes.get(&id) else { return };
                let device = process.device;
                self.devices.get_mut(device.0).expect("a device of this world").events.push(event);
            }
            Effect::CommandDone { id: command, result } => {
                if let Some(given) = self.commands.get_mut(&command) {
                    given.fate = Fate::Done(result);
                }
                let Some(process) = self.processes.get_mut(&id) else { return };
                process.commands.remove(&command);
                if process.runner == Runner::OneShot && process.commands.is_empty() {
                    self.end(id);
                }
            }
        }
    }

    /// Asks for the wake-up that the client wants now.
    fn schedule_tick(&mut self, id: ProcessId) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        let skew = self.devices.get(process.device.0).map_or(0, |device| device.skew);
        let due = process.client.poll_timeout();
        let due = due.map(|at| Timestamp(at.0.saturating_add_signed(-skew)).max(self.now));
        if due == process.tick.1 {
            return;
        }
        process.tick = (process.tick.0 + 1, due);
        let generation = process.tick.0;
        if let Some(at) = due {
            self.queue.put(at, Happening::Tick(id, generation));
        }
    }

    fn die(&mut self, id: ProcessId, why: &str) {
        let name = self.name_of(id);
        self.note(format_args!("{name} {why}"));
        let Some(process) = self.processes.get(&id) else { return };
        let (device, runner) = (process.device, process.runner);
        self.end(id);
        if runner == Runner::Resident {
            let wait = self.deaths.between(Duration::from_millis(50), Duration::from_secs(5));
            self.after(wait, Happening::Revive(device));
        }
    }

    /// A process is over, for whatever reason.
    fn end(&mut self, id: ProcessId) {
        let Some(process) = self.processes.remove(&id) else { return };
        for command in process.commands {
            self.lose(command);
        }
        let device = self.devices.get_mut(process.device.0).expect("a device of this world");
        if device.resident == Some(id) {
            device.resident = None;
        }
        self.drop_conns_of(id);
    }

    fn lose(&mut self, command: CommandId) {
        if let Some(given) = self.commands.get_mut(&command).filter(|given| given.fate == Fate::Open) {
            given.fate = Fate::Lost;
        }
    }
}
