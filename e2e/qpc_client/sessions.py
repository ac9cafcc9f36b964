"""Channel and look-up connections: the calls of opaque bytes with their arguments."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, AsyncIterator

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from .chain import Point
from .connection import Connection, Subscription
from .link import Link
from .signatures import attach_text, public_key

PAGE_ENTRIES = 512


@dataclass(frozen=True)
class Token:
    """What `qpc tokens take` printed."""

    epoch: int
    nonce: bytes
    authenticator: bytes

    @classmethod
    def read(cls, event: dict[str, Any]) -> Token:
        return cls(event["epoch"], bytes.fromhex(event["nonce"]), bytes.fromhex(event["authenticator"]))

    def fields(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "nonce": self.nonce, "authenticator": self.authenticator}


@dataclass(frozen=True)
class Keys:
    """A channel's id and one of its access keys."""

    channel: bytes = field(default_factory=lambda: os.urandom(32))
    access: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def public(self) -> bytes:
        return public_key(self.access)

    def rolled(self) -> Keys:
        """The same channel with another access key."""
        return Keys(self.channel)


class Channel:
    """A channel connection and one channel on it."""

    def __init__(self, connection: Connection, keys: Keys):
        self.connection = connection
        self.keys = keys
        # When the server took the entry that it answered last, in ms; 0 if it took none, or it has expired.
        self.last_time = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, link: Link, keys: Keys) -> AsyncIterator[Channel]:
        async with Connection.open(link) as connection:
            await connection.say_hello("channel")
            yield cls(connection, keys)

    @classmethod
    @asynccontextmanager
    async def attached(cls, link: Link, keys: Keys) -> AsyncIterator[Channel]:
        async with cls.open(link, keys) as channel:
            await channel.attach()
            yield channel

    async def create(self, token: Token, *, group_info: bytes, keyring: bytes) -> None:
        await self.connection.call(
            "channelCreate",
            channel=self.keys.channel,
            access=self.keys.public,
            groupInfo=group_info,
            keyring=keyring,
            token=token.fields(),
        )

    async def attach(self, signer: Ed25519PrivateKey | None = None) -> dict[str, Any]:
        """Proves possession of the access key; with `signer` by the signature of another one."""
        challenge = self.connection.hello["challenge"]
        text = attach_text(self.connection.fingerprint, challenge, self.keys.channel, self.keys.public)
        signature = (signer or self.keys.access).sign(text)
        return await self.connection.call(
            "channelAttach", channel=self.keys.channel, access=self.keys.public, signature=signature
        )

    async def enqueue(
        self, id: bytes, after_commit: Point, sealed: bytes, commit: dict[str, Any] | None = None
    ) -> tuple[str, Any]:
        """What became of an entry: `accepted` or `stale` with a point, or `diverged` with fields."""
        fields = {"channel": self.keys.channel, "id": id, "afterCommit": after_commit.fields(), "sealed": sealed}
        if commit is not None:
            fields["commit"] = commit
        answer = await self.connection.call("channelEnqueue", **fields)
        self.last_time = answer.pop("time")
        [(outcome, found)] = answer.items()
        return outcome, found if outcome == "diverged" else Point.read(found)

    async def restore(self, after: Point, entries: list[dict[str, Any]]) -> tuple[str, int, Point]:
        """Offers what follows `after`, as it was read: `whole`, `short` or `diverged`, how many were missing, the log's end."""
        known = {"id", "afterCommit", "sealed", "time", "commit"}
        offered = [{name: value for name, value in entry.items() if name in known} for entry in entries]
        answer = await self.connection.call(
            "channelRestore", channel=self.keys.channel, after=after.fields(), entries=offered
        )
        return answer["outcome"], answer["added"], Point.read(answer["last"])

    async def read(self, after: int = 0, limit: int = PAGE_ENTRIES) -> dict[str, Any]:
        return await self.connection.call("channelRead", channel=self.keys.channel, after=after, limit=limit)

    async def read_all(self) -> list[dict[str, Any]]:
        """Every entry, page by page."""
        entries: list[dict[str, Any]] = []
        while True:
            page = await self.read(after=entries[-1]["seq"] if entries else 0)
            entries += page.get("entries", [])
            if not page["more"]:
                return entries

    async def subscribe(self, after: int = 0) -> Subscription:
        return await self.connection.subscribe("channelSubscribe", channel=self.keys.channel, after=after)

    async def group_info(self, position: int) -> dict[str, Any]:
        return await self.connection.call("channelGroupInfo", channel=self.keys.channel, position=position)

    async def chunks(self, ids: list[bytes]) -> list[bytes]:
        """Chunks of the ratchet tree; empty where there is none."""
        answer = await self.connection.call("channelChunks", channel=self.keys.channel, ids=ids)
        return answer["chunks"]

    async def keyring(self) -> dict[str, Any]:
        return await self.connection.call("channelKeyring", channel=self.keys.channel)

    async def delete(self) -> None:
        await self.connection.call("channelDelete", channel=self.keys.channel)


class Lookup:
    """A look-up connection."""

    def __init__(self, connection: Connection):
        self.connection = connection

    @classmethod
    @asynccontextmanager
    async def open(cls, link: Link) -> AsyncIterator[Lookup]:
        async with Connection.open(link) as connection:
            await connection.say_hello("lookup")
            yield cls(connection)

    async def record(self, name: str) -> dict[str, Any]:
        return await self.connection.call("lookup", name=name)

    async def deliver(self, account: bytes, id: bytes, sealed: bytes, token: Token) -> None:
        await self.connection.call("inboxDeliver", account=account, id=id, sealed=sealed, token=token.fields())
