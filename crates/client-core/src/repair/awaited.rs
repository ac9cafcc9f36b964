//! What the archive of the account's history is about to bring: members need not be asked for it.

use std::collections::BTreeMap;

use quicprochat_wire::ChannelId;

use super::Spans;

/// See the module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Awaited {
    /// Perhaps anything: what there is, is being found out.
    Everything,
    /// These positions.
    Only(BTreeMap<ChannelId, Spans>),
}

impl Default for Awaited {
    fn default() -> Self {
        Self::Only(BTreeMap::new())
    }
}

impl Awaited {
    /// What of the missing positions does not come from there.
    pub(crate) fn left(&self, channel: &ChannelId, missing: &Spans) -> Spans {
        match self {
            Self::Everything => Spans::default(),
            Self::Only(spans) => spans.get(channel).map_or_else(|| missing.clone(), |spans| missing.without(spans)),
        }
    }
}
