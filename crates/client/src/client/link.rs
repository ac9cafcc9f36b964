//! Linking a device: this home makes another one a device of its account, or becomes one.
//!
//! ```text
//!   holder   offer_link ─▶ OfferedLink ─meet─▶ MetDevice ─string, offer─▶ admit_device
//!   joiner   join_link ──▶ JoiningLink ─string─▶ finish_link ─▶ OwnAccount
//! ```
//! What the new device is to keep is stored before it asks for its place on the account's record. Should either program end
//! there, the new one finds out by itself whether it is a device ([`Client::resume_link`]).

use std::{collections::VecDeque, time::Duration};

use futures::{StreamExt as _, stream::BoxStream};
use quicprochat_client_core::auth::{
    self, CeremonyError, DeviceAccount, Holder, Joiner, LinkCode, LinkContent, LinkHandover, LinkOffer, LinkRefusal,
    LinkSession, LinkString, LinkingDevice, WayIn,
};
use quicprochat_client_core::store::OwnAccount;
use quicprochat_e2ee::{E2eeError, Sealed};
use quicprochat_transport::{AccountLink, LinkError};
use quicprochat_wire::{
    CallFailure, DeviceId, ErrorCode, LinkId,
    call::{
        linking::{LinkOpen, LinkPage, LinkPut, LinkSide, LinkState, LinkSubscribe},
        session::HelloReply,
        vault::VaultFetch,
    },
};
use tokio::time::{Instant, timeout, timeout_at};

use super::{
    Client, SignedIn,
    enrol::{Account, TRIES, package},
};
use crate::{ClientError, OsEntropy, entropy::now};

/// How long a new device waits to be told before it asks the server whether it is one.
const ASK_AFTER: Duration = Duration::from_secs(5);

/// Why two devices did not come together, besides what the server refuses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkProblem {
    /// The other side says that the strings differ.
    #[error("the other device shows another number: somebody may be in between, and nothing was handed over")]
    StringDiffers,
    /// The other side ended it.
    #[error("it was cancelled on the other device")]
    Cancelled,
    /// The other side could not change the account.
    #[error("the other device could not change the account; it says why")]
    Failed,
    /// A message that was not made with this code, or not as this version makes it.
    #[error("the other device uses another code or another version of qpc; make a new code")]
    Unreadable,
    /// The account's record does not name the new device, and nobody is there any more who would put it there.
    #[error("the other device stopped before this one was added; try again with a new code")]
    Unfinished,
}

impl From<LinkRefusal> for LinkProblem {
    fn from(reason: LinkRefusal) -> Self {
        match reason {
            LinkRefusal::StringDiffers => Self::StringDiffers,
            LinkRefusal::Cancelled => Self::Cancelled,
            LinkRefusal::Failed => Self::Failed,
        }
    }
}

/// Messages through the server, in order.
struct Exchange {
    link: AccountLink,
    id: LinkId,
    side: LinkSide,
    sent: u16,
    pages: BoxStream<'static, Result<LinkPage, LinkError>>,
    arrived: VecDeque<Vec<u8>>,
    /// When the server forgets the link.
    ends: Instant,
}

impl Exchange {
    async fn begin(link: AccountLink, id: LinkId, side: LinkSide, left: Duration) -> Result<Self, ClientError> {
        let pages = link.subscribe(LinkSubscribe { link: id, side: side.other(), from: 0 }).await?;
        let ends = Instant::now() + left;
        Ok(Self { link, id, side, sent: 0, pages, arrived: VecDeque::new(), ends })
    }

    async fn put(&mut self, sealed: Vec<u8>) -> Result<(), ClientError> {
        let LinkState { left } =
            self.link.call(LinkPut { link: self.id, side: self.side, number: self.sent, sealed }).await?;
        self.sent = self.sent.saturating_add(1);
        self.ends = Instant::now() + left;
        Ok(())
    }

    /// The next message. May be dropped and asked again: nothing is lost.
    async fn next(&mut self) -> Result<Vec<u8>, ClientError> {
        loop {
            if let Some(message) = self.arrived.pop_front() {
                return Ok(message);
            }
            let expired = || LinkError::Refused(ErrorCode::LinkExpired.into());
            let page = timeout_at(self.ends, self.pages.next()).await.map_err(|_| expired())?;
            self.arrived.extend(page.ok_or(LinkError::Closed)??.messages);
        }
    }
}

/// An exchange under a key that both devices share.
struct Talk {
    exchange: Exchange,
    session: LinkSession,
}

