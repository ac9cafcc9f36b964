//! What happens in the demonstration, and what must be true of it.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::fragments::Fragments;
use super::seen::{Message, Seen};
use crate::sandbox::{Event, Person, Sandbox};

const TITLE: &str = "Harvest picnic";
const EVERYBODY: &[&str] = &["alice", "bob", "carol"];
const WITHOUT_CAROL: &[&str] = &["alice", "bob"];

/// An invitation and what follows from it arrive a moment after the command that sent them.
const MOST_SYNCS: usize = 40;

/// How long a message may take to somebody who listens.
const PATIENCE: Duration = Duration::from_secs(60);

/// What begins every unencrypted SQLite file.
const PLAIN_DATABASE: &str = "SQLite format 3";

/// Plays it on an empty sandbox. The server is stopped at the end.
pub(super) fn play(sandbox: &mut Sandbox) -> Result<()> {
    let link = sandbox.start_server()?.to_owned();
    say("sam", &format!("starts a server: {link}"));
    let mut cast = Cast::register(sandbox)?;
    cast.form_group()?;
    cast.write_in_turn()?;
    cast.be_offline_and_come_back()?;
    cast.survive_a_crash_of_the_server()?;
    cast.remove_carol()?;
    let Cast { seen, people, .. } = cast;
    sandbox.stop_server()?;
    say("sam", "stops the server (SIGTERM, exit code 0)");
    seen.print();
    seen.verify()?;
    println!("\n  Everybody saw what they should, once and in order; carol nothing after her removal.");
    server_knows_no_plaintext(sandbox, &seen, &people)
}

