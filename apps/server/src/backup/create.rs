//! Making a backup.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use super::{
    BackupError, Progress, Summary,
    format::{FrameWriter, Head},
    output::Output,
};
use crate::{
    private_file,
    store::{Location, Snapshot},
    system,
};

/// Named in every backup, for people who wonder.
const PROGRAM: &str = concat!("qpc-server ", env!("CARGO_PKG_VERSION"));

/// Writes a backup to a file: all of it, or no file. An existing one is replaced only if `replace`, and stays until the new one
/// is whole. May run beside the server.
///
/// Errors:   [`BackupError::Exists`], [`BackupError::NoServerKey`], and those of the store and the file.
pub fn create(
    store: &Location,
    server_key: &Path,
    path: &Path,
    replace: bool,
    progress: Progress<'_>,
) -> Result<Summary, BackupError> {
    let output = Output::create(path, replace)?;
    let (output, summary) = write(store, server_key, output, progress)?;
    output.finish(replace)?;
    Ok(summary)
}

/// Writes a backup to anything that takes bytes.
///
/// Errors:   as [`create`].
pub(super) fn write<W: Write>(
    store: &Location,
    server_key: &Path,
    out: W,
    progress: Progress<'_>,
) -> Result<(W, Summary), BackupError> {
    // The moment of the backup: what was acknowledged before is in it.
    let snapshot = Snapshot::begin(store)?;
    let key = private_file::read_private(server_key)?;
    let key = key.ok_or_else(|| BackupError::NoServerKey { path: server_key.to_owned() })?;
    let head = Head { program: PROGRAM.to_owned(), made: system::now().0, schema: snapshot.schema() };
    let mut frames = FrameWriter::begin(out, &head, &key)?;
    let rows = snapshot.write(&mut frames, progress)?;
    let (out, bytes) = frames.finish()?;
    Ok((out, Summary { head, rows, bytes, faults: Vec::new() }))
}

/// Where a backup goes if a directory is given: a name that says when it was made.
pub(super) fn name_in(dir: &Path, made: time::OffsetDateTime) -> PathBuf {
    let (year, month, day) = made.to_calendar_date();
    let (hour, minute, second) = made.to_hms();
    let month = u8::from(month);
    dir.join(format!("{BEGINS}{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}{ENDS}"))
}

const BEGINS: &str = "qpc-server-";
const ENDS: &str = "Z.backup";

/// Whether a file name is such a one.
pub(super) fn is_dated(name: &str) -> bool {
    let moment = name.strip_prefix(BEGINS).and_then(|rest| rest.strip_suffix(ENDS));
    let digits = moment.and_then(|moment| moment.split_once('T'));
    digits.is_some_and(|(date, time)| {
        let is = |text: &str, length| text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
        is(date, 8) && is(time, 6)
    })
}
