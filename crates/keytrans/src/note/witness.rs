//! What a witness does: it cosigns a checkpoint only if it goes on from the one that it cosigned last.

use core::fmt;
use std::collections::BTreeMap;

use thiserror::Error;

use super::{
    AddCheckpoint, LogKeys, MAX_TIMESTAMP, NoteKey, Origin, SignatureLine, UnixSeconds, UnverifiedNote, VerifierKey,
    conflict_body, merkle, text::bad,
};
use crate::{
    DecodeError, Digest, KeyTransError,
    codec::{Reader, Writer},
    error::{NotePart, NoteProblem},
};

/// The version of the stored form of [`LogState`].
const STATE_VERSION: u8 = 1;

/// What a witness knows of a log: the state that it cosigned last. It must survive the witness's power cuts.
///
/// Shape:    stored as version 1 (`uint8`), origin (`opaque<1..2^8-1>`), size (`uint64`), root (32 bytes), time (`uint64`)
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogState {
    /// Which log.
    pub origin: Origin,
    /// Its size.
    pub size: u64,
    /// Its root.
    pub root: Digest,
    /// The time of the cosignature.
    pub time: UnixSeconds,
}

impl LogState {
    /// The stored form.
    ///
    /// Errors:   none in practice: an origin is never too long.
    pub fn to_bytes(&self) -> Result<Vec<u8>, DecodeError> {
        let mut writer = Writer::new();
        writer.u8(STATE_VERSION).bytes8(self.origin.as_str().as_bytes())?;
        writer.u64(self.size).put(&self.root.0).u64(self.time.0);
        Ok(writer.finish())
    }

    /// Reads the stored form.
    ///
    /// Errors:   [`KeyTransError::Decode`], [`KeyTransError::Note`].
    pub fn parse(bytes: &[u8]) -> Result<Self, KeyTransError> {
        let (origin, size, root, time) = Reader::whole("LogState", bytes, |reader| match reader.u8()? {
            STATE_VERSION => Ok((reader.bytes8()?, reader.u64()?, reader.digest()?, UnixSeconds(reader.u64()?))),
            other => Err(reader.unknown("version", other.into())),
        })?;
        let origin = str::from_utf8(origin).map_err(|_| bad(NotePart::Origin, NoteProblem::Utf8))?;
        Ok(Self { origin: Origin::new(origin)?, size, root, time })
    }
}

/// Why a witness does not cosign. [`Self::status`] and [`Self::body`] are the answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The request cannot be read.
    #[error("the request is malformed: {0}")]
    Malformed(KeyTransError),
    /// No such log is configured.
    #[error("the log {origin} is not known")]
    UnknownLog {
        /// Which log.
        origin: Origin,
    },
    /// The log's signature is missing or wrong.
    #[error("the log did not sign this: {0}")]
    Unsigned(KeyTransError),
    /// The log claims to have shrunk.
    #[error("the old size {old} is above the size {size}")]
    Shrunk {
        /// The old size of the request.
        old: u64,
        /// The size of the checkpoint.
        size: u64,
    },
    /// The request goes on from another state than the one cosigned last.
    #[error("the size cosigned last is {known}")]
    Conflict {
        /// The size cosigned last, 0 if none was.
        known: u64,
    },
    /// The tree is not a continuation of the one cosigned last. Together with the log's signature this may prove a fork: it is worth keeping.
    #[error("the log does not go on from what was cosigned last: {0}")]
    Inconsistent(KeyTransError),
    /// The clock of the witness stands before its last cosignature of this log, or nowhere.
    #[error("the clock says {now}, and the last cosignature is of {last}", now = .now.0, last = .last.0)]
    Clock {
        /// What the clock says.
        now: UnixSeconds,
        /// The time of the last cosignature.
        last: UnixSeconds,
    },
    /// The stored state is of another log: a mistake of who calls.
    #[error("the stored state belongs to the log {found}")]
    ForeignState {
        /// Its origin.
        found: Origin,
    },
    /// Signing failed.
    #[error("signing failed: {0}")]
    Signing(KeyTransError),
}

impl Refusal {
    /// The status of the HTTP answer.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) | Self::Shrunk { .. } => 400,
            Self::Unsigned(_) => 403,
            Self::UnknownLog { .. } => 404,
            Self::Conflict { .. } => 409,
            Self::Inconsistent(_) => 422,
            Self::ForeignState { .. } | Self::Signing(_) => 500,
            Self::Clock { .. } => 503,
        }
    }

    /// The body of the HTTP answer, if it has one that says more than the status; its content type is `text/x.tlog.size`.
    #[must_use]
    pub fn body(&self) -> Option<String> {
        if let Self::Conflict { known } = self { Some(conflict_body(*known)) } else { None }
    }
}

/// A witness: its keys, and the logs that it follows.
#[derive(Debug)]
pub struct Witness {
    keys: Vec<NoteKey>,
    logs: BTreeMap<Origin, LogKeys>,
}

