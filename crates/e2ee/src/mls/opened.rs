//! Commits read from their bytes: where OpenMLS gives up before it hands the commit out, and before it sees one from outside.
//!
//! OpenMLS decrypts the path before our rules can look at the proposals, and a path that does not decrypt for one member may
//! do so for another. If the commit breaks a rule, both must skip it (DESIGN L9); so on such a failure the proposals are read
//! from what was decrypted, and judged all the same. Framing and signature have been checked by then.
//!
//! An external commit is public (DESIGN M2): it is read and judged first, and whatever OpenMLS makes of it must be the same.
//!
//! Source:   RFC 9420 sections 6.3.1, 7.2, 10, 12.1, 12.4.

use quicprochat_identity::CREDENTIAL_TYPE;
use quicprochat_wire::{DecodeError, DeviceKey};

use super::{
    Invalid, PROFILE_EXTENSION, Profile,
    rules::{Committer, NewLeaf, Proposed, credential_of},
    welcome::TlsReader,
};

const ADD: u16 = 1;
const REMOVE: u16 = 3;
const PSK: u16 = 4;
const EXTERNAL_INIT: u16 = 6;
const GROUP_CONTEXT_EXTENSIONS: u16 = 7;
const REQUIRED_CAPABILITIES: u16 = 3;
/// Lists of one extension type, no proposal type, one credential type, each with its length.
const OUR_REQUIREMENTS: [u8; 7] = {
    let ([a, b], [c, d]) = (PROFILE_EXTENSION.to_be_bytes(), CREDENTIAL_TYPE.to_be_bytes());
    [2, a, b, 0, 2, c, d]
};

/// SenderType and ContentType of RFC 9420, section 6.
const SENDER_MEMBER: u8 = 1;
const SENDER_NEW_MEMBER_COMMIT: u8 = 4;
const CONTENT_COMMIT: u8 = 3;
const EXTERNAL_PSK: u8 = 1;
/// KDF.Nh of every suite.
const NONCE_BYTES: usize = 32;
const MLS10: u16 = 1;
const PUBLIC_MESSAGE: u16 = 1;
const PRIVATE_MESSAGE: u16 = 2;

/// The commit in what was decrypted of a PrivateMessage: its sender data, then its content.
pub(super) fn proposed(sender_data: &[u8], content: &[u8]) -> Result<Proposed, Invalid> {
    let committer = Committer::Member(u32(&mut TlsReader::new(sender_data))?);
    commit(&mut TlsReader::new(content), committer, &[])
}

/// What of a PrivateMessage's commit goes into the next transcript hash: the message's head, then what was decrypted of it.
///
/// `head` is group id, epoch and authenticated data as they stand in the message.
pub(super) fn transcript_input(head: &PrivateHead<'_>, sender_data: &[u8], content: &[u8]) -> Option<Vec<u8>> {
    let mut reader = TlsReader::new(content);
    commit(&mut reader, Committer::Member(0), &[]).ok()?;
    reader.vector().ok()?;
    let signed = content.get(..content.len().checked_sub(reader.rest().len())?)?;
    let leaf = sender_data.get(..4)?;
    let parts: [&[u8]; 7] = [
        &PRIVATE_MESSAGE.to_be_bytes(),
        head.group_and_epoch,
        &[SENDER_MEMBER],
        leaf,
        head.authenticated_data,
        &[CONTENT_COMMIT],
        signed,
    ];
    Some(parts.concat())
}

/// The readable head of a PrivateMessage, field by field as encoded.
pub(super) struct PrivateHead<'a> {
    group_and_epoch: &'a [u8],
    authenticated_data: &'a [u8],
}

impl<'a> PrivateHead<'a> {
    /// Of an MLSMessage that OpenMLS has parsed.
    pub(super) fn read(message: &'a [u8]) -> Option<Self> {
        let mut reader = TlsReader::new(message);
        reader.take(4).ok()?;
        let start = reader.rest();
        reader.vector().ok()?;
        reader.take(8).ok()?;
        let group_and_epoch = start.get(..start.len().checked_sub(reader.rest().len())?)?;
        reader.u8().ok()?;
        let start = reader.rest();
        reader.vector().ok()?;
        let authenticated_data = start.get(..start.len().checked_sub(reader.rest().len())?)?;
        Some(Self { group_and_epoch, authenticated_data })
    }
}

/// An external commit as everybody can read it.
pub(super) struct ExternalCommit<'a> {
    pub(super) group: &'a [u8],
    pub(super) epoch: u64,
    pub(super) authenticated_data: &'a [u8],
    /// What it proposes; see [`super::rules::judge`].
    pub(super) proposed: Result<Proposed, Invalid>,
    /// What of it goes into the next transcript hash; empty if it does not parse.
    pub(super) transcript_input: &'a [u8],
}

