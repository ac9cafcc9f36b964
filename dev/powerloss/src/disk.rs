//! A folder as a disk: read from its journal, compared with the live files, cut.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::node::{Change, Content, Node, NodeId};
use crate::record::Record;
use crate::survival::survivor;
use crate::{Chance, DiskError, Loss, is_volatile};

/// The folder that is the disk itself.
const ROOT: NodeId = 0;

/// A folder whose programs run with the layer, and its journal.
#[derive(Debug)]
pub struct Disk {
    root: PathBuf,
    journal: PathBuf,
    nodes: Vec<Node>,
    /// By the number the operating system knows it under.
    by_inode: HashMap<u64, NodeId>,
    /// Syncs that have begun: what, and where in the journal.
    syncs: HashMap<u64, (NodeId, u64)>,
    /// Records read so far.
    read: u64,
    /// Syncs from now on are called done and are not.
    lies: bool,
}

/// The disk stands still: no program can take a step on it, or write one down, until this is dropped.
#[derive(Debug)]
pub struct Held {
    journal: File,
}

impl Disk {
    /// A disk in an existing folder, with what is in it as synced; the journal is made anew.
    pub fn new(root: &Path, journal: &Path) -> Result<Self, DiskError> {
        let root = fs::canonicalize(root).map_err(DiskError::io(root))?;
        File::create(journal).map_err(DiskError::io(journal))?;
        let mut disk = Self {
            root,
            journal: journal.to_owned(),
            nodes: Vec::new(),
            by_inode: HashMap::new(),
            syncs: HashMap::new(),
            read: 0,
            lies: false,
        };
        disk.scan()?;
        Ok(disk)
    }

