//! What can be wrong with bytes, proofs and heads.

use thiserror::Error;

use crate::{
    Digest,
    config::CipherSuite,
    note::{KeyId, KeyName, Origin},
};

/// Bytes that are not the structure they should be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// There are too few bytes.
    #[error("{structure} ends too early: {needed} more needed, {left} bytes left")]
    Truncated {
        /// The structure that was read.
        structure: &'static str,
        /// Bytes or elements that were to come.
        needed: usize,
        /// Bytes that were there.
        left: usize,
    },
    /// Bytes follow the structure.
    #[error("{left} bytes follow {structure}")]
    Trailing {
        /// The structure that was read.
        structure: &'static str,
        /// How many.
        left: usize,
    },
    /// A field has a value that it cannot have.
    #[error("{structure}: {field} cannot be {found}")]
    Unknown {
        /// The structure that was read.
        structure: &'static str,
        /// The field.
        field: &'static str,
        /// Its value.
        found: u64,
    },
    /// Something is longer than its length field can say, or than is allowed.
    #[error("{found} are too many: {limit} at most")]
    TooLong {
        /// Bytes or elements at most.
        limit: usize,
        /// Bytes or elements there are.
        found: usize,
    },
}

/// A check that failed, with what was expected and what was found.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyTransError {
    /// Bytes are not the structure they should be.
    #[error(transparent)]
    Decode(#[from] DecodeError),

    // --- keys and signatures (suite) ---
    /// The log uses a suite that this program does not know.
    #[error("cipher suite {found} is not supported")]
    UnsupportedSuite {
        /// What the log says.
        found: CipherSuite,
    },
    /// Bytes are not a key of the suite.
    #[error("{of} is not a valid key")]
    PublicKey {
        /// Whose key.
        of: KeyOf,
    },
    /// A signature does not verify.
    #[error("the signature of {by} does not verify")]
    Signature {
        /// Whose signature.
        by: KeyOf,
    },
    /// A VRF proof does not verify.
    #[error("the VRF proof does not verify")]
    VrfProof,
    /// The VRF gives no output for an input: it is no element of the group, or leads to none.
    #[error("the VRF cannot evaluate this input")]
    VrfInput,

    // --- proofs ---
    /// A part of a proof has more or fewer elements than the algorithm asks for.
    #[error("{part}: {found} elements where {expected} were expected")]
    Count {
        /// Which part.
        part: Part,
        /// Elements that the algorithm asks for (so far, if there were too few).
        expected: usize,
        /// Elements that there are.
        found: usize,
    },
    /// A look-up in a prefix tree came out otherwise than the claimed version allows.
    #[error("entry {entry}: version {version} {}", if *.included { "exists, and must not" } else { "does not exist, and must" })]
    Ladder {
        /// The log entry.
        entry: u64,
        /// The version that was looked up.
        version: u32,
        /// Whether the proof shows it as included.
        included: bool,
    },
    /// A prefix proof is not the proof of what was looked up.
    #[error("entry {entry}: the prefix proof is not possible: {problem}")]
    PrefixProof {
        /// The log entry.
        entry: u64,
        /// What is wrong with it.
        problem: PrefixProblem,
    },
    /// Two proofs of one log entry show different prefix trees.
    #[error("entry {entry} has two prefix trees: {expected} and {found}")]
    PrefixRoot {
        /// The log entry.
        entry: u64,
        /// The root known before.
        expected: Digest,
        /// The root that the proof gives.
        found: Digest,
    },
    /// The log is not the one that was seen before: a subtree has another head.
    #[error("the log was changed: entries {first} to {last} hash to {found}, not to {expected}")]
    Forked {
        /// The first entry of the subtree.
        first: u64,
        /// The last entry of the subtree.
        last: u64,
        /// What was seen before.
        expected: Digest,
        /// What the proof gives.
        found: Digest,
    },
    /// The root of the log is another one than the known or claimed one.
    #[error("the log of {size} entries has the root {found}, not {expected}")]
    Root {
        /// Entries.
        size: u64,
        /// The known root.
        expected: Digest,
        /// What the proof gives.
        found: Digest,
    },
    /// Time runs backwards in the log.
    #[error("entry {entry} is of {found}, before {earliest} of an earlier entry")]
    TimestampOrder {
        /// The later log entry.
        entry: u64,
        /// The time of an entry before it, in milliseconds since 1970.
        earliest: u64,
        /// Its time.
        found: u64,
    },
    /// The newest entry is too new or too old for this clock.
    #[error(
        "the newest entry is of {found}, the clock says {now}; allowed are {behind} ms behind and {ahead} ms ahead"
    )]
    Clock {
        /// The clock of this device, in milliseconds since 1970.
        now: u64,
        /// The time of the newest entry.
        found: u64,
        /// Milliseconds that an entry may be in the future.
        ahead: u64,
        /// Milliseconds that an entry may be old.
        behind: u64,
    },
    /// The log is smaller than one that was seen, or not larger where it must be.
    #[error("the log has {found} entries, and at least {least} were expected")]
    TreeSize {
        /// Entries at least.
        least: u64,
        /// Entries that the head says.
        found: u64,
    },
    /// The head is said to be the same as one that was never asked for.
    #[error("the head is said to be unchanged, but none was known")]
    NoKnownHead,
    /// The auditor is too far behind, or its head belongs to another point of the log.
    #[error("the auditor's head (size {size}, time {timestamp}) does not fit: {problem}")]
    AuditorHead {
        /// Entries that the auditor has seen.
        size: u64,
        /// Time of the last one.
        timestamp: u64,
        /// What is wrong with it.
        problem: AuditorProblem,
    },
    /// The version asked for does not exist.
    #[error("version {version} does not exist")]
    NoSuchVersion {
        /// The version.
        version: u32,
    },
    /// The version asked for is older than the log keeps.
    #[error("version {version} has expired")]
    Expired {
        /// The version.
        version: u32,
    },
    /// A position does not stand where the operation needs it.
    #[error("entry {entry} is not {needs}")]
    Position {
        /// The log entry.
        entry: u64,
        /// What it should be.
        needs: PositionNeed,
    },
    /// The versions that were listed are not in order, or do not follow the known ones.
    #[error("version {found} is listed where at most {most} can be")]
    VersionOrder {
        /// The greatest version possible there.
        most: u32,
        /// What is listed.
        found: u32,
    },
    /// Where a version stands was never proven.
    #[error("the place of version {version} is not known")]
    UnknownPlace {
        /// The version.
        version: u32,
    },
    /// A commitment stands where none may be, or is missing.
    #[error("version {version}: {}", if *.expected { "its commitment is missing" } else { "a commitment stands where none may be" })]
    Commitment {
        /// The version.
        version: u32,
        /// Whether one must be there.
        expected: bool,
    },

    // --- auditing ---
    /// What an auditor was told of an entry is not possible, or more than it can check.
    #[error("entry {entry}: the auditor's update is refused: {problem}")]
    AuditorUpdate {
        /// The new log entry.
        entry: u64,
        /// Why.
        problem: UpdateProblem,
    },
    // --- notes ---
    /// A note, or something in it, is not as it must be.
    #[error("{part}: {problem}")]
    Note {
        /// Which part.
        part: NotePart,
        /// What is wrong with it.
        problem: NoteProblem,
    },
    /// A signature line claims to be of a known key and is not.
    #[error("the signature of {name}+{id} does not verify")]
    NoteSignature {
        /// Whose it claims to be.
        name: KeyName,
        /// Of which key.
        id: KeyId,
    },
    /// None of the signatures is of a known key.
    #[error("no known key signed this")]
    NoKnownKey,
    /// A checkpoint is of another log.
    #[error("the checkpoint is of {found}, not of {expected}")]
    Origin {
        /// The log that it should be of.
        expected: Origin,
        /// The log that it is of.
        found: Origin,
    },
    /// Too few witnesses cosigned recently.
    #[error("{found} witnesses cosigned, and {needed} must ({outdated} more are too old or too new)")]
    Quorum {
        /// How many must.
        needed: usize,
        /// How many did.
        found: usize,
        /// How many more did at another time than is allowed.
        outdated: usize,
    },
    /// The signatures of the log do not cover the extension lines.
    #[error("the extension lines of the checkpoint are not signed")]
    ExtensionsUnsigned,
    /// No signature could be made.
    #[error("no signature could be made")]
    Signing,
}

