//! Invitations of people who are no contacts.

use quicprochat_client::core::{
    Command,
    store::{Invitation, InvitationState},
};
use serde_json::json;

use crate::{args::RequestsCommand, context::Context, exit::Exit, failure::Failure};

pub(super) async fn requests(context: &mut Context, command: Option<RequestsCommand>) -> Result<(), Failure> {
    context.account()?;
    match command {
        None => {
            for request in waiting(context)? {
                let object = json!({
                    "request": request.id.to_string(), "sender": request.from_name, "account": request.from.to_string(),
                });
                context.out.show("request", object, &format!("{}  {}", request.id.short(), request.from_name))?;
            }
            Ok(())
        }
        Some(RequestsCommand::Accept { id }) => {
            let request = find(context, &id)?;
            context.run(Command::AcceptRequest { invitation: request.id }).await?;
            Ok(context.out.show("done", json!({ "request": request.id.to_string() }), "")?)
        }
        Some(RequestsCommand::Block { id }) => {
            let request = find(context, &id)?;
            context.run(Command::BlockRequest { invitation: request.id }).await?;
            let text = format!("{} is blocked", request.from_name);
            Ok(context.out.show("done", json!({ "request": request.id.to_string() }), &text)?)
        }
    }
}

fn waiting(context: &mut Context) -> Result<Vec<Invitation>, Failure> {
    let mut all = context.read(|tx| Ok(tx.inbox().invitations()?))?;
    all.retain(|invitation| invitation.state == InvitationState::Request);
    Ok(all)
}

fn find(context: &mut Context, id: &str) -> Result<Invitation, Failure> {
    let prefix = id.to_ascii_lowercase();
    let mut matching = waiting(context)?;
    matching.retain(|request| request.id.to_string().starts_with(&prefix));
    match (matching.pop(), matching.len()) {
        (Some(request), 0) => Ok(request),
        (None, _) => Err(Failure::failed(format!("no request waits under {id}; run qpc requests to see them"))),
        (Some(_), _) => Err(Failure::new("ambiguous", Exit::Failed, format!("several requests begin with {id}"))),
    }
}
