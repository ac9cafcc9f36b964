//! A real `qpc-server`, started and stopped.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    time::Duration,
};

use quicprochat_wire::ServerLink;

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The program, with nothing of our environment that it listens to.
pub(crate) fn qpc_server(data: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qpc-server"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("QPC_SERVER_") {
            command.env_remove(name);
        }
    }
    command.arg("--data-dir").arg(data).args(args).stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub(crate) struct Outcome {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

pub(crate) fn run(mut command: Command) -> Outcome {
    let output = command.output().expect("runs");
    Outcome {
        status: output.status,
        stdout: String::from_utf8(output.stdout).expect("text"),
        stderr: String::from_utf8(output.stderr).expect("text"),
    }
}

/// A server that accepts connections. Killed when dropped.
pub(crate) struct Running {
    child: Child,
    pub(crate) link: ServerLink,
    pub(crate) ready_line: String,
    rest: mpsc::Receiver<String>,
    log: mpsc::Receiver<String>,
    logged: String,
}

impl Running {
    /// Starts it on a free port of this machine and waits for its ready line.
    pub(crate) fn start(data: &Path, args: &[&str]) -> Self {
        Self::start_command(qpc_server(data, &[&["--listen", "127.0.0.1:0"], args].concat()))
    }

    pub(crate) fn start_command(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        let (first_sender, first) = mpsc::channel();
        let (rest_sender, rest) = mpsc::channel();
        let (log_sender, log) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            drop(stdout.read_line(&mut line));
            drop(first_sender.send(line));
            let mut text = String::new();
            drop(stdout.read_to_string(&mut text));
            drop(rest_sender.send(text));
        });
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                drop(log_sender.send(line));
            }
        });
        let ready_line = first.recv_timeout(PATIENCE).expect("a first line in time");
        let Some(link) = ready_line.trim_end().strip_prefix("ready ").and_then(|link| link.parse().ok()) else {
            drop(child.kill());
            panic!("not a ready line: {ready_line:?}; {:?}", log.iter().collect::<Vec<_>>());
        };
        Self { child, link, ready_line, rest, log, logged: String::new() }
    }

    /// Waits for a log line that contains `text`.
    pub(crate) fn wait_for_log(&mut self, text: &str) {
        loop {
            let line = self.log.recv_timeout(PATIENCE).expect("the line in time");
            self.logged.push_str(&line);
            self.logged.push('\n');
            if line.contains(text) {
                return;
            }
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw).expect("a process");
        rustix::process::kill_process(pid, signal).expect("delivered");
    }

    /// Kills it without warning.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }

    /// Waits for its end; hands back its status, the rest of its output, and its log.
    pub(crate) fn wait(mut self) -> Outcome {
        let stdout = self.rest.recv_timeout(PATIENCE).expect("it ends in time");
        let status = self.child.wait().expect("gone");
        let mut stderr = core::mem::take(&mut self.logged);
        stderr.extend(self.log.iter().flat_map(|line| [line, "\n".to_owned()]));
        Outcome { status, stdout, stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
