//! The live processes below a process, read from `/proc`.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, getpid, kill_process, pidfd_open};

/// A process and the command line it was started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    /// Its id.
    pub(crate) pid: Pid,
    /// The process group it is in.
    pub(crate) group: i32,
    /// Its command line, arguments separated by blanks.
    pub(crate) command: String,
}

/// Every live process below this one, zombies excluded.
pub(crate) fn of_this_process() -> Vec<Process> {
    let children = children_by_parent();
    let mut found = Vec::new();
    let mut queue = vec![getpid()];
    while let Some(parent) = queue.pop() {
        for child in children.get(&parent.as_raw_nonzero().get()).into_iter().flatten() {
            found.push(Process { pid: child.pid, group: child.group, command: command_line(child.pid) });
            queue.push(child.pid);
        }
    }
    found
}

/// Waits until no process that `of_interest` picks is left, at most `patience`; what then is left is returned.
pub(crate) fn wait_until_gone(patience: Duration, of_interest: impl Fn(&Process) -> bool) -> Vec<Process> {
    let end = Instant::now() + patience;
    loop {
        let left: Vec<Process> = of_this_process().into_iter().filter(&of_interest).collect();
        let Some(first) = left.first() else { return left };
        let remaining = end.saturating_duration_since(Instant::now());
        if remaining.is_zero() {
            return left;
        }
        wait_for_end(first.pid, remaining);
    }
}

/// Kills everything below this process.
pub(crate) fn kill_all() {
    loop {
        let left = of_this_process();
        if left.is_empty() {
            return;
        }
        for process in left {
            // A process that ended meanwhile is what we want.
            if kill_process(process.pid, Signal::KILL).is_ok() {
                wait_for_end(process.pid, Duration::from_secs(1));
            }
        }
    }
}

/// Returns when `pid` has ended or `patience` has passed.
fn wait_for_end(pid: Pid, patience: Duration) {
    let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { return };
    let Ok(timeout) = Timespec::try_from(patience) else { return };
    let mut handles = [PollFd::new(&handle, PollFlags::IN)];
    while poll(&mut handles, Some(&timeout)) == Err(Errno::INTR) {}
}

fn children_by_parent() -> BTreeMap<i32, Vec<Child>> {
    let mut children: BTreeMap<i32, Vec<Child>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw) else {
            continue;
        };
        // A process may end while we read; then it is no descendant any more.
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        if let Some(Stat { state, parent, group }) = parse_stat(&stat)
            && !matches!(state, "Z" | "X")
        {
            children.entry(parent).or_default().push(Child { pid, group });
        }
    }
    children
}

struct Child {
    pid: Pid,
    group: i32,
}

#[derive(Debug, PartialEq, Eq)]
struct Stat<'a> {
    state: &'a str,
    parent: i32,
    group: i32,
}

/// Fields 3 to 5 of `/proc/PID/stat`; field 2 is a name in parentheses that may hold anything.
fn parse_stat(stat: &str) -> Option<Stat<'_>> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    Some(Stat { state: fields.next()?, parent: fields.next()?.parse().ok()?, group: fields.next()?.parse().ok()? })
}

fn command_line(pid: Pid) -> String {
    let raw = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
    String::from_utf8_lossy(&raw).replace('\0', " ").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_fields_behind_a_name_with_parentheses() {
        assert_eq!(parse_stat("12 (a) b) S 7 12 3"), Some(Stat { state: "S", parent: 7, group: 12 }));
        assert_eq!(parse_stat("nonsense"), None);
    }

    #[test]
    fn finds_a_child_while_it_lives_and_not_after() {
        let mut child = std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let pid = Pid::from_child(&child);
        let is_found = || of_this_process().iter().any(|process| process.pid == pid);
        let found_alive = is_found();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found_alive);
        assert!(!is_found());
    }
}
