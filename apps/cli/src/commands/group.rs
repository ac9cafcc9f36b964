//! Making and changing groups.

use quicprochat_client::core::{Command, Outcome, SuiteChoice, store::StoreFault, views};
use serde_json::json;

use super::bare_name;
use crate::{args::GroupCommand, context::Context, failure::Failure, render};

pub(super) async fn group(context: &mut Context, command: GroupCommand) -> Result<(), Failure> {
    context.account()?;
    match command {
        GroupCommand::Create { title } => create(context, title).await,
        GroupCommand::Invite { conv, names } => invite(context, &conv, names).await,
        GroupCommand::Members { conv } => members(context, &conv),
        GroupCommand::Remove { conv, name } => {
            let view = context.conversation(&conv)?;
            let name = bare_name(context, &name)?;
            context.run(Command::Remove { channel: view.main.channel, name: name.clone() }).await?;
            let object = json!({ "conversation": view.main.channel.to_string(), "names": [name] });
            Ok(context.out.show("removed", object, &format!("{name} is out of {}", view.title))?)
        }
        GroupCommand::Leave { conv } => {
            let view = context.conversation(&conv)?;
            context.run(Command::Leave { channel: view.main.channel }).await?;
            let object = json!({ "conversation": view.main.channel.to_string(), "title": view.title });
            Ok(context.out.show("left", object, &format!("you left {}", view.title))?)
        }
        GroupCommand::Rename { conv, title } => {
            let view = context.conversation(&conv)?;
            context.run(Command::Rename { channel: view.main.channel, title: title.clone() }).await?;
            let object = json!({ "conversation": view.main.channel.to_string(), "title": title });
            Ok(context.out.show("renamed", object, &format!("{} is called {title} now", view.title))?)
        }
    }
}

async fn create(context: &mut Context, title: String) -> Result<(), Failure> {
    let suite = SuiteChoice::Hybrid;
    let Outcome::Created { channel } = context.run(Command::CreateGroup { title, suite }).await? else {
        return Err(Failure::failed("the group was not made"));
    };
    let view = context.conversation(&channel.to_string())?;
    let text = format!("{}  {} (post-quantum hybrid)", channel.short(), view.title);
    let (object, _) = context.read(|tx| Ok(render::conversation(tx, &view, views::unread(tx, &view)?)?))?;
    Ok(context.out.show("conversation", object, &text)?)
}

async fn invite(context: &mut Context, conv: &str, names: Vec<String>) -> Result<(), Failure> {
    let view = context.conversation(conv)?;
    let mut bare = Vec::new();
    for name in &names {
        bare.push(bare_name(context, name)?);
    }
    let outcome = context.run(Command::Invite { channel: view.main.channel, names: bare.clone() }).await?;
    if let Outcome::Committed { undelivered, .. } = &outcome
        && !undelivered.is_empty()
    {
        let text = format!("{} invitation(s) could not be delivered yet; the next sync tries again", undelivered.len());
        context.out.warn("undelivered", &text)?;
    }
    let object = json!({ "conversation": view.main.channel.to_string(), "names": bare });
    Ok(context.out.show("invited", object, &format!("invited {} to {}", bare.join(", "), view.title))?)
}

fn members(context: &mut Context, conv: &str) -> Result<(), Failure> {
    let own = context.account()?.account;
    let view = context.conversation(conv)?;
    let members = context.read(|tx| {
        let members = views::members(tx, &view.main)?.into_iter();
        Ok(members
            .map(|member| Ok((render::name_of(tx, &member.account)?, member)))
            .collect::<Result<Vec<_>, StoreFault>>()?)
    })?;
    for (name, member) in members {
        let devices = member.devices.len();
        let object = json!({
            "conversation": view.main.channel.to_string(), "name": render::bare(&name), "account": member.account.to_string(),
            "confirmed": member.confirmed,
            "devices": devices, "verified": member.verified, "leaving": member.leaving,
        });
        let plural = if devices == 1 { "" } else { "s" };
        let you = member.account == own;
        let marks = [(you, "you"), (!you && member.verified, "verified"), (member.leaving, "leaving")];
        let marks: Vec<&str> = marks.iter().filter(|(set, _)| *set).map(|(_, mark)| *mark).collect();
        context.out.show(
            "member",
            object,
            format!("{name}  {devices} device{plural}  {}", marks.join(", ")).trim_end(),
        )?;
    }
    Ok(())
}
