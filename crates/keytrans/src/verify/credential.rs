//! Credentials: proofs that people hand to each other, verified without asking the log (draft section 14).

use super::{
    Consuming, Entries, Places, TreeView, Verifier, combine, search::ladder_places, subtrees, view::check_size,
};
use crate::{
    KeyTransError,
    error::{Part, PositionNeed},
    head::TreeHead,
    message::{ContactMap, Credential, CredentialProof, CredentialUpdate},
    proof::{CombinedTreeProof, PrefixProof, Terminal},
    tree::{
        implicit, ladder,
        log::{Nodes, root_of},
        prefix,
    },
    value::commit,
    walk,
};

/// A distinguished entry that is known, with the state of the log that it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownHead {
    view: TreeView,
}

/// What a credential says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presented {
    /// Whose value.
    pub label: Vec<u8>,
    /// Which version: the greatest as of the credential.
    pub version: u32,
    /// The value.
    pub value: Vec<u8>,
    /// Whether anything is left to be verified.
    pub status: Status,
}

/// How far a credential is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Wholly.
    Final,
    /// Until a later entry is distinguished: [`Verifier::finish_credential`].
    Provisional(Box<Provisional>),
}

/// What is kept of a provisional credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provisional {
    /// The entry that has the version.
    pub terminal: u64,
    version: u32,
    view: TreeView,
    places: Places,
}

impl Verifier<'_> {
    /// Verifies a credential with the distinguished entries that are known. Nothing else that is known changes by it.
    ///
    /// Errors:   [`KeyTransError::Position`] if it builds on an entry that is not known, which is no reason to ask the log; the others say which
    ///           check failed.
    pub fn credential(&self, credential: &Credential, known: &[KnownHead]) -> Result<Presented, KeyTransError> {
        let entry = credential.position;
        let base = known.iter().find(|head| head.entry() == entry);
        let base = base.ok_or(KeyTransError::Position { entry, needs: PositionNeed::Known })?;
        let (label, target) = (credential.label.as_slice(), credential.version);
        let mut places = ladder_places(self.config, label, target, &credential.binary_ladder, true)?;
        places.commit(target, commit(&credential.opening, label, target, &credential.value)?);
        let status = match &credential.proof {
            CredentialProof::Standard { distinguished } => {
                standard(base, target, &places, distinguished)?;
                Status::Final
            }
            CredentialProof::Provisional { tree_head, search } => {
                let provisional = self.provisional(base, target, places, tree_head, search, known)?;
                provisional.map_or(Status::Final, |provisional| Status::Provisional(Box::new(provisional)))
            }
        };
        let (label, value) = (credential.label.clone(), credential.value.clone());
        Ok(Presented { label, version: target, value, status })
    }

    /// Verifies finally that a provisional credential was of the log that everybody sees, with a later distinguished entry.
    ///
    /// Errors:   [`KeyTransError::Position`] if that entry is not later, or the version is not followed up to a distinguished entry;
    ///           [`KeyTransError::Root`] if it was of another log: evidence against the log, together with the credential.
    pub fn finish_credential(
        &self,
        provisional: &Provisional,
        update: &CredentialUpdate,
        later: &KnownHead,
    ) -> Result<(), KeyTransError> {
        let Provisional { terminal, version, view, places } = provisional;
        let size = later.view.size();
        if size <= view.size() {
            return Err(KeyTransError::Position { entry: later.entry(), needs: PositionNeed::AfterHead });
        }
        let mut source = Consuming::new(self.config, size, Some(view), &update.monitor, places);
        walk::update_view(&mut source, view.size())?;
        if self.contacts_monitor() {
            let left = walk::contact(&mut source, &ContactMap::from([(*terminal, *version)]), None)?;
            if let Some((entry, _)) = left.iter().find(|(entry, _)| **entry != later.entry()) {
                return Err(KeyTransError::Position { entry: *entry, needs: PositionNeed::Distinguished });
            }
        }
        let entries = source.finish()?;
        let nodes = combine(Some(view), size, None, &update.monitor, &entries)?;
        let (expected, found) = (later.view.root()?, root_of(size, &subtrees(&nodes, size)?)?);
        if expected == found { Ok(()) } else { Err(KeyTransError::Root { size, expected, found }) }
    }

    /// The first verification of a provisional credential; nothing if it is final as well, because its entry is known to be distinguished.
    fn provisional(
        &self,
        base: &KnownHead,
        version: u32,
        places: Places,
        tree_head: &TreeHead,
        search: &CombinedTreeProof,
        known: &[KnownHead],
    ) -> Result<Option<Provisional>, KeyTransError> {
        let size = tree_head.tree_size;
        check_size(size)?;
        if size <= base.view.size() {
            return Err(KeyTransError::TreeSize { least: base.view.size() + 1, found: size });
        }
        let mut source = Consuming::new(self.config, size, Some(&base.view), search, &places);
        walk::update_view(&mut source, base.view.size())?;
        let terminal = walk::greatest(&mut source, version)?.terminal;
        if terminal <= base.entry() {
            return Err(KeyTransError::Position { entry: terminal, needs: PositionNeed::AfterHead });
        }
        let entries = source.finish()?;
        let nodes = combine(Some(&base.view), size, None, search, &entries)?;
        let subtrees = subtrees(&nodes, size)?;
        tree_head.verify(self.config, &root_of(size, &subtrees)?)?;
        if let Some(head) = known.iter().find(|head| head.entry() == terminal) {
            let (expected, found) = (head.prefix_root(), entries.get(terminal)?.prefix_root);
            return if expected == found {
                Ok(None)
            } else {
                Err(KeyTransError::PrefixRoot { entry: terminal, expected, found })
            };
        }
        let view = TreeView::new(size, subtrees, entries.frontier(size)?, None)?;
        Ok(Some(Provisional { terminal, version, view, places }))
    }
}