impl Talk {
    async fn say(&mut self, content: &LinkContent) -> Result<(), ClientError> {
        let sealed = self.session.seal(content, &mut OsEntropy)?;
        self.exchange.put(sealed).await
    }

    async fn hear(&mut self) -> Result<LinkContent, ClientError> {
        let message = self.exchange.next().await?;
        let content = self.session.open(&message).map_err(unreadable)?;
        if let LinkContent::Refused(reason) = content {
            return Err(LinkProblem::from(reason).into());
        }
        Ok(content)
    }

    /// Tells the other side; whether that hears it changes nothing here.
    async fn refuse(&mut self, reason: LinkRefusal) {
        if let Err(error) = self.say(&LinkContent::Refused(reason)).await {
            tracing::debug!(%error, "the other device could not be told");
        }
    }
}

/// A code that waits for a new device.
pub struct OfferedLink {
    code: LinkCode,
    exchange: Exchange,
    left: Duration,
}

impl OfferedLink {
    /// The code to show.
    #[must_use]
    pub const fn code(&self) -> &LinkCode {
        &self.code
    }

    /// How long it counts.
    #[must_use]
    pub const fn left(&self) -> Duration {
        self.left
    }

    /// Waits for the new device, and agrees on a key with it.
    pub async fn meet(self) -> Result<MetDevice, ClientError> {
        let Self { code, mut exchange, .. } = self;
        let commitment = exchange.next().await?;
        let (answer, answered) = Holder::start(code).answer(&commitment, &mut OsEntropy).map_err(unreadable)?;
        exchange.put(answer).await?;
        let reveal = exchange.next().await?;
        let (last, session) = answered.finish(&reveal, &mut OsEntropy).map_err(unreadable)?;
        exchange.put(last).await?;
        Ok(MetDevice { talk: Talk { exchange, session } })
    }
}

impl core::fmt::Debug for OfferedLink {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("OfferedLink").field("left", &self.left).finish_non_exhaustive()
    }
}

/// A new device at the other end, or somebody in between.
pub struct MetDevice {
    talk: Talk,
}

impl MetDevice {
    /// What the person is to compare.
    #[must_use]
    pub const fn string(&self) -> LinkString {
        self.talk.session.string()
    }

    /// Waits until the string is confirmed on the new device, too. To be called when it is confirmed here.
    pub async fn offer(&mut self) -> Result<LinkOffer, ClientError> {
        match self.talk.hear().await? {
            LinkContent::Offer(offer) => Ok(offer),
            LinkContent::Package(_) | LinkContent::Handover(_) | LinkContent::Done | LinkContent::Refused(_) => {
                Err(LinkProblem::Unreadable.into())
            }
        }
    }

    /// Ends it.
    pub async fn refuse(mut self, reason: LinkRefusal) {
        self.talk.refuse(reason).await;
    }

    /// Hands everything over and waits for the KeyPackage part.
    async fn hand_over(&mut self, handover: LinkHandover) -> Result<Vec<u8>, ClientError> {
        self.talk.say(&LinkContent::Handover(handover)).await?;
        match self.talk.hear().await? {
            LinkContent::Package(part) => Ok(part),
            LinkContent::Offer(_) | LinkContent::Handover(_) | LinkContent::Done | LinkContent::Refused(_) => {
                Err(LinkProblem::Unreadable.into())
            }
        }
    }
}

impl core::fmt::Debug for MetDevice {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("MetDevice(..)")
    }
}

/// A device of the account at the other end, or somebody in between.
pub struct JoiningLink {
    talk: Talk,
    code: LinkCode,
    hello: HelloReply,
}

impl JoiningLink {
    /// What the person is to compare.
    #[must_use]
    pub const fn string(&self) -> LinkString {
        self.talk.session.string()
    }

    /// Ends it.
    pub async fn refuse(mut self, reason: LinkRefusal) {
        self.talk.refuse(reason).await;
    }
}

impl core::fmt::Debug for JoiningLink {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("JoiningLink(..)")
    }
}

/// What became of a device that was admitted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AdmittedDevice {
    /// Its id.
    pub device: DeviceId,
    /// What it is called.
    pub label: String,
    /// Whether it was told. If not, it finds out by itself, or it can be revoked.
    pub told: bool,
}

