"""Links, frames and the chain, without a server."""

from __future__ import annotations

import asyncio
import base64
import hashlib

import pytest

from qpc_client import BadLink, ChainBroken, Link, Point
from qpc_client.errors import CODES
from qpc_client.frames import SCHEMA, BadFrame, frame, read_frame, request, response

FINGERPRINT = bytes(range(32))
FRAGMENT = base64.urlsafe_b64encode(FINGERPRINT).rstrip(b"=").decode()
CHANNEL = bytes([7]) * 32


def reader_of(content: bytes) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    reader.feed_data(content)
    reader.feed_eof()
    return reader


@pytest.mark.parametrize(
    ("place", "host"), [("chat.example", "chat.example"), ("127.0.0.1", "127.0.0.1"), ("[::1]", "::1")]
)
def test_a_link_names_host_port_and_fingerprint(place: str, host: str) -> None:
    assert Link.parse(f"qpc://{place}:4433/#{FRAGMENT}") == Link(host, 4433, FINGERPRINT)


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"https://chat.example:4433/#{FRAGMENT}",
        f"qpc://chat.example/#{FRAGMENT}",
        f"qpc://chat.example:66000/#{FRAGMENT}",
        f"qpc://chat.example:4433/path#{FRAGMENT}",
        "qpc://chat.example:4433/",
        f"qpc://chat.example:4433/#{FRAGMENT}=",
        f"qpc://chat.example:4433/#{FRAGMENT[:-2]}",
        f"qpc://chat.example:4433/#{FRAGMENT[:-1]}+",
    ],
)
def test_what_is_no_link_is_refused(text: str) -> None:
    with pytest.raises(BadLink):
        Link.parse(text)


async def test_frames_are_read_back() -> None:
    reader = reader_of(frame(b"one") + frame(b""))
    assert [await read_frame(reader, 3), await read_frame(reader, 3), await read_frame(reader, 3)] == [b"one", b"", None]


@pytest.mark.parametrize("content", [b"\x01", b"\x02\x00\x00\x00a", b"\x05\x00\x00\x00abcde"])
async def test_cut_and_oversized_frames_are_no_answers(content: bytes) -> None:
    with pytest.raises(BadFrame):
        await read_frame(reader_of(content), 4)


def test_numbers_of_methods_stand_where_the_document_says() -> None:
    assert request("hello", {"version": 1})[16:18] == b"\x00\x00"
    assert request("tokenKeys", {})[16:18] == (32).to_bytes(2, "little")
    assert request("channelDelete", {})[16:18] == (55).to_bytes(2, "little")


def test_answers_leave_out_what_is_absent() -> None:
    entries = [{"seq": 1, "id": bytes(16), "kind": "commit"}]
    message = SCHEMA.Response.new_message(channelPage={"entries": entries, "more": True}).to_bytes()
    assert response(message) == (
        "channelPage",
        {"entries": [{"seq": 1, "id": bytes(16), "kind": "commit", "time": 0}], "more": True},
    )


@pytest.mark.parametrize("message", [b"", b"\x00" * 7, b"\xff" * 64])
def test_garbage_is_no_answer(message: bytes) -> None:
    with pytest.raises(BadFrame):
        response(message)


def test_codes_are_numbered_without_gaps() -> None:
    assert list(CODES) == list(range(1, len(CODES) + 1))


def test_the_chain_is_computed_from_the_documents_text() -> None:
    start = Point.start(CHANNEL)
    assert start.hash == hashlib.sha256(b"qpc/1 chain\x00" + CHANNEL).digest()
    point = start.then(id=b"i" * 16, kind="commit", after_commit=start, sealed=b"sealed")
    written = b"qpc/1 link\x00" + start.hash + b"\x01" + bytes(7) + b"i" * 16 + b"\x01" + bytes(8) + start.hash
    assert point == Point(1, hashlib.sha256(written + hashlib.sha256(b"sealed").digest()).digest())


def test_a_changed_or_missing_entry_breaks_the_chain() -> None:
    start = Point.start(CHANNEL)
    entry = {"seq": 1, "id": bytes(16), "kind": "message", "afterCommit": start.fields(), "sealed": b"x", "time": 0}
    point = start.follow([entry])
    for change in [{"id": b"i" * 16}, {"kind": "commit"}, {"sealed": b"y"}, {"afterCommit": point.fields()}]:
        assert start.follow([entry | change]) != point
    with pytest.raises(ChainBroken):
        start.follow([entry | {"seq": 2}])
