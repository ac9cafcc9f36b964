//! A channel that was put into the store before the server started, and a connection that writes to it.

use std::path::Path;

use quicprochat_identity::{AccessSecretKey, attach_text};
use quicprochat_server::{
    store::{Location, SqliteStore, StoreOptions},
    store_key::StoreKey,
};
use quicprochat_server_core::store::{ChannelRow, GroupInfoRow, KeyRow, KeyringRow, write};
use quicprochat_transport::{CallError, ChannelLink, QuicConnector};
use quicprochat_wire::{
    ChannelId, Digest, MessageId, ServerLink,
    call::channel::{ChainPoint, ChannelAttach, ChannelEnqueue, ChannelEntry, ChannelRead, Enqueued},
    chain,
};

pub(crate) struct TestChannel {
    pub(crate) id: ChannelId,
    access: AccessSecretKey,
    start: ChainPoint,
}

impl TestChannel {
    pub(crate) fn new(number: u8) -> Self {
        let id = ChannelId::new([number; 32]);
        let start = ChainPoint { position: 0, hash: chain::start(&id) };
        Self { id, access: AccessSecretKey::from_seed(&[number; 32]), start }
    }

    /// The empty log.
    pub(crate) const fn start(&self) -> ChainPoint {
        self.start
    }

    /// Puts the channel into the store of a server that does not run.
    pub(crate) async fn plant(&self, data: &Path) {
        let path = data.join("store.db");
        let key = StoreKey::load_or_create(&data.join("store.key"), &path).expect("a key");
        let store = SqliteStore::open(&Location { path, key }, StoreOptions::default()).expect("opens");
        let (id, start, access) = (self.id, self.start, self.access.public());
        let row = ChannelRow {
            access,
            access_since: 0,
            last_commit: start,
            last: start,
            first: 1,
            oldest: None,
            bytes: 0,
            group_infos: 1,
            group_info_bytes: 4,
            created_with: Digest::new([0; 32]),
        };
        write(&store, move |tx| {
            let channels = tx.channels();
            channels.insert(&id, &row)?;
            channels.put_key(&id, &access, KeyRow { since: 0, until: None })?;
            channels.put_group_info(&id, GroupInfoRow { at: start, sealed: vec![1; 4] })?;
            Ok(channels.put_keyring(&id, KeyringRow { at: start, keyring: vec![2; 4] })?)
        })
        .await
        .expect("planted");
        store.close();
    }

    /// Connects and attaches.
    pub(crate) async fn attach(&self, server: &ServerLink) -> ChannelLink {
        let (link, hello) = ChannelLink::connect(&QuicConnector::default(), server).await.expect("connects");
        let access = self.access.public();
        let text = attach_text(&link.fingerprint(), &hello.challenge, &self.id, &access);
        let signature = self.access.sign(&text).to_vec();
        let state = link.call(ChannelAttach { channel: self.id, access, signature }).await.expect("attaches");
        assert!(state.current);
        link
    }

    pub(crate) async fn enqueue(&self, link: &ChannelLink, id: MessageId) -> Result<Enqueued, CallError> {
        let sealed = vec![id.as_bytes()[0]; 1024];
        link.call(ChannelEnqueue { channel: self.id, id, after_commit: self.start, sealed, commit: None }).await
    }

    /// The whole log.
    pub(crate) async fn log(&self, link: &ChannelLink) -> Vec<ChannelEntry> {
        let mut log: Vec<ChannelEntry> = Vec::new();
        loop {
            let after = log.last().map_or(0, |entry| entry.seq);
            let page = link.call(ChannelRead { channel: self.id, after, limit: 512 }).await.expect("a page");
            log.extend(page.entries);
            if !page.more {
                return log;
            }
        }
    }
}
