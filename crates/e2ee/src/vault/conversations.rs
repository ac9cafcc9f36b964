//! Records 16 to 31: the account's conversations, and for each what a new device needs to get in.

use core::fmt;
use std::collections::BTreeMap;

use quicprochat_wire::{
    AccountId, ChainHash, ChannelId, DecodeError, Entropy, Reader, Timestamp, Writer, call::channel::ChainPoint,
    limits::MAX_VAULT_BYTES,
};
use zeroize::Zeroizing;

use super::{
    StateKey,
    records::{RecordHead, open},
};
use crate::{
    aead,
    channel::ChannelKeys,
    error::{E2eeError, Sealed},
};

/// Id of the first of these records; a channel whose id begins with hexadecimal digit d is in `CONVERSATION_RECORDS + d`.
pub const CONVERSATION_RECORDS: u32 = 16;
/// How many there are.
pub const CONVERSATION_SHARDS: u32 = 16;
/// What a list is padded to. Few sizes and large steps: the server is to see hardly more than that there are some.
const BUCKETS: [usize; 3] = [4096, 16 * 1024, MAX_VAULT_BYTES - 64];
/// More than fit a record.
const MAX_CONVERSATIONS: usize = 1024;
/// Longest server link: host, port and fingerprint.
const MAX_LINK_BYTES: usize = 512;
/// Longest title in the list: somebody who makes groups with long titles must not fill an account's records.
pub const MAX_LISTED_TITLE_BYTES: usize = 128;
/// The newest version, which says what a channel replaced. Records of which none did are written in the one before, so that programs
/// read them which do not know of that.
const LIST_VERSION: u8 = 3;
const WITH_TITLES: u8 = 2;

/// Whether the account is in a conversation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Standing {
    /// It is.
    Joined,
    /// It left, was removed, or the channel is gone.
    Left,
}

/// What is kept of a conversation.
///
/// Secrets:  the keys; zeroised on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct VaultConversation {
    /// Link of the server that has the channel.
    pub server: String,
    /// Kind, as in the group's profile: 0 group, 1 direct.
    pub kind: u8,
    /// Access seed, channel key, rejoin key.
    pub keys: Zeroizing<[u8; ChannelKeys::LEN]>,
    /// Position of the commit that derived them, 0 for epoch 0.
    pub keys_since: u64,
    /// The last commit that a device of the account has read: an older GroupInfo is refused (DESIGN M2).
    pub pinned: ChainPoint,
    /// Whether the account is in it, as of that commit.
    pub standing: Standing,
    /// Its title as of that commit, or the beginning of it; empty for a direct one, and if it is not known.
    pub title: String,
    /// For a direct one: the other account, if it is known.
    pub peer: Option<AccountId>,
    /// The server's minute of the newest message that a device of the account knew when it wrote, 0 if there is none. It orders
    /// conversations, and nothing else.
    pub active: Timestamp,
    /// The channel whose place it took (DESIGN L11).
    pub replaces: Option<ChannelId>,
}

impl VaultConversation {
    /// Takes over what the other one knows better: the keys that were derived later, and the state at the later commit. At
    /// one commit, having left counts, and a title that is known. Every choice is the larger of a total order, so that the
    /// outcome does not depend on who merges what first.
    fn merge(&mut self, other: &Self) {
        if (other.keys_since, &*other.keys) > (self.keys_since, &*self.keys) {
            self.keys = other.keys.clone();
            self.keys_since = other.keys_since;
        }
        self.active = self.active.max(other.active);
        self.replaces = self.replaces.max(other.replaces);
        if other.order() > self.order() {
            self.pinned = other.pinned;
            self.standing = other.standing;
            self.kind = other.kind;
            self.server.clone_from(&other.server);
            self.title.clone_from(&other.title);
            self.peer = other.peer;
        }
    }

    fn order(&self) -> impl Ord {
        let place = (self.pinned.position, self.standing, self.pinned.hash, self.kind);
        (place, self.server.clone(), self.title.clone(), self.peer)
    }

