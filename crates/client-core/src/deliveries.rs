//! Deliveries to other people's inboxes: staged with their commit, released when it is in the log, paid with a token.
//!
//! ```text
//!   Staged (with the commit) ──commit read back──▶ Sealed, not before a random moment ──token──▶ inbox-deliver ──▶ gone
//!          └─commit lost─▶ gone
//! ```
#![expect(clippy::wildcard_enum_match_arm, reason = "a refusal that is not named is waited out, whatever its code")]

use std::collections::BTreeSet;

use quicprochat_e2ee::{
    E2eeError,
    sealed::{InboxKind, InboxSender, Invitation, seal_inbox},
};
use quicprochat_identity::InboxPublicKey;
use quicprochat_wire::{
    AccountId, ChannelId, ConnectionKind, ErrorCode, MessageId, Response,
    call::{channel::ChainPoint, inbox::InboxDeliver},
    mutant::{Mutant, is_on},
    time::Duration,
};

use crate::{
    command::CommandError,
    engine::{Cx, LinkStatus, Purpose, keys},
    error::EngineError,
    event::Event,
    input::CallError,
    stock::{Stock, Take},
    store::{Conversation, Delivery, DeliveryBody},
};

/// Spread of the delay between a commit's acceptance and the deliveries (M1).
const RELEASE_DELAY: Duration = Duration::from_secs(2);
/// Pause after a refusal that names none.
const RETRY_PAUSE: Duration = Duration::from_secs(5);
/// Longest pause, whatever the server says.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// Refusals after which nobody waits for a delivery any more.
const PATIENCE: u32 = 3;
/// Refusals after which a delivery is given up.
const MAX_TRIES: u32 = 20;

/// Which deliveries are on their way.
#[derive(Default)]
pub(crate) struct Deliveries {
    calling: BTreeSet<MessageId>,
    blocked: Option<CommandError>,
}

impl Deliveries {
    /// Deliveries that are not done, of those that `chosen` says.
    ///
    /// The second value is whether waiting for them is worth it: nothing but time and a busy server holds them up.
    pub(crate) fn open(
        &self,
        cx: &Cx<'_>,
        chosen: impl Fn(&Delivery) -> bool,
    ) -> Result<(Vec<AccountId>, bool), EngineError> {
        let mut rows = cx.tx.outbox().deliveries()?;
        rows.retain(chosen);
        let soon = self.blocked.is_none() && rows.iter().any(|row| row.tries < PATIENCE);
        Ok((rows.iter().map(|row| row.account).collect(), soon))
    }

    pub(crate) fn drive(&mut self, cx: &mut Cx<'_>, stock: &mut Stock) -> Result<(), EngineError> {
        let rows = cx.tx.outbox().deliveries()?;
        self.blocked = None;
        for mut row in rows {
            let DeliveryBody::Sealed { sealed } = row.body.clone() else { continue };
            if self.calling.contains(&row.id) {
                continue;
            }
            if cx.is_to_come(row.not_before, LONGEST_PAUSE) {
                continue;
            }
            if cx.held_by_another(row.lease.as_ref()) {
                continue;
            }
            match cx.link(ConnectionKind::Lookup) {
                LinkStatus::Ready => {}
                LinkStatus::Waiting => return Ok(()),
                LinkStatus::Down(_) | LinkStatus::Refused => {
                    self.blocked = Some(CommandError::Unreachable { unfinished: true });
                    return Ok(());
                }
            }
            let token = match row.token.clone() {
                Some(token) => token,
                None => match stock.take(cx)? {
                    Take::Token(token) => token,
                    Take::Wait => return Ok(()),
                    Take::Failed(error) => {
                        self.blocked = Some(error);
                        return Ok(());
                    }
                },
            };
            row.token = Some(token.clone());
            row.lease = Some(cx.lease());
            cx.tx.outbox().put_delivery(&row)?;
            self.calling.insert(row.id);
            let request = InboxDeliver { account: row.account, id: row.id, sealed, token };
            cx.call(ConnectionKind::Lookup, request, Purpose::Delivery(row.id));
        }
        Ok(())
    }