/// Verifies that the version is the greatest one in the distinguished entry.
fn standard(base: &KnownHead, target: u32, places: &Places, proof: &PrefixProof) -> Result<(), KeyTransError> {
    let entry = base.entry();
    let versions = ladder::base(target);
    if versions.len() != proof.results.len() {
        let (expected, found) = (versions.len(), proof.results.len());
        return Err(KeyTransError::Count { part: Part::PrefixResults, expected, found });
    }
    for (version, result) in versions.iter().zip(&proof.results) {
        let included = result.terminal == Terminal::Inclusion;
        if included != (*version <= target) {
            return Err(KeyTransError::Ladder { entry, version: *version, included });
        }
    }
    let lookups = versions.iter().map(|version| places.lookup(*version)).collect::<Result<Vec<_>, _>>()?;
    let (expected, found) = (base.prefix_root(), prefix::root(entry, &lookups, proof)?);
    if expected == found { Ok(()) } else { Err(KeyTransError::PrefixRoot { entry, expected, found }) }
}

impl KnownHead {
    /// Of the entry that ends this state of the log. Whoever calls this vouches that the entry is distinguished.
    #[must_use]
    pub const fn new(view: TreeView) -> Self {
        Self { view }
    }

    pub(super) fn of(entry: u64, nodes: &Nodes, entries: &Entries) -> Result<Self, KeyTransError> {
        let size = entry + 1;
        let frontier = implicit::frontier(size).map(|entry| entries.get(entry)).collect::<Result<_, _>>()?;
        Ok(Self { view: TreeView::new(size, subtrees(nodes, size)?, frontier, None)? })
    }

    /// The entry.
    #[must_use]
    pub const fn entry(&self) -> u64 {
        self.view.size().saturating_sub(1)
    }

    /// The state of the log that it ends. Two people who know one entry must know one root: [`TreeView::root`].
    #[must_use]
    pub const fn view(&self) -> &TreeView {
        &self.view
    }

    fn prefix_root(&self) -> crate::Digest {
        self.view.frontier().last().map(|(_, entry)| entry.prefix_root).unwrap_or_default()
    }
}
