//! From requests to responses (draft sections 13 and 14).

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Log, LogError, Opened, Store,
    record::{OwnerLimit, Recording},
};
use crate::{
    KeyTransError, VrfOutput,
    config::DeploymentMode,
    error::PositionNeed,
    head::{AuditorTreeHead, FullTreeHead},
    message::{
        BinaryLadderStep, ContactMap, ContactMonitorRequest, ContactMonitorResponse, Credential, CredentialProof,
        CredentialUpdate, DistinguishedRequest, DistinguishedResponse, OwnerInitRequest, OwnerInitResponse,
        OwnerMonitorRequest, OwnerMonitorResponse, SearchRequest, SearchResponse, UpdateRequest, UpdateResponse,
    },
    proof::CombinedTreeProof,
    tree::ladder,
    verify::RECENT,
    walk::{self, NewVersions},
};

/// Distinguished entries that one response to an owner covers.
pub const OWNER_ENTRIES: usize = 64;
/// New versions that one response to an owner tells of.
const NEW_VERSIONS: usize = 255;

/// Steps of a binary ladder, and the places that they prove.
type Steps = (Vec<BinaryLadderStep>, BTreeMap<u32, VrfOutput>);

impl<S: Store> Log<S> {
    /// Answers a search. The auditor's newest head goes with it, where there is one; so in all responses.
    ///
    /// Errors:   [`KeyTransError::NoSuchVersion`] and [`KeyTransError::Expired`], which the draft has no response for; [`LogError::Erased`] if the value
    ///           was erased; [`KeyTransError::TreeSize`] if the request knows more entries than there are; [`LogError::NoAuditorHead`]; those of
    ///           the store.
    pub fn search(
        &self,
        request: &SearchRequest,
        auditor: Option<&AuditorTreeHead>,
    ) -> Result<SearchResponse, LogError> {
        let label = request.label.as_slice();
        let newest = self.newest_version(label)?;
        let target = request.version.or(newest).ok_or(KeyTransError::NoSuchVersion { version: 0 })?;
        let Opened { opening, value } = self.open_version(label, target)?;
        let greatest = if request.version.is_some() { newest } else { Some(target) };
        let (binary_ladder, places) = self.steps(label, &ladder::base(target), |version| {
            version != target && greatest.is_some_and(|greatest| version <= greatest)
        })?;
        let (full_tree_head, search) = self.prove(label, request.last, auditor, places, None, |source| {
            match request.version {
                None => walk::greatest(source, target),
                Some(version) => walk::fixed(source, version),
            }
            .map(drop)
        })?;
        let version = if request.version.is_none() { Some(target) } else { None };
        Ok(SearchResponse { full_tree_head, version, opening, value, binary_ladder, search })
    }

    /// Answers a contact's monitoring.
    ///
    /// Errors:   [`KeyTransError::Position`], [`KeyTransError::Ladder`] for a map that is not of this log; those of the store.
    pub fn contact_monitor(
        &self,
        request: &ContactMonitorRequest,
        auditor: Option<&AuditorTreeHead>,
    ) -> Result<ContactMonitorResponse, LogError> {
        self.check_map(&request.entries)?;
        let (full_tree_head, monitor) =
            self.prove(&request.label, request.last, auditor, BTreeMap::new(), None, |source| {
                walk::contact(source, &request.entries, None).map(drop)
            })?;
        Ok(ContactMonitorResponse { full_tree_head, monitor })
    }

    /// Shows a label's past to somebody who begins to own it.
    ///
    /// Errors:   [`KeyTransError::Position`] if the start is not distinguished and unexpired; those of the store.
    pub fn owner_init(
        &self,
        request: &OwnerInitRequest,
        auditor: Option<&AuditorTreeHead>,
    ) -> Result<OwnerInitResponse, LogError> {
        let label = request.label.as_slice();
        // The list alone first: what is claimed of its entries stands before the proof.
        let list = walk::init_list(&mut Recording::new(self, label, self.size(), 0)?, request.start)?;
        let mut greatest_versions = Vec::new();
        for entry in &list {
            let Some(version) = self.greatest_version(label, *entry)? else { break };
            greatest_versions.push(version);
        }
        let versions: BTreeSet<u32> =
            greatest_versions.iter().flat_map(|version| ladder::base(*version)).chain([0]).collect();
        let versions: Vec<u32> = versions.into_iter().collect();
        let greatest = greatest_versions.first().copied();
        let (binary_ladder, places) =
            self.steps(label, &versions, |version| greatest.is_some_and(|greatest| version <= greatest))?;
        let (full_tree_head, init) = self.prove(label, request.last, auditor, places, None, |source| {
            let list = walk::init_list(source, request.start)?;
            walk::owner_init(source, &list, &greatest_versions)
        })?;
        Ok(OwnerInitResponse { full_tree_head, greatest_versions, binary_ladder, init })
    }

