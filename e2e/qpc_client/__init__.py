"""A client of the quicprochat protocol that moves opaque bytes: channels, inboxes, tokens.

Made from docs/protocol.md and crates/wire/schema/qpc.capnp alone. The names of calls and fields are those of the schema.
"""

from .chain import ChainBroken, Point
from .connection import Connection, Subscription, WrongFingerprint
from .errors import Refused
from .link import BadLink, Link
from .sessions import Channel, Keys, Lookup, Token

__all__ = [
    "BadLink",
    "ChainBroken",
    "Channel",
    "Connection",
    "Keys",
    "Link",
    "Lookup",
    "Point",
    "Refused",
    "Subscription",
    "Token",
    "WrongFingerprint",
]
