//! Sending, catching up, listening.

use std::{io::Read as _, time::Duration};

use quicprochat_client::{
    OsEntropy, Session,
    core::{
        Command, Outcome, SuiteChoice,
        content::{MimiContent, Salt},
    },
};
use quicprochat_wire::limits::MAX_MESSAGE_BYTES;
use serde_json::json;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{Instant, sleep_until},
};

use super::bare_name;
use crate::{context::Context, exit::Exit, failure::Failure};

pub(super) async fn send(context: &mut Context, conv: &str, text: &str) -> Result<(), Failure> {
    context.account()?;
    let view = context.conversation(conv)?;
    let content = content(text)?;
    let outcome = context.run(Command::Send { channel: view.main.channel, content }).await?;
    show_sent(context, outcome)
}

pub(super) async fn direct(context: &mut Context, name: &str, text: &str) -> Result<(), Failure> {
    context.account()?;
    let name = bare_name(context, name)?;
    let content = content(text)?;
    let outcome = context.run(Command::Dm { name, content, suite: SuiteChoice::Hybrid }).await?;
    show_sent(context, outcome)
}

pub(super) async fn sync(context: &mut Context) -> Result<(), Failure> {
    context.account()?;
    let outcome = context.run(Command::Sync).await?;
    if let Outcome::Synced { waiting, undelivered, untold } = outcome {
        if waiting + undelivered > 0 {
            let text = format!("{waiting} message(s) and {undelivered} invitation(s) still wait");
            context.out.warn("waiting", &text)?;
        }
        if untold {
            let text = "the vault did not take what this device has for your other devices, or could not be read: \
                        conversations, settings and drafts may differ; a later sync tries again";
            context.out.warn("untold", text)?;
        }
    }
    Ok(context.out.show("done", json!({}), "")?)
}

pub(super) async fn listen(context: &mut Context, seconds: Option<u64>, count: Option<u64>) -> Result<(), Failure> {
    context.account()?;
    let mut session = context.client.session()?;
    let result = until_done(context, &mut session, seconds, count).await;
    let stopped = session.stop().await;
    result?;
    Ok(stopped?)
}

async fn until_done(
    context: &mut Context,
    session: &mut Session,
    seconds: Option<u64>,
    count: Option<u64>,
) -> Result<(), Failure> {
    let deadline = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    // Ends by itself only when listening cannot go on.
    let mut listening = Box::pin(session.submit(Command::Listen).await);
    let mut terminated = signal(SignalKind::terminate())?;
    let mut messages = 0;
    while count.is_none_or(|count| messages < count) {
        tokio::select! {
            ended = &mut listening => {
                context.show_ready(session)?;
                return Ok(ended.map(drop)?);
            }
            event = session.next_event() => match event {
                Some(event) => {
                    let most = count.map(|count| count - messages);
                    messages += context.show_with_ready(event, session, most)?;
                }
                None => return Ok(listening.await.map(drop)?),
            },
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => return Ok(()),
            stopped = tokio::signal::ctrl_c() => return Ok(stopped?),
            _ = terminated.recv() => return Ok(()),
        }
    }
    Ok(())
}

#[expect(clippy::wildcard_enum_match_arm, reason = "no other outcome is one of sending")]
fn show_sent(context: &Context, outcome: Outcome) -> Result<(), Failure> {
    match outcome {
        Outcome::Sent { channel, id, seq } => {
            let object = json!({ "conversation": channel.to_string(), "id": id.to_string(), "seq": seq });
            Ok(context.out.show("sent", object, "sent")?)
        }
        Outcome::Queued { channel, intent } => {
            let object = json!({ "conversation": channel.to_string(), "id": intent.to_string() });
            context.out.show("queued", object, "")?;
            Err(Failure::new(
                "unreachable",
                Exit::Unreachable,
                "the message is queued and goes out with the next qpc sync or listen: the server cannot be reached, or does not take it yet",
            ))
        }
        _ => Err(Failure::failed("the message was neither sent nor queued")),
    }
}

/// The text as MIMI content; `-` reads it from standard input.
fn content(text: &str) -> Result<Vec<u8>, Failure> {
    let text = if text == "-" { read_input()? } else { text.to_owned() };
    if text.is_empty() {
        return Err(Failure::usage("there is nothing to send"));
    }
    let content = MimiContent::text(&text, "", Salt::random(&mut OsEntropy)).encode();
    content.map_err(|error| Failure::new("too-large", Exit::Failed, error.to_string()))
}

fn read_input() -> Result<String, Failure> {
    let mut text = String::new();
    let limit = MAX_MESSAGE_BYTES as u64;
    std::io::stdin().take(limit + 1).read_to_string(&mut text)?;
    if text.len() as u64 > limit {
        let message = format!("the message has more than {limit} bytes");
        return Err(Failure::new("too-large", Exit::Failed, message));
    }
    Ok(text.trim_end_matches('\n').to_owned())
}
