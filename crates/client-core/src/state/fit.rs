//! What the vault has room for: two states that each fit may be too large together.

use std::collections::BTreeSet;

use quicprochat_e2ee::vault::MAX_STATE_BYTES;
use quicprochat_wire::Entropy;

use super::{
    document::{Document, draw_client},
    key::Key,
    unsent,
};
use crate::{error::EngineError, store::AccountState};

/// What a value costs in a document besides itself and its key: more than the library needs.
const ENTRY_BYTES: usize = 128;

/// Brings a document that another device's was merged into under what the vault has room for: what stands in the vault stays, and
/// of what only this device has, drafts go, the largest first. How many drafts went.
///
/// What is too large all the same stays as it is: this device can read it back, and says that the others do not hear of it.
pub(super) fn fit(
    entropy: &mut dyn Entropy,
    row: &mut AccountState,
    document: &mut Document,
    theirs: &Document,
) -> Result<usize, EngineError> {
    if document.encode().len() <= MAX_STATE_BYTES || theirs.is_older_than(document) {
        return Ok(0);
    }
    let (drafts, others): (BTreeSet<String>, BTreeSet<String>) =
        unsent(row).into_iter().partition(|key| matches!(Key::parse(key), Some(Key::Draft(_))));
    let drafts = drafts.into_iter().map(|key| (document.get(&key), key));
    let mut drafts: Vec<_> = drafts.map(|(draft, key)| (draft.as_ref().map_or(0, Vec::len), key, draft)).collect();
    drafts.sort();
    // Its operations go, and others take their numbers: so under another name.
    let client = draw_client(entropy);
    document.adopt(theirs, &others, client).map_err(|_| EngineError::OwnState)?;
    let mut size = document.encode().len();
    let mut dropped = BTreeSet::new();
    for (bytes, key, draft) in drafts {
        let more = bytes.saturating_add(key.len()).saturating_add(ENTRY_BYTES);
        if size.saturating_add(more) <= MAX_STATE_BYTES {
            document.set(&key, draft.as_deref());
            size = size.saturating_add(more);
        } else {
            dropped.insert(key);
        }
    }
    (row.client, row.sent) = (client, 0);
    row.unsent.retain(|unsent| !dropped.contains(&unsent.key));
    let clock = document.own_clock();
    row.unsent.iter_mut().for_each(|unsent| unsent.clock = clock);
    Ok(dropped.len())
}
