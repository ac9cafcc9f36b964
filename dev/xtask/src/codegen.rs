//! `cargo xtask codegen`: Rust code from the Cap'n Proto schemas, committed so that building needs no schema compiler.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use capnpc::CompilerCommand;
use clap::Args;

use crate::process::Deadline;
use crate::process::cleanup::Scratch;
use crate::setup::{self, Need};
use crate::workspace;

pub(crate) const EXAMPLES: &str = "\
Examples:
  cargo xtask codegen            write the code anew after a change of crates/wire/schema/
  cargo xtask codegen --check    fail if the committed code is not what the schema says";

const SCHEMAS: &str = "crates/wire/schema";
const GENERATED: &str = "crates/wire/src/schema";
/// Module of the crate that the generated ones are in.
const PARENT_MODULE: &str = "schema";
/// What the generated code needs of whoever runs this.
const NEEDS: &[Need] = &[Need::Program { name: "capnp", package: "capnproto" }, Need::Component("rustfmt")];
/// A line that differs from machine to machine although the code is the same.
const COMPILER_VERSION: &str = "// capnp binary version:";

/// What to do with the code.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Write nothing; fail if the committed code is not current
    #[arg(long)]
    check: bool,
}

/// Writes or checks the generated code.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    setup::provide(NEEDS, &Deadline::minutes("codegen", 5))?;
    let root = workspace::root()?;
    if arguments.check { check(&root) } else { write(&root) }
}

/// Fails if the committed code is not what the schemas say.
pub(crate) fn check(root: &Path) -> Result<()> {
    let mut stale = Vec::new();
    for file in generate(root)? {
        let path = Path::new(GENERATED).join(&file.name);
        let committed =
            fs::read_to_string(root.join(&path)).with_context(|| format!("cannot read {}", path.display()))?;
        if committed != file.code {
            stale.push(path.display().to_string());
        }
    }
    ensure!(stale.is_empty(), "not current, run `cargo xtask codegen`: {}", stale.join(", "));
    Ok(())
}

fn write(root: &Path) -> Result<()> {
    for file in generate(root)? {
        let path = root.join(GENERATED).join(&file.name);
        fs::write(&path, &file.code).with_context(|| format!("cannot write {}", path.display()))?;
        println!("wrote {GENERATED}/{}", file.name);
    }
    Ok(())
}

struct Generated {
    name: String,
    code: String,
}

/// Compiles every schema in a scratch folder.
fn generate(root: &Path) -> Result<Vec<Generated>> {
    let folder = root.join(SCHEMAS);
    let schemas = schemas(&folder)?;
    let scratch = Scratch::new("qpc-codegen-")?;
    let mut compiler = CompilerCommand::new();
    compiler.src_prefix(&folder).output_path(scratch.path()).default_parent_module(vec![PARENT_MODULE.to_owned()]);
    for schema in &schemas {
        compiler.file(schema);
    }
    compiler.run().context("the schema compiler failed")?;
    schemas.iter().map(|schema| read_generated(root, scratch.path(), schema)).collect()
}

fn schemas(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "capnp") {
            found.push(path);
        }
    }
    found.sort();
    ensure!(!found.is_empty(), "{} holds no schema", folder.display());
    Ok(found)
}

fn read_generated(root: &Path, scratch: &Path, schema: &Path) -> Result<Generated> {
    let stem = schema.file_stem().and_then(|stem| stem.to_str()).context("the name of a schema is UTF-8")?;
    let name = format!("{}_capnp.rs", stem.replace('-', "_"));
    let path = scratch.join(&name);
    let raw = fs::read_to_string(&path).with_context(|| format!("the schema compiler wrote no {name}"))?;
    let lines = raw.lines().filter(|line| !line.starts_with(COMPILER_VERSION));
    fs::write(&path, lines.map(|line| format!("{line}\n")).collect::<String>())?;
    let formatted = Command::new("rustfmt")
        .current_dir(root)
        .args(["--edition", "2024", "--config-path"])
        .args([root, &path])
        .status()
        .context("cannot start rustfmt")?;
    if !formatted.success() {
        bail!("rustfmt failed on {name}");
    }
    Ok(Generated { name, code: fs::read_to_string(&path)? })
}
