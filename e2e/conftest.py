"""A real server, real people, and tests that may be coroutines."""

from __future__ import annotations

import asyncio
import inspect
from pathlib import Path
from typing import Callable, Iterator

import pytest

from programs import Person, Server
from qpc_client import Link, Token

TOKENS_AT_ONCE = 32


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Runs a test that is a coroutine to its end."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("e2e")


@pytest.fixture(scope="session")
def server(folder: Path) -> Iterator[Server]:
    """sam's server; it must end well."""
    running = Server(folder)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def link(server: Server) -> Link:
    return server.link


@pytest.fixture(scope="session")
def alice(folder: Path, server: Server) -> Person:
    person = Person(folder, "alice")
    person.register(server)
    return person


@pytest.fixture(scope="session")
def take_token(alice: Person) -> Callable[[], Token]:
    """Hands out tokens of alice's, each once."""
    stock: list[Token] = []

    def take() -> Token:
        if not stock:
            stock.extend(map(Token.read, alice.events("token", "tokens", "take", str(TOKENS_AT_ONCE))))
        return stock.pop()

    return take


@pytest.fixture
def token(take_token: Callable[[], Token]) -> Token:
    return take_token()