impl Client {
    /// Makes a code for a new device.
    pub async fn offer_link(&mut self) -> Result<OfferedLink, ClientError> {
        let (link, account) = self.authenticated().await?;
        let code = LinkCode::generate(account.server, &mut OsEntropy);
        let LinkState { left } = link.call(LinkOpen { link: code.id() }).await?;
        let exchange = Exchange::begin(link, code.id(), LinkSide::Holder, left).await?;
        Ok(OfferedLink { code, exchange, left })
    }

    /// Makes the device at the other end one of the account's, under the password or recovery key, which it never sees. A
    /// wrong one changes nothing: it may be called again.
    pub async fn admit_device(
        &mut self,
        met: &mut MetDevice,
        offer: &LinkOffer,
        way_in: impl Into<WayIn>,
    ) -> Result<AdmittedDevice, ClientError> {
        let way_in = way_in.into();
        for _ in 0..TRIES {
            let SignedIn { link, vault, .. } = self.own_sign_in(way_in.clone()).await?;
            let prepared = vault.admit(offer, now(), &mut OsEntropy)?;
            let part = met.hand_over(prepared.handover()).await?;
            match link.call(prepared.publish(part)?).await {
                Err(LinkError::Refused(CallFailure { code: ErrorCode::VersionConflict, .. })) => {}
                Err(error) => return Err(error.into()),
                Ok(_) => {
                    let told = met.talk.say(&LinkContent::Done).await.is_ok();
                    return Ok(AdmittedDevice { device: offer.device, label: offer.label.clone(), told });
                }
            }
        }
        Err(ClientError::Contended)
    }

    /// Goes to the device that shows a code, and agrees on a key with it.
    pub async fn join_link(&mut self, code: LinkCode) -> Result<JoiningLink, ClientError> {
        self.expect_fresh()?;
        let (link, hello) = AccountLink::connect(&*self.connector, code.server()).await?;
        let (commitment, joiner) = Joiner::start(code.clone(), &mut OsEntropy)?;
        // Before anything else: it takes the code for this device.
        let first = LinkPut { link: code.id(), side: LinkSide::Joiner, number: 0, sealed: commitment };
        let LinkState { left } = link.call(first).await?;
        let mut exchange = Exchange::begin(link, code.id(), LinkSide::Joiner, left).await?;
        exchange.sent = 1;
        let answer = exchange.next().await?;
        let (reveal, revealed) = joiner.reveal(&answer, &mut OsEntropy).map_err(unreadable)?;
        exchange.put(reveal).await?;
        let last = exchange.next().await?;
        let session = revealed.finish(&last).map_err(unreadable)?;
        Ok(JoiningLink { talk: Talk { exchange, session }, code, hello })
    }

    /// Becomes a device of the account at the other end. To be called when the string is confirmed. `label` is the device's
    /// name for its owner.
    pub async fn finish_link(&mut self, joining: JoiningLink, label: &str) -> Result<OwnAccount, ClientError> {
        let JoiningLink { mut talk, code, hello } = joining;
        let device = LinkingDevice::generate(&mut OsEntropy);
        talk.say(&LinkContent::Offer(device.offer(label)?)).await?;
        let mut taken: Option<OwnAccount> = None;
        loop {
            let heard = match &taken {
                None => Some(talk.hear().await),
                Some(_) => timeout(ASK_AFTER, talk.hear()).await.ok(),
            };
            match (heard, &taken) {
                (Some(Ok(LinkContent::Handover(handover))), _) => {
                    let (part, account) = match self.take_handover(&device, handover, &code, &hello) {
                        Ok(taken) => taken,
                        Err(error) => {
                            talk.refuse(LinkRefusal::Failed).await;
                            return Err(error);
                        }
                    };
                    taken = Some(account);
                    talk.say(&LinkContent::Package(part)).await?;
                }
                (Some(Ok(LinkContent::Done)), Some(account)) => {
                    let account = account.clone();
                    self.authenticate_pending(&talk.exchange.link, &hello, &account).await?;
                    return self.promote_linked(&talk.exchange.link, &account).await;
                }
                (Some(Ok(_)), _) => {
                    self.forget_pending()?;
                    return Err(LinkProblem::Unreadable.into());
                }
                (Some(Err(ClientError::Linking(problem))), _) => {
                    self.forget_pending()?;
                    return Err(problem.into());
                }
                (Some(Err(error)), None) => return Err(error),
                // Nobody says anything (any more): the server knows.
                (heard @ (None | Some(Err(_))), Some(account)) => {
                    let account = account.clone();
                    let (link, hello) = AccountLink::connect(&*self.connector, &account.server).await?;
                    match self.authenticate_as(&link, &hello, &account).await {
                        Ok(()) => return self.promote_linked(&link, &account).await,
                        // The other device may still be at it; what is stored stays, for the next attempt to ask again.
                        Err(LinkError::Refused(CallFailure { code: ErrorCode::NotFound, .. })) => {
                            if heard.is_some() {
                                return Err(LinkProblem::Unfinished.into());
                            }
                        }
                        Err(error) => return Err(self.give_up(error)?),
                    }
                }
                (None, None) => return Err(LinkProblem::Unfinished.into()),
            }
        }
    }