/// Reads an external commit from its MLSMessage.
///
/// Errors:   [`Invalid::NotPrivate`] for every other PublicMessage.
pub(super) fn external<'a>(message: &'a [u8], psk_id: &[u8]) -> Result<ExternalCommit<'a>, Invalid> {
    let mut reader = TlsReader::new(message);
    if (reader.u16()?, reader.u16()?) != (MLS10, PUBLIC_MESSAGE) {
        return Err(Invalid::NotPrivate);
    }
    let group = reader.vector()?;
    let epoch = (u64::from(u32(&mut reader)?) << 32) | u64::from(u32(&mut reader)?);
    if reader.u8()? != SENDER_NEW_MEMBER_COMMIT {
        return Err(Invalid::NotPrivate);
    }
    let authenticated_data = reader.vector()?;
    if reader.u8()? != CONTENT_COMMIT {
        return Err(Invalid::NotPrivate);
    }
    let proposed = commit(&mut reader, Committer::Outside, psk_id);
    // Up to the end of the signature; in front of it only the version of the MLSMessage is left out.
    let signed = if proposed.is_ok() { reader.vector().ok() } else { None };
    let end = message.len().saturating_sub(reader.rest().len());
    let transcript_input = signed.and_then(|_| message.get(2..end)).unwrap_or_default();
    Ok(ExternalCommit { group, epoch, authenticated_data, proposed, transcript_input })
}

/// A Commit structure.
fn commit(reader: &mut TlsReader<'_>, committer: Committer, psk_id: &[u8]) -> Result<Proposed, Invalid> {
    let mut proposed = Proposed { committer, ..Proposed::default() };
    let outside = committer == Committer::Outside;
    let (mut inits, mut rejoin_keys) = (0_u32, 0_u32);
    let mut proposals = TlsReader::new(reader.vector()?);
    while !proposals.rest().is_empty() {
        if proposals.u8()? != 1 {
            return Err(Invalid::ByReference);
        }
        match proposals.u16()? {
            REMOVE => proposed.removed.push(u32(&mut proposals)?),
            ADD if !outside => proposed.added.push(key_package(&mut proposals)?),
            GROUP_CONTEXT_EXTENSIONS if !outside => proposed.profile = Some(context(proposals.vector()?)?),
            EXTERNAL_INIT if outside => {
                proposals.vector()?;
                inits = inits.saturating_add(1);
            }
            PSK if outside => {
                rejoin_psk(&mut proposals, psk_id)?;
                rejoin_keys = rejoin_keys.saturating_add(1);
            }
            _ => return Err(Invalid::ForbiddenProposal),
        }
    }
    if outside && (inits, rejoin_keys) != (1, 1) {
        return Err(if rejoin_keys == 0 { Invalid::RejoinKey } else { Invalid::ForbiddenProposal });
    }
    if reader.u8()? == 1 {
        proposed.path = Some(leaf_node(reader)?.0);
        reader.vector()?;
    }
    Ok(proposed)
}

/// Checks that a PreSharedKeyID is that of the channel's rejoin key, with a nonce of the right length.
pub(super) fn rejoin_psk(reader: &mut TlsReader<'_>, psk_id: &[u8]) -> Result<(), Invalid> {
    if reader.u8()? == EXTERNAL_PSK && reader.vector()? == psk_id && reader.vector()?.len() == NONCE_BYTES {
        Ok(())
    } else {
        Err(Invalid::RejoinKey)
    }
}

fn key_package(reader: &mut TlsReader<'_>) -> Result<(NewLeaf, bool), Invalid> {
    reader.take(4)?;
    reader.vector()?;
    let (leaf, unlimited) = leaf_node(reader)?;
    reader.vector()?;
    reader.vector()?;
    Ok((leaf, unlimited))
}

/// A leaf, and whether it says that its lifetime is unlimited.
fn leaf_node(reader: &mut TlsReader<'_>) -> Result<(NewLeaf, bool), Invalid> {
    reader.vector()?;
    let signature_key = reader.vector()?;
    let credential_type = reader.u16()?;
    let credential = credential_of(credential_type, reader.vector()?, signature_key)?;
    let mut lists = [reader.vector()?; 5];
    for list in lists.iter_mut().skip(1) {
        *list = reader.vector()?;
    }
    let [_, _, extensions, _, credentials] = lists;
    let capable = lists_number(extensions, PROFILE_EXTENSION) && lists_number(credentials, CREDENTIAL_TYPE);
    let unlimited = match reader.u8()? {
        1 => {
            let (not_before, not_after) = (reader.take(8)?, reader.take(8)?);
            not_before == [0; 8] && not_after == [0xff; 8]
        }
        2 => false,
        3 => {
            reader.vector()?;
            false
        }
        _ => return Err(Invalid::Malformed),
    };
    reader.vector()?;
    reader.vector()?;
    let key = DeviceKey::from_slice(signature_key).ok_or(Invalid::Certificate)?;
    Ok((NewLeaf { credential, key, capable }, unlimited))
}

fn context(extensions: &[u8]) -> Result<Profile, Invalid> {
    let mut reader = TlsReader::new(extensions);
    let (mut profile, mut required) = (None, false);
    while !reader.rest().is_empty() {
        match (reader.u16()?, reader.vector()?) {
            (PROFILE_EXTENSION, content) => profile = Some(Profile::parse(content).map_err(|_| Invalid::Context)?),
            (REQUIRED_CAPABILITIES, content) if content == OUR_REQUIREMENTS => required = true,
            _ => return Err(Invalid::Context),
        }
    }
    profile.filter(|_| required).ok_or(Invalid::Context)
}

fn lists_number(list: &[u8], number: u16) -> bool {
    list.as_chunks::<2>().0.contains(&number.to_be_bytes())
}

fn u32(reader: &mut TlsReader<'_>) -> Result<u32, DecodeError> {
    Ok((u32::from(reader.u16()?) << 16) | u32::from(reader.u16()?))
}

impl From<DecodeError> for Invalid {
    fn from(_: DecodeError) -> Self {
        Self::Malformed
    }
}
