//! The pieces of a backup's content, each behind its kind and length.

use core::fmt;

use quicprochat_e2ee::{channel::ChannelKeys, vault::Standing};
use quicprochat_wire::{
    AccountId, ChainHash, ChannelId, DecodeError, Reader, Timestamp, Writer,
    call::channel::ChainPoint,
    limits::{IDENTITY_ROW_BYTES, MAX_HOST_BYTES},
};
use zeroize::Zeroizing;

use super::ContentError;
use crate::{
    history::{HistoryRecord, decode_list, encode_list},
    store::Relation,
};

/// Largest item. Writers keep far below it.
pub const MAX_ITEM_BYTES: usize = 4 * 1024 * 1024;
/// Version of every item's content.
const VERSION: u8 = 1;
const MAX_TEXT_BYTES: usize = 64 * 1024;
const MAX_LINK_BYTES: usize = 512;
const MAX_PIN_BYTES: usize = 4096;
const MAX_MEMBERS: usize = 8_000;

const ACCOUNT: u8 = 1;
const CONTACT: u8 = 2;
const CONVERSATION: u8 = 3;
const HISTORY: u8 = 4;
const END: u8 = 255;

/// One piece.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Item {
    /// Whose backup it is: the first item, once.
    Account(AccountItem),
    /// Somebody else, as this account remembers them.
    Contact(ContactItem),
    /// A conversation, and what it takes to enter it anew.
    Conversation(ConversationItem),
    /// A part of the log of a conversation.
    History(Vec<HistoryRecord>),
    /// The last item, once: what came before it.
    End(Counts),
    /// A kind of a later version; left out when read.
    Later {
        /// Its kind.
        kind: u8,
    },
}

/// Whose backup it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccountItem {
    /// The account.
    pub account: AccountId,
    /// Its name.
    pub name: String,
    /// Its host.
    pub host: String,
    /// Link of its server.
    pub server: String,
    /// When the backup was made.
    pub made: Timestamp,
    /// Which program made it.
    pub program: String,
}

/// Somebody else.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ContactItem {
    /// Who.
    pub account: AccountId,
    /// The name, without host.
    pub name: String,
    /// The home, empty for the own server.
    pub host: String,
    /// The newest identity part seen, signed; empty if none was.
    pub identity: Vec<u8>,
    /// How far they are let in.
    pub relation: Relation,
    /// Whether the safety number was compared.
    pub verified: bool,
    /// Whether the directory vouched for the name.
    pub confirmed: bool,
    /// Whether the name is somebody else's since.
    pub superseded: bool,
    /// An identity part under another key for the same name, which nobody has accepted.
    pub changed: Option<Vec<u8>>,
    /// The pin of a confirmed contact.
    pub pin: Vec<u8>,
    /// When it was first seen.
    pub first_seen: Timestamp,
}

/// A conversation.
///
/// Secrets:  the keys, zeroised on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct ConversationItem {
    /// Its channel.
    pub channel: ChannelId,
    /// Link of the server that has the channel.
    pub server: String,
    /// 0 group, 1 direct.
    pub kind: u8,
    /// Whether the account was in it.
    pub standing: Standing,
    /// Its title; empty for a direct one.
    pub title: String,
    /// For a direct one: the other account.
    pub peer: Option<AccountId>,
    /// Who was in it, as far as known.
    pub members: Vec<AccountId>,
    /// When this device had made or joined it.
    pub since: Timestamp,
    /// Access seed, channel key, rejoin key.
    pub keys: Zeroizing<[u8; ChannelKeys::LEN]>,
    /// Position of the commit that derived them, 0 for epoch 0.
    pub keys_since: u64,
    /// The last commit that was read.
    pub pinned: ChainPoint,
    /// The last entry that was read: the history reaches up to it.
    pub cursor: ChainPoint,
}

/// What a backup holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Contacts.
    pub contacts: u64,
    /// Conversations.
    pub conversations: u64,
    /// Log entries.
    pub entries: u64,
}

impl Item {
    /// The item's bytes.
    ///
    /// Shape:    `kind u8 || content bytes`; the content begins with `u8 1`.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let (kind, content) = match self {
            Self::Account(item) => (ACCOUNT, item.write()),
            Self::Contact(item) => (CONTACT, item.write()),
            Self::Conversation(item) => (CONVERSATION, item.write()),
            Self::History(records) => (HISTORY, encode_list(records)),
            Self::End(counts) => (END, counts.write()),
            Self::Later { kind } => (*kind, Vec::new()),
        };
        let content = Zeroizing::new(content);
        Zeroizing::new(Writer::new().u8(kind).bytes(&*content).finish())
    }

    /// Reads the content of an item of this kind.
    ///
    /// Errors:   [`ContentError::Damaged`], [`ContentError::Record`]. A kind that is not known is no error.
    pub fn decode(kind: u8, content: &[u8]) -> Result<Self, ContentError> {
        if kind == HISTORY {
            return Ok(Self::History(decode_list(content)?));
        }
        let mut reader = Reader::new(content);
        let mut versioned = || match reader.u8() {
            Ok(VERSION) => Ok(reader.clone()),
            Ok(_) => Err(DecodeError::WrongLabel),
            Err(error) => Err(error),
        };
        let (item, reader) = match kind {
            ACCOUNT => whole(versioned()?, AccountItem::read, Self::Account)?,
            CONTACT => whole(versioned()?, ContactItem::read, Self::Contact)?,
            CONVERSATION => whole(versioned()?, ConversationItem::read, Self::Conversation)?,
            END => whole(versioned()?, Counts::read, Self::End)?,
            kind => return Ok(Self::Later { kind }),
        };
        reader.finish()?;
        Ok(item)
    }
}

