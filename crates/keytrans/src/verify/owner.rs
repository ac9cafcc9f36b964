//! What an owner verifies of the own label, and keeps.

use std::collections::{BTreeMap, BTreeSet};

use super::{Places, TreeView, Verified, Verifier, view::count};
use crate::{
    DecodeError, KeyTransError,
    codec::{Reader, Writer},
    error::{Part, PositionNeed},
    message::{
        ContactMap, OwnerInitRequest, OwnerInitResponse, OwnerMonitorRequest, OwnerMonitorResponse, UpdateRequest,
        UpdateResponse,
    },
    tree::ladder,
    value::commit,
    walk::{self, NewVersions},
};

/// The version of the stored form.
const FORMAT: u8 = 1;

/// What an owner knows of the own label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    pub(super) label: Vec<u8>,
    /// The rightmost distinguished entry that is verified.
    pub(super) start: u64,
    pub(super) greatest: Option<u32>,
    /// The greatest version as of entries at which the owner knows it: up to the next of them it is the same.
    pub(super) inserted: BTreeMap<u64, u32>,
    pub(super) map: ContactMap,
    pub(super) places: Places,
}

/// New versions of a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Updated {
    /// What the owner knows now.
    pub owner: Owner,
    /// The values of the new versions. Where their entry is distinguished, the next monitoring verifies that they stand in it (draft, "Updating a Label", step 3).
    pub values: Vec<Vec<u8>>,
}

/// How far an owner's monitoring came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Monitored {
    /// What the owner knows now.
    pub owner: Owner,
    /// Whether the newest distinguished entry was reached; otherwise ask again.
    pub is_complete: bool,
}

impl Verifier<'_> {
    /// Verifies a label's past, for somebody who begins to own it.
    ///
    /// Errors:   [`KeyTransError`].
    pub fn owner_init(
        &self,
        view: Option<&TreeView>,
        request: &OwnerInitRequest,
        response: &OwnerInitResponse,
        now: u64,
    ) -> Result<Verified<Owner>, KeyTransError> {
        let claims = response.greatest_versions.as_slice();
        let versions: BTreeSet<u32> = claims.iter().flat_map(|version| ladder::base(*version)).chain([0]).collect();
        let versions: Vec<u32> = versions.into_iter().collect();
        let greatest = claims.first().copied();
        for (version, step) in versions.iter().zip(&response.binary_ladder) {
            let exists = greatest.is_some_and(|greatest| *version <= greatest);
            // What does not exist has no commitment; what is listed as the greatest must have one.
            let wrong =
                if claims.contains(version) { step.commitment.is_none() } else { !exists && step.commitment.is_some() };
            if wrong {
                return Err(KeyTransError::Commitment { version: *version, expected: exists });
            }
        }
        let mut places = Places::verify(self.config, &request.label, &versions, &response.binary_ladder)?;
        let (head, proof) = (&response.full_tree_head, &response.init);
        let checked = self.check(view, head, proof, &places, now, |source| {
            let list = walk::init_list(source, request.start)?;
            walk::owner_init(source, &list, claims)?;
            Ok(list)
        })?;
        places.keep_shown(&checked.entries.included);
        Ok(checked.verified.map(|list| Owner {
            label: request.label.clone(),
            start: request.start,
            greatest,
            inserted: list.into_iter().zip(claims.iter().copied()).collect(),
            map: ContactMap::new(),
            places,
        }))
    }

    /// Verifies that no version of the own label came that the owner does not know.
    ///
    /// Errors:   [`KeyTransError`]; [`KeyTransError::Ladder`] if there is such a version.
    pub fn owner_monitor(
        &self,
        view: Option<&TreeView>,
        owner: &Owner,
        response: &OwnerMonitorResponse,
        now: u64,
    ) -> Result<Verified<Monitored>, KeyTransError> {
        let (head, proof) = (&response.full_tree_head, &response.monitor);
        let checked = self.check(view, head, proof, &owner.places, now, |source| {
            let map = walk::contact(source, &owner.map, Some(owner.start))?;
            let walked = walk::owner_monitor(source, owner.start, &|entry| Ok(owner.known_at(entry)))?;
            Ok((map, walked))
        })?;
        Ok(checked.verified.map(|(map, walked)| Monitored {
            owner: Owner { map, start: walked.verified, ..owner.clone() },
            is_complete: walked.is_complete,
        }))
    }

    /// Verifies new versions of the own label: those that were asked for, or those that came otherwise; with their values.
    ///
    /// Errors:   [`KeyTransError`].
    pub fn update(
        &self,
        view: Option<&TreeView>,
        owner: &Owner,
        request: &UpdateRequest,
        response: &UpdateResponse,
        now: u64,
    ) -> Result<Verified<Updated>, KeyTransError> {
        let values = if response.values.is_empty() { &request.values } else { &response.values };
        let new = owner.new_versions(response.position, values.len(), response.info.len())?;
        let mut places = self.update_places(owner, &new, response)?;
        for ((version, value), opening) in new.versions().zip(values).zip(&response.info) {
            places.commit(version, commit(opening, &owner.label, version, value)?);
        }
        let (head, proof) = (&response.full_tree_head, &response.update);
        let checked = self.check(view, head, proof, &places, now, |source| {
            walk::update(source, &new, &|entry| Ok(owner.known_at(entry)))
        })?;
        Ok(checked.verified.map(|is_distinguished| {
            let mut owner = Owner { places, greatest: Some(new.greatest), ..owner.clone() };
            owner.inserted.insert(new.position, new.greatest);
            if !is_distinguished {
                walk::watch(&mut owner.map, new.position, new.greatest);
            }
            Updated { owner, values: values.clone() }
        }))
    }

    /// The places the owner knows and those of the new versions.
    fn update_places(
        &self,
        owner: &Owner,
        new: &NewVersions,
        response: &UpdateResponse,
    ) -> Result<Places, KeyTransError> {
        let versions = new.places();
        for (version, step) in versions.iter().zip(&response.binary_ladder) {
            let expected = new.previous.is_some_and(|previous| *version < previous);
            if step.commitment.is_some() != expected {
                return Err(KeyTransError::Commitment { version: *version, expected });
            }
        }
        let mut places = owner.places.clone();
        places.add(Places::verify(self.config, &owner.label, &versions, &response.binary_ladder)?);
        Ok(places)
    }
}

