//! Modified clients: what somebody who was removed, or revoked, gets with everything that they kept.

use quicprochat_client_core::store::{Conversation, ConversationState};
use quicprochat_e2ee::channel::ChannelKeys;
use quicprochat_server_core::store::read;
use quicprochat_wire::{AccessPublicKey, AccountId, ChannelId};

use futures::FutureExt as _;
use std::collections::BTreeSet;

use super::Scenario;
use crate::world::DeviceIx;

impl Scenario {
    /// Tries everything; each success is a violation.
    pub(super) fn thieves(&mut self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (channel, current, keyring) in self.channel_keys() {
            let kept = self.model.keys.get(&channel).cloned().unwrap_or_default();
            for keys in kept {
                let Ok(bytes) = <[u8; 96]>::try_from(keys.as_slice()) else { continue };
                let keys = ChannelKeys::from_bytes(&bytes);
                let end = self.end_of(channel, keys.access_public());
                if keys.access_public() != current && self.world.reads_with(channel, &keys, end) {
                    wrong.push(format!("a key that was replaced reads {channel:?}"));
                }
            }
            let members = self.members_of(&channel);
            for device in self.everybody().into_iter().filter(|_| !members.is_empty()) {
                let account = self.world.device(device).account;
                if !members.contains(&account) && self.world.opens_keyring(device, &channel, &current, &keyring) {
                    wrong.push(format!("{} is out of {channel:?} and finds its keys", self.name(device)));
                }
            }
        }
        for device in self.revoked.iter().copied().collect::<Vec<_>>() {
            if self.world.tries_to_sign_in(device).is_ok() {
                wrong.push(format!("{} is revoked and signs in", self.name(device)));
            }
        }
        if self.world.spends_again() == Some(true) {
            wrong.push("a token counts twice".to_owned());
        }
        wrong
    }

    /// Each channel at the server with the key in force and its keyring.
    fn channel_keys(&self) -> Vec<(ChannelId, AccessPublicKey, Vec<u8>)> {
        let of = |channel: ChannelId| {
            let found = read(self.world.server_store(), move |tx| {
                let Some(row) = tx.channels().load(&channel)? else { return Ok(None) };
                let keyring = tx.channels().keyring(&channel)?.map_or_else(Vec::new, |row| row.keyring);
                Ok(Some((channel, row.access, keyring)))
            });
            found.now_or_never().and_then(Result::ok).flatten()
        };
        self.channels().into_iter().filter_map(of).collect()
    }

    /// Position of the commit that ended a key, as far as the server knows the key.
    fn end_of(&self, channel: ChannelId, access: AccessPublicKey) -> u64 {
        let found = read(self.world.server_store(), move |tx| Ok(tx.channels().key(&channel, &access)?));
        found.now_or_never().and_then(Result::ok).flatten().and_then(|row| row.until).unwrap_or(0)
    }

    /// The accounts in a conversation, as the device says that has read furthest.
    fn members_of(&self, channel: &ChannelId) -> BTreeSet<AccountId> {
        let active = |device: DeviceIx| {
            self.conversation(device, channel).filter(|found| found.state == ConversationState::Active)
        };
        let furthest: Option<Conversation> =
            self.able().into_iter().filter_map(active).max_by_key(|conversation| conversation.cursor.position);
        furthest.map(|found| found.members.iter().map(|member| member.account).collect()).unwrap_or_default()
    }
}