fn whole<'a, T>(
    mut reader: Reader<'a>,
    read: impl Fn(&mut Reader<'a>) -> Result<T, DecodeError>,
    item: impl Fn(T) -> Item,
) -> Result<(Item, Reader<'a>), DecodeError> {
    let value = read(&mut reader)?;
    Ok((item(value), reader))
}

impl AccountItem {
    fn write(&self) -> Vec<u8> {
        Writer::new()
            .u8(VERSION)
            .fixed(self.account)
            .text(&self.name)
            .text(&self.host)
            .text(&self.server)
            .u64(self.made.0)
            .text(&self.program)
            .finish()
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            account: AccountId::new(reader.array()?),
            name: reader.text(MAX_HOST_BYTES)?.to_owned(),
            host: reader.text(MAX_HOST_BYTES)?.to_owned(),
            server: reader.text(MAX_LINK_BYTES)?.to_owned(),
            made: Timestamp(reader.u64()?),
            program: reader.text(MAX_HOST_BYTES)?.to_owned(),
        })
    }
}

impl ContactItem {
    fn write(&self) -> Vec<u8> {
        let relation = match self.relation {
            Relation::Seen => 0,
            Relation::Contact => 1,
            Relation::Blocked => 2,
        };
        Writer::new()
            .u8(VERSION)
            .fixed(self.account)
            .text(&self.name)
            .text(&self.host)
            .bytes(&self.identity)
            .u8(relation)
            .u8(u8::from(self.verified))
            .u8(u8::from(self.confirmed))
            .u8(u8::from(self.superseded))
            .list(self.changed.as_slice(), |writer, part| writer.bytes(part))
            .bytes(&self.pin)
            .u64(self.first_seen.0)
            .finish()
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            account: AccountId::new(reader.array()?),
            name: reader.text(MAX_HOST_BYTES)?.to_owned(),
            host: reader.text(MAX_HOST_BYTES)?.to_owned(),
            identity: reader.bytes(IDENTITY_ROW_BYTES)?.to_vec(),
            relation: match reader.u8()? {
                0 => Relation::Seen,
                1 => Relation::Contact,
                2 => Relation::Blocked,
                found => return Err(DecodeError::BadValue { found: found.into() }),
            },
            verified: flag(reader)?,
            confirmed: flag(reader)?,
            superseded: flag(reader)?,
            changed: reader.list(1, |reader| reader.bytes(IDENTITY_ROW_BYTES).map(<[u8]>::to_vec))?.pop(),
            pin: reader.bytes(MAX_PIN_BYTES)?.to_vec(),
            first_seen: Timestamp(reader.u64()?),
        })
    }
}

impl ConversationItem {
    fn write(&self) -> Vec<u8> {
        Writer::new()
            .u8(VERSION)
            .fixed(self.channel)
            .text(&self.server)
            .u8(self.kind)
            .u8(match self.standing {
                Standing::Joined => 0,
                Standing::Left => 1,
            })
            .text(&self.title)
            .list(self.peer.as_slice(), |writer, peer| writer.fixed(peer))
            .list(&self.members, |writer, member| writer.fixed(member))
            .u64(self.since.0)
            .fixed(self.keys.as_slice())
            .u64(self.keys_since)
            .u64(self.pinned.position)
            .fixed(self.pinned.hash)
            .u64(self.cursor.position)
            .fixed(self.cursor.hash)
            .finish()
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let accounts = |reader: &mut Reader<'_>, limit| reader.list(limit, |item| item.array().map(AccountId::new));
        let point = |reader: &mut Reader<'_>| {
            Ok::<_, DecodeError>(ChainPoint { position: reader.u64()?, hash: ChainHash::new(reader.array()?) })
        };
        Ok(Self {
            channel: ChannelId::new(reader.array()?),
            server: reader.text(MAX_LINK_BYTES)?.to_owned(),
            kind: reader.u8()?,
            standing: match reader.u8()? {
                0 => Standing::Joined,
                1 => Standing::Left,
                found => return Err(DecodeError::BadValue { found: found.into() }),
            },
            title: reader.text(MAX_TEXT_BYTES)?.to_owned(),
            peer: accounts(reader, 1)?.pop(),
            members: accounts(reader, MAX_MEMBERS)?,
            since: Timestamp(reader.u64()?),
            keys: Zeroizing::new(reader.array()?),
            keys_since: reader.u64()?,
            pinned: point(reader)?,
            cursor: point(reader)?,
        })
    }
}

impl Counts {
    fn write(&self) -> Vec<u8> {
        Writer::new().u8(VERSION).u64(self.contacts).u64(self.conversations).u64(self.entries).finish()
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { contacts: reader.u64()?, conversations: reader.u64()?, entries: reader.u64()? })
    }
}

fn flag(reader: &mut Reader<'_>) -> Result<bool, DecodeError> {
    match reader.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        found => Err(DecodeError::BadValue { found: found.into() }),
    }
}

impl fmt::Debug for ConversationItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConversationItem")
            .field("channel", &self.channel)
            .field("standing", &self.standing)
            .field("pinned", &self.pinned)
            .finish_non_exhaustive()
    }
}
