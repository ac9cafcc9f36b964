//! The real server and the real terminal client, in a scratch folder of their own.
//!
//! ```text
//!   let binaries = Binaries::build(Profile::Dev, &deadline)?;
//!   let mut sandbox = Sandbox::new(binaries)?;
//!   sandbox.start_server()?;
//!   let alice = sandbox.person("alice")?;
//!   sandbox.register(&alice)?;
//!   sandbox.qpc(&alice, &["send", "picnic", "hello"])?.expect_done()?;
//!   sandbox.kill_server()?;                    // as a loss of power would
//!   sandbox.start_server()?;                   // on the same port, so links stay valid
//! ```
//!
//! Programs see no environment but a path and the scratch folder as their home. Everything is killed and removed when
//! the sandbox is dropped, also by a panic or a signal.

mod binaries;
mod events;
mod person;

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

pub(crate) use binaries::{Binaries, Profile};
pub(crate) use events::{Event, Reply};
pub(crate) use person::Person;

use crate::process::capture::capture;
use crate::process::cleanup::Scratch;
use crate::process::running::Running;

/// How long any single command of ours, or the server's start or end, may take.
const PATIENCE: Duration = Duration::from_secs(90);
/// What the server prints before its link once it accepts connections.
const READY: &str = "ready ";

/// A scratch folder with a server's data, people's homes, and the programs that run on them.
pub(crate) struct Sandbox {
    binaries: Binaries,
    server: Option<Running>,
    link: Option<String>,
    /// Where the server listens at its first start; any free port if nothing is said.
    listen: Option<String>,
    /// Further arguments of the server.
    server_arguments: Vec<String>,
    /// The server's data folder.
    server_dir: PathBuf,
    /// Variables of programs that work below a folder.
    environments: Vec<(PathBuf, Vec<(OsString, OsString)>)>,
    // Last, so that the folder goes after the programs that use it.
    scratch: Scratch,
}

impl Sandbox {
    /// An empty scratch folder; nothing runs yet.
    pub(crate) fn new(binaries: Binaries) -> Result<Self> {
        let scratch = Scratch::new("qpc-sandbox-")?;
        Ok(Self {
            binaries,
            server: None,
            link: None,
            listen: None,
            server_arguments: Vec::new(),
            server_dir: scratch.path().join("server"),
            environments: Vec::new(),
            scratch,
        })
    }

    /// Moves the server's data, which is not there yet, to another folder.
    pub(crate) fn server_lives_in(&mut self, folder: PathBuf) {
        self.server_dir = folder;
    }

    /// Where the server listens from its first start on.
    pub(crate) fn server_listens_on(&mut self, address: &str) {
        self.listen = Some(address.to_owned());
    }

    /// By how much the clock of programs on the server's data is wrong from now on, as `faketime` takes it (`-30d`).
    ///
    /// `faketime` itself would stand between us and the server, and take its signals.
    pub(crate) fn server_has_clock(&mut self, off: &str) -> Result<()> {
        let mut command = self.program_by_wrong_clock(Path::new("env"), &self.server_dir, off);
        let output = capture(&mut command, PATIENCE)?;
        ensure!(output.status.success(), "faketime ended with {}", output.status);
        let text = String::from_utf8(output.stdout).context("no UTF-8")?;
        let set = ["LD_PRELOAD", "FAKETIME", "FAKETIME_DONT_FAKE_MONOTONIC"];
        let variables = text.lines().filter_map(|line| line.split_once('='));
        let variables = variables.filter(|(name, _)| set.contains(name));
        let variables: Vec<(OsString, OsString)> = variables.map(|(name, value)| (name.into(), value.into())).collect();
        ensure!(variables.len() == set.len(), "faketime sets {variables:?} only");
        let folder = self.server_dir.clone();
        self.set_environment(&folder, variables);
        Ok(())
    }

    /// Gives programs whose home or data is below a folder these variables from now on.
    pub(crate) fn set_environment(&mut self, folder: &Path, variables: Vec<(OsString, OsString)>) {
        self.environments.push((folder.to_owned(), variables));
    }

    /// Gives the server further arguments from its next start on.
    pub(crate) fn server_takes(&mut self, arguments: &[&str]) {
        self.server_arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    }

    /// The link of the server, once it was started.
    pub(crate) fn link(&self) -> Result<&str> {
        self.link.as_deref().context("the server was never started")
    }

