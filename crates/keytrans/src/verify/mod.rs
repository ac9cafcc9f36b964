//! The client's side: from responses to facts, or to the check that failed.
//!
//! ```text
//!   response ──head, size──▶ update of the view ─▶ the operation's algorithm (`walk`) ─▶ root of the log ─▶ signatures ─▶ Verified
//!                  takes its answers from the proof, and leaves nothing over
//! ```
//!
//! Nothing is changed in place: an operation gives the new state, which the caller keeps once it has the whole. What a response holds is unverified until then;
//! there is no way from a response's value to a [`Verified`] one but through here.

mod consume;
mod credential;
mod owner;
mod places;
mod search;
mod view;

pub use credential::{KnownHead, Presented, Provisional, Status};
pub use owner::{Monitored, Owner, Updated};
pub use places::{Place, Places};
pub use search::{Found, Watched};
pub use view::{LogEntry, MAX_TREE_SIZE, TreeView};

use std::collections::BTreeMap;

use crate::{
    Digest, KeyTransError,
    config::{Configuration, DeploymentMode},
    error::AuditorProblem,
    head::{AuditorTreeHead, FullTreeHead, TreeHead},
    message::{DistinguishedRequest, DistinguishedResponse},
    proof::CombinedTreeProof,
    tree::log::{Nodes, Question, root_of},
    value::log_leaf,
    walk,
};
use consume::{Consuming, Entries};
use view::check_size;

/// Distinguished entries that count as recent, at most (docs/key-transparency.md, rule 10).
pub const RECENT: usize = 10;

/// Verifies what one log says.
#[derive(Debug, Clone, Copy)]
pub struct Verifier<'a> {
    config: &'a Configuration,
}

/// What a response says, once all of it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<T> {
    /// What was asked for.
    pub result: T,
    /// The state of the log, to be kept for the next request.
    pub view: TreeView,
    /// The signed head, if it is a new one: evidence of what the log said.
    pub head: Option<TreeHead>,
}

impl<T> Verified<T> {
    /// The same head and view, with what follows from the result.
    pub(crate) fn map<U>(self, result: impl FnOnce(T) -> U) -> Verified<U> {
        Verified { result: result(self.result), view: self.view, head: self.head }
    }
}

/// The facts that all operations share.
struct Checked<T> {
    verified: Verified<T>,
    nodes: Nodes,
    entries: Entries,
}

impl<'a> Verifier<'a> {
    /// For the log with this configuration.
    #[must_use]
    pub const fn new(config: &'a Configuration) -> Self {
        Self { config }
    }

    /// Verifies the recent distinguished entries, from left to right: those after `request.stop`, at most [`RECENT`].
    ///
    /// Errors:   [`KeyTransError`], as of all operations: which check failed.
    pub fn distinguished(
        &self,
        view: Option<&TreeView>,
        request: &DistinguishedRequest,
        response: &DistinguishedResponse,
        now: u64,
    ) -> Result<Verified<Vec<KnownHead>>, KeyTransError> {
        let places = Places::default();
        let (head, proof) = (&response.full_tree_head, &response.distinguished);
        let checked =
            self.check(view, head, proof, &places, now, |source| walk::walk_recent(source, request.stop, RECENT))?;
        let known = checked.verified.result.iter().map(|entry| KnownHead::of(*entry, &checked.nodes, &checked.entries));
        let result = known.collect::<Result<_, _>>()?;
        Ok(checked.verified.map(|_| result))
    }

    /// Whether the versions that are looked up must be monitored afterwards.
    const fn contacts_monitor(&self) -> bool {
        matches!(self.config.mode, DeploymentMode::ContactMonitoring)
    }

