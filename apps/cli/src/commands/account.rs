//! Register, log in, who am I, password, deletion, invite codes, tokens.

use std::path::PathBuf;

use quicprochat_client::{
    core::{
        Command, Outcome,
        auth::{Password, RecoveryKey, WayIn},
        store::OwnAccount,
    },
    identity::did::did_key,
};
use quicprochat_wire::{ServerLink, call::auth::Invite};
use serde_json::json;

use super::recovery;
use crate::{
    args::{AccountCommand, InviteCommand, Password as PasswordArg, Proof, Switch, TokensCommand},
    context::Context,
    failure::Failure,
    render, secret,
};

pub(super) async fn register(
    context: &mut Context,
    name: &str,
    server: &ServerLink,
    password: PasswordArg,
    invite: Option<String>,
) -> Result<(), Failure> {
    context.client.expect_fresh()?;
    let password = secret::new_from_file_or_terminal(password.password_file.as_deref(), "New password: ")?;
    let password = Password::new(password.to_string());
    let registered = context.client.register(server, name, password, invite, &label()).await?;
    show(context, &registered.account)?;
    match registered.recovery_key {
        Some(key) => recovery::show(context, &key),
        None => Ok(context.out.warn("recovery-key", "run qpc recovery show, and write the recovery key down")?),
    }
}

pub(super) async fn login(context: &mut Context, name: &str, server: &ServerLink, proof: Proof) -> Result<(), Failure> {
    context.client.expect_fresh()?;
    let way_in = prove(&proof)?;
    let account = context.client.login(server, name, way_in, &label()).await?;
    show(context, &account)
}

pub(super) fn whoami(context: &mut Context) -> Result<(), Failure> {
    let account = context.account()?;
    show(context, &account)
}

pub(super) async fn passwd(
    context: &mut Context,
    proof: Proof,
    new_password_file: Option<PathBuf>,
) -> Result<(), Failure> {
    context.account()?;
    let proof = prove(&proof)?;
    let new = secret::new_from_file_or_terminal(new_password_file.as_deref(), "New password: ")?;
    context.client.change_password(proof, Password::new(new.to_string())).await?;
    let text = "password changed. The recovery key stays as it is: whoever knew the old password could have read it; \
                qpc recovery new replaces it";
    Ok(context.out.show("done", json!({}), text)?)
}

pub(super) async fn account(context: &mut Context, command: AccountCommand) -> Result<(), Failure> {
    let account = context.account()?;
    let (password, yes) = match command {
        AccountCommand::RequireLink { switch, password } => return require_link(context, switch, &password).await,
        AccountCommand::Delete { password, yes } => (password, yes),
    };
    if !yes {
        return Err(Failure::usage(format!(
            "this deletes {} and everything in {}; nobody can undo it. If you mean it, add --yes",
            account.name,
            context.client.home().path().display()
        )));
    }
    let password = ask(&password)?;
    // Checked before anything is left: a wrong password must not cost the groups.
    context.client.check_password(password.clone()).await?;
    context.run(Command::LeaveAll).await?;
    context.client.delete_account(password).await?;
    Ok(context.out.show(
        "done",
        json!({}),
        "account deleted. Channels cannot be found from it: their ciphertext stays at the server until it expires",
    )?)
}

async fn require_link(context: &mut Context, switch: Switch, password: &PasswordArg) -> Result<(), Failure> {
    let required = switch == Switch::On;
    let changed = context.client.require_link(required, ask(password)?).await?;
    let text = match (required, changed) {
        (true, true) => {
            "new devices come from qpc device link only; the password alone makes none. The recovery key still does: keep it apart \
             from your devices, it is the way back if you lose them all"
        }
        (false, true) => "the password makes new devices again",
        (true, false) => "it is so already: new devices come from qpc device link only",
        (false, false) => "it is so already: the password makes new devices",
    };
    Ok(context.out.show("done", json!({ "require_link": required, "changed": changed }), text)?)
}

pub(super) async fn invite(context: &mut Context, command: InviteCommand) -> Result<(), Failure> {
    match command {
        InviteCommand::Create => {
            let invite = context.client.create_invite().await?;
            show_invite(context, &invite)
        }
        InviteCommand::List => {
            let invites = context.client.invites().await?;
            for invite in &invites.invites {
                show_invite(context, invite)?;
            }
            if invites.invites.is_empty() {
                let text = format!("no invite codes; you can make {}", invites.left);
                context.out.show("done", json!({ "left": invites.left }), &text)?;
            }
            Ok(())
        }
    }
}

pub(super) async fn tokens(context: &mut Context, command: TokensCommand) -> Result<(), Failure> {
    let TokensCommand::Take { n } = command;
    let count = u16::try_from(n).map_err(|_| Failure::usage("too many tokens at once"))?;
    let Outcome::Tokens { tokens } = context.run(Command::TakeTokens { count }).await? else {
        return Err(Failure::failed("no tokens came"));
    };
    for token in tokens {
        let (nonce, authenticator) = (hex::encode(&token.nonce), hex::encode(&token.authenticator));
        let text = format!("{} {nonce} {authenticator}", token.epoch);
        let object = json!({ "epoch": token.epoch, "nonce": nonce, "authenticator": authenticator });
        context.out.show("token", object, &text)?;
    }
    Ok(())
}

/// The password of a command that acts on the account.
pub(super) fn ask(password: &PasswordArg) -> Result<Password, Failure> {
    let password = secret::from_file_or_terminal(password.password_file.as_deref(), "Password: ")?;
    Ok(Password::new(password.to_string()))
}

/// The password, or the recovery key in its place.
pub(super) fn prove(proof: &Proof) -> Result<WayIn, Failure> {
    let text = match (&proof.recovery_key_file, proof.recovery_key) {
        (Some(file), _) => secret::from_file(file)?,
        (None, true) => secret::from_file_or_terminal(None, "Recovery key: ")?,
        (None, false) => return Ok(ask(&proof.password)?.into()),
    };
    Ok(RecoveryKey::parse(&text)?.into())
}

pub(super) fn show(context: &Context, account: &OwnAccount) -> Result<(), Failure> {
    let did = did_key(&account.account);
    let object = json!({
        "name": account.name, "host": account.host, "account": account.account.to_string(), "did": did,
        "device": account.device.to_string(), "server": account.server.to_string(),
    });
    let text = format!(
        "{}@{}\n  account  {did}\n  device   {}\n  server   {}",
        account.name,
        account.host,
        account.device.short(),
        account.server
    );
    Ok(context.out.show("account", object, &text)?)
}

fn show_invite(context: &Context, invite: &Invite) -> Result<(), Failure> {
    let expires = render::rfc3339(invite.expires);
    let state = if invite.used { "used".to_owned() } else { format!("until {expires}") };
    let object = json!({ "code": invite.code, "expires": expires, "used": invite.used });
    Ok(context.out.show("invite", object, &format!("{}  {state}", invite.code))?)
}

/// What a new device is called until somebody renames it.
pub(super) fn label() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    host.chars().take(32).collect()
}
