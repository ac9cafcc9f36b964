//! A commit read from its plaintext, where OpenMLS gives up before it hands the commit out.
//!
//! OpenMLS decrypts the path before our rules can look at the proposals, and a path that does not decrypt for one member may
//! do so for another. If the commit breaks a rule, both must skip it (DESIGN L9); so on such a failure the proposals are read
//! from what was decrypted, and judged all the same. Framing and signature have been checked by then.
//!
//! Source:   RFC 9420 sections 6.3.1, 7.2, 10, 12.1, 12.4.

use quicprochat_identity::CREDENTIAL_TYPE;
use quicprochat_wire::{DecodeError, DeviceKey};

use super::{
    Invalid, PROFILE_EXTENSION, Profile,
    rules::{NewLeaf, Proposed, credential_of},
    welcome::TlsReader,
};

const ADD: u16 = 1;
const REMOVE: u16 = 3;
const GROUP_CONTEXT_EXTENSIONS: u16 = 7;
const REQUIRED_CAPABILITIES: u16 = 3;
/// Lists of one extension type, no proposal type, one credential type, each with its length.
const OUR_REQUIREMENTS: [u8; 7] = {
    let ([a, b], [c, d]) = (PROFILE_EXTENSION.to_be_bytes(), CREDENTIAL_TYPE.to_be_bytes());
    [2, a, b, 0, 2, c, d]
};

/// The commit in what was decrypted of a PrivateMessage: its sender data, then its content.
pub(super) fn proposed(sender_data: &[u8], content: &[u8]) -> Result<Proposed, Invalid> {
    let mut reader = TlsReader::new(sender_data);
    let mut proposed = Proposed { committer: u32(&mut reader)?, ..Proposed::default() };
    let mut reader = TlsReader::new(content);
    let mut proposals = TlsReader::new(reader.vector()?);
    while !proposals.rest().is_empty() {
        if proposals.u8()? != 1 {
            return Err(Invalid::ByReference);
        }
        match proposals.u16()? {
            ADD => proposed.added.push(key_package(&mut proposals)?),
            REMOVE => proposed.removed.push(u32(&mut proposals)?),
            GROUP_CONTEXT_EXTENSIONS => proposed.profile = Some(context(proposals.vector()?)?),
            _ => return Err(Invalid::ForbiddenProposal),
        }
    }
    if reader.u8()? == 1 {
        proposed.path = Some(leaf_node(&mut reader)?.0);
    }
    Ok(proposed)
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
