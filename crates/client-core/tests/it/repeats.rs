//! Entries that come twice: by a server that gives one again, and by a sender that writes under an id a second time (L5).

use std::sync::{Arc, Mutex};

use futures::executor::block_on;
use quicprochat_client_core::{
    CallError, Command, Outcome, StoreTx as _,
    auth::DeviceAccount,
    store::{ConversationState, LogBody},
};
use quicprochat_e2ee::{
    channel::{ChannelKeys, EntryBody, EntryHead, seal_entry},
    mls::{Group, Provider},
};
use quicprochat_wire::{
    ChannelId, MessageId, Response,
    call::channel::{ChannelEntry, EntryKind},
    time::Duration,
};

use crate::{
    groups::group_of,
    world::{Seeded, World, text_content},
};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// What a server gives `reader` behind the end of the log from now on, once; and what it gave before.
#[derive(Clone, Default)]
struct Server {
    given: Arc<Mutex<Vec<ChannelEntry>>>,
    more: Arc<Mutex<Vec<ChannelEntry>>>,
    /// The earliest position that the server had left when the reader attached.
    first: Arc<Mutex<u64>>,
}

impl Server {
    /// Takes the place of the honest server for one reader.
    fn before(world: &mut World, reader: &'static str) -> Self {
        let server = Self::default();
        let acting = server.clone();
        let tamper = move |result: &mut Result<Response, CallError>| match result {
            Ok(Response::ChannelState(state)) => *acting.first.lock().expect("not poisoned") = state.first,
            Ok(Response::ChannelPage(page)) if !page.more => {
                let mut given = acting.given.lock().expect("not poisoned");
                given.append(&mut page.entries.clone());
                page.entries.append(&mut acting.more.lock().expect("not poisoned"));
            }
            _ => {}
        };
        world.tamper = Some((reader, Box::new(tamper)));
        server
    }

    /// Puts an entry behind what is to be given next.
    fn append(&self, world: &mut World, reader: &str, channel: ChannelId, mut entry: ChannelEntry) {
        let end = world.conversation(reader, channel).cursor.position;
        let mut more = self.more.lock().expect("not poisoned");
        entry.seq = end + more.len() as u64 + 1;
        entry.time = world.now;
        more.push(entry);
    }

    fn given(&self, id: &MessageId) -> ChannelEntry {
        let given = self.given.lock().expect("not poisoned");
        given.iter().find(|entry| entry.id == *id).expect("given before").clone()
    }
}

/// An entry as a client makes it that chooses the id: a valid MLS message of a member, sealed in its place.
fn written(world: &mut World, sender: &str, channel: ChannelId, id: MessageId, text: &str) -> ChannelEntry {
    let conversation = world.conversation(sender, channel);
    let mut entropy = Seeded::new(world.next_seed());
    let after = conversation.last_commit;
    let head = EntryHead { channel, id, kind: EntryKind::Message, after };
    let tx = world.client(sender).store.begin().expect("opens");
    let row = tx.account().own_account().expect("reads").expect("an account");
    let own = DeviceAccount::from_stored(&row).expect("reads").own_device().expect("a device");
    let mls = {
        let provider = Provider::new(tx.mls(), &mut entropy);
        let mut group = Group::load(&provider, channel).expect("reads").expect("a group");
        group.encrypt(&provider, &own, &head.aad(), &text_content(text)).expect("encrypts")
    };
    tx.commit();
    let body = EntryBody { mls, records: Vec::new() };
    let keys = ChannelKeys::from_bytes(conversation.keys.expose());
    let sealed = seal_entry(&keys, &head, &body, &mut entropy).expect("seals");
    ChannelEntry {
        seq: 0,
        id,
        kind: EntryKind::Message,
        after_commit: after,
        sealed,
        next_access: None,
        time: conversation.since,
    }
}

fn sent(world: &mut World, sender: &str, channel: ChannelId, text: &str) -> MessageId {
    match world.send(sender, channel, text) {
        Ok(Outcome::Sent { id, .. }) => id,
        other => panic!("not sent: {other:?}"),
    }
}

#[test]
fn what_a_server_gives_again_is_shown_once() {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    let server = Server::before(&mut world, "bob");
    let id = sent(&mut world, "alice", channel, "once");
    world.sync("bob");
    let again = server.given(&id);
    // The very bytes in the next place, as often as the server likes; beside them something new, which is shown.
    for _ in 0..3 {
        server.append(&mut world, "bob", channel, again.clone());
    }
    let new = written(&mut world, "alice", channel, MessageId::new([1; 16]), "new");
    server.append(&mut world, "bob", channel, new);
    world.sync("bob");
    assert_eq!(world.texts("bob", channel), ["alice: once", "alice: new"]);
    assert_eq!(world.conversation("bob", channel).state, ConversationState::Active);
}