/// The people, and what they have written.
struct Cast<'a> {
    sandbox: &'a mut Sandbox,
    people: [(&'static str, Person); 3],
    seen: Seen,
}

impl<'a> Cast<'a> {
    fn register(sandbox: &'a mut Sandbox) -> Result<Self> {
        let person = |name: &'static str| -> Result<(&'static str, Person)> {
            let person = sandbox.person(name)?;
            sandbox.register(&person)?;
            say(name, "registers");
            Ok((name, person))
        };
        let people = [person("alice")?, person("bob")?, person("carol")?];
        Ok(Self { sandbox, people, seen: Seen::default() })
    }

    fn form_group(&mut self) -> Result<()> {
        self.done("alice", &["group", "create", TITLE])?;
        say("alice", &format!("makes the group \"{TITLE}\""));
        self.done("alice", &["group", "invite", TITLE, "bob", "carol"])?;
        say("alice", "invites bob and carol");
        for name in ["bob", "carol"] {
            let request = self.sync_until(name, "request")?;
            let id = request.text("request")?.to_owned();
            let events = self.done(name, &["requests", "accept", &id])?;
            if !events.iter().any(|event| event.kind() == "joined") {
                self.sync_until(name, "joined")?;
            }
            say(name, &format!("accepts the invitation of {} and joins", request.text("sender")?));
        }
        Ok(())
    }

    fn write_in_turn(&mut self) -> Result<()> {
        self.send("alice", "Welcome, both of you. Shall we meet at the old mill?", EVERYBODY)?;
        self.sync("bob")?;
        self.send("bob", "The mill is fine, I bring plum cake and the blue blanket.", EVERYBODY)?;
        self.sync("carol")?;
        self.send("carol", "I can be there at seven with the accordion.", EVERYBODY)?;
        self.sync("alice")
    }

    /// bob is away while others write; carol stays online and gets it pushed.
    fn be_offline_and_come_back(&mut self) -> Result<()> {
        const NEWS: &str = "Change of plan: rain is coming, we take the barn instead.";
        say("bob", "goes offline; carol stays online and listens");
        let listening = self.sandbox.start_qpc(self.person("carol")?, &["listen"])?;
        self.send("alice", NEWS, EVERYBODY)?;
        loop {
            let line = listening.next_line(PATIENCE)?.context("carol's listen ended before the news came")?;
            let event = Event::parse(&line)?;
            if event.kind() == "message" && event.text("text")? == NEWS {
                break;
            }
        }
        say("carol", "sees it at once");
        listening.terminate(PATIENCE)?;
        self.send("carol", "Barn it is; the accordion likes dry places anyway.", EVERYBODY)?;
        let caught_up = self.sync("bob").and_then(|()| self.log("bob"))?.len();
        say("bob", &format!("comes back and catches up: his log has {caught_up} messages"));
        Ok(())
    }

    /// What is written while the server is away waits at the writer.
    fn survive_a_crash_of_the_server(&mut self) -> Result<()> {
        const QUEUED: &str = "Written while the server was away; this waits on my device.";
        self.sandbox.kill_server()?;
        say("sam", "pulls the plug of the server (SIGKILL)");
        let reply = self.sandbox.qpc(self.person("alice")?, &["send", TITLE, QUEUED])?;
        let events = reply.expect_unreachable()?;
        ensure!(events.iter().any(|event| event.kind() == "queued"), "alice was not told that her message is queued");
        self.seen.wrote(Message { sender: "alice", text: QUEUED, readers: EVERYBODY });
        say("alice", &format!("writes: {QUEUED} (queued, exit code 3)"));
        self.sandbox.start_server()?;
        say("sam", "starts the server again, same link");
        for name in EVERYBODY {
            self.sync(name)?;
        }
        Ok(())
    }

    fn remove_carol(&mut self) -> Result<()> {
        self.done("alice", &["group", "remove", TITLE, "carol"])?;
        say("alice", "removes carol");
        self.send("alice", "Only the two of us now: the surprise for carol is a cello.", WITHOUT_CAROL)?;
        self.sync("bob")?;
        self.send("bob", "She will love the cello. I hide it behind the hay.", WITHOUT_CAROL)?;
        for name in EVERYBODY {
            self.sync(name)?;
        }
        let refused = self.sandbox.qpc(self.person("carol")?, &["send", TITLE, "Am I still here, can you read me?"])?;
        refused.expect_failure().context("carol could write after her removal")?;
        say("carol", "tries to write, and cannot");
        self.sync("alice")?;
        self.sync("bob")?;
        for (name, _) in &self.people {
            let log = self.log(name)?;
            self.seen.has_log(name, log);
        }
        Ok(())
    }

    fn send(&mut self, name: &'static str, text: &'static str, readers: &'static [&'static str]) -> Result<()> {
        self.done(name, &["send", TITLE, text])?;
        self.seen.wrote(Message { sender: name, text, readers });
        say(name, &format!("writes: {text}"));
        Ok(())
    }

    fn sync(&self, name: &str) -> Result<()> {
        self.done(name, &["sync"]).map(drop)
    }

    fn sync_until(&self, name: &str, kind: &str) -> Result<Event> {
        for _ in 0..MOST_SYNCS {
            let events = self.done(name, &["sync"])?;
            if let Some(event) = events.into_iter().find(|event| event.kind() == kind) {
                return Ok(event);
            }
        }
        bail!("{name} saw no `{kind}` in {MOST_SYNCS} syncs")
    }

    /// Pairs of sender and text, in order.
    fn log(&self, name: &str) -> Result<Vec<(String, String)>> {
        let events = self.done(name, &["log", TITLE])?;
        let messages = events.iter().filter(|event| event.kind() == "message");
        let mut log = Vec::new();
        let mut last = None;
        for message in messages {
            let seq = message.number("seq")?;
            ensure!(last < Some(seq), "{name}'s log is out of order at {seq}");
            last = Some(seq);
            let sender = message.text("sender")?;
            let sender = sender.split_once('@').map_or(sender, |(name, _)| name);
            log.push((sender.to_owned(), message.text("text")?.to_owned()));
        }
        Ok(log)
    }

    fn done(&self, name: &str, arguments: &[&str]) -> Result<Vec<Event>> {
        self.sandbox.qpc(self.person(name)?, arguments)?.expect_done()
    }

    fn person(&self, name: &str) -> Result<&Person> {
        let found = self.people.iter().find(|(known, _)| *known == name);
        found.map(|(_, person)| person).with_context(|| format!("{name} is not in the cast"))
    }
}

/// Looks for every text, the title and the passwords in the server's files, its log and a decrypted dump of its database.
fn server_knows_no_plaintext(sandbox: &Sandbox, seen: &Seen, people: &[(&'static str, Person)]) -> Result<()> {
    let passwords: Vec<String> = people.iter().map(|(_, person)| person.password()).collect();
    let secrets: Vec<&str> =
        seen.texts().chain([TITLE]).chain(passwords.iter().map(|password| password.as_str())).collect();
    let (mut found, read) =
        Fragments::of(secrets.iter().copied().chain([PLAIN_DATABASE])).in_folder(&sandbox.server_dir())?;
    ensure!(read.bytes > 0, "the server's folder is empty: this check would prove nothing");
    let pieces = Fragments::of(secrets);
    found.extend(pieces.in_bytes("the server's log", &std::fs::read(sandbox.server_log())?));
    let dump = sandbox.dump()?;
    for (name, _) in people {
        ensure!(
            dump.contains(name),
            "the dump does not even name {name}: it is not decrypted, and would prove nothing"
        );
    }
    found.extend(pieces.in_bytes("the decrypted dump", dump.as_bytes()));
    ensure!(found.is_empty(), "the server knows plaintext: {found:#?}");
    println!(
        "  None of it, nor the title or a password, is in the server's {} files ({} KiB), its log, or the decrypted dump of its\n  database ({} rows).",
        read.files,
        read.bytes.div_ceil(1024),
        dump.lines().count()
    );
    Ok(())
}

fn say(who: &str, what: &str) {
    println!("  {who:<6} {what}");
}
