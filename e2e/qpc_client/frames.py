"""Frames and the messages in them (protocol.md section 2, qpc.capnp)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import capnp

SCHEMA = capnp.load(str(Path(__file__).parents[2] / "crates/wire/schema/qpc.capnp"))

LENGTH_BYTES = 4
BEFORE_HELLO_BYTES = 65_536
"""Largest frame before hello is answered."""


class BadFrame(Exception):
    """The server sent something that is no answer."""


def frame(message: bytes) -> bytes:
    """A message behind its length."""
    return len(message).to_bytes(LENGTH_BYTES, "little") + message


def request(call: str, fields: dict[str, Any]) -> bytes:
    """A Request as a message, without its length. Absent fields are null or zero."""
    return SCHEMA.Request.new_message(**{call: fields}).to_bytes()


def response(message: bytes) -> tuple[str, dict[str, Any]]:
    """Which answer a message is, and its fields; null pointers are left out."""
    try:
        with SCHEMA.Response.from_bytes(message) as decoded:
            name = str(decoded.which())
            return name, decoded.to_dict()[name]
    except (capnp.KjException, ValueError) as error:
        raise BadFrame(f"no Response: {error}") from error


async def read_frame(reader: asyncio.StreamReader, limit: int) -> bytes | None:
    """The next frame's content, or nothing at the end of the stream."""
    try:
        length = int.from_bytes(await reader.readexactly(LENGTH_BYTES), "little")
        if length > limit:
            raise BadFrame(f"a frame of {length} bytes, at most {limit} are allowed")
        return await reader.readexactly(length)
    except asyncio.IncompleteReadError as error:
        if error.partial or error.expected != LENGTH_BYTES:
            raise BadFrame("the stream ended within a frame") from error
        return None
