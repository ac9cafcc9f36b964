"""What a real server answers to bad input: a typed error, and the connection stays usable."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, AsyncIterator, Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from programs import Person
from qpc_client import Channel, Connection, Keys, Link, Lookup, Point, Refused, Token
from qpc_client.connection import only
from qpc_client.frames import BEFORE_HELLO_BYTES, frame, request

DISCRIMINANT_AT = 16
"""Where the number of the method stands: behind segment table and root pointer."""


@asynccontextmanager
async def connection(link: Link, kind: str) -> AsyncIterator[Connection]:
    async with Connection.open(link) as opened:
        await opened.say_hello(kind)
        yield opened


def with_method(message: bytes, number: int) -> bytes:
    return message[:DISCRIMINANT_AT] + number.to_bytes(2, "little") + message[DISCRIMINANT_AT + 2 :]


async def refusal(connection: Connection, content: bytes, *, end: bool = True) -> str:
    """The code with which these bytes on a stream are refused."""
    with pytest.raises(Refused) as refused:
        only(await connection.exchange(content, end=end))
    return refused.value.code


async def is_usable(channel: Connection) -> bool:
    """Whether the connection still tells a missing channel."""
    with pytest.raises(Refused, match="access-denied"):
        await Channel(channel, Keys()).attach()
    return True


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x00" * 7, id="no whole word"),
        pytest.param(b"\xff" * 64, id="ones"),
        pytest.param(b"\x00" * 64, id="zeros"),
        pytest.param(bytes(range(256)), id="counting"),
        pytest.param(request("channelAttach", {"channel": bytes(32)})[:-8], id="cut message"),
    ],
)
async def test_garbage_in_a_frame_is_a_bad_request(link: Link, message: bytes) -> None:
    async with connection(link, "channel") as channel:
        assert await refusal(channel, frame(message)) == "bad-request"
        assert await is_usable(channel)


@pytest.mark.parametrize("kept", [0, 2, 4, 20])
async def test_a_truncated_frame_is_a_bad_request(link: Link, kept: int) -> None:
    async with connection(link, "channel") as channel:
        whole = frame(request("channelKeyring", {"channel": bytes(32)}))
        assert await refusal(channel, whole[:kept]) == "bad-request"
        assert await is_usable(channel)


async def test_bytes_after_the_frame_are_a_bad_request(link: Link) -> None:
    async with connection(link, "channel") as channel:
        whole = frame(request("channelKeyring", {"channel": bytes(32)}))
        assert await refusal(channel, whole + whole) == "bad-request"
        assert await is_usable(channel)


async def test_an_oversized_frame_is_refused_by_its_length_alone(link: Link) -> None:
    async with connection(link, "channel") as channel:
        length = channel.hello["limits"]["frameBytes"] + 1
        for claimed in [length, 2**32 - 1]:
            assert await refusal(channel, claimed.to_bytes(4, "little"), end=False) == "too-large"
        assert await is_usable(channel)


async def test_before_hello_frames_are_smaller(link: Link) -> None:
    async with Connection.open(link) as channel:
        length = BEFORE_HELLO_BYTES + 1
        assert await refusal(channel, length.to_bytes(4, "little"), end=False) == "too-large"
        await channel.say_hello("channel")


@pytest.mark.parametrize("number", [11, 20, 47, 58, 200, 65_535])
async def test_an_unknown_method_is_named_as_such(link: Link, number: int) -> None:
    async with connection(link, "channel") as channel:
        message = with_method(request("channelKeyring", {"channel": bytes(32)}), number)
        assert await refusal(channel, frame(message)) == "unknown-method"
        assert await is_usable(channel)


@pytest.mark.parametrize(
    ("call", "fields"),
    [
        ("tokenKeys", {}),
        ("signInStart", {"name": "alice", "request": bytes(32)}),
        ("lookup", {"name": "alice"}),
        ("channelAttach", {"channel": bytes(32), "access": bytes(32), "signature": bytes(64)}),
    ],
)
async def test_nothing_is_answered_before_hello(link: Link, call: str, fields: dict[str, Any]) -> None:
    async with Connection.open(link) as early:
        with pytest.raises(Refused, match="wrong-connection"):
            await early.call(call, **fields)
        await early.say_hello("channel")
        assert await is_usable(early)


async def test_a_second_hello_is_a_bad_request(link: Link) -> None:
    async with connection(link, "channel") as channel:
        challenge = channel.hello["challenge"]
        with pytest.raises(Refused, match="bad-request"):
            await channel.say_hello("lookup")
        assert challenge == channel.hello["challenge"]
        assert await is_usable(channel)


@pytest.mark.parametrize("version", [0, 2, 65_535])
async def test_another_version_is_unsupported(link: Link, version: int) -> None:
    async with Connection.open(link) as channel:
        with pytest.raises(Refused, match="unsupported-version"):
            await channel.say_hello("channel", version=version)


@pytest.mark.parametrize(
    ("kind", "call", "fields"),
    [
        ("channel", "lookup", {"name": "alice"}),
        ("channel", "tokenKeys", {}),
        ("lookup", "channelKeyring", {"channel": bytes(32)}),
        ("lookup", "authenticate", {"account": bytes(32), "device": bytes(16), "signature": bytes(64)}),
        ("account", "channelRead", {"channel": bytes(32), "after": 0, "limit": 1}),
        ("account", "lookup", {"name": "alice"}),
    ],
)
async def test_a_call_on_the_wrong_kind_of_connection_is_refused(
    link: Link, kind: str, call: str, fields: dict[str, Any]
) -> None:
    async with connection(link, kind) as wrong:
        with pytest.raises(Refused, match="wrong-connection"):
            await wrong.call(call, **fields)


@pytest.mark.parametrize("call", ["tokenKeys", "ownRecord", "inboxSubscribe", "vaultFetch"])
async def test_an_account_connection_must_be_authenticated_first(link: Link, call: str) -> None:
    async with connection(link, "account") as stranger:
        with pytest.raises(Refused, match="not-authenticated"):
            await stranger.call(call)


async def test_a_bad_signature_does_not_attach(link: Link, token: Token) -> None:
    async with Channel.open(link, Keys()) as channel:
        await channel.create(token, group_info=b"", keyring=b"")
        with pytest.raises(Refused, match="bad-signature"):
            await channel.attach(signer=Ed25519PrivateKey.generate())
        with pytest.raises(Refused, match="access-denied"):
            await channel.read()
        await channel.attach()


async def test_a_signature_over_another_connections_challenge_does_not_attach(link: Link, token: Token) -> None:
    async with Channel.open(link, Keys()) as channel, Channel.open(link, channel.keys) as other:
        await channel.create(token, group_info=b"", keyring=b"")
        channel.connection.hello = other.connection.hello
        with pytest.raises(Refused, match="bad-signature"):
            await channel.attach()


async def test_an_unknown_channel_and_a_foreign_key_look_the_same(link: Link, token: Token) -> None:
    async with Channel.open(link, Keys()) as channel:
        with pytest.raises(Refused, match="access-denied"):
            await channel.attach()
        await channel.create(token, group_info=b"", keyring=b"")
        async with Channel.open(link, channel.keys.rolled()) as mallory:
            with pytest.raises(Refused, match="access-denied"):
                await mallory.attach()


async def test_nothing_is_read_or_written_without_attaching(link: Link, token: Token) -> None:
    async with Channel.open(link, Keys()) as channel:
        await channel.create(token, group_info=b"", keyring=b"")
        start = Point.start(channel.keys.channel)
        for attempt in [
            lambda: channel.enqueue(os.urandom(16), start, b"unattached"),
            channel.read,
            channel.keyring,
            channel.delete,
        ]:
            with pytest.raises(Refused, match="access-denied"):
                await attempt()


async def test_a_spent_token_pays_for_nothing_more(link: Link, token: Token) -> None:
    async with Channel.open(link, Keys()) as first, Channel.open(link, Keys()) as second:
        await first.create(token, group_info=b"", keyring=b"")
        with pytest.raises(Refused, match="token-spent"):
            await second.create(token, group_info=b"", keyring=b"")


async def test_a_forged_token_pays_for_nothing(link: Link, alice: Person, token: Token) -> None:
    forgeries = [
        replace(token, authenticator=os.urandom(64)),
        replace(token, nonce=os.urandom(32)),
    ]
    account = alice.account()
    async with Channel.open(link, Keys()) as channel, Lookup.open(link) as lookup:
        for forged in forgeries:
            with pytest.raises(Refused, match="token-invalid"):
                await channel.create(forged, group_info=b"", keyring=b"")
            with pytest.raises(Refused, match="token-invalid"):
                await lookup.deliver(account, os.urandom(16), b"opaque", forged)
        await channel.create(token, group_info=b"", keyring=b"")  # a forgery does not spend the real one


async def test_an_inbox_that_does_not_exist_costs_no_token(link: Link, alice: Person, token: Token) -> None:
    async with Lookup.open(link) as lookup:
        with pytest.raises(Refused, match="not-found"):
            await lookup.deliver(os.urandom(32), os.urandom(16), b"opaque", token)
        await lookup.deliver(alice.account(), os.urandom(16), b"opaque", token)


async def test_what_is_larger_than_its_limit_is_too_large(link: Link, token: Token) -> None:
    async with Channel.open(link, Keys()) as channel:
        limits = channel.connection.hello["limits"]
        with pytest.raises(Refused, match="too-large"):
            await channel.create(token, group_info=bytes(limits["groupInfoBytes"] + 1), keyring=b"")
        await channel.create(token, group_info=b"", keyring=b"")
        await channel.attach()
        start = Point.start(channel.keys.channel)
        with pytest.raises(Refused, match="too-large"):
            await channel.enqueue(os.urandom(16), start, bytes(limits["messageBytes"] + 1))
        with pytest.raises(Refused, match="too-large"):
            await channel.enqueue(os.urandom(16), start, bytes(limits["commitBytes"] + 1), {"groupInfo": b""})
        assert (await channel.enqueue(os.urandom(16), start, bytes(limits["messageBytes"])))[0] == "accepted"


async def test_a_delivery_larger_than_the_limit_is_too_large(link: Link, alice: Person, token: Token) -> None:
    async with Lookup.open(link) as lookup:
        size = lookup.connection.hello["limits"]["inboxBytes"]
        with pytest.raises(Refused, match="too-large"):
            await lookup.deliver(alice.account(), os.urandom(16), bytes(size + 1), token)
        await lookup.deliver(alice.account(), os.urandom(16), bytes(size), token)


@pytest.mark.parametrize(("field", "size"), [("channel", 31), ("channel", 33), ("access", 0), ("signature", 63)])
async def test_a_field_of_the_wrong_size_is_a_bad_request(link: Link, field: str, size: int) -> None:
    fields = {"channel": bytes(32), "access": bytes(32), "signature": bytes(64)}
    fields[field] = bytes(size)
    async with connection(link, "channel") as channel:
        with pytest.raises(Refused, match="bad-request"):
            await channel.call("channelAttach", **fields)
        assert await is_usable(channel)


async def test_calls_do_not_wait_for_each_other(link: Link, take_token: Callable[[], Token]) -> None:
    async with Channel.open(link, Keys()) as channel:
        # The first half of a frame on one stream, whole calls on others.
        reader, writer = await channel.connection._protocol.create_stream()
        whole = frame(request("channelKeyring", {"channel": channel.keys.channel}))
        writer.write(whole[:10])
        await channel.create(take_token(), group_info=b"", keyring=b"the keyring")
        await channel.attach()
        writer.write(whole[10:])
        writer.write_eof()
        assert b"the keyring" in await reader.read()
