//! `vault-subscribe`: what stands in the vault, and whatever is stored in it.

use std::{collections::BTreeMap, sync::Arc};

use futures::stream::{self, BoxStream, StreamExt as _};
use quicprochat_wire::{
    AccountId, CallFailure, ErrorCode, Response,
    call::vault::{VaultSubscribe, VaultVersion, VaultVersions},
};

use crate::{
    connection::Device,
    error::failure,
    shared::Core,
    store::{Refusal, read},
    wakers::Listener,
};

/// Answers with a stream: at once with the versions of all records, then with those that changed. It ends with
/// `device-revoked` when the account has the device no more.
pub(crate) async fn subscribe(
    core: &Arc<Core>,
    caller: Device,
    _: VaultSubscribe,
) -> Result<BoxStream<'static, Result<Response, CallFailure>>, Refusal> {
    let listener = core.account_wakers.listen(caller.account);
    read(&*core.store, move |tx| caller.confirm(tx)).await?;
    let subscription = Subscription { core: Arc::clone(core), caller, listener, told: None };
    let stream = stream::unfold(Some(subscription), |subscription| async move {
        let mut subscription = subscription?;
        match subscription.next().await {
            Ok(versions) => Some((Ok(versions.into()), Some(subscription))),
            Err(refusal) => Some((Err(failure(refusal, "vault-subscribe")), None)),
        }
    });
    Ok(stream.boxed())
}

struct Subscription {
    core: Arc<Core>,
    caller: Device,
    listener: Listener<AccountId>,
    /// What the subscriber knows; nothing before the first answer. At most as many as an account ever uses.
    told: Option<BTreeMap<u32, u64>>,
}

impl Subscription {
    async fn next(&mut self) -> Result<VaultVersions, Refusal> {
        loop {
            if self.core.is_draining() {
                return Err(ErrorCode::Unavailable.into());
            }
            let caller = self.caller;
            let rows = read(&*self.core.store, move |tx| {
                caller.confirm(tx)?;
                Ok(tx.vaults().rows(&caller.account)?)
            })
            .await?;
            let found: BTreeMap<u32, u64> = rows.iter().map(|row| (row.id, row.version)).collect();
            let is_news = |id: &u32, version: &u64| {
                self.told.as_ref().is_none_or(|told| told.get(id).is_none_or(|known| known != version))
            };
            let versions: Vec<VaultVersion> = found
                .iter()
                .filter(|(id, version)| is_news(id, version))
                .map(|(id, version)| VaultVersion { id: *id, version: *version })
                .collect();
            let is_first = self.told.replace(found).is_none();
            if is_first || !versions.is_empty() {
                return Ok(VaultVersions { versions });
            }
            self.listener.changed().await;
        }
    }
}
