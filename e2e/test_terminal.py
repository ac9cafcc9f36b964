"""Passwords and recovery keys that are asked for at a terminal."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from programs import PATIENCE_SECONDS, Server, environment, program
from terminal import Terminal

PASSWORD = "Quarry-83-unlit-Lantern"
OTHER = "Quarry-84-unlit-Lantern"
NEW, AGAIN, OLD = "New password: ", "Again: ", "Password: "
KEY = "Recovery key: "
USAGE, AUTHENTICATION = 2, 4


def register(folder: Path, server: Server, name: str, home: str) -> Terminal:
    return Terminal(folder, folder / home, "register", name, "--server", server.link_text)


def login(folder: Path, server: Server, name: str, home: str) -> Terminal:
    return Terminal(folder, folder / home, "login", name, "--server", server.link_text)


def answer(terminal: Terminal, first: str, second: str) -> int:
    """Answers both questions for a new password; how the program ended."""
    terminal.expect(NEW)
    terminal.type_unseen(first + "\n")
    terminal.expect(AGAIN)
    terminal.type_unseen(second + "\n")
    return terminal.end()


def test_register_asks_twice_and_login_once_and_neither_shows_the_password(folder: Path, server: Server) -> None:
    terminal = register(folder, server, "tess", "tess")
    assert answer(terminal, PASSWORD, PASSWORD) == 0, terminal.shown
    assert "tess@" in terminal.shown
    assert PASSWORD not in terminal.shown
    assert (terminal.shown.count(NEW), terminal.shown.count(AGAIN)) == (1, 1)
    terminal = login(folder, server, "tess", "tess-tablet")
    terminal.expect(OLD)
    terminal.type_unseen(PASSWORD + "\n")
    assert terminal.end() == 0, terminal.shown
    assert "tess@" in terminal.shown
    assert PASSWORD not in terminal.shown
    assert terminal.shown.count("assword: ") == 1 and AGAIN not in terminal.shown


def test_a_recovery_key_is_asked_for_once_and_not_shown(folder: Path, server: Server) -> None:
    terminal = register(folder, server, "rhea", "rhea")
    assert answer(terminal, PASSWORD, PASSWORD) == 0, terminal.shown
    found = re.search(r"recovery key: (QPC1(?:-[0-9A-Z]{4}){9})", terminal.shown)
    assert found is not None, terminal.shown
    key = found.group(1)
    typo = key[:-1] + ("8" if key.endswith("7") else "7")
    for typed, code in [(typo, USAGE), (key.lower().replace("-", " "), 0)]:
        words = ["login", "rhea", "--server", server.link_text, "--recovery-key"]
        terminal = Terminal(folder, folder / "rhea-tablet", *words)
        terminal.expect(KEY)
        terminal.type_unseen(typed + "\n")
        assert terminal.end() == code, terminal.shown
        assert typed not in terminal.shown and terminal.shown.count(KEY) == 1
    assert "rhea@" in terminal.shown


def test_a_wrong_password_is_refused_and_not_shown(folder: Path, server: Server) -> None:
    assert answer(register(folder, server, "wren", "wren"), PASSWORD, PASSWORD) == 0
    terminal = login(folder, server, "wren", "wren-tablet")
    terminal.expect(OLD)
    terminal.type_unseen(OTHER + "\n")
    assert terminal.end() == AUTHENTICATION
    assert "wrong name, password or recovery key" in terminal.shown
    assert OTHER not in terminal.shown


def test_two_entries_that_differ_make_no_account(folder: Path, server: Server) -> None:
    terminal = register(folder, server, "dora", "dora")
    assert answer(terminal, PASSWORD, OTHER) == USAGE
    assert "the two passwords are not the same" in terminal.shown
    assert PASSWORD not in terminal.shown and OTHER not in terminal.shown
    # Neither the name nor the home is taken.
    assert answer(register(folder, server, "dora", "dora"), PASSWORD, PASSWORD) == 0


@pytest.mark.parametrize("weak", ["", "short", "password12"])
def test_an_empty_or_weak_password_is_refused(folder: Path, server: Server, weak: str) -> None:
    terminal = register(folder, server, "will", "will")
    assert answer(terminal, weak, weak) == USAGE
    assert "password" in terminal.shown.split(AGAIN)[1]
    assert not weak or weak not in terminal.shown


def test_the_end_of_input_is_an_answer_too(folder: Path, server: Server) -> None:
    terminal = register(folder, server, "edna", "edna")
    terminal.expect(NEW)
    terminal.type_unseen("\x04")
    assert terminal.end() == USAGE
    assert "no password was given" in terminal.shown


@pytest.mark.parametrize("command", ["register", "login"])
def test_without_a_terminal_or_a_file_it_is_a_matter_of_usage(folder: Path, server: Server, command: str) -> None:
    words = [program("QPC_BIN"), "--home", folder / "nobody", "--json", command, "nell", "--server", server.link_text]
    # Neither a terminal nor what stands on standard input is asked: that belongs to the messages of `send`.
    done = subprocess.run(
        words,
        env=environment(folder),
        input=f"{PASSWORD}\n{PASSWORD}\n",
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        start_new_session=True,
    )
    assert done.returncode == USAGE, done.stderr
    [error] = [json.loads(line) for line in done.stdout.splitlines()]
    assert (error["event"], error["code"], error["exit"]) == ("error", "usage", USAGE)
    assert "--password-file" in error["text"]
