//! Groups and direct messages.

use anyhow::{Context, Result, ensure};

use super::{Trial, accept, cast, done, fails, group, same, sync_until, texts};
use crate::sandbox::Sandbox;

pub(super) const TRIALS: &[Trial] = &[
    ("several_are_invited_at_once", several_are_invited_at_once),
    ("who_leaves_is_out", who_leaves_is_out),
    ("the_last_member_ends_the_group", the_last_member_ends_the_group),
    ("two_direct_messages_at_once_are_one_conversation", two_direct_messages_at_once_are_one_conversation),
    ("a_blocked_stranger_is_not_heard_again", a_blocked_stranger_is_not_heard_again),
    ("a_contact_joins_by_itself", a_contact_joins_by_itself),
    ("everybody_sees_a_new_title", everybody_sees_a_new_title),
    ("mistakes_are_told_apart", mistakes_are_told_apart),
    ("two_members_change_the_group_at_once", two_members_change_the_group_at_once),
];

fn several_are_invited_at_once(sandbox: &mut Sandbox) -> Result<()> {
    let [alice, bob, carol, dave] = cast(sandbox, ["alice", "bob", "carol", "dave"])?;
    group(sandbox, "picnic", &[&alice, &bob, &carol, &dave])?;
    for person in [&dave, &carol, &bob] {
        done(sandbox, person, &["send", "picnic", &format!("{} is here", person.name())])?;
    }
    let expected = ["dave", "carol", "bob"].map(|name| format!("{name} is here")).to_vec();
    for person in [&alice, &bob, &carol, &dave] {
        same(person.name(), &texts(sandbox, person, "picnic")?, &expected)?;
    }
    Ok(())
}

fn who_leaves_is_out(sandbox: &mut Sandbox) -> Result<()> {
    let [alice, bob, carol] = cast(sandbox, ["alice", "bob", "carol"])?;
    group(sandbox, "picnic", &[&alice, &bob, &carol])?;
    done(sandbox, &carol, &["group", "leave", "picnic"])?;
    fails(sandbox, &carol, &["send", "picnic", "one more thing"], 1, "conversation-ended")?;
    for person in [&alice, &bob] {
        let event = sync_until(sandbox, person, "membership")?;
        ensure!(format!("{event:?}").contains("carol"), "{event:?}");
    }
    done(sandbox, &alice, &["send", "picnic", "without carol"])?;
    same("bob", &texts(sandbox, &bob, "picnic")?, &vec!["without carol".to_owned()])?;
    same("carol", &super::logged(sandbox, &carol, "picnic")?, &Vec::new())
}

fn the_last_member_ends_the_group(sandbox: &mut Sandbox) -> Result<()> {
    let [alice] = cast(sandbox, ["alice"])?;
    done(sandbox, &alice, &["group", "create", "alone"])?;
    done(sandbox, &alice, &["send", "alone", "note to self"])?;
    done(sandbox, &alice, &["group", "leave", "alone"])?;
    fails(sandbox, &alice, &["send", "alone", "hello?"], 1, "conversation-ended")?;
    done(sandbox, &alice, &["sync"]).map(drop)
}

fn two_direct_messages_at_once_are_one_conversation(sandbox: &mut Sandbox) -> Result<()> {
    let [alice, bob] = cast(sandbox, ["alice", "bob"])?;
    let (from_alice, from_bob) = (["dm", "bob", "hello bob"], ["dm", "alice", "hello alice"]);
    let first = sandbox.start_qpc(&alice, &from_alice)?;
    let second = sandbox.start_qpc(&bob, &from_bob)?;
    for running in [first, second] {
        let status = running.wait(std::time::Duration::from_secs(60))?;
        ensure!(status.success(), "dm ended with {status}");
    }
    let everything = ["hello alice".to_owned(), "hello bob".to_owned()];
    for (person, other) in [(&alice, "bob"), (&bob, "alice")] {
        let mut found = Vec::new();
        for _ in 0..super::MOST_SYNCS {
            found = texts(sandbox, person, other)?;
            found.sort();
            if found == everything {
                break;
            }
        }
        same(person.name(), &found.as_slice(), &everything.as_slice())?;
        same("conversations", &done(sandbox, person, &["conversations"])?.len(), &1)?;
    }
    done(sandbox, &alice, &["dm", "bob", "one"])?;
    ensure!(texts(sandbox, &bob, "alice")?.contains(&"one".to_owned()), "bob lacks what came later");
    done(sandbox, &bob, &["dm", "alice", "two"])?;
    ensure!(texts(sandbox, &alice, "bob")?.contains(&"two".to_owned()), "alice lacks what came later");
    Ok(())
}

