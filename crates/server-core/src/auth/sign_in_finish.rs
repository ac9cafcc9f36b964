//! `sign-in-finish`: the connection is signed in if KE3 proves the password or recovery key.

use quicprochat_wire::{
    ErrorCode,
    call::auth::{SignInFinish, SignedIn as Answer},
};

use crate::{
    connection::AccountConnection,
    shared::Core,
    store::{Refusal, read},
};

pub(crate) async fn sign_in_finish(
    core: &Core,
    connection: &AccountConnection,
    request: SignInFinish,
) -> Result<Answer, Refusal> {
    let login = connection.state().login.take().ok_or(ErrorCode::BadRequest)?;
    let signed_in = core.opaque.finish_login(login, &request.finalization)?;
    let account = signed_in.account;
    let wraps = read(&*core.store, move |tx| {
        signed_in.confirm(tx).map_err(|refusal| match refusal {
            Refusal::Call(_) => ErrorCode::SignInFailed.into(),
            Refusal::Store(_) => refusal,
        })?;
        Ok(tx.vaults().wraps(&account)?)
    })
    .await?;
    connection.state().signed_in = Some(signed_in);
    Ok(Answer { account, wraps })
}
