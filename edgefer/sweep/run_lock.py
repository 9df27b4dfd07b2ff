"""A run's log, which is also its lock: who began it when, and who finished it."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from edgefer.runtime.files import locked, writing

LOG = "attempts.log"
FINISHED = "finished"


@contextlib.contextmanager
def claimed(folder: Path, wait: bool) -> Iterator[Callable[[str], None] | None]:
    """Hold the run of `folder`; the block gets what writes a line into its log, or None if another process holds it.

    `wait` waits for the other one instead. Raises OutputFailed.
    """
    with contextlib.ExitStack() as stack:
        with writing(folder / LOG):
            folder.mkdir(parents=True, exist_ok=True)
            log = stack.enter_context(locked(folder / LOG, wait))
        if log is None:
            yield None
            return

        def say(what: str) -> None:
            now = datetime.now(UTC).isoformat(timespec="seconds")
            with writing(folder / LOG):
                os.write(log, f"{now} {socket.gethostname()} {os.getpid()} {what}\n".encode())

        yield say


def attempts(folder: Path) -> list[str]:
    """What each line of the log says, oldest first: `started`, `resumed`, `finished`."""
    path = folder / LOG
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [line.split(maxsplit=3)[3] for line in lines]