/// Whose key or signature it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyOf {
    /// The operator's, for heads.
    Operator,
    /// The operator's, of the verifiable random function.
    Vrf,
    /// The third-party auditor's.
    Auditor,
    /// A witness's.
    Witness,
}

/// A part of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// `CombinedTreeProof.timestamps`.
    Timestamps,
    /// `CombinedTreeProof.prefix_proofs`.
    PrefixProofs,
    /// `CombinedTreeProof.prefix_roots`.
    PrefixRoots,
    /// `InclusionProof.elements`.
    Inclusion,
    /// `PrefixProof.results`.
    PrefixResults,
    /// `PrefixProof.elements`.
    PrefixElements,
    /// `binary_ladder`.
    BinaryLadder,
    /// `greatest_versions`.
    GreatestVersions,
    /// `UpdateResponse.info`.
    UpdateInfo,
    /// The full subtrees of a tree head that is kept.
    FullSubtrees,
    /// The frontier of a tree head that is kept.
    Frontier,
    /// The complete subtrees of the companion log.
    CompactRange,
    /// An inclusion proof of the companion log.
    CompanionInclusion,
    /// A consistency proof of the companion log.
    CompanionConsistency,
}

/// What makes a prefix proof impossible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PrefixProblem {
    /// Two searches go through one node, and only one ends there.
    Overlap,
    /// The leaf that stands in the way is the one that was looked for, or not on its way.
    ForeignLeaf,
    /// It ends at the root.
    Depth,
    /// It shows a version as included whose commitment was not given.
    NoCommitment,
}