#[test]
fn what_a_server_gives_again_behind_a_commit_is_shown_once() {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    let server = Server::before(&mut world, "bob");
    let id = sent(&mut world, "alice", channel, "once");
    world.run("alice", Command::Rename { channel, title: "coffee".to_owned() }).expect("renamed");
    world.sync("bob");
    let again = server.given(&id);
    server.append(&mut world, "bob", channel, again.clone());
    // It names the commit before: a server that says that it names the last one has changed what is sealed.
    let last = world.conversation("bob", channel).last_commit;
    server.append(&mut world, "bob", channel, ChannelEntry { after_commit: last, ..again });
    let new = written(&mut world, "alice", channel, MessageId::new([1; 16]), "new");
    server.append(&mut world, "bob", channel, new);
    world.sync("bob");
    assert_eq!(world.texts("bob", channel), ["alice: once", "alice: new"]);
}

#[test]
fn the_sender_sees_its_own_message_once() {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    let server = Server::before(&mut world, "alice");
    let id = sent(&mut world, "alice", channel, "once");
    // She reads it back in another process, whose answer from the server was lost.
    let entry = {
        let at = world.conversation("alice", channel).cursor.position;
        let reader = Server::before(&mut world, "bob");
        world.sync("bob");
        assert_eq!(world.conversation("bob", channel).cursor.position, at);
        reader.given(&id)
    };
    let server = {
        drop(server);
        Server::before(&mut world, "alice")
    };
    server.append(&mut world, "alice", channel, entry);
    let new = written(&mut world, "bob", channel, MessageId::new([1; 16]), "new");
    server.append(&mut world, "alice", channel, new);
    world.sync("alice");
    assert_eq!(world.texts("alice", channel), ["alice: once", "bob: new"]);
}

#[test]
fn what_a_sender_writes_again_under_the_same_id_is_shown_once() {
    let (mut world, channel) = group_of(&["alice", "bob", "carol"]);
    let server = Server::before(&mut world, "bob");
    let id = sent(&mut world, "alice", channel, "once");
    world.sync("bob");
    world.sync("carol");
    // A server that forgot its ids takes it: a message of its own to MLS, in its place, and under an id that was there.
    for text in ["once", "something else"] {
        let again = written(&mut world, "alice", channel, id, text);
        server.append(&mut world, "bob", channel, again);
    }
    // An id is the sender's own: nobody takes it away from others by using it first.
    let of_carol = written(&mut world, "carol", channel, id, "carol's");
    server.append(&mut world, "bob", channel, of_carol);
    let new = written(&mut world, "alice", channel, MessageId::new([1; 16]), "new");
    server.append(&mut world, "bob", channel, new);
    world.sync("bob");
    assert_eq!(world.texts("bob", channel), ["alice: once", "carol: carol's", "alice: new"]);
    let log = {
        let tx = world.client("bob").store.begin().expect("opens");
        tx.messages().messages_of(&channel, 0, 100).expect("reads")
    };
    assert_eq!(log.iter().filter(|entry| matches!(entry.body, LogBody::Content { .. })).count(), 3);
}

#[test]
fn what_comes_again_when_the_server_has_dropped_the_original_is_shown_once() {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    let server = Server::before(&mut world, "bob");
    let id = sent(&mut world, "alice", channel, "once");
    for name in ["bob", "alice"] {
        world.sync(name);
    }
    let again = server.given(&id);
    world.pass(DAY * 91);
    block_on(world.server.sweep(world.now)).expect("sweeps");
    world.client("bob").crash();
    world.sync("bob");
    world.sync("alice");
    assert!(*server.first.lock().expect("not poisoned") > again.seq, "the server has dropped it");
    assert_eq!(world.conversation("bob", channel).last_commit, world.conversation("alice", channel).last_commit);
    server.append(&mut world, "bob", channel, again);
    let written_again = written(&mut world, "alice", channel, id, "once");
    server.append(&mut world, "bob", channel, written_again);
    let new = written(&mut world, "alice", channel, MessageId::new([1; 16]), "new");
    server.append(&mut world, "bob", channel, new);
    world.sync("bob");
    assert_eq!(world.texts("bob", channel), ["alice: once", "alice: new"]);
    assert_eq!(world.conversation("bob", channel).state, ConversationState::Active);
}
