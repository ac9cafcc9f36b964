//! What a search found, and contact monitoring of it.

use super::{Places, TreeView, Verified, Verifier};
use crate::{
    DecodeError, KeyTransError,
    codec::{Reader, Writer},
    config::Configuration,
    message::{
        BinaryLadderStep, ContactMap, ContactMonitorRequest, ContactMonitorResponse, SearchRequest, SearchResponse,
    },
    tree::ladder,
    value::{Opening, commit},
    walk,
};

/// A version of a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Which version.
    pub version: u32,
    /// Its value.
    pub value: Vec<u8>,
    /// What opens its commitment.
    pub opening: Opening,
    /// The terminal entry of the search.
    pub terminal: u64,
    /// True if it is to be monitored: [`Watched::watch`] it.
    pub must_monitor: bool,
    /// Where its versions stand.
    pub places: Places,
}

/// The versions of one label that are monitored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Watched {
    pub(super) map: ContactMap,
    pub(super) places: Places,
}

impl Verifier<'_> {
    /// Verifies the version of a label that was searched for.
    ///
    /// Errors:   [`KeyTransError`]; a version that is not there is an error as well.
    pub fn search(
        &self,
        view: Option<&TreeView>,
        request: &SearchRequest,
        response: &SearchResponse,
        now: u64,
    ) -> Result<Verified<Found>, KeyTransError> {
        let label = request.label.as_slice();
        let target = request.version.or(response.version).ok_or(KeyTransError::NoSuchVersion { version: 0 })?;
        let mut places = ladder_places(self.config, label, target, &response.binary_ladder, request.version.is_none())?;
        places.commit(target, commit(&response.opening, label, target, &response.value)?);
        let (head, proof) = (&response.full_tree_head, &response.search);
        let checked = self.check(view, head, proof, &places, now, |source| match request.version {
            None => walk::greatest(source, target),
            Some(version) => walk::fixed(source, version),
        })?;
        places.keep_shown(&checked.entries.included);
        Ok(checked.verified.map(|end| Found {
            version: target,
            value: response.value.clone(),
            opening: response.opening,
            terminal: end.terminal,
            must_monitor: self.contacts_monitor() && end.is_recent,
            places,
        }))
    }

    /// Verifies what became of versions that are monitored; what is left to be monitored.
    ///
    /// Errors:   [`KeyTransError`].
    pub fn contact_monitor(
        &self,
        view: Option<&TreeView>,
        watched: &Watched,
        response: &ContactMonitorResponse,
        now: u64,
    ) -> Result<Verified<Watched>, KeyTransError> {
        let (head, proof) = (&response.full_tree_head, &response.monitor);
        let checked =
            self.check(view, head, proof, &watched.places, now, |source| walk::contact(source, &watched.map, None))?;
        Ok(checked.verified.map(|map| {
            let places = if map.is_empty() { Places::default() } else { watched.places.clone() };
            Watched { map, places }
        }))
    }
}

/// The places of a target's base ladder. The target's own commitment is not given; those of lesser versions are, and those of greater ones
/// not where it is the greatest.
pub(super) fn ladder_places(
    config: &Configuration,
    label: &[u8],
    target: u32,
    steps: &[BinaryLadderStep],
    is_greatest: bool,
) -> Result<Places, KeyTransError> {
    let versions = ladder::base(target);
    for (version, step) in versions.iter().zip(steps) {
        let wrong = match version.cmp(&target) {
            core::cmp::Ordering::Less => step.commitment.is_none(),
            core::cmp::Ordering::Equal => step.commitment.is_some(),
            core::cmp::Ordering::Greater => is_greatest && step.commitment.is_some(),
        };
        if wrong {
            return Err(KeyTransError::Commitment { version: *version, expected: *version < target });
        }
    }
    Places::verify(config, label, &versions, steps)
}

impl Watched {
    /// Monitors a version that was found, if it must be.
    pub fn watch(&mut self, found: &Found) {
        if found.must_monitor {
            walk::watch(&mut self.map, found.terminal, found.version);
            self.places.add(found.places.clone());
        }
    }

    /// Whether nothing is left to be monitored.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// The greatest version proven in each entry.
    #[must_use]
    pub const fn map(&self) -> &ContactMap {
        &self.map
    }

    /// Where the versions stand.
    #[must_use]
    pub const fn places(&self) -> &Places {
        &self.places
    }

    /// The request that monitors them.
    #[must_use]
    pub fn request(&self, label: &[u8], view: Option<&TreeView>) -> ContactMonitorRequest {
        ContactMonitorRequest { last: view.map(TreeView::size), label: label.to_vec(), entries: self.map.clone() }
    }

    /// The bytes for a store.
    ///
    /// Errors:   [`DecodeError::TooLong`] for more than 255 entries.
    pub fn encode(&self) -> Result<Vec<u8>, DecodeError> {
        let mut writer = Writer::new();
        crate::message::write_map(&mut writer, &self.map)?;
        writer.put(&self.places.encode()?);
        Ok(writer.finish())
    }

    /// Reads what was stored.
    ///
    /// Errors:   [`DecodeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Reader::whole("Watched", bytes, |reader| {
            let map = crate::message::read_map(reader)?;
            Ok(Self { map, places: Places::decode(reader.rest())? })
        })
    }
}