/// What is wrong with an auditor's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuditorProblem {
    /// It is newer than the log.
    Ahead,
    /// It is older than the log's configuration allows.
    Behind,
    /// It begins after the last head that was audited.
    Gap,
}

/// Why an auditor refuses an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpdateProblem {
    /// The leaves are not in ascending order, or one is there twice.
    Order,
    /// A leaf is added that was there before.
    Exists,
    /// Leaves are removed, which this program does not support.
    Removal,
    /// Two leaves share their first 255 bits.
    Depth,
    /// The log has as many entries as it can have.
    Full,
}

/// What an entry should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PositionNeed {
    /// Within the log.
    InLog,
    /// Distinguished, and not expired.
    Distinguished,
    /// After the entry of the greatest version known.
    AfterKnown,
    /// Known from a walk of the distinguished entries.
    Known,
    /// On the direct path of the entry that has the version first.
    OnPath,
    /// After the log ended when it was seen last.
    AfterHead,
}

/// A part of a note, or of what goes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotePart {
    /// The note as a whole.
    Note,
    /// A signature line.
    SignatureLine,
    /// The name of a key.
    KeyName,
    /// A public key.
    VerifierKey,
    /// The text of a checkpoint.
    Checkpoint,
    /// Which log it is.
    Origin,
    /// The size of the tree.
    Size,
    /// The root of the tree.
    Root,
    /// An extension line.
    Extension,
    /// The time of a cosignature.
    Timestamp,
    /// A request to a witness.
    Request,
    /// The size that a witness has.
    OldSize,
    /// A hash of a proof.
    ProofLine,
    /// A proof with its checkpoint.
    Proof,
    /// Which witnesses must cosign.
    Policy,
}

