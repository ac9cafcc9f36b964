//! `sign-in-start`: KE2 of OPAQUE, for a name that exists and for one that does not alike.

use quicprochat_identity::{AccountName, password::DEFAULT_STRETCH};
use quicprochat_wire::{
    AccountId, ErrorCode, Timestamp,
    call::auth::{SignInStart, SignInStarted},
};

use crate::{
    connection::AccountConnection,
    shared::Core,
    store::{Refusal, read},
};

/// Looked up for a name that nobody has, so that both cases take the same path. No Ed25519 key is all zero.
const NOBODY: AccountId = AccountId::new([0; 32]);

pub(crate) async fn sign_in_start(
    core: &Core,
    connection: &AccountConnection,
    request: SignInStart,
    now: Timestamp,
) -> Result<SignInStarted, Refusal> {
    connection.sign_ins.take(now)?;
    let name = AccountName::parse(&request.name).map_err(|_| ErrorCode::BadRequest)?;
    core.limits.by_name.take(name.as_str().to_owned(), now)?;
    let wanted = name.clone();
    let found = read(&*core.store, move |tx| {
        let account = tx.accounts().by_name(wanted.as_str())?.unwrap_or(NOBODY);
        Ok(tx.accounts().load(&account)?.map(|row| (account, row.password)))
    })
    .await?;
    let (record, stretch, subject) = match &found {
        Some((account, row)) => (Some(row.record.as_slice()), row.stretch, Some((*account, row.version))),
        None => (None, DEFAULT_STRETCH, None),
    };
    let (response, login) =
        core.opaque.start_login(name, record, subject, &request.request, &mut core.fork_entropy())?;
    connection.state().login = Some(login);
    Ok(SignInStarted { response, stretch })
}
