//! `qpc-server backup`, `restore` and `check`.

use std::{
    env,
    fs::File,
    io::{self, IsTerminal as _, Read, Write as _},
    path::Path,
    process::ExitCode,
};

use quicprochat_server_core::Recovery;
use quicprochat_transport::ServerIdentity;
use quicprochat_wire::Timestamp;
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{BackupError, Faults, Summary, check_backup, check_restored, create, restore_backup};
use crate::{
    cli::{BackupArgs, CheckArgs, RestoreArgs, STREAM},
    command::existing,
    config::{Config, Layers},
    run,
    store::{dump, recovery, sound},
    system,
};

/// Of a store with faults.
const WHAT_TO_DO: &str = "keep a copy of the data directory, and restore the newest backup that `qpc-server check FILE` finds \
                          sound. Where only counts are wrong, or rows belong to nothing, no message is lost: the server may go on \
                          until then, and limits are judged by the wrong counts";

/// `qpc-server backup`
///
/// Errors:   the output's; whatever is wrong with store or file is told and becomes the exit code.
pub fn backup(config: &Config, layers: &Layers, args: &BackupArgs) -> anyhow::Result<ExitCode> {
    let store = existing(config, layers)?;
    let server_key = config.data_dir.join("server.key");
    let mut progress = Progress::new("written");
    let mut show = |done, total| progress.show(done, total);
    if args.path.as_os_str() == STREAM {
        let written = create::write(&store, &server_key, io::stdout().lock(), &mut show);
        let written = written.and_then(|(mut out, summary)| {
            out.flush().map_err(|source| BackupError::Stream { writing: true, source })?;
            Ok(summary)
        });
        progress.end();
        // Standard output is the backup itself.
        return match written {
            Ok(summary) => {
                writeln!(io::stderr().lock(), "qpc-server: wrote {}", counted(&summary))?;
                Ok(ExitCode::SUCCESS)
            }
            Err(error) => fail(&error, false),
        };
    }
    let path =
        if args.path.is_dir() { create::name_in(&args.path, OffsetDateTime::now_utc()) } else { args.path.clone() };
    let made = create(&store, &server_key, &path, args.replace, &mut show);
    progress.end();
    match made {
        Ok(summary) => {
            let text = format!(
                "wrote {}: {}. Whoever reads the file can pretend to be this server: keep it as you keep its data directory",
                path.display(),
                counted(&summary)
            );
            tell(args.json, "backup", object(&path, &summary), &text)
        }
        Err(error) => fail(&error, args.json),
    }
}

/// `qpc-server restore`
///
/// Errors:   as [`backup`].
pub fn restore(config: &Config, layers: &Layers, args: &RestoreArgs) -> anyhow::Result<ExitCode> {
    let mut progress = Progress::new("read");
    let key = |store: &Path, file: &Path| run::store_key(config, layers, store, file);
    let faults = if args.despite_faults { Faults::Told } else { Faults::Refused };
    let restored = open(&args.file).and_then(|(input, total)| {
        restore_backup(&config.data_dir, input, total, faults, key, &mut |done, total| progress.show(done, total))
    });
    progress.end();
    match restored {
        Ok(summary) => {
            let waits = if config.recovery.0 == 0 {
                String::new()
            } else {
                format!(", and for {} after the first start nothing new is written before", config.recovery)
            };
            let text = format!(
                "restored {} of {} into {}: {}. What came after that is gone from the server: clients that know more of a \
                 conversation offer it again{waits}; what was revoked since must be revoked again",
                args.file.display(),
                made(&summary),
                config.data_dir.display(),
                counted(&summary),
            );
            for fault in summary.faults.iter().filter(|_| !args.json) {
                writeln!(io::stderr().lock(), "qpc-server: put in place all the same: {fault}")?;
            }
            let mut said = object(&args.file, &summary);
            if let Some(fields) = said.as_object_mut() {
                fields.insert("faults".to_owned(), json!(summary.faults));
            }
            tell(args.json, "restored", said, &text)
        }
        Err(error) => fail(&error, args.json),
    }
}

/// `qpc-server check`
///
/// Errors:   as [`backup`].
pub fn check(config: &Config, layers: &Layers, args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let Some(file) = &args.file else { return check_data(config, layers, args.json) };
    let mut progress = Progress::new("read");
    let checked = open(file).and_then(|(input, total)| {
        let mut show = |done, total| progress.show(done, total);
        if args.quick {
            check_backup(input, total, &mut show)
        } else {
            check_restored(&env::temp_dir(), input, total, &mut show)
        }
    });
    progress.end();
    match checked {
        Ok(summary) => {
            let sound = if args.quick { "whole" } else { "whole, and its store is sound" };
            let text = format!("{} is {sound}: a backup of {}, {}", file.display(), made(&summary), counted(&summary));
            tell(args.json, "backup", object(file, &summary), &text)
        }
        Err(error) => fail(&error, args.json),
    }
}

