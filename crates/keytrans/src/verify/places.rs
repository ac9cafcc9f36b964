//! Where the versions of a label stand in the prefix tree, and what their leaves commit to.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    DecodeError, Digest, KeyTransError, VrfOutput,
    codec::{Reader, Writer},
    config::Configuration,
    error::Part,
    message::BinaryLadderStep,
    suite,
    tree::prefix::Lookup,
    value::vrf_input,
};

const STRUCTURE: &str = "Places";

/// Places of versions of one label, each proven by the log's random function. Kept by whoever monitors the label: responses to monitors
/// don't repeat them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Places(pub(super) BTreeMap<u32, Place>);

/// A place, and the commitment of the leaf there if the version exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Where it is.
    pub vrf_output: VrfOutput,
    /// What the leaf commits to.
    pub commitment: Option<Digest>,
}

impl Places {
    /// Verifies a response's steps for these versions.
    ///
    /// Shape:    a step for each version, in the same order.
    /// Errors:   [`KeyTransError::Count`], [`KeyTransError::VrfProof`].
    pub(super) fn verify(
        config: &Configuration,
        label: &[u8],
        versions: &[u32],
        steps: &[BinaryLadderStep],
    ) -> Result<Self, KeyTransError> {
        if versions.len() != steps.len() {
            let (expected, found) = (versions.len(), steps.len());
            return Err(KeyTransError::Count { part: Part::BinaryLadder, expected, found });
        }
        let suite = suite::by_id(config.cipher_suite)?;
        let mut places = BTreeMap::new();
        for (version, step) in versions.iter().zip(steps) {
            let input = vrf_input(label, *version)?;
            let vrf_output = suite.verify_vrf(&config.vrf_public_key, &input, &step.proof)?;
            places.insert(*version, Place { vrf_output, commitment: step.commitment });
        }
        Ok(Self(places))
    }

    /// The place of a version.
    #[must_use]
    pub fn get(&self, version: u32) -> Option<&Place> {
        self.0.get(&version)
    }

    /// All places, by version.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Place)> {
        self.0.iter().map(|(version, place)| (*version, place))
    }

    /// Sets what a version commits to, which its value has shown.
    pub(super) fn commit(&mut self, version: u32, commitment: Digest) {
        if let Some(place) = self.0.get_mut(&version) {
            place.commitment = Some(commitment);
        }
    }

    /// Forgets the commitments that no proof has shown to be those of leaves.
    pub(super) fn keep_shown(&mut self, included: &BTreeSet<u32>) {
        for (version, place) in &mut self.0 {
            place.commitment = place.commitment.filter(|_| included.contains(version));
        }
    }

    /// Adds places that were verified.
    pub(super) fn add(&mut self, others: Self) {
        for (version, place) in others.0 {
            let known = self.0.entry(version).or_insert(place);
            known.commitment = known.commitment.or(place.commitment);
        }
    }

    pub(super) fn lookup(&self, version: u32) -> Result<Lookup, KeyTransError> {
        let place = self.0.get(&version).ok_or(KeyTransError::UnknownPlace { version })?;
        Ok(Lookup { vrf_output: place.vrf_output, commitment: place.commitment })
    }

    /// The places' bytes, for a store.
    ///
    /// Errors:   [`DecodeError::TooLong`] for more than 65,535 versions.
    pub fn encode(&self) -> Result<Vec<u8>, DecodeError> {
        let mut writer = Writer::new();
        let places: Vec<(&u32, &Place)> = self.0.iter().collect();
        writer.vector16(&places, |writer, (version, place)| {
            writer.u32(**version).put(&place.vrf_output.0);
            writer.optional(place.commitment.as_ref(), |writer, digest| writer.put(&digest.0).done())?.done()
        })?;
        Ok(writer.finish())
    }

    /// Reads places.
    ///
    /// Errors:   [`DecodeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let read = |reader: &mut Reader<'_>| {
            let version = reader.u32()?;
            let vrf_output = reader.vrf_output()?;
            Ok((version, Place { vrf_output, commitment: reader.optional(Reader::digest)? }))
        };
        Reader::whole(STRUCTURE, bytes, |reader| Ok(Self(reader.vector16(read)?.into_iter().collect())))
    }
}
