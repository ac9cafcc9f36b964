//! Finds the published vectors that tests check against.

use std::{env, fs, path::PathBuf};

/// The file `name` below `QPC_VECTORS` or `../shared/vectors` beside the workspace; `None` where vectors are not at hand.
/// With `CI=true` a missing file fails the test.
pub(crate) fn read(name: &str) -> Option<Vec<u8>> {
    let found = folders().into_iter().find_map(|folder| fs::read(folder.join(name)).ok());
    if found.is_none() {
        assert_ne!(env::var("CI").as_deref(), Ok("true"), "vector file {name} is missing");
        println!("SKIPPED: vector file {name} is missing; set QPC_VECTORS to the folder that holds it");
    }
    found
}

fn folders() -> Vec<PathBuf> {
    let workspace = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    env::var_os("QPC_VECTORS").map(PathBuf::from).into_iter().chain([workspace.join("../shared/vectors")]).collect()
}
