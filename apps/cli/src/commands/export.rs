//! What this device knows, as plain files for people and archivists.

use std::path::PathBuf;

use clap::Args;
use quicprochat_client::{ClientError, core::views};
use serde_json::json;

use crate::{
    context::Context,
    export::{self, Format},
    failure::Failure,
};

/// `qpc export`.
#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    /// An empty directory, or one to be made.
    dir: PathBuf,
    /// For programs, for a browser, or for people with an editor.
    #[arg(long, value_enum)]
    format: Format,
    /// Only this conversation; may be given again.
    #[arg(long, value_name = "CONV")]
    conversation: Vec<String>,
}

pub(super) fn export(context: &mut Context, args: &ExportArgs) -> Result<(), Failure> {
    let own = context.account()?;
    let mut chosen = Vec::new();
    for text in &args.conversation {
        let view = context.conversation(text)?;
        if !chosen.contains(&view) {
            chosen.push(view);
        }
    }
    if args.conversation.is_empty() {
        chosen = context.read(|tx| Ok(views::conversations(tx)?))?;
    }
    let directory = export::Directory::prepare(&args.dir)?;
    context.out.warn("plaintext", "an export is not encrypted: whoever reads these files reads every message")?;
    let done = context.read(|tx| Ok::<_, ClientError>(export::write(tx, &own, &chosen, args.format, directory)))??;
    let text = format!(
        "wrote {} entries of {} conversations to {}; manifest.json has the hash of every file",
        done.entries,
        chosen.len(),
        args.dir.display()
    );
    let object = json!({
        "dir": args.dir.display().to_string(), "conversations": chosen.len(), "entries": done.entries, "files": done.files,
    });
    Ok(context.out.show("export", object, &text)?)
}
