//! A disk whose journal is written here, as the layer would.

use tempfile::TempDir;

use super::*;

struct World {
    _temp: TempDir,
    root: PathBuf,
    journal: PathBuf,
    disk: Disk,
}

impl World {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().canonicalize().unwrap().join("disk");
        fs::create_dir(&root).unwrap();
        let journal = temp.path().join("journal");
        let disk = Disk::new(&root, &journal).unwrap();
        Self { _temp: temp, root, journal, disk }
    }

    fn path(&self, name: &str) -> Vec<u8> {
        self.root.join(name).as_os_str().as_bytes().to_vec()
    }

    fn log(&self, record: &Record<'_>) {
        OpenOptions::new().append(true).open(&self.journal).unwrap().write_all(&record.encode()).unwrap();
    }

    /// Writes a file as a program under the layer would.
    fn write(&self, name: &str, text: &str) -> u64 {
        fs::write(self.root.join(name), text).unwrap();
        let node = self.inode(name);
        self.log(&Record::Opened { node, mode: 0o640, path: &self.path(name) });
        self.log(&Record::Written { node, offset: 0, data: text.as_bytes() });
        node
    }

    fn inode(&self, name: &str) -> u64 {
        fs::metadata(self.root.join(name)).unwrap().ino()
    }

    fn sync(&self, node: u64) {
        self.log(&Record::SyncBegun { node, ticket: 7 });
        self.log(&Record::SyncEnded { ticket: 7 });
    }

    fn cut(&mut self, seed: u64) -> Option<String> {
        let held = self.disk.hold().unwrap();
        self.disk.cut(held, &mut Chance::of_seed(seed)).unwrap();
        fs::read_to_string(self.root.join("file")).ok()
    }
}

fn outcomes(act: impl Fn(&World)) -> Vec<Option<String>> {
    let outcome = |seed| {
        let mut world = World::new();
        act(&world);
        world.cut(seed)
    };
    (0..40).map(outcome).collect()
}

#[test]
fn a_file_is_safe_once_it_and_its_folder_were_synced() {
    let outcomes = outcomes(|world| {
        let node = world.write("file", "hello");
        world.sync(node);
        world.sync(world.inode(""));
    });
    assert!(outcomes.iter().all(|left| left.as_deref() == Some("hello")));
}

#[test]
fn a_synced_file_in_a_folder_that_was_not_may_be_gone() {
    let outcomes = outcomes(|world| world.sync(world.write("file", "hello")));
    assert!(outcomes.contains(&None) && outcomes.contains(&Some("hello".to_owned())));
}

#[test]
fn a_sync_that_has_not_ended_promises_nothing() {
    let outcomes = outcomes(|world| {
        let node = world.write("file", "hello");
        world.sync(world.inode(""));
        world.log(&Record::SyncBegun { node, ticket: 9 });
    });
    assert!(outcomes.contains(&Some(String::new())) && !outcomes.contains(&None));
}

#[test]
fn a_rename_is_undone_as_a_whole_or_not_at_all() {
    let outcomes = outcomes(|world| {
        for (name, text) in [("file", "old"), ("other", "new")] {
            let node = world.write(name, text);
            world.sync(node);
        }
        world.sync(world.inode(""));
        fs::rename(world.root.join("other"), world.root.join("file")).unwrap();
        world.log(&Record::Renamed { from: &world.path("other"), to: &world.path("file") });
    });
    assert!(outcomes.iter().all(Option::is_some));
    assert!(outcomes.contains(&Some("old".to_owned())) && outcomes.contains(&Some("new".to_owned())));
}

#[test]
fn what_was_left_is_the_state_that_the_next_cut_begins_with() {
    let mut world = World::new();
    let node = world.write("file", "hello");
    world.sync(node);
    world.sync(world.inode(""));
    for seed in 0..5 {
        assert_eq!(world.cut(seed).as_deref(), Some("hello"));
        let mode = fs::metadata(world.root.join("file")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
    }
}

#[test]
fn a_disk_that_lies_keeps_what_was_there_before_and_loses_what_it_says_is_synced() {
    let mut world = World::new();
    world.write("file", "hello");
    world.disk.begin_to_lie().unwrap();
    assert_eq!(world.cut(1).as_deref(), Some("hello"));
    let node = world.write("other", "hello");
    world.sync(node);
    world.sync(world.inode(""));
    let mut held = world.disk.hold().unwrap();
    assert!(world.disk.unsynced(&mut held).unwrap() > 0);
}

#[test]
fn unsynced_steps_are_counted_until_they_are_synced() {
    let mut world = World::new();
    let node = world.write("file", "hello");
    let mut held = world.disk.hold().unwrap();
    assert_eq!(world.disk.unsynced(&mut held).unwrap(), 2);
    drop(held);
    world.sync(node);
    world.sync(world.inode(""));
    let mut held = world.disk.hold().unwrap();
    assert_eq!(world.disk.unsynced(&mut held).unwrap(), 0);
}

#[test]
fn a_number_that_is_used_again_means_the_new_file() {
    let mut world = World::new();
    let node = world.write("file", "hello");
    world.sync(node);
    world.sync(world.inode(""));
    fs::remove_file(world.root.join("file")).unwrap();
    world.log(&Record::Removed { path: &world.path("file") });
    fs::write(world.root.join("next"), "").unwrap();
    world.log(&Record::Opened { node, mode: 0o600, path: &world.path("next") });
    let mut held = world.disk.hold().unwrap();
    world.disk.check(&mut held).unwrap();
}

#[test]
fn a_call_past_the_layer_is_an_error() {
    let mut world = World::new();
    world.write("file", "hello");
    fs::write(world.root.join("file"), "hellO").unwrap();
    let held = world.disk.hold().unwrap();
    let error = world.disk.cut(held, &mut Chance::of_seed(1)).unwrap_err().to_string();
    assert!(error.contains("5 bytes, not 5; other from 4 on"), "{error}");
    fs::write(world.root.join("stray"), "").unwrap();
    let mut held = world.disk.hold().unwrap();
    assert!(matches!(world.disk.check(&mut held), Err(DiskError::Differs { .. })));
}

#[test]
fn the_index_of_a_log_does_not_count_and_is_gone_after_a_cut() {
    let mut world = World::new();
    fs::write(world.root.join("store.db-shm"), "x").unwrap();
    world.cut(1);
    assert!(!world.root.join("store.db-shm").exists());
}
