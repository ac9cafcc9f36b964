//! What earlier versions wrote.

use anyhow::{Context, Result};

use super::Trial;
use crate::sandbox::{Binaries, Sandbox};
use crate::{samples, workspace};

pub(super) const TRIALS: &[Trial] =
    &[("what_every_version_wrote_is_read_by_this_one", what_every_version_wrote_is_read_by_this_one)];

fn what_every_version_wrote_is_read_by_this_one(sandbox: &mut Sandbox) -> Result<()> {
    let binaries: Binaries = sandbox.binaries();
    for folder in samples::versions(&workspace::root()?)? {
        // People of one version meet none of another.
        let mut sandbox = Sandbox::new(binaries.clone())?;
        samples::frozen(&mut sandbox, &folder).with_context(|| folder.display().to_string())?;
    }
    Ok(())
}
