//! `token-issue`: one batch, counted against the account's day.

use quicprochat_wire::{
    CallFailure, ErrorCode, Timestamp,
    call::token::{TokenIssue, TokensIssued},
    limits::TOKEN_BATCH,
};

use crate::{
    connection::Device,
    shared::Core,
    store::{Day, Refusal, write},
};

pub(crate) async fn issue(
    core: &Core,
    caller: Device,
    request: TokenIssue,
    now: Timestamp,
) -> Result<TokensIssued, Refusal> {
    let blinded = core.issuer.accept(request.epoch, &request.blinded, now)?;
    let batch = u32::try_from(TOKEN_BATCH).unwrap_or(u32::MAX);
    let limit = core.config.limits.tokens_per_day;
    write(&*core.store, move |tx| {
        caller.confirm(tx)?;
        let today = Day::from(now);
        let count = tx.tokens().issued(&caller.account, today)?.saturating_add(batch);
        if count > limit {
            let tomorrow = Day(today.0.saturating_add(1)).start();
            return Err(CallFailure::retry(ErrorCode::RateLimited, tomorrow.since(now)).into());
        }
        Ok(tx.tokens().set_issued(&caller.account, today, count)?)
    })
    .await?;
    Ok(core.issuer.evaluate(request.epoch, &blinded, &mut core.fork_entropy())?)
}