fn check_data(config: &Config, layers: &Layers, json: bool) -> anyhow::Result<ExitCode> {
    let store = existing(config, layers)?;
    let mut faults = dump::check(&store)?;
    if faults.is_empty() {
        faults = sound::faults(&store)?;
    }
    let key = config.data_dir.join("server.key");
    match crate::private_file::read_private(&key)? {
        None => faults.push(format!("{} is missing", key.display())),
        Some(der) if ServerIdentity::from_key("localhost", &der).is_err() => {
            faults.push(format!("{} is no key", key.display()));
        }
        Some(_) => {}
    }
    let recovery = match recovery(&store)? {
        Some(Err(error)) => {
            faults.push(error.to_string());
            None
        }
        Some(Ok(recovery)) => Some(recovery),
        None => None,
    };
    let mut out = io::stdout().lock();
    if json {
        let recovery = recovery
            .map(|Recovery { until, restored }| json!({ "until": until.map(|until| until.0), "restored": restored }));
        let said = json!({ "event": "check", "ok": faults.is_empty(), "faults": faults, "recovery": recovery });
        writeln!(out, "{said}")?;
    } else if faults.is_empty() {
        writeln!(out, "ok")?;
    } else {
        for fault in &faults {
            writeln!(out, "{fault}")?;
        }
        writeln!(io::stderr().lock(), "qpc-server: {WHAT_TO_DO}")?;
    }
    if let Some(recovery) = recovery.filter(|_| !json) {
        // Not a fault, and not in the way of who compares the output.
        writeln!(io::stderr().lock(), "qpc-server: {}", of_recovery(recovery, system::now()))?;
    }
    Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn of_recovery(recovery: Recovery, now: Timestamp) -> String {
    let Recovery { until, restored } = recovery;
    let state = match until {
        None => "begins with the next start of the server".to_owned(),
        Some(until) if until <= now => "is over".to_owned(),
        Some(until) => format!("is over in {} s", until.since(now).as_secs().saturating_add(1)),
    };
    format!(
        "restored from a backup: the recovery time, in which nothing new is taken for conversations, {state}; {restored} \
         entries were taken from clients that offered them as missing"
    )
}

/// The file, and its length if it has one.
fn open(path: &Path) -> Result<(Box<dyn Read>, Option<u64>), BackupError> {
    if path.as_os_str() == STREAM {
        return Ok((Box::new(io::stdin().lock()), None));
    }
    let file = File::open(path).map_err(BackupError::io("open", path))?;
    let found = file.metadata().map_err(BackupError::io("look at", path))?;
    Ok((Box::new(file), found.is_file().then_some(found.len())))
}

fn tell(json: bool, event: &str, mut object: Value, text: &str) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    if json {
        if let Some(fields) = object.as_object_mut() {
            fields.insert("event".to_owned(), event.into());
        }
        writeln!(out, "{object}")?;
    } else {
        writeln!(out, "{text}")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn fail(error: &BackupError, json: bool) -> anyhow::Result<ExitCode> {
    let (code, exit) = error.code();
    let text = error.to_string();
    if json {
        writeln!(io::stdout().lock(), "{}", json!({ "event": "error", "code": code, "exit": exit, "text": text }))?;
    } else {
        writeln!(io::stderr().lock(), "qpc-server: {text}")?;
    }
    Ok(ExitCode::from(exit))
}

fn made(summary: &Summary) -> String {
    let nanos = i128::from(summary.head.made).saturating_mul(1_000_000);
    OffsetDateTime::from_unix_timestamp_nanos(nanos)
        .ok()
        .and_then(|made| made.format(&Rfc3339).ok())
        .unwrap_or_else(|| "an unknown time".to_owned())
}

fn counted(summary: &Summary) -> String {
    format!(
        "{} accounts, {} channels, {} rows in all, {} bytes",
        summary.of("accounts"),
        summary.of("channels"),
        summary.total(),
        summary.bytes
    )
}

fn object(file: &Path, summary: &Summary) -> Value {
    json!({
        "file": file.display().to_string(), "bytes": summary.bytes, "made": made(summary), "program": summary.head.program,
        "schema": summary.head.schema, "accounts": summary.of("accounts"), "channels": summary.of("channels"),
        "rows": summary.total(),
    })
}

/// How far it has come, on a terminal's standard error: nobody else reads it.
struct Progress {
    what: &'static str,
    shown: u64,
    wanted: bool,
}

impl Progress {
    /// Bytes between two updates.
    const STEP: u64 = 4 << 20;

    fn new(what: &'static str) -> Self {
        Self { what, shown: 0, wanted: io::stderr().is_terminal() }
    }

    fn show(&mut self, done: u64, total: Option<u64>) {
        if !self.wanted || done.saturating_sub(self.shown) < Self::STEP {
            return;
        }
        self.shown = done;
        let of = total.map(|total| format!(" of {}", total >> 20)).unwrap_or_default();
        self.write(&format!("\r{}{of} MiB {}  ", done >> 20, self.what));
    }

    fn end(&mut self) {
        if self.shown > 0 {
            self.write("\r\x1b[K");
        }
    }

    fn write(&mut self, text: &str) {
        let mut err = io::stderr().lock();
        // Whoever closed it does not want to know.
        self.wanted = err.write_all(text.as_bytes()).and_then(|()| err.flush()).is_ok();
    }
}