    /// The beginning of a title that a list has room for.
    #[must_use]
    pub fn listed_title(title: &str) -> String {
        let end = title.floor_char_boundary(MAX_LISTED_TITLE_BYTES);
        title.get(..end).unwrap_or_default().to_owned()
    }
}

impl fmt::Debug for VaultConversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VaultConversation")
            .field("pinned", &self.pinned)
            .field("standing", &self.standing)
            .finish_non_exhaustive()
    }
}

/// The account's conversations, of all records.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ConversationList(BTreeMap<ChannelId, VaultConversation>);

/// One of the records, sealed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SealedShard {
    /// Id of the record.
    pub id: u32,
    /// Its version.
    pub version: u64,
    /// What to store.
    pub sealed: Vec<u8>,
}

impl ConversationList {
    /// Adds a conversation, or what is known better of one that is there.
    pub fn add(&mut self, channel: ChannelId, conversation: VaultConversation) {
        match self.0.get_mut(&channel) {
            Some(known) => known.merge(&conversation),
            None => {
                self.0.insert(channel, conversation);
            }
        }
    }

    /// Adds everything of another list.
    pub fn merge(&mut self, other: &Self) {
        for (channel, conversation) in other.iter() {
            self.add(*channel, conversation.clone());
        }
    }

    /// All, by channel id.
    pub fn iter(&self) -> impl Iterator<Item = (&ChannelId, &VaultConversation)> {
        self.0.iter()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Seals all records, each under the version that `version` gives for its id.
    ///
    /// They are made and stored together and have one size, that of the largest: neither how many conversations there are nor
    /// how the id of the one begins that was just joined shows in which record was written.
    ///
    /// Errors:   [`E2eeError::TooLarge`] if one holds more than fit, about 240.
    pub fn seal(
        &self,
        key: &StateKey,
        account: AccountId,
        version: impl Fn(u32) -> u64,
        entropy: &mut dyn Entropy,
    ) -> Result<Vec<SealedShard>, E2eeError> {
        let contents: Vec<_> = (0..CONVERSATION_SHARDS).map(|shard| self.encode(shard)).collect();
        let largest = contents.iter().map(|content| content.len()).max().unwrap_or(0);
        let limit = BUCKETS.last().copied().unwrap_or(0);
        let too_large = E2eeError::TooLarge { what: Sealed::VaultRecord, limit, found: largest };
        let bucket = BUCKETS.into_iter().find(|bucket| largest < *bucket).ok_or(too_large)?;
        let mut sealed = Vec::with_capacity(contents.len());
        for (id, mut content) in (CONVERSATION_RECORDS..).zip(contents) {
            content.push(0x80);
            content.resize(bucket, 0);
            let head = RecordHead { account, id, version: version(id) };
            let bytes = aead::seal(key.as_bytes(), &head.text(), &content, Sealed::VaultRecord, entropy)?;
            sealed.push(SealedShard { id, version: head.version, sealed: bytes });
        }
        Ok(sealed)
    }

    /// Opens one of the records, and adds what is in it.
    ///
    /// Errors:   [`E2eeError::CannotOpen`] for another key, account, version or record; [`E2eeError::Decode`].
    pub fn open(
        &mut self,
        key: &StateKey,
        account: AccountId,
        id: u32,
        version: u64,
        sealed: &[u8],
    ) -> Result<(), E2eeError> {
        let content = open(key.as_bytes(), &RecordHead { account, id, version }, sealed)?;
        let mut reader = Reader::new(&content);
        let version = reader.u8()?;
        if !(1..=LIST_VERSION).contains(&version) {
            return Err(DecodeError::WrongLabel.into());
        }
        let entries = reader.list::<_, DecodeError>(MAX_CONVERSATIONS, |item| {
            let channel = ChannelId::new(item.array()?);
            Ok((channel, decode(item, version)?))
        })?;
        reader.finish()?;
        if let Some((channel, _)) = entries.iter().find(|(channel, _)| record_of(channel) != id) {
            return Err(DecodeError::BadValue { found: shard_of(channel).into() }.into());
        }
        for (channel, conversation) in entries {
            self.add(channel, conversation);
        }
        Ok(())
    }

    fn encode(&self, shard: u32) -> Zeroizing<Vec<u8>> {
        let of_shard: Vec<_> = self.0.iter().filter(|(channel, _)| shard_of(channel) == shard).collect();
        let replaces = of_shard.iter().any(|(_, conversation)| conversation.replaces.is_some());
        let version = if replaces { LIST_VERSION } else { WITH_TITLES };
        let writer = Writer::new().u8(version).list(&of_shard, |writer, (channel, conversation)| {
            let writer = writer
                .fixed(channel)
                .text(&conversation.server)
                .u8(conversation.kind)
                .fixed(conversation.keys.as_slice())
                .u64(conversation.keys_since)
                .u64(conversation.pinned.position)
                .fixed(conversation.pinned.hash)
                .u8(match conversation.standing {
                    Standing::Joined => 0,
                    Standing::Left => 1,
                })
                .text(&VaultConversation::listed_title(&conversation.title))
                .list(conversation.peer.as_slice(), |writer, peer| writer.fixed(peer))
                .u64(conversation.active.0);
            if !replaces {
                return writer;
            }
            writer.list(conversation.replaces.as_slice(), |writer, channel| writer.fixed(channel))
        });
        // Room for the padding, so that nothing is left behind where the content was before.
        let mut content = Zeroizing::new(Vec::with_capacity(MAX_VAULT_BYTES));
        content.extend_from_slice(&Zeroizing::new(writer.finish()));
        content
    }
}

/// Whether a record holds conversations.
#[must_use]
pub fn is_conversation_record(id: u32) -> bool {
    (CONVERSATION_RECORDS..CONVERSATION_RECORDS + CONVERSATION_SHARDS).contains(&id)
}

fn record_of(channel: &ChannelId) -> u32 {
    CONVERSATION_RECORDS + shard_of(channel)
}

fn shard_of(channel: &ChannelId) -> u32 {
    channel.as_bytes().first().map_or(0, |byte| u32::from(byte >> 4))
}

fn decode(item: &mut Reader<'_>, version: u8) -> Result<VaultConversation, DecodeError> {
    let mut conversation = VaultConversation {
        server: item.text(MAX_LINK_BYTES)?.to_owned(),
        kind: item.u8()?,
        keys: Zeroizing::new(item.array()?),
        keys_since: item.u64()?,
        pinned: ChainPoint { position: item.u64()?, hash: ChainHash::new(item.array()?) },
        standing: match item.u8()? {
            0 => Standing::Joined,
            1 => Standing::Left,
            found => return Err(DecodeError::BadValue { found: found.into() }),
        },
        title: String::new(),
        peer: None,
        active: Timestamp(0),
        replaces: None,
    };
    if version >= WITH_TITLES {
        conversation.title = item.text(MAX_LISTED_TITLE_BYTES)?.to_owned();
        conversation.peer = item.list::<_, DecodeError>(1, |peer| Ok(AccountId::new(peer.array()?)))?.pop();
        conversation.active = Timestamp(item.u64()?);
    }
    if version >= LIST_VERSION {
        conversation.replaces = item.list::<_, DecodeError>(1, |item| Ok(ChannelId::new(item.array()?)))?.pop();
    }
    Ok(conversation)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::{testing::SeededEntropy, vault::RootKey};

    const ALICE: AccountId = AccountId::new([1; 32]);

    /// Few values of each field, so that collisions are met.
    fn conversation() -> impl Strategy<Value = VaultConversation> {
        let past = prop::option::of(0u8..2);
        let (point, shown) = ((0u64..3, 0u8..2), ("[ab]?", prop::option::of(0u8..2), 0u64..3, past));
        let what = (0u8..2, 0u8..2, 0u8..3, 0u64..3, point, any::<bool>(), shown);
        what.prop_map(|(server, kind, keys, since, point, left, (title, peer, active, past))| VaultConversation {
            server: format!("qpc://chat{server}.example"),
            kind,
            keys: Zeroizing::new([keys; 96]),
            keys_since: since,
            pinned: ChainPoint { position: point.0, hash: ChainHash::new([point.1; 32]) },
            standing: if left { Standing::Left } else { Standing::Joined },
            title,
            peer: peer.map(|peer| AccountId::new([peer; 32])),
            active: Timestamp(active),
            replaces: past.map(|past| ChannelId::new([past; 32])),
        })
    }

    fn list() -> impl Strategy<Value = ConversationList> {
        let channel = prop_oneof![Just([0x0F; 32]), Just([0x1F; 32]), Just([0xF0; 32])].prop_map(ChannelId::new);
        vec((channel, conversation()), 0..6).prop_map(|entries| {
            let mut list = ConversationList::default();
            entries.into_iter().for_each(|(channel, conversation)| list.add(channel, conversation));
            list
        })
    }

    fn merged(one: &ConversationList, other: &ConversationList) -> ConversationList {
        let mut merged = one.clone();
        merged.merge(other);
        merged
    }

    proptest! {
        #[test]
        fn lists_merge_to_the_same_in_any_order_and_number(one in list(), two in list(), three in list()) {
            prop_assert_eq!(merged(&one, &two), merged(&two, &one), "commutative");
            prop_assert_eq!(merged(&merged(&one, &two), &three), merged(&one, &merged(&two, &three)), "associative");
            prop_assert_eq!(merged(&one, &one), one.clone(), "idempotent");
            let all = merged(&one, &two);
            prop_assert_eq!(merged(&all, &one), all, "nothing is lost");
        }

        #[test]
        fn sealed_lists_open_to_what_they_were(list in list(), version in 1u64..9) {
            let mut entropy = SeededEntropy::new(1);
            let key = RootKey::generate(&mut entropy).state_key();
            let sealed = list.seal(&key, ALICE, |_| version, &mut entropy).expect("seals");
            prop_assert_eq!(opened(&key, &sealed), Ok(list));
        }

        #[test]
        fn bytes_from_outside_are_refused_without_a_panic(bytes in vec(any::<u8>(), 0..600)) {
            for version in 1..=LIST_VERSION {
                let _ = decode(&mut Reader::new(&bytes), version);
            }
            let key = StateKey::from_bytes(&[1; 32]);
            prop_assert!(ConversationList::default().open(&key, ALICE, 16, 1, &bytes).is_err());
        }
    }

    fn opened(key: &StateKey, sealed: &[SealedShard]) -> Result<ConversationList, E2eeError> {
        let mut list = ConversationList::default();
        for shard in sealed {
            list.open(key, ALICE, shard.id, shard.version, &shard.sealed)?;
        }
        Ok(list)
    }

    fn entry(position: u64, standing: Standing) -> VaultConversation {
        VaultConversation {
            server: "qpc://chat.example:4433/#AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned(),
            kind: 0,
            keys: Zeroizing::new([2; 96]),
            keys_since: 0,
            pinned: ChainPoint { position, hash: ChainHash::new([3; 32]) },
            standing,
            title: "tea".to_owned(),
            peer: None,
            active: Timestamp(60_000),
            replaces: None,
        }
    }

    fn of(entries: &[VaultConversation]) -> ConversationList {
        let mut list = ConversationList::default();
        entries.iter().for_each(|entry| list.add(ChannelId::new([7; 32]), entry.clone()));
        list
    }

    #[test]
    fn later_keys_win_apart_from_the_later_state() {
        let old = VaultConversation { keys: Zeroizing::new([1; 96]), keys_since: 4, ..entry(9, Standing::Joined) };
        let new = VaultConversation { keys: Zeroizing::new([8; 96]), keys_since: 5, ..entry(6, Standing::Joined) };
        let expected = VaultConversation { pinned: old.pinned, ..new.clone() };
        assert_eq!(of(&[old, new]), of(&[expected]));
    }

    #[test]
    fn having_left_stays_until_a_later_commit_brings_the_account_back() {
        let (before, left) = (entry(5, Standing::Joined), entry(6, Standing::Left));
        assert_eq!(of(&[left.clone(), before, entry(6, Standing::Joined)]), of(core::slice::from_ref(&left)));
        assert_eq!(of(&[left, entry(7, Standing::Joined)]), of(&[entry(7, Standing::Joined)]));
    }

    #[test]
    fn a_known_title_counts_at_one_commit_and_the_newest_activity_always() {
        let nameless =
            VaultConversation { title: String::new(), active: Timestamp(90_000), ..entry(5, Standing::Joined) };
        let merged = of(&[nameless, entry(5, Standing::Joined)]);
        assert_eq!(merged, of(&[VaultConversation { active: Timestamp(90_000), ..entry(5, Standing::Joined) }]));
        let renamed = VaultConversation { title: "coffee".to_owned(), ..entry(6, Standing::Joined) };
        assert_eq!(of(&[renamed.clone(), entry(5, Standing::Joined)]), of(&[renamed]), "that of the later commit");
    }

    #[test]
    fn a_long_title_is_cut_between_two_letters() {
        let title = "ö".repeat(70);
        assert_eq!(VaultConversation::listed_title(&title), "ö".repeat(64));
        assert_eq!(VaultConversation::listed_title("tea"), "tea");
        let mut entropy = SeededEntropy::new(1);
        let key = StateKey::from_bytes(&[1; 32]);
        let titled = |title: &str| VaultConversation { title: title.to_owned(), ..entry(1, Standing::Joined) };
        let sealed = of(&[titled(&title)]).seal(&key, ALICE, |_| 1, &mut entropy).expect("seals");
        assert_eq!(opened(&key, &sealed), Ok(of(&[titled(&"ö".repeat(64))])));
    }

    #[test]
    fn a_list_of_the_first_version_reads_without_titles() {
        let known = entry(4, Standing::Joined);
        let writer = Writer::new().u8(1).list(&[&known], |writer, known| {
            let writer = writer.fixed([0x0F; 32]).text(&known.server).u8(known.kind).fixed(known.keys.as_slice());
            writer.u64(known.keys_since).u64(known.pinned.position).fixed(known.pinned.hash).u8(0)
        });
        let (mut entropy, key) = (SeededEntropy::new(1), StateKey::from_bytes(&[1; 32]));
        let mut sealed = |content: &[u8]| {
            let head = RecordHead { account: ALICE, id: 16, version: 1 };
            super::super::records::seal(key.as_bytes(), &head, content, &mut entropy).expect("seals")
        };
        let (old, later) = (sealed(&writer.finish()), sealed(&[LIST_VERSION + 1, 0, 0, 0, 0]));
        let mut list = ConversationList::default();
        list.open(&key, ALICE, 16, 1, &old).expect("is read");
        let untitled = VaultConversation { title: String::new(), active: Timestamp(0), ..known };
        assert_eq!(list.iter().collect::<Vec<_>>(), [(&ChannelId::new([0x0F; 32]), &untitled)]);
        assert_eq!(list.open(&key, ALICE, 16, 1, &later), Err(DecodeError::WrongLabel.into()));
    }

    #[test]
    fn only_a_record_with_a_channel_that_replaced_another_is_of_the_newest_version() {
        let new = VaultConversation { replaces: Some(ChannelId::new([0x0E; 32])), ..entry(1, Standing::Joined) };
        let mut list = ConversationList::default();
        list.add(ChannelId::new([0x0F; 32]), new);
        list.add(ChannelId::new([0x1F; 32]), entry(1, Standing::Joined));
        let versions: Vec<u8> = (0..3).map(|shard| list.encode(shard)[0]).collect();
        assert_eq!(versions, [LIST_VERSION, WITH_TITLES, WITH_TITLES]);
    }

    #[test]
    fn all_records_have_one_size_and_few_sizes_are_met() {
        let mut entropy = SeededEntropy::new(1);
        let key = RootKey::generate(&mut entropy).state_key();
        let mut sizes = Vec::new();
        for count in [0u16, 1, 10, 40, 200, 800, 3200] {
            let mut list = ConversationList::default();
            for number in 0..count {
                let mut id = [0; 32];
                let spread = number.wrapping_mul(0x9E37);
                id[..2].copy_from_slice(&spread.to_be_bytes());
                list.add(ChannelId::new(id), entry(1, Standing::Joined));
            }
            let sealed = list.seal(&key, ALICE, |_| 1, &mut entropy).expect("seals");
            let mut of_one: Vec<_> = sealed.iter().map(|shard| shard.sealed.len()).collect();
            assert_eq!(sealed.iter().map(|shard| shard.id).collect::<Vec<_>>(), (16..32).collect::<Vec<_>>());
            of_one.dedup();
            assert_eq!(of_one.len(), 1, "{count}");
            assert!(of_one[0] <= MAX_VAULT_BYTES, "{count}");
            assert_eq!(opened(&key, &sealed), Ok(list), "{count}");
            sizes.extend(of_one);
        }
        sizes.dedup();
        assert_eq!(sizes, BUCKETS.map(|bucket| bucket + 24 + 16), "up to 3,200 conversations");
    }

    #[test]
    fn a_list_that_does_not_fit_is_refused() {
        let mut entropy = SeededEntropy::new(1);
        let mut list = ConversationList::default();
        for number in 0u16..270 {
            let mut id = [0; 32];
            id[1..3].copy_from_slice(&number.to_be_bytes());
            list.add(ChannelId::new(id), entry(1, Standing::Joined));
        }
        let refused = list.seal(&StateKey::from_bytes(&[1; 32]), ALICE, |_| 1, &mut entropy);
        assert!(matches!(refused, Err(E2eeError::TooLarge { what: Sealed::VaultRecord, .. })));
    }

    #[test]
    fn a_record_opens_in_its_place_only() {
        let mut entropy = SeededEntropy::new(1);
        let key = RootKey::generate(&mut entropy).state_key();
        let sealed = of(&[entry(1, Standing::Joined)]).seal(&key, ALICE, |_| 2, &mut entropy).expect("seals");
        let shard = &sealed[0];
        let open = |key: &StateKey, account, id, version| {
            ConversationList::default().open(key, account, id, version, &shard.sealed)
        };
        assert_eq!(open(&key, ALICE, shard.id, 2), Ok(()));
        let refused = Err(E2eeError::CannotOpen { what: Sealed::VaultRecord });
        assert_eq!(open(&key, ALICE, shard.id, 1), refused);
        assert_eq!(open(&key, ALICE, shard.id + 1, 2), refused);
        assert_eq!(open(&key, AccountId::new([2; 32]), shard.id, 2), refused);
        assert_eq!(open(&RootKey::generate(&mut entropy).state_key(), ALICE, shard.id, 2), refused);
        // Sealed by whoever has the key, but in the wrong record.
        let head = RecordHead { account: ALICE, id: 17, version: 1 };
        let content = {
            let mut moved = ConversationList::default();
            moved.add(ChannelId::new([0xF7; 32]), entry(1, Standing::Joined));
            moved.encode(15)
        };
        let misplaced = super::super::records::seal(key.as_bytes(), &head, &content, &mut entropy).expect("seals");
        let refused = ConversationList::default().open(&key, ALICE, 17, 1, &misplaced);
        assert_eq!(refused, Err(DecodeError::BadValue { found: 15 }.into()));
    }
}
