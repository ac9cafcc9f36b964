//! Spans that a device cannot read: it asks, members send them again, and nobody's word replaces what was read.

use std::sync::{Arc, Mutex};

use quicprochat_client_core::{
    CallError, Command, Event, Outcome, StoreTx as _,
    content::{Control, MAX_CONTENT_BYTES, MimiContent, Relay, RelayedEntry, Salt, Span},
    store::{
        ConversationState, GapRow, Gaps, LogBody, LogEntry, MemoryStore, MessagePurpose, OutboxMessage, Positions,
        RejoinReason, Stored as _,
    },
    views,
};
use quicprochat_wire::{
    AccountId, ChannelId, ErrorCode, MessageId, Request, Response, Timestamp, call::channel::ChannelEntry,
    time::Duration,
};

use crate::{
    groups::group_of,
    world::{World, text_content},
};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);

fn log(world: &mut World, name: &str, channel: ChannelId) -> Vec<LogEntry> {
    let tx = world.client(name).store.begin().expect("opens");
    tx.messages().messages_of(&channel, 0, 10_000).expect("reads")
}

/// What a client shows, whoever sent it: position and text, and by whom it was sent again.
fn shown(world: &mut World, name: &str, channel: ChannelId) -> Vec<(u64, String, bool)> {
    let text = |content: &[u8]| MimiContent::decode(content).expect("MIMI").as_text().expect("text");
    let entries = log(world, name, channel).into_iter().filter_map(|entry| {
        let relayed = matches!(entry.body, LogBody::Relayed { .. });
        let (LogBody::Content { content } | LogBody::Relayed { content, .. }) = &entry.body else { return None };
        Some((entry.seq, text(content), relayed))
    });
    entries.collect()
}

fn texts(world: &mut World, name: &str, channel: ChannelId) -> Vec<String> {
    shown(world, name, channel).into_iter().map(|(_, text, _)| text).collect()
}

fn gaps(world: &mut World, name: &str, channel: ChannelId) -> Vec<(u64, u64)> {
    let entries = log(world, name, channel).into_iter();
    entries
        .filter_map(|entry| if let LogBody::Gap { from, to } = entry.body { Some((from, to)) } else { None })
        .collect()
}

fn account(world: &mut World, name: &str) -> AccountId {
    let tx = world.client(name).store.begin().expect("opens");
    tx.account().own_account().expect("reads").expect("an account").account
}

fn unread(world: &mut World, name: &str, channel: ChannelId) -> u64 {
    let tx = world.client(name).store.begin().expect("opens");
    let view = views::resolve(&tx, &channel.to_string()).expect("a conversation");
    views::unread(&tx, &view).expect("reads")
}

/// Has a client send a control message of the test's making.
fn send_control(world: &mut World, name: &str, channel: ChannelId, control: &Control) {
    queue_control(world, name, channel, control);
    world.sync(name);
}

fn queue_control(world: &mut World, name: &str, channel: ChannelId, control: &Control) {
    let n = world.next_seed();
    let content = MimiContent::control(control, Salt::new([7; 16])).encode().expect("encodes");
    let tx = world.client(name).store.begin().expect("opens");
    let mut intent = [1; 16];
    intent[..8].copy_from_slice(&n.to_le_bytes());
    let message = OutboxMessage {
        row: 0,
        intent: MessageId::new(intent),
        channel,
        purpose: MessagePurpose::Control,
        content,
        queued: Timestamp(0),
        attempt: None,
        tries: 0,
        not_before: Timestamp(0),
        lease: None,
    };
    tx.outbox().push_outbox(&message).expect("pushes");
    tx.commit();
}

/// What a client keeps of a conversation's gaps.
fn kept(world: &mut World, name: &str, channel: ChannelId) -> Gaps {
    let tx = world.client(name).store.begin().expect("opens");
    let row = tx.upkeep().setting(&format!("gaps/{channel}")).expect("reads");
    row.map_or_else(Gaps::default, |row| Gaps::decode(&row).expect("can be read back"))
}

