//! Channels, made and attached on a connection.

use anyhow::Result;
use quicprochat_identity::{AccessSecretKey, attach_text};
use quicprochat_transport::{ChannelLink, LinkError};
use quicprochat_wire::{
    Challenge, ChannelId, ErrorCode, MessageId,
    call::{
        channel::{ChainPoint, ChannelAttach, ChannelCreate, ChannelEnqueue, Enqueued},
        token::Token,
    },
    chain,
    entropy::random_array,
};

use crate::system::SystemEntropy;

/// Bytes of the GroupInfo and keyring that a channel begins with: the server does not look into them.
const SEALED_BYTES: usize = 4096;

/// A channel that an access key opens.
pub(crate) struct Channel {
    pub(crate) id: ChannelId,
    access: AccessSecretKey,
}

impl Channel {
    /// Creates a channel; costs a token.
    pub(crate) async fn create(link: &ChannelLink, token: Token) -> Result<Self> {
        let id = ChannelId::new(random_array(&mut SystemEntropy));
        let access = AccessSecretKey::from_seed(&random_array(&mut SystemEntropy));
        let sealed = vec![7; SEALED_BYTES];
        let request =
            ChannelCreate { channel: id, access: access.public(), group_info: sealed.clone(), keyring: sealed, token };
        link.call(request).await?;
        Ok(Self { id, access })
    }

    /// Shows the connection's server that we have the key.
    pub(crate) async fn attach(&self, link: &ChannelLink, challenge: &Challenge) -> Result<()> {
        let access = self.access.public();
        let text = attach_text(&link.fingerprint(), challenge, &self.id, &access);
        let signature = self.access.sign(&text).to_vec();
        let state = link.call(ChannelAttach { channel: self.id, access, signature }).await?;
        anyhow::ensure!(state.current, "the key is not in force");
        Ok(())
    }

    /// Appends a message and waits until it is synced.
    pub(crate) async fn enqueue(&self, link: &ChannelLink, sealed: Vec<u8>) -> Result<()> {
        match link.call(message(self.id, sealed)).await? {
            Enqueued::Accepted { .. } => Ok(()),
            other @ (Enqueued::Stale { .. } | Enqueued::Diverged { .. }) => anyhow::bail!("not accepted: {other:?}"),
        }
    }
}

/// Sends a message to a channel that is not attached: the server refuses it before it asks its store.
pub(crate) async fn refused(link: &ChannelLink, sealed: Vec<u8>) -> Result<()> {
    match link.call(message(ChannelId::new([0; 32]), sealed)).await {
        Err(LinkError::Refused(failure)) if failure.code == ErrorCode::AccessDenied => Ok(()),
        other => anyhow::bail!("not refused: {other:?}"),
    }
}

fn message(channel: ChannelId, sealed: Vec<u8>) -> ChannelEnqueue {
    ChannelEnqueue {
        channel,
        id: MessageId::new(random_array(&mut SystemEntropy)),
        after_commit: ChainPoint { position: 0, hash: chain::start(&channel) },
        sealed,
        commit: None,
    }
}
