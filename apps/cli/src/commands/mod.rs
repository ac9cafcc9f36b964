//! The commands, a file a noun.

mod account;
pub(crate) mod backup;
mod conversation;
mod devices;
mod doctor;
pub(crate) mod export;
mod group;
pub(crate) mod history;
mod link;
mod message;
mod recovery;
mod request;
pub(crate) mod state;
mod trust;

use crate::{
    args::{Cli, Command},
    context::Context,
    failure::Failure,
};

/// Carries out what the command line asks for.
pub(crate) async fn run(cli: Cli, context: &mut Context) -> Result<(), Failure> {
    match cli.command {
        Command::Register { name, server, password, invite } => {
            account::register(context, &name, &server, password, invite).await
        }
        Command::Login { name, server, proof } => account::login(context, &name, &server, proof).await,
        Command::Whoami => account::whoami(context),
        Command::Passwd { proof, new_password_file } => account::passwd(context, proof, new_password_file).await,
        Command::Recovery(command) => recovery::recovery(context, command).await,
        Command::Account(command) => account::account(context, command).await,
        Command::Invite(command) => account::invite(context, command).await,
        Command::Tokens(command) => account::tokens(context, command).await,
        Command::Devices { command } => devices::devices(context, command).await,
        Command::SafetyNumber { name } => trust::safety_number(context, &name).await,
        Command::Verify { name, number, accept_changed_key } => {
            trust::verify(context, &name, number, accept_changed_key).await
        }
        Command::Group(command) => group::group(context, command).await,
        Command::Conversations => conversation::list(context),
        Command::Conversation(command) => state::conversation(context, command).await,
        Command::Read(args) => state::read(context, args).await,
        Command::Draft(args) => state::draft(context, args).await,
        Command::Log { conv, since, limit, read } => conversation::log(context, &conv, since, limit, read).await,
        Command::Send { conv, text } => message::send(context, &conv, &text).await,
        Command::Dm { name, text } => message::direct(context, &name, &text).await,
        Command::Sync => message::sync(context).await,
        Command::Listen { seconds, count } => message::listen(context, seconds, count).await,
        Command::Requests { command } => request::requests(context, command).await,
        Command::History(command) => history::history(context, command).await,
        Command::Backup(command) => backup::backup(context, command),
        Command::Export(args) => export::export(context, &args),
        Command::Doctor { repair } => doctor::doctor(context, repair).await,
    }
}

/// The bare name of `alice` or `alice@host`.
///
/// Errors:   a name of another host: servers do not talk to each other yet.
pub(crate) fn bare_name(context: &mut Context, name: &str) -> Result<String, Failure> {
    let Some((bare, host)) = name.split_once('@') else { return Ok(name.to_owned()) };
    let own = context.account()?.host;
    if host.eq_ignore_ascii_case(&own) {
        Ok(bare.to_owned())
    } else {
        Err(Failure::failed(format!("{name} is on another server; only names of {own} can be reached")))
    }
}
