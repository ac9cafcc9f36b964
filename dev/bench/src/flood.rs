//! Many messages in little time: encrypted in bulk from a member's store, and appended side by side.

use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use quicprochat_client::{
    Home, OsEntropy, Store, StoreKey,
    core::{
        auth::DeviceAccount,
        content::{MimiContent, Salt},
        store::{Conversation, StoreTx as _},
    },
    transport::{ChannelLink, QuicConnector},
};
use quicprochat_e2ee::{
    channel::{ChannelKeys, EntryBody, EntryHead, seal_entry},
    mls::{Group, Provider},
};
use quicprochat_identity::attach_text;
use quicprochat_wire::{
    ChannelId, MessageId, ServerLink,
    call::channel::{ChannelAttach, ChannelEnqueue, Enqueued, EntryKind},
    entropy::random_array,
};

/// Messages of one channel that are encrypted in one transaction.
const BATCH: usize = 1000;

/// A member whose store nobody else uses meanwhile, and who writes no more by its engine afterwards: that does not know of
/// what is written here.
pub(crate) struct Flood {
    store: Store,
    device: DeviceAccount,
    link: ChannelLink,
    challenge: quicprochat_wire::Challenge,
}

impl Flood {
    pub(crate) async fn open(home: &Home, key: &StoreKey, server: &ServerLink) -> Result<Self> {
        let mut store = Store::open(home, key)?;
        let account = store.begin()?.account().own_account()?.context("nobody is registered here")?;
        let device = DeviceAccount::from_stored(&account)?;
        let (link, hello) = ChannelLink::connect(&QuicConnector::default(), server).await?;
        Ok(Self { store, device, link, challenge: hello.challenge })
    }

    /// Writes `count` messages into each of the channels, all with this text behind a number.
    pub(crate) async fn write(&mut self, channels: &[ChannelId], count: usize, text: &str) -> Result<()> {
        self.write_texts(channels, count, &|_, number| format!("{number}: {text}")).await
    }

    /// Writes `count` messages into each of the channels; `text` says which, by the places of channel and message.
    pub(crate) async fn write_texts(
        &mut self,
        channels: &[ChannelId],
        count: usize,
        text: &dyn Fn(usize, usize) -> String,
    ) -> Result<()> {
        for channel in channels {
            let conversation = self.conversation(channel)?;
            attach(&self.link, &self.challenge, &conversation).await?;
        }
        let mut written = 0;
        while written < count {
            let batch = BATCH.min(count - written);
            let mut appending = tokio::task::JoinSet::new();
            for (place, channel) in channels.iter().enumerate() {
                let texts = (written..written + batch).map(|number| text(place, number));
                let (requests, link) = (self.encrypt(channel, texts)?, self.link.clone());
                appending.spawn(append(link, requests));
            }
            while let Some(done) = appending.join_next().await {
                done??;
            }
            written += batch;
            eprintln!("  {written} of {count} messages in each of {} conversations", channels.len());
        }
        Ok(())
    }

    fn conversation(&mut self, channel: &ChannelId) -> Result<Conversation> {
        self.store.begin()?.conversations().conversation(channel)?.context("not in the conversation")
    }

    fn encrypt(&mut self, channel: &ChannelId, texts: impl Iterator<Item = String>) -> Result<Vec<ChannelEnqueue>> {
        let own = self.device.own_device()?;
        let conversation = self.conversation(channel)?;
        let (keys, after) = (channel_keys(&conversation), conversation.last_commit);
        let tx = self.store.begin()?;
        let mut entropy = OsEntropy;
        let provider = Provider::new(tx.mls(), &mut entropy);
        let mut group = Group::load(&provider, *channel)?.context("no group")?;
        let mut requests = Vec::new();
        for text in texts {
            let id = MessageId::new(random_array(&mut OsEntropy));
            let head = EntryHead { channel: *channel, id, kind: EntryKind::Message, after };
            let content = MimiContent::text(&text, "", Salt::random(&mut OsEntropy)).encode()?;
            let mls = group.encrypt(&provider, &own, &head.aad(), &content)?;
            let body = EntryBody { mls, records: Vec::new() };
            let sealed = provider.with_entropy(|entropy| seal_entry(&keys, &head, &body, entropy))?;
            requests.push(ChannelEnqueue { channel: *channel, id, after_commit: after, sealed, commit: None });
        }
        drop(provider);
        tx.commit()?;
        Ok(requests)
    }
}

/// The keys in force at the cursor.
pub(crate) fn channel_keys(conversation: &Conversation) -> ChannelKeys {
    ChannelKeys::from_bytes(conversation.keys.expose())
}

/// Shows the server that we have the key.
pub(crate) async fn attach(
    link: &ChannelLink,
    challenge: &quicprochat_wire::Challenge,
    conversation: &Conversation,
) -> Result<()> {
    let keys = channel_keys(conversation);
    let (channel, access) = (conversation.channel, keys.access_public());
    let text = attach_text(&link.fingerprint(), challenge, &channel, &access);
    let signature = keys.access().sign(&text).to_vec();
    let state = link.call(ChannelAttach { channel, access, signature }).await?;
    ensure!(state.current, "the key is not in force");
    Ok(())
}

/// One after the other, so that they stand in the order in which they were encrypted.
async fn append(link: ChannelLink, requests: Vec<ChannelEnqueue>) -> Result<()> {
    for request in requests {
        match link.call(request).await? {
            Enqueued::Accepted { .. } => {}
            other @ (Enqueued::Stale { .. } | Enqueued::Diverged { .. }) => bail!("not accepted: {other:?}"),
        }
    }
    Ok(())
}

/// A connector for clients that are not measured.
pub(crate) fn plain() -> Arc<QuicConnector> {
    Arc::new(QuicConnector::default())
}