    /// The environment that a program needs besides the preloaded layer.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, &Path); 2] {
        [(crate::DISK, &self.root), (crate::JOURNAL, &self.journal)]
    }

    /// Stops the disk, between two steps of whatever runs on it.
    pub fn hold(&self) -> Result<Held, DiskError> {
        let failed = DiskError::io(&self.journal);
        let open = || {
            let journal = OpenOptions::new().read(true).write(true).open(&self.journal)?;
            journal.lock()?;
            Ok(Held { journal })
        };
        open().map_err(failed)
    }

    /// Reads what was done since, and compares the live files with it.
    ///
    /// Errors:   [`DiskError::Differs`] if a call went past the layer.
    pub fn check(&mut self, held: &mut Held) -> Result<(), DiskError> {
        self.absorb(held)?;
        self.compare(ROOT, &self.root)
    }

    /// Reads what was done since; how many steps are not synced now.
    pub fn unsynced(&mut self, held: &mut Held) -> Result<usize, DiskError> {
        self.absorb(held)?;
        Ok(self.nodes.iter().map(|node| node.pending.len()).sum())
    }

    /// From now on the disk says that it has synced, and has not: whoever relies on it must lose something.
    pub fn begin_to_lie(&mut self) -> Result<(), DiskError> {
        self.absorb(&mut self.hold()?)?;
        for node in &mut self.nodes {
            node.sync(u64::MAX);
        }
        self.lies = true;
        Ok(())
    }

    /// Replaces the files by what may be left of them after a loss of power. Every program on the disk must be dead.
    ///
    /// Errors:   [`DiskError`], also if the live files are not what the journal says.
    pub fn cut(&mut self, mut held: Held, chance: &mut Chance) -> Result<Loss, DiskError> {
        self.check(&mut held)?;
        let mut loss = Loss::default();
        let left: Vec<Content> = self.nodes.iter().map(|node| survivor(node, chance, &mut loss)).collect();
        for entry in fs::read_dir(&self.root).map_err(DiskError::io(&self.root))? {
            let path = entry.map_err(DiskError::io(&self.root))?.path();
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.map_err(DiskError::io(&path))?;
        }
        let mut made = HashMap::new();
        self.restore(&left, ROOT, &self.root, &mut made)?;
        self.scan()?;
        Ok(loss)
    }

    fn absorb(&mut self, held: &mut Held) -> Result<(), DiskError> {
        let mut journal = Vec::new();
        let read = held.journal.read_to_end(&mut journal).and_then(|_| held.journal.set_len(0));
        read.and_then(|()| std::io::Seek::rewind(&mut held.journal)).map_err(DiskError::io(&self.journal))?;
        let mut rest = journal.as_slice();
        while !rest.is_empty() {
            let at = journal.len() - rest.len();
            let (record, after) = Record::split(rest).ok_or(DiskError::Journal { at })?;
            self.take(&record)?;
            rest = after;
        }
        Ok(())
    }

    fn take(&mut self, record: &Record<'_>) -> Result<(), DiskError> {
        self.read += 1;
        let place = self.read;
        match *record {
            Record::Opened { node, mode, path } => self.appear(node, mode, path, Content::empty_file())?,
            Record::FolderMade { node, mode, path } => self.appear(node, mode, path, Content::empty_folder())?,
            Record::Written { node, offset, data } => {
                let change = Change::Write { offset: length(offset)?, data: data.to_vec() };
                self.node(node)?.1.change(place, change);
            }
            Record::Resized { node, length: bytes } => {
                let change = Change::Resize(length(bytes)?);
                self.node(node)?.1.change(place, change);
            }
            Record::SyncBegun { node, ticket } => {
                let (id, _) = self.node(node)?;
                self.syncs.insert(ticket, (id, place));
            }
            Record::SyncEnded { ticket } => {
                let (id, begun) = self.syncs.remove(&ticket).ok_or_else(|| unknown("a sync"))?;
                if let Some(node) = self.nodes.get_mut(id).filter(|_| !self.lies) {
                    node.sync(begun);
                }
            }
            Record::Linked { from, to } => {
                let node = self.named(from)?;
                self.name(to, Some(node))?;
            }
            Record::Renamed { from, to } => {
                let node = self.named(from)?;
                let ((old, old_name), (new, new_name)) = (self.parent(from)?, self.parent(to)?);
                if old == new {
                    self.change(old, Change::Names(vec![(old_name, None), (new_name, Some(node))]));
                } else {
                    self.change(new, Change::Names(vec![(new_name, Some(node))]));
                    self.change(old, Change::Names(vec![(old_name, None)]));
                }
            }
            Record::Removed { path } => self.name(path, None)?,
        }
        Ok(())
    }

    /// A file or folder is there under a name: the one that was there before, or a new one.
    fn appear(&mut self, inode: u64, mode: u32, path: &[u8], empty: Content) -> Result<(), DiskError> {
        let known = self.by_inode.get(&inode).copied();
        if known.is_some() && self.named(path).ok() == known {
            return Ok(());
        }
        let id = self.add(inode, Node::made(mode, empty));
        self.name(path, Some(id))
    }

    fn add(&mut self, inode: u64, node: Node) -> NodeId {
        let id = self.nodes.len();
        self.nodes.push(node);
        // A number is used again once its file is gone; from then on it means the new one.
        self.by_inode.insert(inode, id);
        id
    }

    fn node(&mut self, inode: u64) -> Result<(NodeId, &mut Node), DiskError> {
        let id = self.by_inode.get(&inode).copied().ok_or_else(|| unknown(&format!("inode {inode}")))?;
        let node = self.nodes.get_mut(id).ok_or_else(|| unknown(&format!("inode {inode}")))?;
        Ok((id, node))
    }

    fn change(&mut self, id: NodeId, change: Change) {
        let place = self.read;
        if let Some(node) = self.nodes.get_mut(id) {
            node.change(place, change);
        }
    }

    fn name(&mut self, path: &[u8], node: Option<NodeId>) -> Result<(), DiskError> {
        let (folder, name) = self.parent(path)?;
        self.change(folder, Change::Names(vec![(name, node)]));
        Ok(())
    }

    /// The folder that a name is in, and the name in it.
    fn parent(&self, path: &[u8]) -> Result<(NodeId, OsString), DiskError> {
        let path = Path::new(OsStr::from_bytes(path));
        let unknown = || unknown(&path.display().to_string());
        let (parent, name) = path.parent().zip(path.file_name()).ok_or_else(unknown)?;
        Ok((self.named(parent.as_os_str().as_bytes())?, name.to_owned()))
    }

    /// What a name means now.
    fn named(&self, path: &[u8]) -> Result<NodeId, DiskError> {
        let path = Path::new(OsStr::from_bytes(path));
        let unknown = || unknown(&path.display().to_string());
        path.strip_prefix(&self.root).map_err(|_| unknown())?.iter().try_fold(ROOT, |folder, name| {
            match self.nodes.get(folder).map(|node| &node.live) {
                Some(Content::Folder(names)) => names.get(name).copied().ok_or_else(unknown),
                Some(Content::File(_)) | None => Err(unknown()),
            }
        })
    }

    fn compare(&self, id: NodeId, path: &Path) -> Result<(), DiskError> {
        let differs = |what: &str| DiskError::Differs { path: path.to_owned(), what: what.to_owned() };
        match self.nodes.get(id).map(|node| &node.live) {
            Some(Content::File(bytes)) => {
                let found = fs::read(path).map_err(DiskError::io(path))?;
                if found == *bytes {
                    return Ok(());
                }
                let at = found.iter().zip(bytes).position(|(one, other)| one != other);
                let at = at.unwrap_or_else(|| found.len().min(bytes.len()));
                Err(differs(&format!("{} bytes, not {}; other from {at} on", found.len(), bytes.len())))
            }
            Some(Content::Folder(names)) => {
                let found: Vec<OsString> = entries(path)?.into_keys().collect();
                if !found.iter().eq(names.keys()) {
                    return Err(differs(&format!("{found:?}, not {:?}", names.keys())));
                }
                names.iter().try_for_each(|(name, id)| self.compare(*id, &path.join(name)))
            }
            None => Err(differs("nothing is known of it")),
        }
    }

    /// Writes what is left of a folder, one file for all its names.
    fn restore(
        &self,
        left: &[Content],
        folder: NodeId,
        path: &Path,
        made: &mut HashMap<NodeId, PathBuf>,
    ) -> Result<(), DiskError> {
        let Some(Content::Folder(names)) = left.get(folder) else { return Ok(()) };
        for (name, id) in names {
            let path = path.join(name);
            if let Some(first) = made.get(id) {
                fs::hard_link(first, &path).map_err(DiskError::io(&path))?;
                continue;
            }
            let mode = self.nodes.get(*id).map_or(0o600, |node| node.mode);
            match left.get(*id) {
                Some(Content::File(bytes)) => {
                    let written =
                        OpenOptions::new().write(true).create_new(true).mode(mode).open(&path).and_then(|mut file| {
                            file.write_all(bytes).and_then(|()| file.set_permissions(fs::Permissions::from_mode(mode)))
                        });
                    written.map_err(DiskError::io(&path))?;
                    made.insert(*id, path);
                }
                Some(Content::Folder(_)) => {
                    DirBuilder::new().mode(mode).create(&path).map_err(DiskError::io(&path))?;
                    self.restore(left, *id, &path, made)?;
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Takes what is there as synced.
    fn scan(&mut self) -> Result<(), DiskError> {
        self.nodes.clear();
        self.by_inode.clear();
        self.syncs.clear();
        let root = self.root.clone();
        self.find(&root).map(drop)
    }

    fn find(&mut self, path: &Path) -> Result<NodeId, DiskError> {
        let found = fs::symlink_metadata(path).map_err(DiskError::io(path))?;
        if let Some(id) = self.by_inode.get(&found.ino()) {
            return Ok(*id);
        }
        let mode = found.permissions().mode() & 0o7777;
        if !found.is_dir() {
            let bytes = fs::read(path).map_err(DiskError::io(path))?;
            return Ok(self.add(found.ino(), Node::found(mode, Content::File(bytes))));
        }
        let id = self.add(found.ino(), Node::found(mode, Content::empty_folder()));
        let mut names = BTreeMap::new();
        for (name, path) in entries(path)? {
            names.insert(name, self.find(&path)?);
        }
        if let Some(node) = self.nodes.get_mut(id) {
            *node = Node::found(mode, Content::Folder(names));
        }
        Ok(id)
    }
}

/// What is in a folder and counts, by name.
fn entries(folder: &Path) -> Result<BTreeMap<OsString, PathBuf>, DiskError> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(DiskError::io(folder))? {
        let entry = entry.map_err(DiskError::io(folder))?;
        if !is_volatile(entry.file_name().as_bytes()) {
            found.insert(entry.file_name(), entry.path());
        }
    }
    Ok(found)
}

fn unknown(what: &str) -> DiskError {
    DiskError::Unknown { what: what.to_owned() }
}

fn length(bytes: u64) -> Result<usize, DiskError> {
    usize::try_from(bytes).map_err(|_| unknown("a file larger than memory"))
}

#[cfg(test)]
mod tests;