/// What is wrong with a part of a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NoteProblem {
    /// It is missing or empty.
    #[error("missing or empty")]
    Empty,
    /// It is too long.
    #[error("{found} bytes, and {limit} at most")]
    TooLong {
        /// Bytes at most.
        limit: usize,
        /// Bytes there are.
        found: usize,
    },
    /// There are too many of it.
    #[error("more than {limit}")]
    TooMany {
        /// How many at most.
        limit: usize,
    },
    /// It has another length than it must.
    #[error("{found} bytes, not {expected}")]
    Length {
        /// Bytes it must have.
        expected: usize,
        /// Bytes it has.
        found: usize,
    },
    /// It is not UTF-8.
    #[error("not UTF-8")]
    Utf8,
    /// It has a character that may not be in it.
    #[error("a character that may not be in it")]
    Character,
    /// It does not end with a newline.
    #[error("no newline at the end")]
    FinalNewline,
    /// It is not built as it must be.
    #[error("not of the right form")]
    Form,
    /// It is not padded, canonical base64.
    #[error("not base64")]
    Base64,
    /// It is not a number of the right form and range.
    #[error("not a possible number")]
    Number,
    /// It stands there twice.
    #[error("there twice")]
    Twice,
    /// The algorithm is unknown, or not for this use.
    #[error("algorithm {found:#04x} is not possible here")]
    Algorithm {
        /// Its byte.
        found: u8,
    },
    /// The key id is another one than that of the key.
    #[error("its key id must be {computed}")]
    KeyId {
        /// That of the key.
        computed: KeyId,
    },
    /// The key is not on the curve, or one that nobody can own.
    #[error("not a valid key")]
    InvalidKey,
}

macro_rules! words {
    ($kind:ty { $($value:ident => $words:literal),+ $(,)? }) => {
        impl core::fmt::Display for $kind {
            fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                out.write_str(match self { $(Self::$value => $words),+ })
            }
        }
    };
}

words!(KeyOf {
    Operator => "the log's operator",
    Vrf => "the log's random function",
    Auditor => "the auditor",
    Witness => "the witness",
});
words!(Part {
    Timestamps => "timestamps",
    PrefixProofs => "prefix proofs",
    PrefixRoots => "prefix roots",
    Inclusion => "nodes of the log tree",
    PrefixResults => "results of a prefix proof",
    PrefixElements => "nodes of a prefix proof",
    BinaryLadder => "steps of the binary ladder",
    GreatestVersions => "greatest versions",
    UpdateInfo => "new versions",
    FullSubtrees => "full subtrees",
    Frontier => "frontier entries",
    CompactRange => "complete subtrees",
    CompanionInclusion => "nodes of an inclusion proof",
    CompanionConsistency => "nodes of a consistency proof",
});
words!(PrefixProblem {
    Overlap => "two searches go through one node, and only one ends there",
    ForeignLeaf => "the leaf in the way is not on the way, or is the one that was looked for",
    Depth => "it ends at the root",
    NoCommitment => "what it shows as included has no commitment",
});
words!(AuditorProblem {
    Ahead => "it is newer than the log",
    Behind => "it is older than the log allows",
    Gap => "it begins after what was audited last",
});
words!(UpdateProblem {
    Order => "its leaves are not in order",
    Exists => "it adds what was there",
    Removal => "it removes leaves, which is not supported",
    Depth => "two of its leaves cannot be told apart",
    Full => "the log is full",
});
words!(PositionNeed {
    InLog => "in the log",
    Distinguished => "distinguished and unexpired",
    AfterKnown => "after the greatest version known",
    Known => "a distinguished entry that is known",
    OnPath => "on the direct path of the version's entry",
    AfterHead => "after what was known of the log",
});
words!(NotePart {
    Note => "note",
    SignatureLine => "signature line",
    KeyName => "name of a key",
    VerifierKey => "public key",
    Checkpoint => "checkpoint",
    Origin => "origin",
    Size => "size of the tree",
    Root => "root of the tree",
    Extension => "extension line",
    Timestamp => "time of the cosignature",
    Request => "request",
    OldSize => "old size",
    ProofLine => "hash of a proof",
    Proof => "proof",
    Policy => "policy",
});
