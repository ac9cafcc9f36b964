//! Programs that keep a number in a file, some of them carelessly: what the layer must catch, and what it must not.
//!
//! `powerloss-probe HOW FOLDER` counts up in `FOLDER/state/number` and prints each number once it promises to keep it. It begins where it was.
#![expect(clippy::print_stdout, reason = "the numbers it promises are its output")]

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, how, folder] = arguments.as_slice() else {
        return Err(io::Error::other("usage: powerloss-probe HOW FOLDER"));
    };
    let folder = Path::new(folder).join("state");
    if !folder.exists() {
        fs::create_dir(&folder)?;
        sync(folder.parent().unwrap_or(&folder))?;
    }
    let file = folder.join("number");
    let begin = if file.exists() { fs::read_to_string(&file)?.trim().parse().map_err(io::Error::other)? } else { 0 };
    for number in begin + 1_u64.. {
        match how.as_str() {
            "right" => replace(&file, number, true, true)?,
            "promises-before-sync" => replace(&file, number, false, true)?,
            "forgets-the-folder" => replace(&file, number, true, false)?,
            "writes-in-place" => {
                let mut file = File::create(&file)?;
                write!(file, "{number}")?;
                file.sync_all()?;
                sync(&folder)?;
            }
            other => return Err(io::Error::other(format!("nobody works like {other}"))),
        }
        println!("{number}");
    }
    Ok(())
}

/// Writes beside and moves into place, with a sync of the file and of the folder, or without.
fn replace(path: &Path, number: u64, syncs_file: bool, syncs_folder: bool) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = File::create(&beside)?;
    write!(file, "{number}")?;
    if syncs_file {
        file.sync_all()?;
    }
    fs::rename(&beside, path)?;
    if syncs_folder { sync(path.parent().unwrap_or(path)) } else { Ok(()) }
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
