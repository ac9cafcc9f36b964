"""Opaque bytes through channels and inboxes of a real server."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, AsyncIterator, Callable

import pytest

from programs import Person
from qpc_client import Channel, Connection, Keys, Link, Lookup, Point, Refused, Token, WrongFingerprint

FIRST_GROUP_INFO = b"sealed group info of the beginning"
FIRST_KEYRING = b"keyring of the beginning"


@asynccontextmanager
async def new_channel(link: Link, token: Token) -> AsyncIterator[Channel]:
    """A channel that was just created, attached."""
    async with Channel.open(link, Keys()) as channel:
        await channel.create(token, group_info=FIRST_GROUP_INFO, keyring=FIRST_KEYRING)
        await channel.attach()
        yield channel


async def accepted(channel: Channel, after: Point, sealed: bytes, commit: dict[str, Any] | None = None) -> Point:
    """Enqueues an entry that nothing stands in the way of."""
    outcome, point = await channel.enqueue(os.urandom(16), after, sealed, commit)
    assert outcome == "accepted"
    return point


@pytest.mark.parametrize("kind", ["account", "channel", "lookup"])
async def test_hello_is_answered_on_each_kind_of_connection(link: Link, kind: str) -> None:
    async with Connection.open(link) as one, Connection.open(link) as other:
        hello = await one.say_hello(kind)
        assert hello["version"] == 1
        assert len(hello["challenge"]) == 32
        assert hello["challenge"] != (await other.say_hello(kind))["challenge"], "fresh for each connection"
        assert hello["limits"]["frameBytes"] > hello["limits"]["messageBytes"] > 0


async def test_a_server_with_another_fingerprint_is_refused(link: Link) -> None:
    with pytest.raises(WrongFingerprint):
        async with Connection.open(replace(link, fingerprint=os.urandom(32))):
            pytest.fail("connected to another server than the link says")


async def test_a_new_channel_is_empty_and_starts_at_the_channels_own_hash(link: Link, token: Token) -> None:
    async with Channel.open(link, Keys()) as channel:
        await channel.create(token, group_info=FIRST_GROUP_INFO, keyring=FIRST_KEYRING)
        await channel.create(token, group_info=FIRST_GROUP_INFO, keyring=FIRST_KEYRING)  # idempotent
        state = await channel.attach()
        start = Point.start(channel.keys.channel)
        assert state["current"] and state["access"] == channel.keys.public and state["accessSince"] == 0
        assert Point.read(state["last"]) == Point.read(state["lastCommit"]) == start
        assert await channel.read_all() == []
        info = await channel.group_info(0)
        assert (Point.read(info["at"]), info["sealed"]) == (start, FIRST_GROUP_INFO)
        keyring = await channel.keyring()
        assert (Point.read(keyring["at"]), keyring["keyring"]) == (start, FIRST_KEYRING)


async def test_another_channel_under_the_same_id_is_refused(
    link: Link, token: Token, take_token: Callable[[], Token]
) -> None:
    async with new_channel(link, token) as channel:
        with pytest.raises(Refused, match="channel-exists"):
            await channel.create(take_token(), group_info=b"other", keyring=FIRST_KEYRING)


async def test_opaque_bytes_come_back_in_order_and_the_chain_holds(link: Link, token: Token) -> None:
    async with new_channel(link, token) as channel:
        start = Point.start(channel.keys.channel)
        first = await accepted(channel, start, b"one")
        commit = await accepted(channel, start, b"two", {"groupInfo": b"sealed group info"})
        last = await accepted(channel, commit, os.urandom(4096))
        assert [first.position, commit.position, last.position] == [1, 2, 3]

        entries = await channel.read_all()
        assert [entry["kind"] for entry in entries] == ["message", "commit", "message"]
        assert [entry["sealed"] for entry in entries[:2]] == [b"one", b"two"]
        assert all(entry["time"] % 60_000 == 0 and "nextAccess" not in entry for entry in entries)
        assert entries[-1]["time"] == channel.last_time != 0
        assert start.follow(entries[:1]) == first
        assert start.follow(entries[:2]) == commit
        assert start.follow(entries) == last

        assert len((await channel.read(limit=0))["entries"]) == len((await channel.read())["entries"]) > 1
        page = await channel.read(after=1, limit=1)
        assert [entry["seq"] for entry in page["entries"]] == [2] and page["more"]
        info = await channel.group_info(2**64 - 1)
        assert (Point.read(info["at"]), info["sealed"]) == (commit, b"sealed group info")


async def test_chunks_of_the_tree_come_with_a_commit_and_group_infos_name_theirs(link: Link, token: Token) -> None:
    async with new_channel(link, token) as channel:
        start, ids = Point.start(channel.keys.channel), [os.urandom(32) for _ in range(3)]
        chunks = [os.urandom(600) for _ in ids]
        added = [{"id": id, "sealed": chunk} for id, chunk in zip(ids, chunks, strict=True)]
        tree = {"added": added[:2], "endsAll": True}
        first = await accepted(channel, start, b"one", {"groupInfo": b"info", "tree": tree})
        tree = {"added": added[2:], "ended": ids[:1]}
        await accepted(channel, first, b"two", {"groupInfo": b"info", "tree": tree})
        assert await channel.chunks([*reversed(ids), bytes(32)]) == [*reversed(chunks), b""]
        info = await channel.group_info(2**64 - 1)
        assert Point.read(info["afterCommit"]) == first and len(info["commit"]) == 16
        with pytest.raises(Refused, match="bad-request"):
            last = Point.read(info["at"])
            await channel.enqueue(os.urandom(16), last, b"three", {"groupInfo": b"info", "tree": tree})


async def test_the_same_id_is_answered_with_the_same_point(link: Link, token: Token) -> None:
    async with new_channel(link, token) as channel:
        start, id = Point.start(channel.keys.channel), os.urandom(16)
        first = await channel.enqueue(id, start, b"once")
        await accepted(channel, start, b"between", {"groupInfo": b""})
        assert await channel.enqueue(id, start, b"once") == first, "before the comparison"
        assert len(await channel.read_all()) == 2


async def test_whoever_names_an_older_commit_is_told_the_last_one(link: Link, token: Token) -> None:
    async with new_channel(link, token) as channel:
        start = Point.start(channel.keys.channel)
        commit = await accepted(channel, start, b"commit", {"groupInfo": b"info"})
        for parts in [None, {"groupInfo": b"info"}]:
            assert await channel.enqueue(os.urandom(16), start, b"late", parts) == ("stale", commit)
        assert len(await channel.read_all()) == 1


async def test_whoever_names_an_unknown_commit_is_told_what_the_server_has(link: Link, token: Token) -> None:
    async with new_channel(link, token) as channel:
        start = Point.start(channel.keys.channel)
        last = await accepted(channel, start, b"message")
        outcome, found = await channel.enqueue(os.urandom(16), Point(7, os.urandom(32)), b"lost past")
        assert outcome == "diverged"
        assert (Point.read(found["lastCommit"]), Point.read(found["last"])) == (start, last)


async def test_a_second_client_with_the_same_key_is_pushed_what_is_written(link: Link, token: Token) -> None:
    async with new_channel(link, token) as writer, Channel.attached(link, writer.keys) as reader:
        start = Point.start(writer.keys.channel)
        first = await accepted(writer, start, b"before")
        subscription = await reader.subscribe()
        page = await subscription.next()
        assert start.follow(page["entries"]) == first

        second = await accepted(writer, start, b"pushed")
        page = await subscription.next()
        assert [entry["sealed"] for entry in page["entries"]] == [b"pushed"]
        assert first.follow(page["entries"]) == second
        subscription.stop()
        assert len(await reader.read_all()) == 2, "the connection is usable after the subscription"


async def test_an_access_roll_shuts_the_old_key_out_and_the_new_one_reads_everything(link: Link, token: Token) -> None:
    async with new_channel(link, token) as old:
        start, new = Point.start(old.keys.channel), old.keys.rolled()
        await accepted(old, start, b"before")
        async with Channel.attached(link, old.keys) as reader:
            subscription = await reader.subscribe(after=1)
            assert await subscription.next() == {"entries": [], "more": False}, "a page at once, also an empty one"
            roll = {"access": new.public, "keyring": b"second keyring"}
            commit = (os.urandom(16), start, b"roll", {"groupInfo": b"info", "roll": roll})
            outcome, rolled = await old.enqueue(*commit)
            assert outcome == "accepted"
            page = await subscription.next()
            assert [(entry["seq"], entry["nextAccess"]) for entry in page["entries"]] == [(2, new.public)]
            with pytest.raises(Refused, match="access-denied"):
                await subscription.next()

        assert await old.enqueue(*commit) == ("accepted", rolled), "whoever lost the answer gets it"
        for attempt in [
            lambda: old.enqueue(os.urandom(16), rolled, b"denied"),
            lambda: old.group_info(0),
            lambda: old.delete(),
        ]:
            with pytest.raises(Refused, match="access-denied"):
                await attempt()

        async with Channel.attached(link, new) as channel:
            after = await accepted(channel, rolled, b"after")
            page = await old.read()
            assert [entry["sealed"] for entry in page["entries"]] == [b"before", b"roll"], "what it was in force for"
            assert not page["more"]
            entries = await channel.read_all()
            assert [entry["sealed"] for entry in entries] == [b"before", b"roll", b"after"]
            assert start.follow(entries) == after


async def test_one_connection_attaches_several_channels_and_keys(
    link: Link, token: Token, take_token: Callable[[], Token]
) -> None:
    async with new_channel(link, token) as one:
        other = Channel(one.connection, Keys())
        await other.create(take_token(), group_info=b"", keyring=b"")
        await other.attach()
        start, new = Point.start(one.keys.channel), one.keys.rolled()
        await accepted(other, Point.start(other.keys.channel), b"other")
        roll = {"access": new.public, "keyring": b"second keyring"}
        rolled = await accepted(one, start, b"roll", {"groupInfo": b"info", "roll": roll})
        page = await one.read()
        assert [entry["sealed"] for entry in page["entries"]] == [b"roll"]
        after = Channel(one.connection, new)
        await after.attach()
        await accepted(after, rolled, b"after")
        assert [entry["sealed"] for entry in await after.read_all()] == [b"roll", b"after"]
        assert [entry["sealed"] for entry in await other.read_all()] == [b"other"]


async def test_large_entries_come_in_several_pages(link: Link, token: Token) -> None:
    async with new_channel(link, token) as channel:
        start, written = Point.start(channel.keys.channel), []
        for _ in range(20):
            written.append(os.urandom(channel.connection.hello["limits"]["messageBytes"]))
            last = await accepted(channel, start, written[-1])
        page = await channel.read(limit=0)
        assert page["more"] and 1 <= len(page["entries"]) < len(written)
        entries = await channel.read_all()
        assert [entry["sealed"] for entry in entries] == written
        assert start.follow(entries) == last


async def test_an_old_key_still_fetches_the_keyring(link: Link, token: Token) -> None:
    async with new_channel(link, token) as channel:
        start, new = Point.start(channel.keys.channel), channel.keys.rolled()
        roll = {"access": new.public, "keyring": b"second keyring"}
        rolled = await accepted(channel, start, b"roll", {"groupInfo": b"info", "roll": roll})
        async with Channel.open(link, channel.keys) as late:
            state = await late.attach()
            assert not state["current"] and state["access"] == new.public
            assert state["lastCommit"] == state["last"] == {"position": 0, "hash": bytes(32)}
            keyring = await late.keyring()
            assert (Point.read(keyring["at"]), keyring["keyring"]) == (rolled, b"second keyring")


async def test_a_deleted_channel_is_gone(link: Link, token: Token) -> None:
    async with new_channel(link, token) as channel:
        await channel.delete()
        async with Channel.open(link, channel.keys) as late:
            with pytest.raises(Refused, match="access-denied"):
                await late.attach()


async def test_opaque_bytes_are_delivered_to_an_inbox_once(link: Link, alice: Person, token: Token) -> None:
    account, id = alice.account(), os.urandom(16)
    async with Lookup.open(link) as lookup:
        await lookup.deliver(account, id, b"opaque", token)
        await lookup.deliver(account, id, b"opaque", token)  # idempotent: costs nothing again
        with pytest.raises(Refused, match="token-spent"):
            await lookup.deliver(account, os.urandom(16), b"opaque", token)


async def test_whoever_is_sent_opaque_bytes_goes_on_undisturbed(link: Link, alice: Person, token: Token) -> None:
    async with Lookup.open(link) as lookup:
        await lookup.deliver(alice.account(), os.urandom(16), os.urandom(2048), token)
    kinds = {event["event"] for event in alice.qpc("sync")}
    assert kinds <= {"done", "warning"}


async def test_a_record_is_found_by_name(link: Link, alice: Person) -> None:
    async with Lookup.open(link) as lookup:
        record = await lookup.record("alice")
        assert alice.account() in record["identity"] and len(record["keyPackages"]) == 1
        with pytest.raises(Refused, match="not-found"):
            await lookup.record("nobody")
