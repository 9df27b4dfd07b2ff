"""Interrupts unwind: Ctrl-C and SIGTERM arrive as exceptions, so that nothing half-written is left."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class Terminated(BaseException):
    """What SIGTERM raises, as Ctrl-C raises KeyboardInterrupt."""


def raise_on_sigterm() -> None:
    """Make SIGTERM raise Terminated in the main thread."""
    signal.signal(signal.SIGTERM, _raise)


def _raise(_number: int, _frame: FrameType | None) -> None:
    raise Terminated


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Let interrupts wait until the block has ended.

    For renames that belong together, and for torch and the converters: an exception that is raised
    inside those is turned into another one, dropped, or crashes the process.
    """
    if threading.current_thread() is not threading.main_thread():  # only that one hears of signals
        yield
        return
    came: list[int] = []
    handlers = {n: signal.signal(n, lambda number, _: came.append(number)) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for first in came[:1]:
            signal.raise_signal(first)