    /// Shows an owner that no version came that the owner does not know, up to [`OWNER_ENTRIES`] distinguished entries at a time.
    ///
    /// Errors:   [`KeyTransError::Position`], [`KeyTransError::Ladder`] for what is not of this log; those of the store.
    pub fn owner_monitor(
        &self,
        request: &OwnerMonitorRequest,
        auditor: Option<&AuditorTreeHead>,
    ) -> Result<OwnerMonitorResponse, LogError> {
        self.check_map(&request.entries)?;
        self.within(request.start)?;
        let label = request.label.as_slice();
        let limit = OwnerLimit { greatest: request.greatest_version, entries: OWNER_ENTRIES };
        let (full_tree_head, monitor) =
            self.prove(label, request.last, auditor, BTreeMap::new(), Some(limit), |source| {
                walk::contact(source, &request.entries, Some(request.start))?;
                walk::owner_monitor(source, request.start, &|entry| self.greatest_version(label, entry)).map(drop)
            })?;
        Ok(OwnerMonitorResponse { full_tree_head, monitor })
    }

    /// Tells an owner of the next new versions, which are in the log already. `known_to` is the entry up to which the owner knows which versions
    /// there were ([`crate::verify::Owner::known_to`]).
    ///
    /// Errors:   [`KeyTransError::NoSuchVersion`] if there is no newer one; [`LogError::Erased`]; those of the store.
    pub fn update(
        &self,
        request: &UpdateRequest,
        known_to: u64,
        auditor: Option<&AuditorTreeHead>,
    ) -> Result<UpdateResponse, LogError> {
        let label = request.label.as_slice();
        let previous = request.greatest_version;
        let first = previous.map_or(Some(0), |previous| previous.checked_add(1));
        let missing = KeyTransError::NoSuchVersion { version: first.unwrap_or(u32::MAX) };
        let versions = match first {
            Some(first) => self.versions(label, first, NEW_VERSIONS)?,
            None => Vec::new(),
        };
        let position = versions.first().map(|(_, entry)| *entry).ok_or(missing)?;
        let (mut values, mut info, mut greatest) = (Vec::new(), Vec::new(), 0);
        for (version, _) in versions.into_iter().take_while(|(_, entry)| *entry == position) {
            let Opened { opening, value } = self.open_version(label, version)?;
            values.push(value);
            info.push(opening);
            greatest = version;
        }
        let new = NewVersions { position, previous, greatest, known_to };
        let (binary_ladder, places) =
            self.steps(label, &new.places(), |version| previous.is_some_and(|previous| version < previous))?;
        let (full_tree_head, update) = self.prove(label, request.last, auditor, places, None, |source| {
            walk::update(source, &new, &|entry| self.greatest_version(label, entry)).map(drop)
        })?;
        if values == request.values {
            values.clear();
        }
        Ok(UpdateResponse { full_tree_head, position, values, info, binary_ladder, update })
    }

    /// Shows the recent distinguished entries.
    ///
    /// Errors:   those of the store.
    pub fn distinguished(
        &self,
        request: &DistinguishedRequest,
        auditor: Option<&AuditorTreeHead>,
    ) -> Result<DistinguishedResponse, LogError> {
        let (full_tree_head, distinguished) =
            self.prove(&[], request.last, auditor, BTreeMap::new(), None, |source| {
                walk::walk_recent(source, request.stop, RECENT).map(drop)
            })?;
        Ok(DistinguishedResponse { full_tree_head, distinguished })
    }

