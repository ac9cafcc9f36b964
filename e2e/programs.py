"""The programs under test: `qpc-server` and `qpc`, each bounded in time."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
from pathlib import Path
from typing import Any

from qpc_client import Link

PATIENCE_SECONDS = 90
READY = "ready "


def program(variable: str) -> Path:
    """The program that an environment variable names."""
    path = os.environ.get(variable)
    if not path:
        raise RuntimeError(f"{variable} must name the program")
    return Path(path)


class Server:
    """A running server on a data folder of its own, or on one that is there."""

    def __init__(self, folder: Path, data: Path | None = None):
        self.data = data or folder / "data"
        self._log = folder / f"server-{self.data.name}.log"
        command = [program("QPC_SERVER_BIN"), "--data-dir", self.data, "--listen", "127.0.0.1:0"]
        # aioquic has no hybrid group.
        command += ["--set", "transport.accept_classical=true"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, env=environment(folder), stdout=subprocess.PIPE, stderr=log, text=True
            )
        try:
            line = self._first_line()
            if not line.startswith(READY):
                raise RuntimeError(f"the server said {line!r}:\n{self._log.read_text()}")
            self.link_text = line.removeprefix(READY).strip()
            self.link = Link.parse(self.link_text)
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise

    def stop(self) -> None:
        """Asks it to end. It must do so by itself and without a complaint."""
        self._process.terminate()
        try:
            code = self._process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        if code != 0:
            raise RuntimeError(f"the server ended with {code}:\n{self._log.read_text()}")

    def _first_line(self) -> str:
        lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=lambda: lines.put(self._process.stdout.readline()), daemon=True).start()
        return lines.get(timeout=PATIENCE_SECONDS)


class Person:
    """Somebody with a home of the terminal client."""

    PASSWORD = "correct horse battery staple"

    def __init__(self, folder: Path, name: str):
        self.name = name
        self._home = folder / name
        self._password_file = folder / f"{name}.password"
        self._password_file.write_text(self.PASSWORD + "\n")
        self._folder = folder

    def register(self, server: Server) -> None:
        self.qpc("register", self.name, "--server", server.link_text, "--password-file", str(self._password_file))

    def account(self) -> bytes:
        """The account id."""
        [account] = self.events("account", "whoami")
        return bytes.fromhex(account["account"])

    def events(self, kind: str, *arguments: str) -> list[dict[str, Any]]:
        """What a command printed of one kind."""
        return [event for event in self.qpc(*arguments) if event["event"] == kind]

    def qpc(self, *arguments: str) -> list[dict[str, Any]]:
        """Runs a command to its end, which must be a good one."""
        command = [program("QPC_BIN"), "--home", self._home, "--json", *arguments]
        done = subprocess.run(
            command, env=environment(self._folder), capture_output=True, text=True, timeout=PATIENCE_SECONDS
        )
        if done.returncode != 0:
            raise RuntimeError(f"qpc {' '.join(arguments)} ended with {done.returncode}: {done.stdout} {done.stderr}")
        return [json.loads(line) for line in done.stdout.splitlines()]


def environment(home: Path) -> dict[str, str]:
    """What a program sees of ours: a path, and the folder as its home."""
    return {"PATH": os.environ.get("PATH", ""), "HOME": str(home)}
