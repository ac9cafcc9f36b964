//! An account as a decentralised identifier.

use quicprochat_wire::AccountId;

use crate::{device::usable_key, error::IdentityError};

const PREFIX: &str = "did:key:z";
/// Multicodec of an Ed25519 public key, as an unsigned varint.
const ED25519: [u8; 2] = [0xed, 0x01];
/// 34 bytes never need more digits than this; a longer text is refused before it is decoded.
const MAX_DIGITS: usize = 48;

/// The account's `did:key`.
///
/// Shape:    `did:key:z` and base58btc of 0xed 0x01 and the account id.
#[must_use]
pub fn did_key(account: &AccountId) -> String {
    let mut bytes = ED25519.to_vec();
    bytes.extend_from_slice(account.as_bytes());
    format!("{PREFIX}{}", bs58::encode(bytes).into_string())
}

/// The account that a `did:key` names.
///
/// Errors:   [`IdentityError::DidInvalid`] for any other method, encoding, kind or length of key, or an unusable key.
pub fn parse_did_key(did: &str) -> Result<AccountId, IdentityError> {
    let digits =
        did.strip_prefix(PREFIX).filter(|digits| digits.len() <= MAX_DIGITS).ok_or(IdentityError::DidInvalid)?;
    let bytes = bs58::decode(digits).into_vec().map_err(|_| IdentityError::DidInvalid)?;
    bytes
        .strip_prefix(&ED25519)
        .and_then(AccountId::from_slice)
        .filter(|account| usable_key(account.as_bytes()).is_some())
        .ok_or(IdentityError::DidInvalid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DeviceSecretKey;

    /// The example key of the did:key method: the all-zero Ed25519 seed.
    #[test]
    fn matches_the_published_example() {
        let account = AccountId::new(*DeviceSecretKey::from_bytes(&[0; 32]).public().as_bytes());
        let did = "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp";
        assert_eq!(did_key(&account), did);
        assert_eq!(parse_did_key(did), Ok(account));
    }

    #[test]
    fn refuses_everything_else() {
        let account = AccountId::new(*DeviceSecretKey::from_bytes(&[1; 32]).public().as_bytes());
        let did = did_key(&account);
        let x25519 = bs58::encode([&[0xec, 0x01], account.as_bytes().as_slice()].concat()).into_string();
        let short = bs58::encode([0xed, 0x01, 1, 2]).into_string();
        let weak = bs58::encode([&ED25519, [0; 32].as_slice()].concat()).into_string();
        let bad = [
            String::new(),
            did[1..].to_owned(),
            did.replace(":z", ":u"),
            did.replace("did:key", "did:web"),
            format!("{did}1"),
            format!("{did}0"),
            format!("{PREFIX}1{}", &did[PREFIX.len()..]),
            format!("{PREFIX}{x25519}"),
            format!("{PREFIX}{short}"),
            format!("{PREFIX}{weak}"),
            format!("{PREFIX}{}", "z".repeat(100_000)),
        ];
        for text in bad {
            assert_eq!(parse_did_key(&text), Err(IdentityError::DidInvalid), "{}", &text[..text.len().min(80)]);
        }
    }
}
