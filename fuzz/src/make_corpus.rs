//! Writes the seeds of every target that has any into `corpus/`, as `seed-NN`; other files stay. Run it in this folder.

use std::{fs, path::Path};

// The coverage counters of the dependencies want their runtime here as well.
use libfuzzer_sys as _;

fn main() -> std::io::Result<()> {
    for target in quicprochat_fuzz::TARGETS {
        let folder = Path::new("corpus").join(target.name);
        fs::create_dir_all(&folder)?;
        let seeds = (target.seeds)();
        for (index, seed) in seeds.iter().enumerate() {
            (target.check)(seed);
            fs::write(folder.join(format!("seed-{index:02}")), seed)?;
        }
        println!("{}: {} seeds, {} bytes", target.name, seeds.len(), seeds.iter().map(Vec::len).sum::<usize>());
    }
    Ok(())
}