    pub(crate) fn respond(
        &mut self,
        cx: &mut Cx<'_>,
        id: &MessageId,
        result: Result<Response, CallError>,
    ) -> Result<(), EngineError> {
        self.calling.remove(id);
        let Some(mut row) = cx.tx.outbox().delivery(id)? else { return Ok(()) };
        row.lease = None;
        match result {
            Ok(_) => cx.tx.outbox().delete_delivery(id)?,
            Err(CallError::LinkLost) => cx.tx.outbox().put_delivery(&row)?,
            Err(CallError::Refused(failure)) => {
                row.tries = row.tries.saturating_add(1);
                match failure.code {
                    ErrorCode::TokenInvalid | ErrorCode::TokenSpent | ErrorCode::TokenExpired => row.token = None,
                    ErrorCode::NotFound | ErrorCode::TooLarge | ErrorCode::BadRequest => row.tries = MAX_TRIES,
                    _ => {}
                }
                if row.tries >= MAX_TRIES {
                    cx.tx.outbox().delete_delivery(id)?;
                    let (account, channel) = (row.account, row.channel);
                    cx.notify(Event::Undelivered { account, channel, code: failure.code });
                } else {
                    row.not_before = cx.wake_after(failure.retry_after.unwrap_or(RETRY_PAUSE).min(LONGEST_PAUSE));
                    cx.tx.outbox().put_delivery(&row)?;
                }
            }
        }
        Ok(())
    }
}

