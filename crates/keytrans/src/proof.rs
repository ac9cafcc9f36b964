//! Proofs as they travel (draft section 11).

use crate::{
    DecodeError, Digest, VrfOutput,
    codec::{Reader, Writer},
};

/// Hashes of subtrees of the log tree that a verifier can't compute itself, from left to right.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InclusionProof {
    /// Heads of balanced subtrees.
    pub elements: Vec<Digest>,
}

/// A leaf of the prefix tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PrefixLeaf {
    /// Its place.
    pub vrf_output: VrfOutput,
    /// What it commits to.
    pub commitment: Digest,
}

/// Where a search in a prefix tree ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Terminal {
    /// At the leaf that was looked for.
    Inclusion,
    /// At another leaf.
    NonInclusionLeaf(PrefixLeaf),
    /// At a child that is not there.
    NonInclusionParent,
}

/// A search in a prefix tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrefixSearchResult {
    /// Where it ended.
    pub terminal: Terminal,
    /// Nodes above that place: the root has depth 0.
    pub depth: u8,
}

/// Searches in one prefix tree, and what it takes to compute its root from them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PrefixProof {
    /// In the order in which they were asked for.
    pub results: Vec<PrefixSearchResult>,
    /// Nodes that no search reaches, from left to right; [`Digest::ZERO`] for a child that is not there.
    pub elements: Vec<Digest>,
}

/// What a verifier needs of the log for one or more of the draft's algorithms, in the order in which they ask.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CombinedTreeProof {
    /// Times of entries, in milliseconds since 1970.
    pub timestamps: Vec<u64>,
    /// Searches in prefix trees of entries.
    pub prefix_proofs: Vec<PrefixProof>,
    /// Roots of the prefix trees of the entries whose time was given and in which nothing was searched, from left to right.
    pub prefix_roots: Vec<Digest>,
    /// The rest of the log tree.
    pub inclusion: InclusionProof,
}

impl PrefixLeaf {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { vrf_output: reader.vrf_output()?, commitment: reader.digest()? })
    }

    pub(crate) fn write(&self, writer: &mut Writer) -> Result<(), DecodeError> {
        writer.put(&self.vrf_output.0).put(&self.commitment.0).done()
    }
}

impl PrefixSearchResult {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let terminal = match reader.u8()? {
            1 => Terminal::Inclusion,
            2 => Terminal::NonInclusionLeaf(PrefixLeaf::read(reader)?),
            3 => Terminal::NonInclusionParent,
            other => return Err(reader.unknown("result_type", other.into())),
        };
        Ok(Self { terminal, depth: reader.u8()? })
    }

    fn write(&self, writer: &mut Writer) -> Result<(), DecodeError> {
        match &self.terminal {
            Terminal::Inclusion => writer.u8(1).done()?,
            Terminal::NonInclusionLeaf(leaf) => leaf.write(writer.u8(2))?,
            Terminal::NonInclusionParent => writer.u8(3).done()?,
        }
        writer.u8(self.depth).done()
    }
}

impl PrefixProof {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let results = reader.vector8(PrefixSearchResult::read)?;
        Ok(Self { results, elements: reader.vector16(Reader::digest)? })
    }

    pub(crate) fn write(&self, writer: &mut Writer) -> Result<(), DecodeError> {
        writer.vector8(&self.results, |writer, result| result.write(writer))?;
        writer.vector16(&self.elements, |writer, element| writer.put(&element.0).done())?.done()
    }
}

impl CombinedTreeProof {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            timestamps: reader.vector8(Reader::u64)?,
            prefix_proofs: reader.vector8(PrefixProof::read)?,
            prefix_roots: reader.vector8(Reader::digest)?,
            inclusion: InclusionProof { elements: reader.vector16(Reader::digest)? },
        })
    }

    pub(crate) fn write(&self, writer: &mut Writer) -> Result<(), DecodeError> {
        writer.vector8(&self.timestamps, |writer, timestamp| writer.u64(*timestamp).done())?;
        writer.vector8(&self.prefix_proofs, |writer, proof| proof.write(writer))?;
        writer.vector8(&self.prefix_roots, |writer, root| writer.put(&root.0).done())?;
        writer.vector16(&self.inclusion.elements, |writer, element| writer.put(&element.0).done())?.done()
    }
}
