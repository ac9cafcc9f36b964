//! `sign-in-start`: KE2 of OPAQUE, for a name and way in that exist and for those that do not alike.

use quicprochat_identity::{
    AccountName,
    password::{DEFAULT_STRETCH, RECOVERY_STRETCH},
};
use quicprochat_wire::{
    AccountId, ErrorCode, Timestamp,
    call::{
        auth::{SignInStart, SignInStarted},
        vault::{WAY_PASSWORD, WAY_RECOVERY},
    },
};

use crate::{
    connection::AccountConnection,
    shared::Core,
    store::{Refusal, WayRow, read},
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
    let (wanted, way) = (name.clone(), request.way);
    let found = read(&*core.store, move |tx| {
        let account = tx.accounts().by_name(wanted.as_str())?.unwrap_or(NOBODY);
        let (password, further) = (tx.accounts().load(&account)?, tx.accounts().way(&account, way)?);
        let version = password.as_ref().map(|row| row.password.version);
        let row = match way {
            WAY_PASSWORD => password.map(|row| WayRow { record: row.password.record, stretch: row.password.stretch }),
            _ => further,
        };
        Ok(row.zip(version).map(|(row, version)| (row, (account, version))))
    })
    .await?;
    let (record, stretch, subject) = match &found {
        Some((row, subject)) => (Some(row.record.as_slice()), row.stretch, Some(*subject)),
        None if way == WAY_RECOVERY => (None, RECOVERY_STRETCH, None),
        None => (None, DEFAULT_STRETCH, None),
    };
    let (response, login) =
        core.opaque.start_login(name, way, record, subject, &request.request, &mut core.fork_entropy())?;
    connection.state().login = Some(login);
    Ok(SignInStarted { response, stretch })
}