/// Seals the deliveries of a commit that was read back at `at`: now the position at which the invited start is known.
///
/// `conversation` is the state after the commit.
pub(crate) fn release(
    cx: &mut Cx<'_>,
    conversation: &Conversation,
    commit: &MessageId,
    at: ChainPoint,
) -> Result<(), EngineError> {
    let rows: Vec<Delivery> = cx.tx.outbox().deliveries()?.into_iter().filter(|row| row.commit == *commit).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let records = crate::channels::records::for_joiner(cx, conversation)?;
    let identity = cx.own()?.identity()?;
    let secret = cx.own()?.secret();
    let device = cx.own()?.row.device;
    let link = cx.own()?.row.server.clone();
    for mut row in rows {
        let DeliveryBody::Staged { inbox_key, welcome } = &row.body else { continue };
        let inbox_key = InboxPublicKey::from_slice(inbox_key).ok_or(EngineError::OwnState)?;
        let invitation = Invitation {
            link: link.clone(),
            channel: conversation.channel,
            start: at,
            commit: *commit,
            welcome: welcome.expose().to_vec(),
            keys: keys(&conversation.keys),
            since: conversation.keys_since,
            records: records.clone(),
        };
        let sender = InboxSender { identity: &identity, device, secret: &secret };
        let body = invitation.encode();
        match seal_inbox(&row.account, &inbox_key, &row.id, InboxKind::Invitation, &sender, &body, cx.entropy) {
            Ok(sealed) => {
                row.body = DeliveryBody::Sealed { sealed };
                row.not_before =
                    if is_on(Mutant::WelcomeBeforeAcceptance) { cx.now } else { cx.jittered(RELEASE_DELAY) };
                cx.wake(row.not_before);
                cx.tx.outbox().put_delivery(&row)?;
            }
            Err(E2eeError::TooLarge { .. } | E2eeError::BadPublicKey) => {
                cx.tx.outbox().delete_delivery(&row.id)?;
                let (account, channel) = (row.account, row.channel);
                cx.notify(Event::Undelivered { account, channel, code: ErrorCode::TooLarge });
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Drops the staged deliveries of a commit that lost.
pub(crate) fn withdraw(cx: &Cx<'_>, channel: &ChannelId, commit: &MessageId) -> Result<(), EngineError> {
    for row in cx.tx.outbox().deliveries()? {
        if row.channel == *channel && row.commit == *commit {
            cx.tx.outbox().delete_delivery(&row.id)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use quicprochat_wire::{CallFailure, Timestamp, call::token::Token};

    use super::*;
    use crate::{
        effect::Effect,
        engine::bed::{Bed, hello},
        store::{SecretBytes, StockToken},
    };

    fn delivery(id: u8, body: DeliveryBody) -> Delivery {
        Delivery {
            id: MessageId::new([id; 16]),
            account: AccountId::new([id; 32]),
            channel: ChannelId::new([1; 32]),
            commit: MessageId::new([9; 16]),
            body,
            token: None,
            not_before: Timestamp(100),
            tries: 0,
            lease: None,
        }
    }

    fn bed() -> Bed {
        let mut bed = Bed::new();
        bed.link_up(ConnectionKind::Lookup, &hello(0));
        bed.at(0, |cx| {
            let staged = DeliveryBody::Staged { inbox_key: vec![1], welcome: SecretBytes::default() };
            cx.tx.outbox().put_delivery(&delivery(1, staged)).expect("stores");
            cx.tx.outbox().put_delivery(&delivery(2, DeliveryBody::Sealed { sealed: vec![2] })).expect("stores");
            for n in 0..3 {
                let token = Token { epoch: 1, nonce: vec![n; 32], authenticator: vec![n; 64] };
                let token = StockToken { token, ready: Timestamp(0), expires: Timestamp(u64::MAX) };
                cx.tx.tokens().put_token(&token).expect("stores");
            }
        });
        bed
    }

    fn sent(bed: &mut Bed) -> Vec<InboxDeliver> {
        let effects = core::mem::take(&mut bed.effects);
        let requests = effects.into_iter().filter_map(|effect| match effect {
            Effect::Call { request: quicprochat_wire::Request::InboxDeliver(request), .. } => Some(request),
            _ => None,
        });
        requests.collect()
    }

    fn drive(bed: &mut Bed, deliveries: &mut Deliveries, now: u64) -> Vec<InboxDeliver> {
        let mut stock = Stock::default();
        bed.at(now, |cx| deliveries.drive(cx, &mut stock)).expect("works");
        sent(bed)
    }

    #[test]
    fn only_what_is_released_leaves_and_not_before_its_moment() {
        let (mut bed, mut deliveries) = (bed(), Deliveries::default());
        assert!(drive(&mut bed, &mut deliveries, 99).is_empty());
        assert_eq!(bed.timers.first(), Some(&Timestamp(100)));
        let first = drive(&mut bed, &mut deliveries, 100);
        assert_eq!(first.len(), 1);
        assert!(drive(&mut bed, &mut deliveries, 100).is_empty(), "it is on its way");
        // The answer is lost: the same again, with the same token.
        let id = first[0].id;
        bed.at(101, |cx| deliveries.respond(cx, &id, Err(CallError::LinkLost))).expect("works");
        assert_eq!(drive(&mut bed, &mut deliveries, 101), first);
        let done = Ok(Response::Done(quicprochat_wire::call::Done));
        bed.at(102, |cx| deliveries.respond(cx, &id, done)).expect("works");
        assert!(drive(&mut bed, &mut deliveries, 103).is_empty());
        let (open, _) = bed.at(103, |cx| deliveries.open(cx, |_| true)).expect("works");
        assert_eq!(open, [AccountId::new([1; 32])], "what is staged waits for its commit");
    }

    #[test]
    fn a_spent_token_is_replaced_and_a_full_inbox_is_given_up_in_the_end() {
        let (mut bed, mut deliveries) = (bed(), Deliveries::default());
        let id = MessageId::new([2; 16]);
        let first = drive(&mut bed, &mut deliveries, 100);
        let spent = Err(CallError::Refused(ErrorCode::TokenSpent.into()));
        bed.at(101, |cx| deliveries.respond(cx, &id, spent)).expect("works");
        let told = |effect: &Effect| matches!(effect, Effect::Notify(Event::Undelivered { .. }));
        let mut now = 100_000;
        let second = drive(&mut bed, &mut deliveries, now);
        assert_ne!(first[0].token, second[0].token);
        for tries in 2..=MAX_TRIES {
            assert!(!bed.effects.iter().any(told), "not given up after {tries} tries");
            let full = CallFailure::new(ErrorCode::QuotaFull);
            bed.at(now, |cx| deliveries.respond(cx, &id, Err(CallError::Refused(full)))).expect("works");
            if tries < MAX_TRIES {
                now += 100_000;
                assert_eq!(drive(&mut bed, &mut deliveries, now).len(), 1);
            }
        }
        assert_eq!(bed.effects.iter().filter(|effect| told(effect)).count(), 1);
        bed.at(now, |cx| assert!(cx.tx.outbox().delivery(&id).expect("reads").is_none()));
    }

    #[test]
    fn what_is_staged_goes_with_its_commit() {
        let mut bed = bed();
        bed.at(0, |cx| {
            let other = MessageId::new([8; 16]);
            withdraw(cx, &ChannelId::new([1; 32]), &other).expect("works");
            assert_eq!(cx.tx.outbox().deliveries().expect("reads").len(), 2);
            withdraw(cx, &ChannelId::new([1; 32]), &MessageId::new([9; 16])).expect("works");
            assert!(cx.tx.outbox().deliveries().expect("reads").is_empty());
        });
    }
}
