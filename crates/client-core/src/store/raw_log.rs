//! Entries as the server had them, kept for a while: so that a server that lost its newest past can be given it back (L3).

use core::fmt;

use quicprochat_wire::{
    ChainHash, ChannelId, DecodeError, MessageId, Reader, Timestamp, Writer,
    call::channel::{ChainPoint, EntryKind},
};

use super::{
    StoreFault,
    codec::{Field, stored_rows, stored_struct},
    secret::Secret,
};

stored_struct! {
    /// The keys on both sides of a rolling commit (L7).
    RawRoll {
        /// Access seed, channel key, rejoin key in force before it.
        before: Secret<96>,
        /// Those that it derived.
        next: Secret<96>,
    }
}

/// An entry as it stood in the log, and what giving it back takes.
///
/// Secrets:  the keys of a rolling commit; wiped on drop, redacted in `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct RawEntry {
    /// Where.
    pub channel: ChannelId,
    /// Its position.
    pub position: u64,
    /// The chain's value there.
    pub hash: ChainHash,
    /// Its id.
    pub id: MessageId,
    /// Message or commit.
    pub kind: EntryKind,
    /// The commit it named.
    pub after: ChainPoint,
    /// The sealed bytes.
    pub sealed: Vec<u8>,
    /// When the server accepted it.
    pub time: Timestamp,
    /// For a commit that counted: the epoch that it began.
    pub begins: Option<u64>,
    /// For a rolling one: the keys.
    pub roll: Option<RawRoll>,
    /// Sealed bytes of all entries that were kept before it, without a gap, whether or not they still are.
    pub offset: u64,
}

impl RawEntry {
    /// Where it stands.
    #[must_use]
    pub const fn at(&self) -> ChainPoint {
        ChainPoint { position: self.position, hash: self.hash }
    }

    /// What is needed to decide how long it is kept.
    #[must_use]
    pub fn mark(&self) -> RawMark {
        let bytes = u64::try_from(self.sealed.len()).unwrap_or(u64::MAX);
        RawMark { position: self.position, time: self.time, end: self.offset.saturating_add(bytes), bytes }
    }
}

impl fmt::Debug for RawEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawEntry")
            .field("channel", &self.channel)
            .field("position", &self.position)
            .field("kind", &self.kind)
            .field("begins", &self.begins)
            .field("rolls", &self.roll.is_some())
            .finish_non_exhaustive()
    }
}

impl Field for EntryKind {
    fn write(&self, writer: Writer) -> Result<Writer, StoreFault> {
        Ok(writer.u8(match self {
            Self::Message => 0,
            Self::Commit => 1,
        }))
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.u8()? {
            0 => Ok(Self::Message),
            1 => Ok(Self::Commit),
            found => Err(DecodeError::BadValue { found: u64::from(found) }),
        }
    }
}

impl Field for RawEntry {
    fn write(&self, writer: Writer) -> Result<Writer, StoreFault> {
        let writer = self.hash.write(self.position.write(self.channel.write(writer)?)?)?;
        let writer = self.after.write(self.kind.write(self.id.write(writer)?)?)?;
        let writer = self.begins.write(self.time.write(self.sealed.write(writer)?)?)?;
        self.offset.write(self.roll.write(writer)?)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            channel: Field::read(reader)?,
            position: Field::read(reader)?,
            hash: Field::read(reader)?,
            id: Field::read(reader)?,
            kind: Field::read(reader)?,
            after: Field::read(reader)?,
            sealed: Field::read(reader)?,
            time: Field::read(reader)?,
            begins: Field::read(reader)?,
            roll: Field::read(reader)?,
            offset: Field::read(reader)?,
        })
    }
}

/// How much of the log an entry is the end of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RawMark {
    /// Its position.
    pub position: u64,
    /// When the server accepted it.
    pub time: Timestamp,
    /// Sealed bytes of all entries kept up to it, itself among them, whether or not they still are.
    pub end: u64,
    /// Its own sealed bytes.
    pub bytes: u64,
}

stored_struct! {
    /// A server that was put back to an older backup, as far as this device has noticed.
    ServerPutBack {
        /// It takes nothing new before.
        until: Timestamp,
        /// When that was last noticed.
        noticed: Timestamp,
        /// Entries that this device gave back in all.
        given: u64,
        /// Conversations that it gave entries back to, each time counted.
        conversations: u64,
    }
}

stored_rows! { RawEntry = 1, ServerPutBack = 1, }

/// Where raw entries are kept: of each channel a span without gaps.
pub trait RawLogStore {
    /// Adds one, or replaces that of its position.
    fn put_raw(&self, entry: &RawEntry) -> Result<(), StoreFault>;

    /// The oldest and the newest that are kept.
    fn raw_span(&self, channel: &ChannelId) -> Result<Option<(RawMark, RawMark)>, StoreFault>;

    /// Those behind a position, in order.
    fn raw_after(&self, channel: &ChannelId, after: u64, limit: usize) -> Result<Vec<RawEntry>, StoreFault>;

    /// The newest rolling commit before a position.
    fn raw_roll_before(&self, channel: &ChannelId, before: u64) -> Result<Option<RawEntry>, StoreFault>;

    /// Removes one, if it is there.
    fn delete_raw(&self, channel: &ChannelId, position: u64) -> Result<(), StoreFault>;

    /// Removes all of a channel.
    fn clear_raw(&self, channel: &ChannelId) -> Result<(), StoreFault>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Stored as _;

    #[test]
    fn a_row_reads_back_and_its_keys_are_not_printed() {
        let row = RawEntry {
            channel: ChannelId::new([1; 32]),
            position: 7,
            hash: ChainHash::new([2; 32]),
            id: MessageId::new([3; 16]),
            kind: EntryKind::Commit,
            after: ChainPoint { position: 4, hash: ChainHash::new([5; 32]) },
            sealed: vec![6; 600],
            time: Timestamp(60_000),
            begins: Some(9),
            roll: Some(RawRoll { before: Secret::new([0xaa; 96]), next: Secret::new([0xbb; 96]) }),
            offset: 1_000,
        };
        let bytes = row.encode().expect("fits");
        assert_eq!(RawEntry::decode(&bytes), Ok(row.clone()));
        for end in 0..bytes.len() {
            assert!(RawEntry::decode(&bytes[..end]).is_err(), "cut at {end}");
        }
        assert_eq!(row.mark(), RawMark { position: 7, time: Timestamp(60_000), end: 1_600, bytes: 600 });
        for said in [format!("{row:?}"), format!("{:?}", row.roll)] {
            assert!(!said.contains("170") && !said.contains("187") && !said.contains("aa"), "{said}");
        }
    }
}
