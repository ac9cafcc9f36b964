"""A QUIC connection to a server, and calls on it (protocol.md section 2)."""

from __future__ import annotations

import asyncio
import hmac
import socket
import ssl
from contextlib import asynccontextmanager
from typing import Any, AsyncIterator

from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import ConnectionTerminated, QuicEvent, StreamReset
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .errors import Refused
from .frames import BEFORE_HELLO_BYTES, BadFrame, frame, read_frame, request, response
from .link import Link
from .plain import digest

ALPN = "qpc/1"
VERSION = 1
PATIENCE_SECONDS = 20.0
"""How long one answer may take."""


class WrongFingerprint(Exception):
    """The server has another key than the link says."""


class Closed(ConnectionError):
    """The connection ended under a call."""


class Reset(ConnectionError):
    """The server reset a stream."""


class Connection:
    """A connection whose server is the one that the link names."""

    def __init__(self, protocol: _Protocol, fingerprint: bytes):
        self._protocol = protocol
        self.fingerprint = fingerprint
        self.hello: dict[str, Any] | None = None

    @classmethod
    @asynccontextmanager
    async def open(cls, link: Link) -> AsyncIterator[Connection]:
        """Connects from a local port of its own, without tickets, and closes in the end.

        Nothing is sent but the handshake if the fingerprint is another one.
        """
        async with _connect(link) as protocol:
            if not hmac.compare_digest(protocol.fingerprint(), link.fingerprint):
                raise WrongFingerprint(f"{link.host}:{link.port} is not the server of the link")
            yield cls(protocol, link.fingerprint)

    async def say_hello(self, kind: str, version: int = VERSION) -> dict[str, Any]:
        """The first call of every connection."""
        self.hello = await self.call("hello", version=version, kind=kind)
        return self.hello

    async def call(self, name: str, /, **fields: Any) -> dict[str, Any]:
        """One request, one answer.

        Raises: Refused if the answer is an error.
        """
        return only(await self.exchange(frame(request(name, fields))))[1]

    async def exchange(self, content: bytes, *, end: bool = True) -> list[tuple[str, dict[str, Any]]]:
        """Sends these bytes on a stream of their own, and returns all answers to them.

        With `end=False` our side of the stream stays open.
        """
        reader, _ = await self._send(content, end=end)
        answers = []
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (message := await read_frame(reader, self._limit())) is not None:
                answers.append(response(message))
        return answers

    async def subscribe(self, name: str, /, **fields: Any) -> Subscription:
        """A call whose answers keep coming."""
        reader, stream = await self._send(frame(request(name, fields)), end=True)
        return Subscription(self._protocol, reader, stream, self._limit())

    async def _send(self, content: bytes, *, end: bool) -> tuple[asyncio.StreamReader, int]:
        reader, writer = await self._protocol.create_stream()
        writer.write(content)
        if end:
            writer.write_eof()
        return reader, writer.get_extra_info("stream_id")

    def _limit(self) -> int:
        return self.hello["limits"]["frameBytes"] if self.hello else BEFORE_HELLO_BYTES


class Subscription:
    """A call whose answers keep coming until one side ends it."""

    def __init__(self, protocol: _Protocol, reader: asyncio.StreamReader, stream: int, limit: int):
        self._protocol = protocol
        self._reader = reader
        self._stream = stream
        self._limit = limit

    async def next(self) -> dict[str, Any] | None:
        """The next answer, or nothing if the server ended the stream.

        Raises: Refused if the answer is an error, TimeoutError if none comes.
        """
        async with asyncio.timeout(PATIENCE_SECONDS):
            message = await read_frame(self._reader, self._limit)
        return None if message is None else only([response(message)])[1]

    def stop(self) -> None:
        """Tells the server that no more answers are wanted (STOP_SENDING)."""
        self._protocol.stop(self._stream)


def only(answers: list[tuple[str, dict[str, Any]]]) -> tuple[str, dict[str, Any]]:
    """The answer to a call that has exactly one.

    Raises: Refused if it is an error.
    """
    if len(answers) != 1:
        raise BadFrame(f"{len(answers)} answers to a call that has one")
    name, fields = answers[0]
    if name == "error":
        raise Refused.read(fields)
    return name, fields


class _Protocol(QuicConnectionProtocol):
    """Streams that fail when the server resets them or the connection ends."""

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, ConnectionTerminated):
            ending = Closed(f"connection ended with code {event.error_code}: {event.reason_phrase}")
            for reader in self._stream_readers.values():
                if not reader.at_eof():
                    reader.set_exception(ending)
        elif isinstance(event, StreamReset):
            if reader := self._stream_readers.get(event.stream_id):
                reader.set_exception(Reset(f"stream reset with code {event.error_code}"))
        else:
            super().quic_event_received(event)

    def fingerprint(self) -> bytes:
        """SHA-256 of the SubjectPublicKeyInfo whose key signed the handshake."""
        # aioquic has no public way to the certificate; the signature by its key was checked in any verify_mode.
        certificate = self._quic.tls._peer_certificate
        return digest(certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))

    def stop(self, stream: int) -> None:
        self._quic.stop_stream(stream, 0)
        self.transmit()


@asynccontextmanager
async def _connect(link: Link) -> AsyncIterator[_Protocol]:
    # Names and dates of the certificate do not matter: its key is compared with the link's fingerprint.
    configuration = QuicConfiguration(is_client=True, alpn_protocols=[ALPN], verify_mode=ssl.CERT_NONE)
    loop = asyncio.get_running_loop()
    family, _, _, _, address = (await loop.getaddrinfo(link.host, link.port, type=socket.SOCK_DGRAM))[0]
    local = "::" if family == socket.AF_INET6 else "0.0.0.0"
    transport, protocol = await loop.create_datagram_endpoint(
        lambda: _Protocol(QuicConnection(configuration=configuration)), local_addr=(local, 0), family=family
    )
    try:
        protocol.connect(address)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await protocol.wait_connected()
            yield protocol
        finally:
            protocol.close()
            async with asyncio.timeout(PATIENCE_SECONDS):
                await protocol.wait_closed()
    finally:
        transport.close()
