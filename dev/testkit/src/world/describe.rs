//! Inputs and effects in a few words.

use quicprochat_client_core::{CallError, Effect, Event, Input, store::LogBody};
use quicprochat_wire::{Request, Response, call::channel::Enqueued};

pub(super) fn input(input: &Input) -> String {
    match input {
        Input::Start => "start".to_owned(),
        Input::Tick => "tick".to_owned(),
        Input::Command(id, command) => {
            let text = format!("{command:?}");
            format!("command {}: {}", id.0, shortened(&text))
        }
        Input::LinkUp { kind, .. } => format!("{kind:?} link up"),
        Input::LinkDown { kind, reason } => format!("{kind:?} link down ({reason:?})"),
        Input::Response(id, Ok(answer)) => format!("answer {}: {}", id.0, response(answer)),
        Input::Response(id, Err(error)) => format!("answer {}: {}", id.0, call_error(error)),
        Input::Push(id, answer) => format!("push {}: {}", id.0, response(answer)),
        Input::Ended(id, error) => format!("stream {} ended: {}", id.0, call_error(error)),
    }
}

pub(super) fn effect(effect: &Effect) -> String {
    match effect {
        Effect::Connect { kind } => format!("connect {kind:?}"),
        Effect::Disconnect { kind } => format!("disconnect {kind:?}"),
        Effect::Call { id, request: asked, .. } => format!("call {}: {}", id.0, request(asked)),
        Effect::Subscribe { id, request: asked, .. } => format!("subscribe {}: {}", id.0, request(asked)),
        Effect::Unsubscribe { id } => format!("unsubscribe {}", id.0),
        Effect::Notify(Event::Logged(entry)) => {
            let body = match &entry.body {
                LogBody::Content { .. } => "content".to_owned(),
                other => format!("{other:?}"),
            };
            format!("logged {:?} #{} {:?} by {:?}: {body}", entry.channel, entry.seq, entry.id, entry.sender)
        }
        Effect::Notify(event) => format!("event {}", shortened(&format!("{event:?}"))),
        Effect::CommandDone { id, result } => format!("command {} done: {}", id.0, shortened(&format!("{result:?}"))),
    }
}

pub(super) fn request(request: &Request) -> String {
    let name = request.name();
    match request {
        Request::ChannelCreate(call) => format!("{name} {:?}", call.channel),
        Request::ChannelAttach(call) => format!("{name} {:?} {:?}", call.channel, call.access),
        Request::ChannelEnqueue(call) => {
            let kind = match &call.commit {
                None => "message",
                Some(parts) if parts.roll.is_some() => "rolling commit",
                Some(_) => "commit",
            };
            format!("{name} {:?} {kind} {:?} after #{}", call.channel, call.id, call.after_commit.position)
        }
        Request::ChannelRestore(call) => {
            format!("{name} {:?} {} after #{}", call.channel, call.entries.len(), call.after.position)
        }
        Request::ChannelRead(call) => format!("{name} {:?} after #{}", call.channel, call.after),
        Request::ChannelSubscribe(call) => format!("{name} {:?} after #{}", call.channel, call.after),
        Request::ChannelGroupInfo(call) => format!("{name} {:?} at {}", call.channel, call.position),
        Request::InboxDeliver(call) => format!("{name} {:?} to {:?}", call.id, call.account),
        Request::InboxSubscribe(call) => format!("{name} after #{}", call.after),
        Request::Lookup(call) => format!("{name} {:?}", call.subject),
        _ => name.to_owned(),
    }
}

fn response(response: &Response) -> String {
    match response {
        Response::ChannelPage(page) => {
            let seqs: Vec<u64> = page.entries.iter().map(|entry| entry.seq).collect();
            format!("entries {seqs:?}{}", if page.more { ", more" } else { "" })
        }
        Response::InboxPage(page) => {
            format!("inbox {:?}", page.entries.iter().map(|entry| entry.seq).collect::<Vec<_>>())
        }
        Response::Enqueued(Enqueued::Accepted { at, .. }) => format!("accepted at #{}", at.position),
        Response::Enqueued(Enqueued::Stale { last_commit }) => format!("stale, last is #{}", last_commit.position),
        Response::Enqueued(Enqueued::Diverged { last, .. }) => format!("diverged at #{}", last.position),
        Response::Restored(answer) => {
            format!("{:?}, {} were missing, last is #{}", answer.outcome, answer.added, answer.last.position)
        }
        Response::ChannelState(state) => {
            format!("current {}, commit #{}, last #{}", state.current, state.last_commit.position, state.last.position)
        }
        Response::GroupInfo(found) => format!("group info of #{}", found.at.position),
        Response::Keyring(found) => format!("keyring of #{}", found.at.position),
        Response::Done(_) => "done".to_owned(),
        _ => "content".to_owned(),
    }
}

fn call_error(error: &CallError) -> String {
    match error {
        CallError::Refused(failure) => format!("refused, {failure}"),
        CallError::LinkLost => "link lost".to_owned(),
    }
}

fn shortened(text: &str) -> String {
    const MOST: usize = 240;
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}...", text.get(..at).unwrap_or(text)),
        None => text.to_owned(),
    }
}