    /// Finds out what became of a link, or a login, whose end this home did not see.
    pub async fn resume_link(&mut self) -> Result<Option<OwnAccount>, ClientError> {
        let Some(account) = self.pending()? else { return Ok(None) };
        let (link, hello) = AccountLink::connect(&*self.connector, &account.server).await?;
        match self.authenticate_as(&link, &hello, &account).await {
            Ok(()) => self.promote_linked(&link, &account).await.map(Some),
            Err(error) if error.refusal().is_some() => {
                self.forget_pending()?;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Stores what was handed over, with the first KeyPackage; returns its part.
    fn take_handover(
        &mut self,
        device: &LinkingDevice,
        handover: LinkHandover,
        code: &LinkCode,
        hello: &HelloReply,
    ) -> Result<(Vec<u8>, OwnAccount), ClientError> {
        let linked = device.take(handover)?;
        let key_package = self.key_package(&linked.own_device())?;
        let at = now();
        let (part, device) = linked.finish(&key_package, at)?;
        let account = device.to_stored(code.server().clone(), hello.host.clone())?;
        // One that a conflict made worthless gives way.
        self.forget_pending()?;
        self.keep_pending(&account, &package(&part, key_package, at))?;
        Ok((part.bytes, account))
    }

    async fn authenticate_as(
        &self,
        link: &AccountLink,
        hello: &HelloReply,
        account: &OwnAccount,
    ) -> Result<(), LinkError> {
        let key = quicprochat_identity::DeviceSecretKey::from_bytes(account.device_key.expose());
        let fingerprint = account.server.fingerprint();
        link.call(auth::authenticate(fingerprint, &hello.challenge, account.account, account.device, &key)).await?;
        Ok(())
    }

    /// As the device that was added a moment ago; somebody may have removed it since.
    async fn authenticate_pending(
        &mut self,
        link: &AccountLink,
        hello: &HelloReply,
        account: &OwnAccount,
    ) -> Result<(), ClientError> {
        match self.authenticate_as(link, hello, account).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.give_up(error)?),
        }
    }

    /// A refusal means that this is no device of the account; anything else leaves the question open.
    fn give_up(&mut self, error: LinkError) -> Result<ClientError, ClientError> {
        if error.refusal().is_some() {
            self.forget_pending()?;
        }
        Ok(error.into())
    }

    /// On a connection of the new device: the conversations come from the vault, under the key that was handed over. If they
    /// cannot be had now, the engine takes them over with its first session.
    async fn promote_linked(&mut self, link: &AccountLink, account: &OwnAccount) -> Result<OwnAccount, ClientError> {
        let device = DeviceAccount::from_stored(account)?;
        let records = match link.call(VaultFetch { ids: Vec::new() }).await {
            Ok(vault) => vault.records,
            Err(error) => {
                tracing::debug!(%error, "the list of conversations did not come");
                return self.promote(Account::Known, None, None);
            }
        };
        // A vault rolled in this moment is not for this key; the engine adopts the new one.
        let listed = match auth::conversations(&device.state_key, account.account, &records) {
            Err(CeremonyError::RecordSealed { .. }) => None,
            listed => Some(listed?),
        };
        let state = auth::account_state(&device.state_key, account.account, &records).ok().flatten();
        self.promote(Account::Known, listed.as_ref(), state.as_ref().map(|state| state.as_slice()))
    }
}

/// What does not open was not made with this code by this version.
fn unreadable(error: E2eeError) -> ClientError {
    let foreign = matches!(
        error,
        E2eeError::CannotOpen { what: Sealed::LinkMessage }
            | E2eeError::Unsupported { .. }
            | E2eeError::Decode(_)
            | E2eeError::BadPadding { .. }
    );
    if foreign { LinkProblem::Unreadable.into() } else { error.into() }
}

#[cfg(test)]
mod tests;