impl Owner {
    /// The label.
    #[must_use]
    pub fn label(&self) -> &[u8] {
        &self.label
    }

    /// The rightmost distinguished entry that is verified.
    #[must_use]
    pub const fn start(&self) -> u64 {
        self.start
    }

    /// The greatest version that the owner knows of.
    #[must_use]
    pub const fn greatest(&self) -> Option<u32> {
        self.greatest
    }

    /// Up to and with this entry the owner knows which versions there were: the prover of an update must know it, and the draft's
    /// request does not say it.
    #[must_use]
    pub fn known_to(&self) -> u64 {
        self.inserted.last_key_value().map_or(self.start, |(entry, _)| *entry)
    }

    /// The bytes for a store: the format's version, 1; then all that is known.
    ///
    /// Errors:   [`DecodeError::TooLong`] for more than 65,535 entries or versions, or 255 of the map.
    pub fn encode(&self) -> Result<Vec<u8>, DecodeError> {
        let mut writer = Writer::new();
        writer.u8(FORMAT).bytes8(&self.label)?.u64(self.start);
        writer.optional(self.greatest.as_ref(), |writer, version| writer.u32(*version).done())?;
        let inserted: Vec<(u64, u32)> = self.inserted.iter().map(|(entry, version)| (*entry, *version)).collect();
        writer.vector16(&inserted, |writer, (entry, version)| writer.u64(*entry).u32(*version).done())?;
        crate::message::write_map(&mut writer, &self.map)?;
        writer.put(&self.places.encode()?);
        Ok(writer.finish())
    }

    /// Reads what was stored.
    ///
    /// Errors:   [`DecodeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Reader::whole("Owner", bytes, |reader| {
            let format = reader.u8()?;
            if format != FORMAT {
                return Err(reader.unknown("format", format.into()));
            }
            Ok(Self {
                label: reader.bytes8()?.to_vec(),
                start: reader.u64()?,
                greatest: reader.optional(Reader::u32)?,
                inserted: reader.vector16(|reader| Ok((reader.u64()?, reader.u32()?)))?.into_iter().collect(),
                map: crate::message::read_map(reader)?,
                places: Places::decode(reader.rest())?,
            })
        })
    }

    /// The request that monitors the label.
    #[must_use]
    pub fn monitor_request(&self, view: Option<&TreeView>) -> OwnerMonitorRequest {
        OwnerMonitorRequest {
            last: view.map(TreeView::size),
            label: self.label.clone(),
            entries: self.map.clone(),
            start: self.start,
            greatest_version: self.greatest,
        }
    }

    /// The request for new versions with these values; without any, for those that came otherwise.
    #[must_use]
    pub fn update_request(&self, view: Option<&TreeView>, values: Vec<Vec<u8>>) -> UpdateRequest {
        UpdateRequest {
            last: view.map(TreeView::size),
            label: self.label.clone(),
            greatest_version: self.greatest,
            values,
        }
    }

    /// The greatest version as of entries at which the owner knows it.
    #[must_use]
    pub const fn inserted(&self) -> &BTreeMap<u64, u32> {
        &self.inserted
    }

    /// Versions that are in no distinguished entry yet.
    #[must_use]
    pub const fn map(&self) -> &ContactMap {
        &self.map
    }

    /// Where the label's versions stand.
    #[must_use]
    pub const fn places(&self) -> &Places {
        &self.places
    }

    fn known_at(&self, entry: u64) -> Option<u32> {
        self.inserted.range(..=entry).next_back().map(|(_, version)| *version)
    }

    /// The versions that an update brings.
    fn new_versions(&self, position: u64, values: usize, infos: usize) -> Result<NewVersions, KeyTransError> {
        count(Part::UpdateInfo, values, infos)?;
        let known_to = self.known_to();
        if position <= known_to.max(self.start) {
            return Err(KeyTransError::Position { entry: position, needs: PositionNeed::AfterKnown });
        }
        let first = self.greatest.map_or(Some(0), |greatest| greatest.checked_add(1));
        let more = u32::try_from(values).ok().and_then(|values| values.checked_sub(1));
        let greatest = first.zip(more).and_then(|(first, more)| first.checked_add(more));
        let greatest = greatest.ok_or(KeyTransError::Count { part: Part::UpdateInfo, expected: 1, found: values })?;
        Ok(NewVersions { position, previous: self.greatest, greatest, known_to })
    }
}
