"""Offering a real server what it lost."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any, Callable

import pytest

from programs import Server, environment, program
from qpc_client import Channel, Keys, Link, Point, Refused, Token


def entry(after_commit: Point, sealed: bytes, time: int, commit: dict[str, Any] | None = None) -> dict[str, Any]:
    fields = {"id": os.urandom(16), "afterCommit": after_commit.fields(), "sealed": sealed, "time": time}
    return fields if commit is None else fields | {"commit": commit}


async def test_offered_entries_continue_the_chain_and_are_taken_once(link: Link, token: Token) -> None:
    async with Channel.open(link, Keys()) as channel:
        await channel.create(token, group_info=b"info", keyring=b"keyring")
        await channel.attach()
        start = Point.start(channel.keys.channel)
        _, first = await channel.enqueue(os.urandom(16), start, b"first")
        commit = entry(start, b"commit", 60_000, {"groupInfo": b""})
        second = first.then(id=commit["id"], kind="commit", after_commit=start, sealed=b"commit")
        message = entry(second, b"message", 2**60)
        third = second.then(id=message["id"], kind="message", after_commit=second, sealed=b"message")
        assert await channel.restore(second, [message]) == ("short", 0, first)
        assert await channel.restore(first, [commit, message]) == ("whole", 2, third)
        assert await channel.restore(first, [commit, message]) == ("whole", 0, third)
        assert await channel.restore(first, [message]) == ("diverged", 0, third)
        entries = await channel.read_all()
        assert start.follow(entries) == third
        times = [found["time"] for found in entries]
        assert times == sorted(times) and times[1] == times[0] and times[2] % 60_000 == 0, "neither earlier nor later"
        info = await channel.group_info(2**64 - 1)
        assert (Point.read(info["at"]), info["sealed"]) == (start, b"info"), "the newest that there is"
        rolled = channel.keys.rolled()
        roll = {"groupInfo": b"info", "roll": {"access": rolled.public, "keyring": b"next"}}
        rolling = entry(second, b"roll", 0, roll)
        with pytest.raises(Refused, match="bad-request"):
            await channel.restore(third, [rolling, entry(second, b"after", 0)])
        outcome, added, fourth = await channel.restore(third, [rolling])
        assert (outcome, added) == ("whole", 1)
        with pytest.raises(Refused, match="access-denied"):
            await channel.restore(fourth, [entry(fourth, b"after", 0)])
        channel.keys = rolled
        await channel.attach()
        assert (await channel.restore(fourth, [entry(fourth, b"after", 0)]))[:2] == ("whole", 1)


async def test_a_restored_server_waits_for_what_it_lost(
    folder: Path, server: Server, take_token: Callable[[], Token]
) -> None:
    keys, backup, data = Keys(), folder / "restore.backup", folder / "restored"
    async with Channel.open(server.link, keys) as channel:
        await channel.create(take_token(), group_info=b"info", keyring=b"keyring")
        await channel.attach()
        start = Point.start(keys.channel)
        await channel.enqueue(os.urandom(16), start, b"kept")
        qpc_server(folder, "backup", str(backup), "--data-dir", str(server.data))
        _, last = await channel.enqueue(os.urandom(16), start, b"lost")
        log = await channel.read_all()
    qpc_server(folder, "restore", str(backup), "--data-dir", str(data))
    restored = Server(folder, data)
    try:
        async with Channel.attached(restored.link, keys) as channel:
            state = await channel.attach()
            with pytest.raises(Refused, match="restoring") as refused:
                await channel.enqueue(os.urandom(16), start, b"too early")
            assert 0 < refused.value.retry_after_ms <= 600_000
            assert await channel.restore(Point.read(state["last"]), log[1:]) == ("whole", 1, last)
            assert await channel.read_all() == log
    finally:
        restored.stop()


def qpc_server(home: Path, *arguments: str) -> None:
    command = [program("QPC_SERVER_BIN"), *arguments]
    subprocess.run(command, check=True, env=environment(home), capture_output=True, timeout=60)
