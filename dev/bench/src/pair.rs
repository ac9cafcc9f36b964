//! Alice and bob with homes of their own, in any number of conversations with one another.

use std::{collections::BTreeSet, ops::Range, path::Path, time::Duration};

use anyhow::{Context, Result, bail};
use quicprochat_client::{
    Client, Home, Session, StoreKey,
    core::{Command, Event, Outcome, auth::Password, views},
};
use quicprochat_wire::{ChannelId, ServerLink};
use tokio::time::timeout;

use crate::{flood, home};

/// The password of everybody here.
pub(crate) const PASSWORD: &str = "Kestrel-83-quarry-Lantern";
/// Invitations on their way at a time.
const AT_A_TIME: usize = 25;
/// How long the next event may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// The password, for a ceremony.
pub(crate) fn password() -> Password {
    Password::new(PASSWORD.to_owned())
}

/// Somebody with an account and a home.
pub(crate) struct Somebody {
    pub(crate) home: Home,
    pub(crate) key: StoreKey,
    pub(crate) client: Client,
}

impl Somebody {
    /// Opens a home without an account.
    pub(crate) fn new(scratch: &Path, folder: &str) -> Result<Self> {
        let (home, key) = home::make(scratch, folder)?;
        let (again, same) = home::make(scratch, folder)?;
        Ok(Self { home, key, client: Client::open(again, same, flood::plain())? })
    }

    /// Opens a home and registers.
    pub(crate) async fn register(scratch: &Path, server: &ServerLink, name: &str) -> Result<Self> {
        let mut somebody = Self::new(scratch, name)?;
        somebody.client.register(server, name, password(), None, "load").await?;
        Ok(somebody)
    }

    /// A session that listens.
    pub(crate) async fn listen(&mut self) -> Result<Session> {
        let session = self.client.session()?;
        // Listening is never done by itself.
        drop(session.submit(Command::Listen).await);
        Ok(session)
    }
}

/// Makes conversations of the owner with somebody, who accepts the first and is in the others at once.
pub(crate) async fn meet(owner: &Session, other: &mut Session, name: &str, count: usize) -> Result<Vec<ChannelId>> {
    let mut channels = Vec::with_capacity(count);
    while channels.len() < count {
        // The first one alone: from then on they know each other.
        let some = if channels.is_empty() { 1 } else { AT_A_TIME.min(count - channels.len()) };
        let made = invite(owner, name, channels.len()..channels.len() + some).await?;
        joined(other, &made).await?;
        channels.extend(made);
    }
    eprintln!("  {count} conversations");
    Ok(channels)
}

/// Invitations leave after a random delay, so several are on their way at a time.
async fn invite(owner: &Session, name: &str, numbers: Range<usize>) -> Result<Vec<ChannelId>> {
    let (mut channels, mut invited) = (Vec::new(), Vec::new());
    for number in numbers {
        let create = Command::CreateGroup { title: title(number), suite: Default::default() };
        let Outcome::Created { channel } = owner.run(create).await? else { bail!("no group was made") };
        invited.push(owner.submit(Command::Invite { channel, names: vec![name.to_owned()] }).await);
        channels.push(channel);
    }
    for result in futures::future::join_all(invited).await {
        result?;
    }
    Ok(channels)
}

async fn joined(session: &mut Session, wanted: &[ChannelId]) -> Result<()> {
    let mut missing: BTreeSet<ChannelId> = wanted.iter().copied().collect();
    while !missing.is_empty() {
        let event = timeout(PATIENCE, session.next_event()).await.context("no invitation came")?;
        let event = event.context("the session ended")?;
        if let Event::Request { invitation, .. } = &event {
            let accept = Command::AcceptRequest { invitation: *invitation };
            let Outcome::Joined { channel } = session.run(accept).await? else { bail!("not joined") };
            missing.remove(&channel);
        }
        if let Event::Joined { channel, .. } = event {
            missing.remove(&channel);
        }
    }
    Ok(())
}

/// The title of a conversation.
pub(crate) fn title(number: usize) -> String {
    format!("group {number}")
}

/// The titles that a person is shown, in the order of the list.
pub(crate) fn titles(client: &mut Client) -> Result<Vec<String>> {
    let mut views = client.read(|tx| Ok(views::conversations(tx)?))?;
    views::in_order(&mut views);
    Ok(views.into_iter().map(|view| view.title).collect())
}
