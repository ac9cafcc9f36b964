//! `account-delete`: everything of the account goes, in one transaction.

use quicprochat_wire::call::Done;

use crate::{
    connection::SignedIn,
    shared::Core,
    store::{Refusal, write},
};

pub(crate) async fn account_delete(core: &Core, caller: SignedIn) -> Result<Done, Refusal> {
    let account = caller.account;
    write(&*core.store, move |tx| {
        caller.confirm(tx)?;
        tx.accounts().remove(&account)?;
        tx.directory().remove(&account)?;
        tx.vaults().remove(&account)?;
        tx.archives().remove(&account)?;
        tx.inboxes().remove(&account)?;
        tx.invites().remove_maker(&account)?;
        Ok(tx.tokens().remove(&account)?)
    })
    .await?;
    core.links.keep_devices(&account, |_| false);
    core.account_wakers.wake(&account);
    Ok(Done)
}
