"""`qpc` at a terminal of its own, with somebody who reads what stands there and types."""

from __future__ import annotations

import os
import pty
import select
import signal
import termios
import time
from pathlib import Path

from programs import PATIENCE_SECONDS, environment, program

LOCAL_MODES = 3
AT_ONCE = 4096


class Terminal:
    """A program that has a terminal, and nothing else, to talk to somebody."""

    def __init__(self, folder: Path, home: Path, *arguments: str):
        command = [str(program("QPC_BIN")), "--home", str(home), *arguments]
        self.shown = ""
        self._pid, self._master = pty.fork()
        if self._pid == 0:
            try:
                os.execve(command[0], command, environment(folder))
            finally:
                os._exit(127)

    def expect(self, text: str, times: int = 1) -> None:
        """Reads until `text` has been shown so many times."""
        end = time.monotonic() + PATIENCE_SECONDS
        while self.shown.count(text) < times:
            if not self._read(end):
                raise AssertionError(f"{text!r} was not shown {times} times: {self.shown!r}")

    def type_unseen(self, line: str) -> None:
        """Types a line once the terminal echoes nothing, as a person does who sees a prompt."""
        end = time.monotonic() + PATIENCE_SECONDS
        while termios.tcgetattr(self._master)[LOCAL_MODES] & termios.ECHO:
            # There is no event for it.
            if time.monotonic() > end:
                raise AssertionError("the terminal still echoes what is typed")
            select.select([], [], [], 0.01)
        os.write(self._master, line.encode())

    def end(self) -> int:
        """Reads to the end; how the program ended."""
        limit = time.monotonic() + PATIENCE_SECONDS
        while self._read(limit):
            pass
        if time.monotonic() > limit:
            os.kill(self._pid, signal.SIGKILL)
        _, status = os.waitpid(self._pid, 0)
        os.close(self._master)
        return os.waitstatus_to_exitcode(status)

    def _read(self, end: float) -> bool:
        """Takes in what is shown next; whether anything was before the program or the time ended."""
        ready, _, _ = select.select([self._master], [], [], max(0.0, end - time.monotonic()))
        if not ready:
            return False
        try:
            found = os.read(self._master, AT_ONCE)
        except OSError:
            # Linux says so when the last one at the other end has closed it.
            return False
        self.shown += found.decode(errors="replace")
        return bool(found)
