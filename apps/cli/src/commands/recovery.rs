//! The recovery key.

use quicprochat_client::core::auth::RecoveryKey;
use serde_json::json;

use super::account::ask;
use crate::{args::RecoveryCommand, context::Context, failure::Failure};

pub(super) async fn recovery(context: &mut Context, command: RecoveryCommand) -> Result<(), Failure> {
    context.account()?;
    let key = match command {
        RecoveryCommand::Show { password } => context.client.recovery_key(ask(&password)?).await?,
        RecoveryCommand::New { password } => context.client.new_recovery_key(ask(&password)?).await?,
    };
    show(context, &key)
}

/// Prints a key for its owner to write down.
pub(super) fn show(context: &Context, key: &RecoveryKey) -> Result<(), Failure> {
    let key = key.to_text();
    let text = format!(
        "recovery key: {}\n  Write it down and keep it apart from your devices. It opens the account as the password does, also \
         when the password is forgotten; qpc recovery show prints it again",
        *key
    );
    Ok(context.out.show("recovery-key", json!({ "recovery_key": *key }), &text)?)
}
