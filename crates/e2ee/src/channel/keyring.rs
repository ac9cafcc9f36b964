//! A rolling commit's keyring: the channel's new keys for each account that stays (DESIGN L7).

use quicprochat_identity::InboxPublicKey;
use quicprochat_wire::{
    AccessPublicKey, ChannelId, DecodeError, Entropy, Reader, Writer,
    entropy::random_array,
    entropy::random_below,
    limits::{MAX_GROUP_LEAVES, MAX_KEYRING_BYTES},
};
use zeroize::Zeroizing;

use super::ChannelKeys;
use crate::{
    envelope::{self, ChaCha20Poly1305, XWING_OUTPUT_BYTES, XWing},
    error::{E2eeError, Sealed},
    rng::EntropyRng,
    sealed::InboxSecretKey,
};

const VERSION: u8 = 1;
const PLAINTEXT_BYTES: usize = 128;
const CIPHERTEXT_BYTES: usize = PLAINTEXT_BYTES + 16;
const MIN_ITEMS: usize = 4;
const MAX_ITEMS: usize = 1024;
const _: () = assert!(5 + MAX_ITEMS * (XWING_OUTPUT_BYTES + CIPHERTEXT_BYTES) <= MAX_KEYRING_BYTES);
const _: () = assert!(MAX_GROUP_LEAVES <= MAX_ITEMS, "an item for each account of the largest group");

/// Seals a channel's keys to the inbox keys of accounts, as the group knows them (never from the directory alone).
///
/// Items are filled up to a power of two, at least four, and shuffled, so that the keyring shows a size class only. `epoch` is
/// the one the keys come from.
///
/// Errors:   [`E2eeError::BadPublicKey`], [`E2eeError::TooLarge`].
/// Source:   protocol.md section 7, "Keyring".
pub fn seal_keyring(
    channel: &ChannelId,
    keys: &ChannelKeys,
    epoch: u64,
    accounts: &[&InboxPublicKey],
    entropy: &mut dyn Entropy,
) -> Result<Vec<u8>, E2eeError> {
    let count = accounts.len().max(MIN_ITEMS).next_power_of_two();
    let too_large = E2eeError::TooLarge { what: Sealed::Keyring, limit: MAX_ITEMS, found: accounts.len() };
    if count > MAX_ITEMS {
        return Err(too_large);
    }
    let info = info(channel, &keys.access_public());
    let plaintext = plaintext(keys, epoch);
    let mut items = Vec::with_capacity(count);
    for account in accounts {
        items.push(seal_item(account.as_bytes(), &info, &plaintext, entropy)?);
    }
    while items.len() < count {
        // A key that nobody has: its item cannot be told from the others.
        let nobody = Zeroizing::new(random_array::<32>(entropy));
        let (_, public) = envelope::derive_key_pair::<XWing>(nobody.as_slice());
        items.push(seal_item(&public, &info, &[0; PLAINTEXT_BYTES], entropy)?);
    }
    shuffle(&mut items, entropy);
    let keyring = Writer::new().u8(VERSION).list(&items, |writer, item| writer.fixed(item)).finish();
    if keyring.len() > MAX_KEYRING_BYTES { Err(too_large) } else { Ok(keyring) }
}

/// Tries each item with each of an account's inbox keys, and takes the one whose keys have this public access key.
///
/// Returns the keys and the epoch they come from; `None` if no item is for these keys.
pub fn open_keyring(
    channel: &ChannelId,
    access: &AccessPublicKey,
    keyring: &[u8],
    secrets: &[InboxSecretKey],
) -> Result<Option<(ChannelKeys, u64)>, E2eeError> {
    let mut reader = Reader::new(keyring);
    if reader.u8()? != VERSION {
        return Err(DecodeError::WrongLabel.into());
    }
    let items = reader
        .list::<_, DecodeError>(MAX_ITEMS, |item| Ok((item.take(XWING_OUTPUT_BYTES)?, item.take(CIPHERTEXT_BYTES)?)))?;
    reader.finish()?;
    let info = info(channel, access);
    for (output, ciphertext) in items {
        for secret in secrets {
            let opened = envelope::open::<ChaCha20Poly1305, XWing>(secret.as_bytes(), output, &info, &[], ciphertext);
            let Ok(opened) = opened.map(Zeroizing::new) else { continue };
            let mut reader = Reader::new(&opened);
            let keys = ChannelKeys::from_bytes(&Zeroizing::new(reader.array()?));
            if keys.access_public() == *access {
                return Ok(Some((keys, reader.u64()?)));
            }
        }
    }
    Ok(None)
}

