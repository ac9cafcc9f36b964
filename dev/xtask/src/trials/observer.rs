//! Nothing that the server keeps or says links an account to a channel (C2 to C4, DESIGN section 7.4).
//!
//! The decrypted dump of the store and the log of a real server, after people talked, are searched for rows and lines that
//! name both, and for values that stand on both sides: a shared id, or a moment kept finely enough to tell two rows belong
//! together.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Trial, cast, done, group, texts};
use crate::sandbox::{Person, Sandbox};

pub(super) const TRIALS: &[Trial] = &[("nothing_links_an_account_to_a_channel", nothing_links_an_account_to_a_channel)];

/// Numbers below are counts, days and epochs; a time in seconds or finer is above.
const SMALLEST_TIME: u64 = 1_000_000;
/// Shortest hex value that is an id and not a flag, in digits.
const SHORTEST_ID: usize = 16;

fn nothing_links_an_account_to_a_channel(sandbox: &mut Sandbox) -> Result<()> {
    // More than fill eight leaves of a tree: a larger one is kept in chunks.
    let people = cast(sandbox, ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan"])?;
    let [alice, bob, carol, ..] = &people;
    group(sandbox, "picnic", &[alice, bob, carol])?;
    // By somebody whom nobody has met yet: everybody is asked.
    group(sandbox, "crowd", &people.iter().rev().collect::<Vec<_>>())?;
    done(sandbox, bob, &["send", "crowd", "all of us"])?;
    for person in [alice, bob] {
        done(sandbox, person, &["history", "sync"])?;
    }
    done(sandbox, alice, &["send", "picnic", "hello"])?;
    done(sandbox, bob, &["dm", "carol", "between us"])?;
    done(sandbox, alice, &["group", "remove", "picnic", "carol"])?;
    texts(sandbox, bob, "picnic")?;
    let mut facts = Facts::default();
    for person in &people {
        facts.learn(sandbox, person)?;
    }
    ensure!(facts.accounts.len() >= 9 && facts.channels.len() >= 2, "the scenario made too little: {facts:?}");
    sandbox.stop_server()?;
    let dump = sandbox.dump()?;
    for table in ["archive_objects", "tree_chunks"] {
        let named = format!("\"table\":\"{table}\"");
        ensure!(dump.contains(&named), "the scenario left no row of {table}");
    }
    let links = links(&dump, &facts)?;
    ensure!(links.is_empty(), "the store links accounts to channels: {links:#?}");
    let log = fs::read_to_string(sandbox.server_log())?;
    let told: Vec<&str> = log.lines().filter(|line| facts.names(line).any()).collect();
    ensure!(told.is_empty(), "the log names somebody or something: {told:#?}");
    Ok(())
}

/// What the people know of themselves: hex ids and names.
#[derive(Default, Debug)]
struct Facts {
    accounts: BTreeSet<String>,
    channels: BTreeSet<String>,
}

/// Which sides a text names.
#[derive(Clone, Copy)]
struct Named {
    account: bool,
    channel: bool,
}

impl Named {
    const fn any(self) -> bool {
        self.account || self.channel
    }
}

impl Facts {
    fn learn(&mut self, sandbox: &Sandbox, person: &Person) -> Result<()> {
        let account = done(sandbox, person, &["whoami"])?;
        let account = account.first().context("whoami says something")?;
        for field in ["name", "account", "device"] {
            self.accounts.insert(account.text(field)?.to_owned());
        }
        for conversation in done(sandbox, person, &["conversations"])? {
            let id = conversation.text("conversation")?.to_owned();
            for message in done(sandbox, person, &["log", &id])? {
                self.channels.extend(message.text("id").map(str::to_owned));
            }
            self.channels.insert(id);
        }
        Ok(())
    }

    fn names(&self, text: &str) -> Named {
        let names = |facts: &BTreeSet<String>| facts.iter().any(|fact| text.contains(fact.as_str()));
        Named { account: names(&self.accounts), channel: names(&self.channels) }
    }
}

/// Everything in a dump that ties an account to a channel.
fn links(dump: &str, facts: &Facts) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut tables: BTreeMap<String, (Named, BTreeSet<String>)> = BTreeMap::new();
    for line in dump.lines() {
        let row: Value = serde_json::from_str(line).with_context(|| format!("the dump is no JSON: {line}"))?;
        let table = row.get("table").and_then(Value::as_str).context("a row names its table")?.to_owned();
        let named = facts.names(line);
        if named.account && named.channel {
            found.push(format!("one row of {table} names both: {line}"));
        }
        let entry = tables.entry(table).or_insert((Named { account: false, channel: false }, BTreeSet::new()));
        entry.0.account |= named.account;
        entry.0.channel |= named.channel;
        values(row.get("row").context("a row has columns")?, &mut entry.1);
    }
    let accounts = tables.iter().filter(|(_, (named, _))| named.account);
    let sides: Vec<_> = accounts.collect();
    ensure!(!sides.is_empty(), "no table names an account: the dump is not decrypted");
    ensure!(tables.values().any(|(named, _)| named.channel), "no table names a channel: the dump is not decrypted");
    for (account_table, (_, ours)) in sides {
        for (channel_table, (_, theirs)) in tables.iter().filter(|(_, (named, _))| named.channel) {
            let shared: Vec<&String> = ours.intersection(theirs).collect();
            if account_table != channel_table && !shared.is_empty() {
                found.push(format!("{account_table} and {channel_table} share {shared:?}"));
            }
        }
    }
    Ok(found)
}

/// Ids and fine times in a value.
fn values(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Number(number) if number.as_u64().is_some_and(|number| number >= SMALLEST_TIME) => {
            found.insert(number.to_string());
        }
        Value::String(text) if text.len() >= SHORTEST_ID && text.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            found.insert(text.clone());
        }
        Value::Array(items) => items.iter().for_each(|item| values(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| values(field, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "aaaaaaaaaaaaaaaaaaaa";
    const CHANNEL: &str = "cccccccccccccccccccc";

    fn facts() -> Facts {
        Facts { accounts: [ACCOUNT.to_owned()].into(), channels: [CHANNEL.to_owned()].into() }
    }

    fn dump(account_side: &str, channel_side: &str) -> String {
        format!(
            "{{\"table\":\"account\",\"row\":{{\"id\":{{\"hex\":\"{ACCOUNT}\"}},{account_side}}}}}\n\
             {{\"table\":\"channel\",\"row\":{{\"id\":{{\"hex\":\"{CHANNEL}\"}},{channel_side}}}}}\n"
        )
    }

    #[test]
    fn days_and_counts_link_nothing() {
        assert_eq!(links(&dump("\"day\":20780", "\"day\":20780"), &facts()).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn every_planted_link_is_found() {
        let id = "\"x\":\"0123456789abcdef0123\"";
        for (account_side, channel_side) in [
            ("\"channel\":{\"hex\":\"cccccccccccccccccccc\"}", "\"n\":1"),
            ("\"n\":1", "\"owner\":\"aaaaaaaaaaaaaaaaaaaa\""),
            ("\"at\":1795400000", "\"at\":1795400000"),
            (id, id),
            ("\"list\":[{\"hex\":\"0123456789abcdef0123\"}]", id),
        ] {
            let found = links(&dump(account_side, channel_side), &facts()).unwrap();
            assert!(!found.is_empty(), "{account_side} beside {channel_side}");
        }
    }

    #[test]
    fn a_dump_that_names_nobody_proves_nothing() {
        assert!(links("{\"table\":\"t\",\"row\":{}}\n", &facts()).is_err());
    }
}