fn a_blocked_stranger_is_not_heard_again(sandbox: &mut Sandbox) -> Result<()> {
    let [alice, mallory] = cast(sandbox, ["alice", "mallory"])?;
    done(sandbox, &mallory, &["dm", "alice", "buy my things"])?;
    let request = sync_until(sandbox, &alice, "request")?;
    same("sender", &request.text("sender")?, &"mallory")?;
    same("conversations", &done(sandbox, &alice, &["conversations"])?.len(), &0)?;
    done(sandbox, &alice, &["requests", "block", request.text("request")?])?;
    group(sandbox, "spam", &[&mallory])?;
    done(sandbox, &mallory, &["group", "invite", "spam", "alice"])?;
    done(sandbox, &alice, &["sync"])?;
    same("requests", &done(sandbox, &alice, &["requests"])?.len(), &0)?;
    same("conversations", &done(sandbox, &alice, &["conversations"])?.len(), &0)
}

fn a_contact_joins_by_itself(sandbox: &mut Sandbox) -> Result<()> {
    let [alice, bob] = cast(sandbox, ["alice", "bob"])?;
    done(sandbox, &bob, &["dm", "alice", "hello"])?;
    accept(sandbox, &alice)?;
    done(sandbox, &alice, &["group", "create", "picnic"])?;
    done(sandbox, &alice, &["group", "invite", "picnic", "bob"])?;
    let joined = sync_until(sandbox, &bob, "joined")?;
    same("title", &joined.text("title")?, &"picnic")
}

fn everybody_sees_a_new_title(sandbox: &mut Sandbox) -> Result<()> {
    let [alice, bob] = cast(sandbox, ["alice", "bob"])?;
    group(sandbox, "picnic", &[&alice, &bob])?;
    done(sandbox, &bob, &["group", "rename", "picnic", "barn dance"])?;
    let event = sync_until(sandbox, &alice, "title")?;
    same("title", &event.text("title")?, &"barn dance")?;
    done(sandbox, &alice, &["send", "barn dance", "well then"]).map(drop)
}

fn mistakes_are_told_apart(sandbox: &mut Sandbox) -> Result<()> {
    let [alice, bob] = cast(sandbox, ["alice", "bob"])?;
    group(sandbox, "picnic", &[&alice, &bob])?;
    fails(sandbox, &alice, &["send", "no such thing", "x"], 1, "unknown-conversation")?;
    fails(sandbox, &alice, &["group", "invite", "picnic", "nobody"], 1, "unknown-name")?;
    fails(sandbox, &alice, &["group", "invite", "picnic", "bob"], 1, "already-member")?;
    fails(sandbox, &alice, &["group", "remove", "picnic", "carol"], 1, "unknown-name")
        .or_else(|_| fails(sandbox, &alice, &["group", "remove", "picnic", "carol"], 1, "not-a-member"))?;
    fails(sandbox, &alice, &["dm", "alice", "me"], 1, "failed")?;
    let large = "x".repeat(100 * 1024);
    let reply = sandbox.qpc(&alice, &["send", "picnic", &large])?;
    same("a message of 100 KiB", &reply.code, &0)?;
    group(sandbox, "picnic", &[&bob])?;
    fails(sandbox, &bob, &["send", "picnic", "which of them?"], 1, "ambiguous")?;
    let usage = sandbox.qpc(&alice, &["send", "picnic", ""])?;
    same("an empty message", &usage.code, &2)
}

fn two_members_change_the_group_at_once(sandbox: &mut Sandbox) -> Result<()> {
    let [alice, bob, _carol, _dave] = cast(sandbox, ["alice", "bob", "carol", "dave"])?;
    group(sandbox, "picnic", &[&alice, &bob])?;
    let first = sandbox.start_qpc(&alice, &["group", "invite", "picnic", "carol"])?;
    let second = sandbox.start_qpc(&bob, &["group", "invite", "picnic", "dave"])?;
    for running in [first, second] {
        let status = running.wait(std::time::Duration::from_secs(60))?;
        ensure!(status.success(), "an invitation ended with {status}");
    }
    for person in [&alice, &bob] {
        done(sandbox, person, &["sync"])?;
        let members = done(sandbox, person, &["group", "members", "picnic"])?;
        let name = |event: &crate::sandbox::Event| Ok(event.text("name")?.to_owned());
        let mut names: Vec<String> = members.iter().map(name).collect::<Result<_>>()?;
        names.sort_unstable();
        same(person.name(), &names, &["alice", "bob", "carol", "dave"].map(str::to_owned).to_vec())?;
    }
    let conversations = done(sandbox, &alice, &["conversations"])?;
    let state = conversations.first().context("one conversation")?.text("state")?;
    same("state", &state, &"joined")
}
