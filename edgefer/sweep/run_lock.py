"""A run's log, which is also its lock: who began it when, and who finished it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from edgefer.runtime.files import writing

LOG = "attempts.log"
FINISHED = "finished"


@contextlib.contextmanager
def claimed(folder: Path, wait: bool) -> Iterator[Callable[[str], None] | None]:
    """Hold the run of `folder`; the block gets what writes a line into its log, or None if another process holds it.

    The lock is the kernel's, so it goes with its process, however that ends: no stale one is ever left. `wait` waits
    for the other one instead. Raises OutputFailed.
    """
    with writing(folder / LOG):
        folder.mkdir(parents=True, exist_ok=True)
        opened = (folder / LOG).open("a", encoding="utf-8")
    with opened as log:
        try:
            fcntl.flock(log, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield None
            return

        def say(what: str) -> None:
            now = datetime.now(UTC).isoformat(timespec="seconds")
            with writing(folder / LOG):
                log.write(f"{now} {socket.gethostname()} {os.getpid()} {what}\n")
                log.flush()

        yield say


def attempts(folder: Path) -> list[str]:
    """What each line of the log says, oldest first: `started`, `resumed`, `finished`."""
    path = folder / LOG
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [line.split(maxsplit=3)[3] for line in lines]
