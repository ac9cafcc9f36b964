//! The stock of blind tokens: refilled on the account link, spent on the others, never at once.

use quicprochat_wire::{
    ConnectionKind, Response, Timestamp,
    call::token::{IssuerKeys, Token, TokenKeys, TokensIssued},
    mutant::{Mutant, is_on},
    time::Duration,
};

use crate::{
    command::CommandError,
    engine::{Cx, LinkStatus, Mode, Purpose},
    error::EngineError,
    event::{Event, TrustWarning},
    input::CallError,
    store::StockToken,
    tokens::{IssuerPins, PendingBatch, TokenError},
};

/// Below this many the stock is refilled when there is an occasion.
const LOW: usize = 8;
/// Spread of the moment at which a fresh batch may first be spent (A6).
const SPEND_DELAY: Duration = Duration::from_secs(2);
/// A token is not kept for its last moments, lest it expire on its way.
const EXPIRY_MARGIN: Duration = Duration::from_secs(60);
/// Pause after a refusal that names none.
const REFUSED_PAUSE: Duration = Duration::from_secs(30);
/// Name of the setting with the pinned issuer keys.
const PINS: &str = "issuer-pins";

/// Calls of this part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum StockCall {
    Keys,
    Issue,
}

/// Refilling, as far as it is under way.
#[derive(Default)]
pub(crate) struct Stock {
    wanted: usize,
    calling: bool,
    batch: Option<(PendingBatch, Timestamp)>,
    refused: Option<(CommandError, Timestamp)>,
    checked: bool,
}

/// What came of asking for a token.
pub(crate) enum Take {
    /// Here it is; it is no longer in stock.
    Token(Token),
    /// Soon.
    Wait,
    /// Not to be had.
    Failed(CommandError),
}

impl Stock {
    /// Takes a token out of stock, in the transaction that stores what it is spent on.
    pub(crate) fn take(&mut self, cx: &mut Cx<'_>) -> Result<Take, EngineError> {
        let stock = usable(cx)?;
        if let Some(first) = stock.first() {
            if cx.is_to_come(first.ready, SPEND_DELAY) {
                return Ok(Take::Wait);
            }
            if !is_on(Mutant::KeepSpentToken) {
                cx.tx.tokens().delete_token(&first.token.nonce)?;
            }
            return Ok(Take::Token(first.token.clone()));
        }
        self.want(1);
        if let Some((error, until)) = &self.refused {
            if *until > cx.now {
                return Ok(Take::Failed(error.clone()));
            }
            self.refused = None;
        }
        Ok(match cx.link(ConnectionKind::Account) {
            LinkStatus::Ready | LinkStatus::Waiting => Take::Wait,
            LinkStatus::Down(reason) => Take::Failed(reason.error()),
            LinkStatus::Refused => Take::Failed(CommandError::DeviceRevoked),
        })
    }

    /// Sees to it that there are at least `count` tokens.
    pub(crate) fn want(&mut self, count: usize) {
        self.wanted = self.wanted.max(count);
    }

    /// Looks at the stock again.
    pub(crate) fn again(&mut self) {
        self.checked = false;
        self.forgive();
    }

    /// Fresh attempts for a fresh command.
    pub(crate) fn forgive(&mut self) {
        self.refused = None;
    }

    /// How many tokens are in stock, and why there are no more if the server said so.
    pub(crate) fn level(&self, cx: &mut Cx<'_>) -> Result<(usize, Option<CommandError>), EngineError> {
        let refused = self.refused.as_ref().filter(|(_, until)| *until > cx.now).map(|(error, _)| error.clone());
        Ok((usable(cx)?.len(), refused))
    }

    /// Whether nothing is left to do here.
    pub(crate) fn is_idle(&self) -> bool {
        !self.calling && (self.wanted == 0 || self.refused.is_some())
    }

    pub(crate) fn drive(&mut self, cx: &mut Cx<'_>, mode: Mode) -> Result<(), EngineError> {
        if mode.active() && !self.checked {
            self.checked = true;
            self.want(LOW);
        }
        if self.wanted == 0 || self.calling || self.refused.as_ref().is_some_and(|(_, until)| *until > cx.now) {
            return Ok(());
        }
        if usable(cx)?.len() >= self.wanted {
            self.wanted = 0;
            return Ok(());
        }
        if cx.link(ConnectionKind::Account) == LinkStatus::Ready {
            self.calling = true;
            cx.call(ConnectionKind::Account, TokenKeys {}, Purpose::Stock(StockCall::Keys));
        }
        Ok(())
    }

    pub(crate) fn respond(
        &mut self,
        cx: &mut Cx<'_>,
        call: StockCall,
        result: Result<Response, CallError>,
    ) -> Result<(), EngineError> {
        self.calling = false;
        match (call, result) {
            (StockCall::Keys, Ok(Response::IssuerKeys(keys))) => self.request(cx, &keys),
            (StockCall::Issue, Ok(Response::TokensIssued(issued))) => self.store(cx, &issued),
            (_, Ok(_)) => {
                self.refuse(cx, CommandError::Protocol, None);
                Ok(())
            }
            (_, Err(CallError::LinkLost)) => {
                self.batch = None;
                Ok(())
            }
            (_, Err(CallError::Refused(failure))) => {
                self.batch = None;
                self.refuse(cx, CommandError::Refused(failure), failure.retry_after);
                Ok(())
            }
        }
    }

    fn refuse(&mut self, cx: &mut Cx<'_>, error: CommandError, pause: Option<Duration>) {
        let until = cx.wake_after(pause.unwrap_or(REFUSED_PAUSE));
        self.refused = Some((error, until));
    }