/// How many entries a client wrote.
fn written(world: &mut World, name: &str) -> usize {
    let is_it = |(_, request): &&(_, Request)| matches!(request, Request::ChannelEnqueue(_));
    world.client(name).calls.iter().filter(is_it).count()
}

/// Bob's store is put back behind three messages of his own and one of alice's; he has a gap then.
fn with_gap(names: &[&'static str]) -> (World, ChannelId, Vec<String>) {
    let (mut world, channel) = group_of(names);
    world.send("bob", channel, "before").expect("sent");
    let copy = world.client("bob").store.snapshot();
    let mut all = vec!["before".to_owned()];
    for text in ["one", "two", "three"] {
        world.send("bob", channel, text).expect("sent");
        all.push(text.to_owned());
    }
    world.send("alice", channel, "and alice").expect("sent");
    all.push("and alice".to_owned());
    for name in names {
        world.sync(name);
    }
    put_back(&mut world, &copy);
    (world, channel, all)
}

fn put_back(world: &mut World, copy: &MemoryStore) {
    let bob = world.client("bob");
    bob.store = copy.snapshot();
    bob.crash();
}

#[test]
fn what_a_device_cannot_read_members_send_again_once() {
    let (mut world, channel, all) = with_gap(&["alice", "bob", "carol"]);
    world.sync("bob");
    assert_eq!(gaps(&mut world, "bob", channel).len(), 1);
    let before = written(&mut world, "carol");
    world.sync("alice");
    world.pass(MINUTE);
    world.sync("carol");
    world.sync("bob");
    assert_eq!(texts(&mut world, "bob", channel), all, "in their places");
    assert!(gaps(&mut world, "bob", channel).is_empty(), "nothing is missing any more");
    let alice = account(&mut world, "alice");
    let bob = account(&mut world, "bob");
    let relayed: Vec<LogEntry> = log(&mut world, "bob", channel)
        .into_iter()
        .filter(|entry| matches!(&entry.body, LogBody::Relayed { by, .. } if *by == alice))
        .collect();
    assert_eq!(relayed.len(), 4);
    assert_eq!(relayed.iter().filter(|entry| entry.sender == bob).count(), 3, "his own ones are his");
    assert_eq!(unread(&mut world, "bob", channel), 1, "and alice's is new to him");
    // Carol saw the answer, and has nothing to add.
    assert_eq!(written(&mut world, "carol"), before);
    world.pass(DAY);
    for name in ["alice", "carol", "bob"] {
        world.sync(name);
    }
    assert_eq!(texts(&mut world, "bob", channel), all);
    for name in ["alice", "carol"] {
        assert!(shown(&mut world, name, channel).iter().all(|(_, _, relayed)| !relayed), "{name} needs nothing");
        assert_eq!(texts(&mut world, name, channel), all);
    }
}

#[test]
fn a_wish_to_leave_is_sent_again_as_one_and_is_no_message_to_be_read() {
    let (mut world, channel) = group_of(&["alice", "bob", "carol"]);
    let copy = world.client("bob").store.snapshot();
    world.send("bob", channel, "lost").expect("sent");
    world.run("carol", Command::Leave { channel }).expect("left");
    world.sync("alice");
    let carol = account(&mut world, "carol");
    put_back(&mut world, &copy);
    for _ in 0..2 {
        world.sync("bob");
        world.sync("alice");
    }
    let wishes: Vec<AccountId> = log(&mut world, "bob", channel)
        .into_iter()
        .filter_map(|entry| {
            let LogBody::Relayed { content, .. } = &entry.body else { return None };
            let control = MimiContent::decode(content).expect("MIMI").as_control().expect("known");
            (control == Some(Control::Leave)).then_some(entry.sender)
        })
        .collect();
    assert_eq!(wishes, [carol]);
    assert_eq!(unread(&mut world, "bob", channel), 0, "it says nothing, and what else there was is his own");
}

#[test]
fn the_next_in_line_answers_where_the_first_does_not() {
    let (mut world, channel, all) = with_gap(&["alice", "bob", "carol"]);
    world.sync("bob");
    world.begin("carol", Command::Listen);
    world.pass(Duration::from_secs(10));
    world.sync("bob");
    assert_eq!(gaps(&mut world, "bob", channel).len(), 1, "it is alice's turn");
    world.pass(MINUTE);
    world.sync("bob");
    assert_eq!(texts(&mut world, "bob", channel), all);
}

#[test]
fn nothing_is_sent_again_from_before_somebody_was_in() {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    world.send("alice", channel, "not for carol").expect("sent");
    world.register("carol");
    world.invite("alice", channel, &["carol"]);
    world.sync("carol");
    world.accept("carol");
    world.sync("carol");
    world.send("alice", channel, "for carol").expect("sent");
    world.run("alice", Command::Remove { channel, name: "carol".to_owned() }).expect("removed");
    world.send("alice", channel, "without carol").expect("sent");
    world.run("carol", Command::RotateKeyPackage).expect("rotated");
    world.invite("alice", channel, &["carol"]);
    world.pass(MINUTE);
    // What was written before her removal is not kept any more.
    let gone = |result: &mut Result<Response, CallError>| {
        if let Ok(Response::ChannelPage(page)) = result
            && page.entries.iter().any(|entry| entry.next_access.is_some())
        {
            *result = Err(CallError::Refused(ErrorCode::AccessDenied.into()));
        }
    };
    world.tamper = Some(("carol", Box::new(gone)));
    world.sync("carol");
    world.tamper = None;
    world.sync("bob");
    assert_eq!(world.conversation("carol", channel).state, ConversationState::Active);
    // A modified client asks for everything there ever was.
    let end = world.conversation("carol", channel).cursor.position;
    send_control(&mut world, "carol", channel, &Control::GapRequest(vec![Span { from: 1, to: end }]));
    let before = world.conversation("alice", channel).cursor.position;
    world.sync("alice");
    world.sync("bob");
    world.sync("alice");
    let after = world.conversation("alice", channel).cursor.position;
    assert!(after > before, "she was answered");
    let said = sent_again_to(&mut world, "carol", channel);
    assert_eq!(said, ["for carol"], "and nothing of the times she was out");
}

/// The texts that members send a client which takes in whatever comes, because it believes that it misses everything.
fn sent_again_to(world: &mut World, name: &str, channel: ChannelId) -> Vec<String> {
    let end = world.conversation(name, channel).cursor.position;
    let gaps = Gaps {
        rows: vec![GapRow { seq: end, from: 1, to: end }].into(),
        missing: vec![Positions { from: 1, to: end }].into(),
        next: world.now.after(DAY),
        tries: 1,
        ..Gaps::default()
    };
    let tx = world.client(name).store.begin().expect("opens");
    tx.upkeep().put_setting(&format!("gaps/{channel}"), Some(&gaps.encode().expect("fits"))).expect("puts");
    tx.commit();
    world.sync(name);
    shown(world, name, channel).into_iter().filter(|(_, _, relayed)| *relayed).map(|(_, text, _)| text).collect()
}

#[test]
fn what_a_liar_sends_is_taken_only_where_it_was_asked_for_and_shown_as_what_it_is() {
    let (mut world, channel, _) = with_gap(&["alice", "bob", "mallory"]);
    world.sync("bob");
    let [(from, to)] = gaps(&mut world, "bob", channel)[..] else { panic!("one gap") };
    let read = log(&mut world, "bob", channel);
    let place = read.iter().find(|entry| matches!(entry.body, LogBody::Content { .. })).expect("what he read").seq;
    assert!(place < from);
    let (alice, mallory) = (account(&mut world, "alice"), account(&mut world, "mallory"));
    let device = world.conversation("bob", channel).members[0].device;
    let entry = |position: u64, id: u8, sender: AccountId, content: Vec<u8>| RelayedEntry {
        position,
        id: MessageId::new([id; 16]),
        sender,
        device,
        time: Timestamp(1_750_000_000_000),
        content,
    };
    let nested = MimiContent::control(&Control::GapRequest(vec![Span { from: 1, to: 2 }]), Salt::new([1; 16]));
    let lies = vec![
        entry(place, 1, alice, text_content("in place of what he read")),
        entry(from, 2, AccountId::new([9; 32]), text_content("by nobody of this group")),
        entry(from + 1, 3, alice, vec![0xff; 8]),
        entry(from + 2, 4, alice, nested.encode().expect("encodes")),
        entry(to, 5, alice, text_content("alice never wrote this")),
        entry(to + 1, 6, alice, text_content("behind the gap")),
        entry(to + 1000, 7, alice, text_content("in the future")),
    ];
    // Without speaking for the span, so that honest members still answer.
    let spans = lies.iter().map(|lie| Span { from: lie.position, to: lie.position });
    let mut joined: Vec<Span> = Vec::new();
    for span in spans {
        match joined.last_mut() {
            Some(last) if last.to + 1 == span.from => last.to = span.to,
            _ => joined.push(span),
        }
    }
    send_control(&mut world, "mallory", channel, &Control::Relayed(Relay { spans: joined, entries: lies }));
    world.sync("bob");
    let after = log(&mut world, "bob", channel);
    assert_eq!(after.iter().find(|entry| entry.seq == place), read.iter().find(|entry| entry.seq == place));
    let relayed: Vec<(u64, AccountId)> = after
        .iter()
        .filter_map(|entry| if let LogBody::Relayed { by, .. } = entry.body { Some((entry.seq, by)) } else { None })
        .collect();
    assert_eq!(relayed, [(to, mallory)], "the one lie that nobody can tell is shown as mallory's word");
    // The others see that it is not what they have, and say so.
    for _ in 0..3 {
        world.pass(MINUTE);
        world.sync("alice");
        world.sync("bob");
    }
    let told = texts(&mut world, "bob", channel);
    for text in ["one", "two", "three"] {
        assert!(told.contains(&text.to_owned()), "{told:?}");
    }
}

#[test]
fn what_nobody_asked_for_is_not_taken() {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    world.send("alice", channel, "hello").expect("sent");
    world.sync("bob");
    let (alice, device) = (account(&mut world, "alice"), world.conversation("bob", channel).members[0].device);
    let before = log(&mut world, "bob", channel);
    let entry = RelayedEntry {
        position: 2,
        id: MessageId::new([5; 16]),
        sender: alice,
        device,
        time: Timestamp(0),
        content: text_content("unasked"),
    };
    let relay = Relay { spans: vec![Span { from: 1, to: 9 }], entries: vec![entry] };
    send_control(&mut world, "alice", channel, &Control::Relayed(relay));
    world.sync("bob");
    assert_eq!(log(&mut world, "bob", channel), before);
}

#[test]
fn large_messages_come_in_several_parts_and_the_largest_does_not() {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    world.send("bob", channel, "before").expect("sent");
    let copy = world.client("bob").store.snapshot();
    world.send("bob", channel, "small").expect("sent");
    for n in 0..5_usize {
        let text = format!("{n}{}", "x".repeat(90 * 1024));
        world.send("alice", channel, &text).expect("sent");
    }
    let most = MAX_CONTENT_BYTES - text_content("").len() - 8;
    let largest = "y".repeat(most);
    assert!(matches!(world.send("alice", channel, &largest), Ok(Outcome::Sent { .. })));
    let end = world.conversation("alice", channel).cursor.position;
    world.sync("alice");
    put_back(&mut world, &copy);
    for _ in 0..4 {
        world.sync("bob");
        world.sync("alice");
        world.pass(MINUTE * 2);
    }
    let told = texts(&mut world, "bob", channel);
    assert!(told.contains(&"small".to_owned()), "{} texts", told.len());
    for n in 0..5 {
        assert!(told.iter().any(|text| text.starts_with(&format!("{n}x"))), "{n}");
    }
    assert!(!told.contains(&largest), "no message has room for it and what is said of it");
    assert_eq!(gaps(&mut world, "bob", channel), [(end, end)], "which stays shown");
}

#[test]
fn a_gap_that_nobody_can_fill_is_asked_for_more_and_more_seldom() {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    world.send("bob", channel, "before").expect("sent");
    let bobs = world.client("bob").store.snapshot();
    world.send("bob", channel, "lost").expect("sent");
    // Alice has not read it when she loses her store's group as well: nobody has it.
    let mut conversation = world.conversation("alice", channel);
    conversation.state = ConversationState::NeedsRejoin { reason: RejoinReason::GroupLost };
    let tx = world.client("alice").store.begin().expect("opens");
    tx.conversations().put_conversation(&conversation).expect("put");
    tx.commit();
    world.sync("alice");
    put_back(&mut world, &bobs);
    world.client("bob").calls.clear();
    for _ in 0..36 {
        world.sync("bob");
        world.sync("alice");
        world.pass(MINUTE * 10);
    }
    let asked = written(&mut world, "bob");
    assert!((3..=9).contains(&asked), "{asked} entries in six hours");
    for _ in 0..10 * 24 {
        world.sync("bob");
        world.sync("alice");
        world.pass(MINUTE * 60);
    }
    let asked = written(&mut world, "bob");
    assert!((3..=16).contains(&asked), "{asked} entries in ten days");
    assert_eq!(gaps(&mut world, "bob", channel).len(), 1, "it stays shown");
}

#[test]
fn whoever_dies_at_any_effect_of_asking_or_answering_loses_nothing() {
    for who in ["bob", "alice"] {
        let mut effects = 0;
        let mut at = 0;
        while at == 0 || at < effects {
            let (mut world, channel, all) = with_gap(&["alice", "bob"]);
            let base = world.client(who).effects;
            if at > 0 {
                world.client(who).crash_at = Some(base + at);
            }
            for _ in 0..4 {
                for name in ["bob", "alice"] {
                    let starts = world.client(name).starts();
                    let sync = world.begin(name, Command::Sync);
                    for _ in 0..2_000 {
                        if world.client(name).done.remove(&sync).is_some() || world.client(name).starts() != starts {
                            break;
                        }
                        world.step();
                    }
                }
                world.pass(MINUTE);
            }
            if at == 0 {
                effects = world.client(who).effects - base;
            }
            world.sync("bob");
            assert_eq!(texts(&mut world, "bob", channel), all, "{who} dies at {at} of {effects}");
            assert!(gaps(&mut world, "bob", channel).is_empty(), "{who} dies at {at} of {effects}");
            at += 3;
        }
        assert!(effects > 10, "{effects}");
    }
}

#[test]
fn an_own_request_that_the_server_gives_again_is_not_taken_for_an_older_store() {
    let (mut world, channel, _) = with_gap(&["alice", "bob"]);
    world.sync("bob");
    let seen: Arc<Mutex<Vec<ChannelEntry>>> = Arc::default();
    let taken = Arc::clone(&seen);
    let look = move |result: &mut Result<Response, CallError>| {
        if let Ok(Response::ChannelPage(page)) = result {
            taken.lock().expect("not poisoned").append(&mut page.entries.clone());
        }
    };
    world.tamper = Some(("alice", Box::new(look)));
    world.sync("alice");
    let end = world.conversation("bob", channel).cursor.position;
    let asked = seen.lock().expect("not poisoned").iter().find(|entry| entry.seq == end).cloned().expect("his request");
    assert!(log(&mut world, "bob", channel).iter().all(|entry| entry.seq != end), "which is not shown");
    let again = move |result: &mut Result<Response, CallError>| {
        if let Ok(Response::ChannelPage(page)) = result {
            page.entries = vec![ChannelEntry { seq: end + 1, ..asked.clone() }];
            page.more = false;
        }
    };
    world.tamper = Some(("bob", Box::new(again)));
    world.client("bob").events.clear();
    let _ = world.run("bob", Command::Sync);
    let older = ConversationState::NeedsRejoin { reason: RejoinReason::StoreRolledBack };
    let told = |event: &Event| matches!(event, Event::State { state, .. } if *state == older);
    assert!(!world.client("bob").events.iter().any(told));
}

#[test]
fn a_repair_enters_at_once_and_asks_again_and_says_what_is_left() {
    let (mut world, channel, all) = with_gap(&["alice", "bob"]);
    world.sync("bob");
    // He has asked; nobody came. Then his store is put back once more, and he is to wait before he enters.
    let copy = world.client("bob").store.snapshot();
    world.send("bob", channel, "lost as well").expect("sent");
    put_back(&mut world, &copy);
    let _ = world.run("bob", Command::Sync);
    let older = ConversationState::NeedsRejoin { reason: RejoinReason::StoreRolledBack };
    assert_eq!(world.conversation("bob", channel).state, older, "the second time within a day");
    let before = written(&mut world, "bob");
    let Ok(Outcome::Repaired { conversations, .. }) = world.run("bob", Command::Repair) else { panic!("not repaired") };
    let [found] = &conversations[..] else { panic!("{conversations:?}") };
    assert_eq!((found.channel, &found.was, &found.is), (channel, &older, &ConversationState::Active));
    assert!(found.missing >= 4, "{found:?}");
    assert!(written(&mut world, "bob") >= before + 2, "the entry, and the request");
    world.sync("alice");
    world.sync("bob");
    let told = texts(&mut world, "bob", channel);
    assert!(all.iter().all(|text| told.contains(text)) && told.contains(&"lost as well".to_owned()), "{told:?}");
    let Ok(Outcome::Repaired { conversations, .. }) = world.run("bob", Command::Repair) else { panic!("not repaired") };
    assert_eq!(conversations, [], "nothing is amiss any more");
}

#[test]
fn no_member_makes_a_home_unreadable_by_asking_and_answering() {
    let (mut world, channel) = group_of(&["alice", "bob", "mallory"]);
    world.send("alice", channel, "hello").expect("sent");
    world.sync("bob");
    // She asks for all that will ever be, and says of single positions far behind the end that there is nothing.
    queue_control(&mut world, "mallory", channel, &Control::GapRequest(vec![Span { from: 1, to: 1 << 63 }]));
    let single = |at: u64| Span { from: at, to: at };
    for message in 0..1_030 {
        let spans = (0..64).map(|n| single((1 << 40) + (message * 64 + n) * 2)).collect();
        queue_control(&mut world, "mallory", channel, &Control::Relayed(Relay { spans, entries: Vec::new() }));
    }
    world.sync("mallory");
    let end = world.conversation("mallory", channel).cursor.position;
    for name in ["bob", "alice"] {
        world.sync(name);
        assert_eq!(world.conversation(name, channel).cursor.position.min(end), end, "{name} read all of it");
        assert!(kept(&mut world, name, channel).requests.iter().all(|request| request.spans.len() <= 64));
        world.send(name, channel, "still here").expect("sent");
    }
    world.sync("bob");
    assert_eq!(texts(&mut world, "bob", channel), ["hello", "still here", "still here"]);
}

#[test]
fn a_gap_stays_shown_where_a_member_only_says_that_there_was_nothing_and_a_repair_asks_again() {
    let (mut world, channel, all) = with_gap(&["alice", "bob", "mallory"]);
    // Alice is away for now.
    world.sync("bob");
    let [(from, to)] = gaps(&mut world, "bob", channel)[..] else { panic!("one gap") };
    let nothing = Relay { spans: vec![Span { from, to }], entries: Vec::new() };
    send_control(&mut world, "mallory", channel, &Control::Relayed(nothing));
    world.sync("bob");
    assert!(kept(&mut world, "bob", channel).missing.is_empty(), "he believes her for now, and does not ask for ever");
    assert_eq!(gaps(&mut world, "bob", channel), [(from, to)], "but what he could not read is still shown");
    let before = written(&mut world, "bob");
    let Ok(Outcome::Repaired { conversations, .. }) = world.run("bob", Command::Repair) else { panic!("not repaired") };
    assert_eq!(conversations.iter().map(|found| found.missing).collect::<Vec<_>>(), [to - from + 1]);
    assert_eq!(written(&mut world, "bob"), before + 1, "he asks again");
    world.sync("alice");
    world.sync("bob");
    assert_eq!(texts(&mut world, "bob", channel), all, "and alice has what there was");
    assert!(gaps(&mut world, "bob", channel).is_empty());
    let Ok(Outcome::Repaired { conversations, .. }) = world.run("bob", Command::Repair) else { panic!("not repaired") };
    assert_eq!(conversations, [], "nothing is amiss any more");
}