impl Witness {
    /// A witness that follows no log yet.
    ///
    /// Errors:   [`KeyTransError::Note`] without keys, with one twice, or with one whose signatures have no time.
    pub fn new(keys: Vec<NoteKey>) -> Result<Self, KeyTransError> {
        super::WitnessKeys::new(keys.iter().map(|key| key.verifier().clone()).collect())?;
        VerifierKey::check_distinct(keys.iter().map(NoteKey::verifier))?;
        Ok(Self { keys, logs: BTreeMap::new() })
    }

    /// Follows a log too.
    ///
    /// Errors:   [`KeyTransError::Note`] if it does already.
    pub fn with_log(mut self, log: LogKeys) -> Result<Self, KeyTransError> {
        if self.logs.insert(log.origin().clone(), log).is_some() {
            return Err(bad(NotePart::Origin, NoteProblem::Twice));
        }
        Ok(self)
    }

    /// Decides about a request. `state` is what is stored of the log that the request names, `None` if nothing is.
    ///
    /// `hedge` is fresh randomness, as for [`NoteKey::sign`].
    ///
    /// Errors:   [`Refusal`].
    /// Source:   tlog-witness, "add-checkpoint".
    pub fn consider(
        &self,
        request: &AddCheckpoint,
        state: Option<&LogState>,
        now: UnixSeconds,
        hedge: &[u8; 32],
    ) -> Result<Pending, Refusal> {
        let origin = request.unverified_checkpoint().origin();
        let log = self.logs.get(origin).ok_or_else(|| Refusal::UnknownLog { origin: origin.clone() })?;
        let signed = log.verify(request.note().clone()).map_err(Refusal::Unsigned)?;
        let checkpoint = signed.checkpoint();
        if let Some(state) = state.filter(|state| state.origin != *origin) {
            return Err(Refusal::ForeignState { found: state.origin.clone() });
        }
        let (old, size, root) = (request.old_size(), checkpoint.size(), checkpoint.root());
        if old > size {
            return Err(Refusal::Shrunk { old, size });
        }
        let known = state.map_or(0, |state| state.size);
        if old != known {
            return Err(Refusal::Conflict { known });
        }
        // A log of size 0 needs no state for its root: there is but one empty tree.
        let old_root = state.map_or(merkle::EMPTY_ROOT, |state| state.root);
        merkle::verify_consistency(old, size, request.proof(), &old_root, &root).map_err(Refusal::Inconsistent)?;
        if size == 0 && root != merkle::EMPTY_ROOT {
            let wrong = KeyTransError::Root { size, expected: merkle::EMPTY_ROOT, found: root };
            return Err(Refusal::Inconsistent(wrong));
        }
        let last = state.map_or(UnixSeconds(1), |state| state.time);
        if now < last || now > MAX_TIMESTAMP {
            return Err(Refusal::Clock { now, last });
        }
        let text = signed.note().unverified_text();
        let lines = self.keys.iter().map(|key| key.sign(text, Some(now), hedge));
        let lines = lines.collect::<Result<Vec<_>, _>>().map_err(Refusal::Signing)?;
        let by_log = signed.note().signatures().iter().filter(|line| log.keys().iter().any(|key| line.claims(key)));
        let note = UnverifiedNote::new(text, by_log.chain(&lines).cloned().collect()).map_err(Refusal::Signing)?;
        let after = LogState { origin: origin.clone(), size, root, time: now };
        Ok(Pending { change: StateChange { before: state.cloned(), after }, answer: Cosigned { lines, note } })
    }
}

/// What must be stored before a cosignature may leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateChange {
    before: Option<LogState>,
    after: LogState,
}

impl StateChange {
    /// What must still be stored: if it is not, another request came in between, and this one must fail.
    #[must_use]
    pub const fn before(&self) -> Option<&LogState> {
        self.before.as_ref()
    }

    /// What takes its place.
    #[must_use]
    pub const fn after(&self) -> &LogState {
        &self.after
    }
}

/// A decision to cosign. The cosignatures come out of it by [`Self::store`] alone.
#[must_use = "nothing is stored and nothing is cosigned before `store`"]
pub struct Pending {
    change: StateChange,
    answer: Cosigned,
}

impl Pending {
    /// Stores the new state and gives the cosignatures out.
    ///
    /// `swap` must, as one step, compare what is stored with [`StateChange::before`], put [`StateChange::after`] in its place and make it durable,
    /// or fail; if it fails, the cosignatures are dropped.
    ///
    /// Errors:   those of `swap`.
    pub fn store<E>(self, swap: impl FnOnce(&StateChange) -> Result<(), E>) -> Result<Cosigned, E> {
        swap(&self.change)?;
        Ok(self.answer)
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Pending").field("change", &self.change).finish_non_exhaustive()
    }
}

/// A checkpoint that this witness cosigned, and stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosigned {
    lines: Vec<SignatureLine>,
    note: UnverifiedNote,
}

impl Cosigned {
    /// The body of the answer 200: the witness's signature lines.
    #[must_use]
    pub fn body(&self) -> String {
        self.lines.iter().map(ToString::to_string).collect()
    }

    /// The checkpoint with the log's and the witness's signatures: what the witness serves to monitors.
    #[must_use]
    pub const fn checkpoint(&self) -> &UnverifiedNote {
        &self.note
    }
}

#[cfg(test)]
mod tests;