    /// A folder of its own in the scratch folder.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.scratch.path().join("folders").join(name);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// The programs, for another sandbox.
    pub(crate) fn binaries(&self) -> Binaries {
        self.binaries.clone()
    }

    /// Where the programs are.
    pub(crate) fn programs(&self) -> Result<&Path> {
        self.binaries.client.parent().context("a program lies in a folder")
    }

    /// Another device of a person.
    pub(crate) fn device(&self, person: &Person, device: &str) -> Result<Person> {
        person.with_device(self.scratch.path(), device)
    }

    /// Runs `qpc-server` beside the running server, as an administrator does; what it prints.
    pub(crate) fn administer(&self, arguments: &[&str]) -> Result<String> {
        let mut command = self.program(&self.binaries.server, &self.server_dir);
        let output = capture(command.args(arguments).arg("--data-dir").arg(self.server_dir()), PATIENCE)?;
        let problem = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "qpc-server {} ended with {}: {problem}", arguments.join(" "), output.status);
        String::from_utf8(output.stdout).context("no UTF-8")
    }

    /// Starts the server on its data folder and waits until it accepts connections; the first time on any free port,
    /// then always on the same one.
    pub(crate) fn start_server(&mut self) -> Result<&str> {
        ensure!(self.server.is_none(), "the server runs already");
        let first = self.listen.as_deref().unwrap_or("127.0.0.1:0");
        let listen = self.link.as_deref().map_or(Ok(first), address)?.to_owned();
        let log = File::options().create(true).append(true).open(self.server_log())?;
        let mut command = self.program(&self.binaries.server, &self.server_dir);
        command
            .arg("--data-dir")
            .arg(self.server_dir())
            .args(["--listen", &listen])
            .args(&self.server_arguments)
            .stderr(log);
        let server = Running::start(&mut command)?;
        let link = match server.next_line(PATIENCE)? {
            Some(line) => {
                line.strip_prefix(READY).map(str::to_owned).with_context(|| format!("the server said: {line}"))?
            }
            None => bail!("the server ended before it was ready:\n{}", self.tail_of_log()),
        };
        if let Some(known) = &self.link {
            ensure!(*known == link, "the server's link changed from {known} to {link}");
        }
        self.server = Some(server);
        Ok(self.link.insert(link))
    }

    /// Asks the server to end and waits for it.
    ///
    /// Errors: its exit code is not 0.
    pub(crate) fn stop_server(&mut self) -> Result<()> {
        let status = self.server.take().context("the server does not run")?.terminate(PATIENCE)?;
        ensure!(status.success(), "the server ended with {status}:\n{}", self.tail_of_log());
        Ok(())
    }

    /// Kills the server (SIGKILL) and waits until it is gone.
    pub(crate) fn kill_server(&mut self) -> Result<()> {
        let status = self.server.take().context("the server does not run")?.kill(PATIENCE)?;
        ensure!(status.code().is_none(), "the server had ended by itself with {status}:\n{}", self.tail_of_log());
        Ok(())
    }

    /// Asks the server to end and goes on meanwhile.
    pub(crate) fn ask_server_to_end(&self) -> Result<()> {
        self.server.as_ref().context("the server does not run")?.ask_to_end();
        Ok(())
    }

    /// Kills the server, unless it has just ended by itself.
    pub(crate) fn kill_ending_server(&mut self) -> Result<()> {
        self.server.take().context("the server does not run")?.kill(PATIENCE).map(drop)
    }

    /// Every row of the server's database, decrypted, one JSON object a line. The server must be down.
    pub(crate) fn dump(&self) -> Result<String> {
        ensure!(self.server.is_none(), "stop the server before its database is dumped");
        let mut command = self.program(&self.binaries.server, &self.server_dir);
        command.arg("dump").arg("--data-dir").arg(self.server_dir());
        let output = capture(&mut command, PATIENCE)?;
        let problem = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "qpc-server dump ended with {}: {problem}", output.status);
        String::from_utf8(output.stdout).context("the dump is no UTF-8")
    }

    /// A person with a home and a password; no account yet.
    pub(crate) fn person(&self, name: &str) -> Result<Person> {
        Person::new(self.scratch.path(), name)
    }

    /// Registers a person on the server.
    pub(crate) fn register(&self, person: &Person) -> Result<()> {
        let link = self.link.as_deref().context("the server was never started")?;
        let password = person.password_file();
        let password = password.to_str().context("the scratch folder's path is UTF-8")?;
        self.qpc(person, &["register", person.name(), "--server", link, "--password-file", password])?.expect_done()?;
        Ok(())
    }

    /// Runs a person's client to its end. How it ended is in the reply.
    pub(crate) fn qpc(&self, person: &Person, arguments: &[&str]) -> Result<Reply> {
        let output = capture(&mut self.client(person, arguments), PATIENCE)?;
        Reply::parse(format!("{}: qpc {}", person.name(), arguments.join(" ")), &output)
    }

    /// Starts a person's client and leaves it running.
    pub(crate) fn start_qpc(&self, person: &Person, arguments: &[&str]) -> Result<Running> {
        let log = File::options().create(true).append(true).open(self.scratch.path().join("clients.log"))?;
        Running::start(self.client(person, arguments).stderr(log))
    }

    /// Starts a person's client that is going to be told something on its standard input.
    pub(crate) fn talk_to_qpc(&self, person: &Person, arguments: &[&str]) -> Result<Running> {
        let log = File::options().create(true).append(true).open(self.scratch.path().join("clients.log"))?;
        Running::start_talking(self.client(person, arguments).stderr(log))
    }

    /// The server's data folder.
    pub(crate) fn server_dir(&self) -> PathBuf {
        self.server_dir.clone()
    }

    /// What the server logged in all its lives.
    pub(crate) fn server_log(&self) -> PathBuf {
        self.scratch.path().join("server.log")
    }

    fn client(&self, person: &Person, arguments: &[&str]) -> Command {
        let home = person.home();
        let mut command = match person.clock_off() {
            None => self.program(&self.binaries.client, &home),
            Some(off) => self.program_by_wrong_clock(&self.binaries.client, &home, off),
        };
        command.arg("--home").arg(home).arg("--json").args(arguments);
        command
    }

    /// Timers go by the monotonic clock, which nobody sets.
    fn program_by_wrong_clock(&self, binary: &Path, folder: &Path, off: &str) -> Command {
        let mut command = self.program(Path::new("faketime"), folder);
        command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").args(["-f", off]).arg(binary);
        command
    }

    /// A program that works in a folder.
    fn program(&self, binary: &Path, folder: &Path) -> Command {
        let mut command = Command::new(binary);
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.scratch.path())
            .current_dir(self.scratch.path());
        for (_, variables) in self.environments.iter().filter(|(above, _)| folder.starts_with(above)) {
            command.envs(variables.iter().map(|(name, value)| (name, value)));
        }
        command
    }

    /// The last lines that the server logged.
    pub(crate) fn tail_of_log(&self) -> String {
        const LINES: usize = 20;
        let log = fs::read_to_string(self.server_log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default().join("\n")
    }
}