    /// Makes a credential of a label's greatest version for people who know the distinguished entry `position`.
    ///
    /// Errors:   [`KeyTransError::NoSuchVersion`] if there is none; [`LogError::Erased`]; those of the store.
    pub fn credential(&self, label: &[u8], position: u64) -> Result<Credential, LogError> {
        self.within(position)?;
        let version = self.newest_version(label)?.ok_or(KeyTransError::NoSuchVersion { version: 0 })?;
        let Opened { opening, value } = self.open_version(label, version)?;
        let versions = ladder::base(version);
        let (binary_ladder, places) = self.steps(label, &versions, |other| other < version)?;
        let proof = if self.greatest_version(label, position)? == Some(version) {
            let places: Vec<VrfOutput> = versions.iter().filter_map(|version| places.get(version).copied()).collect();
            CredentialProof::Standard { distinguished: self.look_up(position, &places)?.proof }
        } else {
            let head = self.head().ok_or(KeyTransError::NoSuchVersion { version })?;
            let mut source = Recording::new(self, label, self.size(), position + 1)?.with_places(places);
            walk::update_view(&mut source, position + 1)?;
            walk::greatest(&mut source, version)?;
            CredentialProof::Provisional { tree_head: head.tree_head.clone(), search: source.finish(None)? }
        };
        Ok(Credential { label: label.to_vec(), version, opening, value, binary_ladder, position, proof })
    }

    /// Links a provisional credential, whose head had `size` entries and whose version is in the entry `terminal`, to a later distinguished entry.
    ///
    /// Errors:   [`KeyTransError::TreeSize`], [`KeyTransError::Ladder`] for what is not of this log; those of the store.
    pub fn credential_update(
        &self,
        label: &[u8],
        (terminal, version): (u64, u32),
        size: u64,
        later: u64,
    ) -> Result<CredentialUpdate, LogError> {
        self.within(terminal)?;
        self.within(later)?;
        let mut source = Recording::new(self, label, later + 1, size)?;
        walk::update_view(&mut source, size)?;
        if matches!(self.operator().config().mode, DeploymentMode::ContactMonitoring) {
            walk::contact(&mut source, &ContactMap::from([(terminal, version)]), None)?;
        }
        Ok(CredentialUpdate { monitor: source.finish(None)? })
    }

    fn prove(
        &self,
        label: &[u8],
        last: Option<u64>,
        auditor: Option<&AuditorTreeHead>,
        places: BTreeMap<u32, VrfOutput>,
        limit: Option<OwnerLimit>,
        algorithm: impl FnOnce(&mut Recording<'_, S>) -> Result<(), LogError>,
    ) -> Result<(FullTreeHead, CombinedTreeProof), LogError> {
        let known = last.unwrap_or(0);
        let mut source = Recording::new(self, label, self.size(), known)?.with_places(places);
        if let Some(limit) = limit {
            source = source.with_limit(limit);
        }
        let is_same = known == self.size();
        let auditor = self.auditor_for(auditor)?;
        if !is_same {
            walk::update_view(&mut source, known)?;
        }
        algorithm(&mut source)?;
        let head = match self.head() {
            Some(head) if !is_same => {
                FullTreeHead::Updated { tree_head: head.tree_head.clone(), auditor_tree_head: auditor.cloned() }
            }
            Some(_) | None => FullTreeHead::Same,
        };
        let also = if is_same { None } else { auditor.map(|head| head.tree_size) };
        Ok((head, source.finish(also)?))
    }

    /// The auditor's head for an answer: one in logs with an auditor, none in others.
    fn auditor_for<'a>(&self, head: Option<&'a AuditorTreeHead>) -> Result<Option<&'a AuditorTreeHead>, LogError> {
        match self.operator().config().mode {
            DeploymentMode::ContactMonitoring => Ok(None),
            DeploymentMode::ThirdPartyAuditing { .. } => head.map(Some).ok_or(LogError::NoAuditorHead),
        }
    }

    /// Proves where versions stand, with the commitments of those of which they are to be given.
    fn steps(&self, label: &[u8], versions: &[u32], commits: impl Fn(u32) -> bool) -> Result<Steps, LogError> {
        let (mut steps, mut places) = (Vec::with_capacity(versions.len()), BTreeMap::new());
        for version in versions {
            let (place, proof) = self.operator().prove_place(label, *version)?;
            let commitment = if commits(*version) { Some(self.leaf(label, *version)?.commitment) } else { None };
            places.insert(*version, place);
            steps.push(BinaryLadderStep { proof, commitment });
        }
        Ok((steps, places))
    }

    fn open_version(&self, label: &[u8], version: u32) -> Result<Opened, LogError> {
        self.opened(label, version)?.ok_or(LogError::Erased { version })
    }

    fn check_map(&self, map: &ContactMap) -> Result<(), LogError> {
        map.keys().try_for_each(|entry| self.within(*entry))
    }

    fn within(&self, entry: u64) -> Result<(), LogError> {
        if entry < self.size() {
            Ok(())
        } else {
            Err(KeyTransError::Position { entry, needs: PositionNeed::InLog }.into())
        }
    }
}
