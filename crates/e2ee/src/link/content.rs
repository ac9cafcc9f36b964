//! What the devices tell each other once they share a key.

use core::fmt;

use quicprochat_wire::{
    DecodeError, DeviceId, DeviceKey, Reader, Writer,
    limits::{IDENTITY_ROW_BYTES, KEY_PACKAGE_ROW_BYTES},
};
use zeroize::Zeroizing;

use crate::{error::E2eeError, sealed::InboxSecretKey, vault::StateKey};

const OFFER: u8 = 1;
const HANDOVER: u8 = 2;
const PACKAGE: u8 = 3;
const DONE: u8 = 4;
const REFUSED: u8 = 5;

/// Longest name of a device.
const MAX_LABEL_BYTES: usize = 64;
/// Most inbox keys that are handed over.
const MAX_INBOX_KEYS: usize = 16;

/// A message of a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LinkContent {
    /// Joiner: the person there confirmed the string, and this is the device.
    Offer(LinkOffer),
    /// Holder: the person here confirmed, too, and this is the account.
    Handover(LinkHandover),
    /// Joiner: its KeyPackage part, for the account's record.
    Package(Vec<u8>),
    /// Holder: the record names the device.
    Done,
    /// Either: it goes no further.
    Refused(LinkRefusal),
}

/// The new device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkOffer {
    /// Its id.
    pub device: DeviceId,
    /// Its key's public half.
    pub key: DeviceKey,
    /// Its name for people.
    pub label: String,
}

/// What a new device gets of the account.
///
/// Secrets:  the vault's state key and the inbox keys; not the root key, nor what opens it.
#[derive(Clone)]
pub struct LinkHandover {
    /// The account's next identity part, signed, which names the device. Not published yet.
    pub identity: Vec<u8>,
    /// The vault's state key.
    pub state_key: StateKey,
    /// Inbox keys, newest first.
    pub inbox_keys: Vec<InboxSecretKey>,
}

impl PartialEq for LinkHandover {
    fn eq(&self, other: &Self) -> bool {
        use subtle::ConstantTimeEq as _;
        let same_key: bool = self.state_key.as_bytes().ct_eq(other.state_key.as_bytes()).into();
        same_key && self.identity == other.identity && self.inbox_keys == other.inbox_keys
    }
}

impl Eq for LinkHandover {}

impl fmt::Debug for LinkHandover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkHandover(..)")
    }
}

/// Why it goes no further.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkRefusal {
    /// The strings differ: somebody is in between.
    StringDiffers,
    /// A person changed their mind, or the program ended.
    Cancelled,
    /// The account could not be changed.
    Failed,
}

impl LinkRefusal {
    const fn number(self) -> u8 {
        match self {
            Self::StringDiffers => 1,
            Self::Cancelled => 2,
            Self::Failed => 3,
        }
    }
}

impl LinkContent {
    /// The plain encoding.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let writer = Writer::new();
        let writer = match self {
            Self::Offer(offer) => writer.u8(OFFER).fixed(offer.device).fixed(offer.key).text(&offer.label),
            Self::Handover(handover) => writer
                .u8(HANDOVER)
                .bytes(&handover.identity)
                .fixed(handover.state_key.as_bytes())
                .list(&handover.inbox_keys, |writer, key| writer.fixed(key.as_bytes())),
            Self::Package(part) => writer.u8(PACKAGE).bytes(part),
            Self::Done => writer.u8(DONE),
            Self::Refused(reason) => writer.u8(REFUSED).u8(reason.number()),
        };
        Zeroizing::new(writer.finish())
    }

    /// Takes what [`Self::encode`] made.
    ///
    /// Errors:   [`E2eeError::Decode`]; [`E2eeError::Unsupported`] for a kind that is not known.
    pub fn parse(bytes: &[u8]) -> Result<Self, E2eeError> {
        let mut reader = Reader::new(bytes);
        let content = match reader.u8()? {
            OFFER => Self::Offer(LinkOffer {
                device: DeviceId::new(reader.array()?),
                key: DeviceKey::new(reader.array()?),
                label: reader.text(MAX_LABEL_BYTES)?.to_owned(),
            }),
            HANDOVER => Self::Handover(LinkHandover {
                identity: reader.bytes(IDENTITY_ROW_BYTES)?.to_vec(),
                state_key: StateKey::from_bytes(&Zeroizing::new(reader.array()?)),
                inbox_keys: reader.list::<_, DecodeError>(MAX_INBOX_KEYS, |item| {
                    Ok(InboxSecretKey::from_bytes(&Zeroizing::new(item.array()?)))
                })?,
            }),
            PACKAGE => Self::Package(reader.bytes(KEY_PACKAGE_ROW_BYTES)?.to_vec()),
            DONE => Self::Done,
            REFUSED => Self::Refused(match reader.u8()? {
                1 => LinkRefusal::StringDiffers,
                2 => LinkRefusal::Cancelled,
                3 => LinkRefusal::Failed,
                found => return Err(DecodeError::BadValue { found: found.into() }.into()),
            }),
            found => return Err(E2eeError::Unsupported { what: "message of a device", found: found.into() }),
        };
        reader.finish()?;
        Ok(content)
    }
}