fn info(channel: &ChannelId, access: &AccessPublicKey) -> Vec<u8> {
    Writer::labelled("qpc/1 keyring").fixed(channel).fixed(access).finish()
}

fn plaintext(keys: &ChannelKeys, epoch: u64) -> Zeroizing<Vec<u8>> {
    let mut plaintext = Zeroizing::new(keys.to_bytes().to_vec());
    plaintext.extend_from_slice(&epoch.to_le_bytes());
    plaintext.resize(PLAINTEXT_BYTES, 0);
    plaintext
}

fn seal_item(public: &[u8], info: &[u8], plaintext: &[u8], entropy: &mut dyn Entropy) -> Result<Vec<u8>, E2eeError> {
    let mut rng = EntropyRng(entropy);
    let (mut item, ciphertext) = envelope::seal::<ChaCha20Poly1305, XWing>(public, info, &[], plaintext, &mut rng)
        .map_err(|_| E2eeError::BadPublicKey)?;
    item.extend_from_slice(&ciphertext);
    Ok(item)
}

fn shuffle(items: &mut [Vec<u8>], entropy: &mut dyn Entropy) {
    for last in (1..items.len()).rev() {
        let bound = u64::try_from(last).unwrap_or(u64::MAX).saturating_add(1);
        items.swap(last, usize::try_from(random_below(entropy, bound)).unwrap_or(last));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SeededEntropy;

    #[test]
    fn each_account_opens_its_item_and_nobody_else_does() {
        let mut entropy = SeededEntropy::new(1);
        let channel = ChannelId::new([1; 32]);
        let keys = ChannelKeys::from_bytes(&[3; 96]);
        let secrets: Vec<_> = (0..5).map(|_| InboxSecretKey::generate(&mut entropy)).collect();
        let publics: Vec<_> = secrets.iter().map(InboxSecretKey::public).collect();
        let accounts: Vec<_> = publics.iter().collect();
        let keyring = seal_keyring(&channel, &keys, 42, &accounts, &mut entropy).expect("seals");
        assert_eq!(keyring.len(), 1 + 4 + 8 * (1120 + 144), "five accounts fill up to eight items");
        let access = keys.access_public();
        for secret in &secrets {
            let older = InboxSecretKey::generate(&mut entropy);
            let opened = open_keyring(&channel, &access, &keyring, &[older, secret.clone()]).expect("well-formed");
            assert_eq!(opened, Some((keys.clone(), 42)));
        }
        let mallory = [InboxSecretKey::generate(&mut entropy)];
        assert_eq!(open_keyring(&channel, &access, &keyring, &mallory), Ok(None));
        let other = ChannelKeys::from_bytes(&[4; 96]).access_public();
        assert_eq!(open_keyring(&channel, &other, &keyring, &secrets), Ok(None), "bound to the access key");
        assert_eq!(open_keyring(&ChannelId::new([2; 32]), &access, &keyring, &secrets), Ok(None));
        assert!(open_keyring(&channel, &access, &keyring[..keyring.len() - 1], &secrets).is_err());
    }

    #[test]
    fn an_empty_keyring_has_four_items_and_too_many_accounts_are_refused() {
        let mut entropy = SeededEntropy::new(1);
        let channel = ChannelId::new([1; 32]);
        let keys = ChannelKeys::from_bytes(&[3; 96]);
        let keyring = seal_keyring(&channel, &keys, 0, &[], &mut entropy).expect("seals");
        assert_eq!(keyring.len(), 1 + 4 + 4 * (1120 + 144));
        let public = InboxSecretKey::generate(&mut entropy).public();
        let refused = seal_keyring(&channel, &keys, 0, &vec![&public; 1025], &mut entropy);
        assert!(matches!(refused, Err(E2eeError::TooLarge { what: Sealed::Keyring, .. })));
    }
}