    /// Runs an operation's algorithm on a proof and verifies all that the proof leads to.
    fn check<T>(
        &self,
        view: Option<&TreeView>,
        head: &FullTreeHead,
        proof: &CombinedTreeProof,
        places: &Places,
        now: u64,
        algorithm: impl FnOnce(&mut Consuming<'_>) -> Result<T, KeyTransError>,
    ) -> Result<Checked<T>, KeyTransError> {
        let known = view.map_or(0, TreeView::size);
        let (size, auditor) = match head {
            FullTreeHead::Same => (view.ok_or(KeyTransError::NoKnownHead)?.size(), None),
            FullTreeHead::Updated { tree_head, auditor_tree_head } => {
                check_size(tree_head.tree_size)?;
                if tree_head.tree_size <= known {
                    return Err(KeyTransError::TreeSize { least: known + 1, found: tree_head.tree_size });
                }
                (tree_head.tree_size, auditor_tree_head.as_ref())
            }
        };
        let mut source = Consuming::new(self.config, size, view, proof, places);
        if size > known {
            walk::update_view(&mut source, known)?;
        }
        let result = algorithm(&mut source)?;
        let entries = source.finish()?;
        let newest = entries.timestamp(size - 1)?;
        self.check_clock(newest, now)?;
        if let Some(auditor) = auditor {
            self.check_auditor(view, auditor, size, newest)?;
        }
        let nodes = combine(view, size, auditor.map(|head| head.tree_size), proof, &entries)?;
        let view = self.check_heads(view, size, head, &nodes, &entries)?;
        let head = match head {
            FullTreeHead::Same => None,
            FullTreeHead::Updated { tree_head, .. } => Some(tree_head.clone()),
        };
        Ok(Checked { verified: Verified { result, view, head }, nodes, entries })
    }

    fn check_clock(&self, newest: u64, now: u64) -> Result<(), KeyTransError> {
        let (ahead, behind) = (self.config.max_ahead, self.config.max_behind);
        if newest > now.saturating_add(ahead) || newest.saturating_add(behind) < now {
            return Err(KeyTransError::Clock { now, found: newest, ahead, behind });
        }
        Ok(())
    }

    /// All of an auditor's head but its signature (draft section 10.3).
    fn check_auditor(
        &self,
        view: Option<&TreeView>,
        head: &AuditorTreeHead,
        size: u64,
        newest: u64,
    ) -> Result<(), KeyTransError> {
        let DeploymentMode::ThirdPartyAuditing { max_auditor_lag, auditor_start_pos, .. } = &self.config.mode else {
            return Ok(());
        };
        let problem = if head.tree_size == 0 || head.tree_size > size || head.timestamp > newest {
            AuditorProblem::Ahead
        } else if newest - head.timestamp > *max_auditor_lag {
            AuditorProblem::Behind
        } else if view.is_some_and(|view| view.audited.is_none_or(|audited| audited < *auditor_start_pos)) {
            AuditorProblem::Gap
        } else {
            return Ok(());
        };
        Err(KeyTransError::AuditorHead { size: head.tree_size, timestamp: head.timestamp, problem })
    }

    /// The signatures, and the view that follows.
    fn check_heads(
        &self,
        view: Option<&TreeView>,
        size: u64,
        head: &FullTreeHead,
        nodes: &Nodes,
        entries: &Entries,
    ) -> Result<TreeView, KeyTransError> {
        let FullTreeHead::Updated { tree_head, auditor_tree_head } = head else {
            return view.cloned().ok_or(KeyTransError::NoKnownHead);
        };
        let subtrees = subtrees(nodes, size)?;
        tree_head.verify(self.config, &root_of(size, &subtrees)?)?;
        if let Some(auditor) = auditor_tree_head {
            let root = root_of(auditor.tree_size, &self::subtrees(nodes, auditor.tree_size)?)?;
            auditor.verify(self.config, &root)?;
        }
        let audited = auditor_tree_head.as_ref().map(|head| head.tree_size);
        TreeView::new(size, subtrees, entries.frontier(size)?, audited)
    }
}

/// The nodes of the log tree that follow from a proof and from what was known.
fn combine(
    view: Option<&TreeView>,
    size: u64,
    also: Option<u64>,
    proof: &CombinedTreeProof,
    entries: &Entries,
) -> Result<Nodes, KeyTransError> {
    let known = view.map_or(0, TreeView::size);
    let subtrees = view.map_or(&[][..], TreeView::full_subtrees);
    let question = Question { size, known, also, entries: &entries.given };
    question.compute(&proof.inclusion.elements, &entries.leaves(), &Nodes::of_full_subtrees(known, subtrees)?)
}

fn subtrees(nodes: &Nodes, size: u64) -> Result<Vec<Digest>, KeyTransError> {
    let expected = crate::tree::log::full_subtrees(size).len();
    nodes.full_subtrees(size).ok_or(KeyTransError::Count { part: crate::error::Part::FullSubtrees, expected, found: 0 })
}

impl Entries {
    fn timestamp(&self, entry: u64) -> Result<u64, KeyTransError> {
        self.get(entry).map(|found| found.timestamp)
    }

    fn get(&self, entry: u64) -> Result<LogEntry, KeyTransError> {
        let needs = crate::error::PositionNeed::Known;
        self.all.get(&entry).copied().ok_or(KeyTransError::Position { entry, needs })
    }

    /// The hashes of the entries that the proof gave.
    fn leaves(&self) -> BTreeMap<u64, Digest> {
        let given = self.given.iter().filter_map(|entry| self.all.get_key_value(entry));
        given.map(|(entry, LogEntry { timestamp, prefix_root })| (*entry, log_leaf(*timestamp, prefix_root))).collect()
    }

    fn frontier(&self, size: u64) -> Result<Vec<LogEntry>, KeyTransError> {
        crate::tree::implicit::frontier(size).map(|entry| self.get(entry)).collect()
    }
}

#[cfg(test)]
mod tests;