/// `HOST:PORT` of `qpc://HOST:PORT/#FINGERPRINT`.
fn address(link: &str) -> Result<&str> {
    let rest = link.strip_prefix("qpc://").and_then(|rest| rest.split_once('/'));
    rest.map(|(address, _)| address).with_context(|| format!("{link} is no link to a server"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_holds_an_address() {
        assert_eq!(address("qpc://127.0.0.1:4433/#abc").unwrap(), "127.0.0.1:4433");
        assert!(address("https://127.0.0.1/").is_err());
    }

    #[test]
    fn a_program_that_is_no_server_is_an_error_that_quotes_it() {
        let binaries = Binaries { server: PathBuf::from("/bin/echo"), client: PathBuf::from("/bin/false") };
        let error = Sandbox::new(binaries).unwrap().start_server().unwrap_err().to_string();
        assert!(error.contains("the server said: --data-dir"), "{error}");
    }

    #[test]
    fn a_client_that_fails_is_a_reply_and_not_an_error() {
        let binaries = Binaries { server: PathBuf::from("/bin/false"), client: PathBuf::from("/bin/false") };
        let sandbox = Sandbox::new(binaries).unwrap();
        let alice = sandbox.person("alice").unwrap();
        assert_eq!(sandbox.qpc(&alice, &["sync"]).unwrap().code, 1);
    }

    #[test]
    fn the_folder_is_gone_with_the_sandbox() {
        let binaries = Binaries { server: PathBuf::from("/bin/false"), client: PathBuf::from("/bin/false") };
        let sandbox = Sandbox::new(binaries).unwrap();
        let home = sandbox.person("alice").unwrap().home().to_owned();
        assert!(home.is_dir());
        drop(sandbox);
        assert!(!home.exists());
    }
}