    /// The issuer's keys came: pin them, and ask for a batch under the newest.
    fn request(&mut self, cx: &mut Cx<'_>, keys: &IssuerKeys) -> Result<(), EngineError> {
        let mut pins = match cx.tx.upkeep().setting(PINS)? {
            Some(bytes) => IssuerPins::from_bytes(&bytes).map_err(|_| EngineError::OwnState)?,
            None => IssuerPins::default(),
        };
        if let Err(error) = pins.admit(keys) {
            if let TokenError::SecondKey { epoch } | TokenError::OldEpoch { epoch, .. } = error {
                cx.notify(Event::Trust(TrustWarning::IssuerChanged { epoch }));
            }
            self.refuse(cx, CommandError::Protocol, None);
            return Ok(());
        }
        cx.tx.upkeep().put_setting(PINS, Some(&pins.to_bytes()))?;
        let there = cx.net.server_time(cx.now);
        let newest = keys.keys.iter().filter(|key| key.issues_until > there).max_by_key(|key| key.epoch);
        let (Some(key), Some(pin)) = (newest, newest.and_then(|key| pins.pin(key.epoch))) else {
            self.refuse(cx, CommandError::NoTokens, None);
            return Ok(());
        };
        let fingerprint = *cx.own()?.row.server.fingerprint();
        let Ok((request, batch)) = PendingBatch::request(pin, &fingerprint, cx.entropy) else {
            return Ok(());
        };
        self.batch = Some((batch, key.redeems_until));
        self.calling = true;
        cx.call(ConnectionKind::Account, request, Purpose::Stock(StockCall::Issue));
        Ok(())
    }

    fn store(&mut self, cx: &mut Cx<'_>, issued: &TokensIssued) -> Result<(), EngineError> {
        let Some((batch, redeems_until)) = self.batch.take() else { return Ok(()) };
        match batch.finish(issued) {
            Ok(tokens) => {
                // One moment for the batch: the earliest of many would nearly always be at once.
                let ready = cx.jittered(SPEND_DELAY);
                for token in tokens {
                    cx.tx.tokens().put_token(&StockToken { token, ready, expires: redeems_until })?;
                }
            }
            Err(_) => self.refuse(cx, CommandError::Protocol, None),
        }
        Ok(())
    }
}

/// Tokens that still count, the earliest first; expired ones are dropped.
fn usable(cx: &mut Cx<'_>) -> Result<Vec<StockToken>, EngineError> {
    let mut stock = cx.tx.tokens().stock()?;
    let limit = cx.net.server_time(cx.now).after(EXPIRY_MARGIN);
    for token in stock.iter().filter(|token| token.expires <= limit) {
        cx.tx.tokens().delete_token(&token.token.nonce)?;
    }
    stock.retain(|token| token.expires > limit);
    Ok(stock)
}

#[cfg(test)]
mod tests {
    use quicprochat_wire::{CallFailure, ErrorCode};

    use super::*;
    use crate::engine::bed::{Bed, hello};

    fn stock_token(n: u8, ready: u64, expires: u64) -> StockToken {
        let token = Token { epoch: 1, nonce: vec![n; 32], authenticator: vec![n; 64] };
        StockToken { token, ready: Timestamp(ready), expires: Timestamp(expires) }
    }

    fn take(bed: &mut Bed, stock: &mut Stock, now: u64) -> Option<u8> {
        match bed.at(now, |cx| stock.take(cx)).expect("the store works") {
            Take::Token(token) => Some(token.nonce[0]),
            Take::Wait | Take::Failed(_) => None,
        }
    }

    #[test]
    fn a_token_is_taken_once_and_not_before_its_moment() {
        let (mut bed, mut stock) = (Bed::new(), Stock::default());
        bed.at(0, |cx| {
            for token in [stock_token(1, 200, 900_000), stock_token(2, 100, 900_000), stock_token(3, 0, 50_000)] {
                cx.tx.tokens().put_token(&token).expect("stores");
            }
        });
        assert_eq!(take(&mut bed, &mut stock, 50), None, "one expires too soon, the others are too fresh");
        assert_eq!(bed.timers.first(), Some(&Timestamp(100)));
        assert_eq!(take(&mut bed, &mut stock, 150), Some(2));
        assert_eq!(take(&mut bed, &mut stock, 150), None);
        assert_eq!(take(&mut bed, &mut stock, 250), Some(1));
        assert_eq!(bed.at(250, |cx| stock.level(cx)).expect("reads").0, 0);
    }

    #[test]
    fn an_empty_stock_is_refilled_and_a_refusal_is_told() {
        let (mut bed, mut stock) = (Bed::new(), Stock::default());
        bed.link_up(ConnectionKind::Account, &hello(0));
        assert_eq!(take(&mut bed, &mut stock, 0), None);
        bed.at(0, |cx| stock.drive(cx, Mode::default())).expect("works");
        assert_eq!(bed.effects.len(), 1, "it asks for the issuer's keys");
        let limited = CallFailure::retry(ErrorCode::RateLimited, Duration::from_secs(9));
        bed.at(0, |cx| stock.respond(cx, StockCall::Keys, Err(CallError::Refused(limited)))).expect("works");
        let failed = bed.at(1, |cx| stock.take(cx)).expect("works");
        assert!(matches!(failed, Take::Failed(CommandError::Refused(failure)) if failure == limited));
        assert!(stock.is_idle());
        bed.at(9_001, |cx| stock.drive(cx, Mode::default())).expect("works");
        assert_eq!(bed.effects.len(), 2, "it asks again when the server said");
    }
}
