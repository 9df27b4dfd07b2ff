"""This process: signals that unwind or wait, and output that is swallowed while native code runs."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from importlib import import_module
from types import FrameType

from edgefer.runtime.errors import EdgeferError, one_line
from edgefer.runtime.progress import SILENT, Progress

_PR_SET_PDEATHSIG = 1
_REASON = 300  # characters of what a library says
EXPLAINED = (EdgeferError, OSError, ModuleNotFoundError)  # the command line explains these: a full disk, a package


class Terminated(BaseException):
    """What SIGTERM raises, as Ctrl-C raises KeyboardInterrupt."""


def raise_on_sigterm() -> None:
    """Make SIGTERM raise Terminated in the main thread."""
    signal.signal(signal.SIGTERM, _raise)


def _raise(_number: int, _frame: FrameType | None) -> None:
    raise Terminated


@contextlib.contextmanager
def defer_signals() -> Iterator[None]:
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


def die_with_parent() -> None:
    """Let the kernel kill this process when the one that started it ends, however that ends; Linux only.

    Otherwise the worker of a bench that was killed goes on at full load, and spoils what is measured next.
    """
    if sys.platform == "linux":
        import ctypes

        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Swallow what Python and native code write to stdout and stderr inside the block; interrupts wait for its end.

    If the block raises, what it wrote is attached to the exception as a note, so that nothing a
    person would need to find the cause is lost.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    level = logging.root.manager.disable
    with defer_signals(), tempfile.TemporaryFile() as sink, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        os.dup2(sink.fileno(), 1)
        os.dup2(sink.fileno(), 2)
        try:
            yield
        except Exception as error:
            sink.seek(0)
            error.add_note(sink.read().decode(errors="replace")[-4000:])
            raise
        finally:
            with contextlib.suppress(OSError):  # of a full disk, which must not keep these two redirected
                sys.stdout.flush()
                sys.stderr.flush()
            os.dup2(saved[0], 1)
            os.dup2(saved[1], 2)
            os.close(saved[0])
            os.close(saved[1])
            logging.disable(level)


@contextlib.contextmanager
def library_errors(
    explain: Callable[[str], EdgeferError], passing: tuple[type[Exception], ...] = (EdgeferError,)
) -> Iterator[None]:
    """Turn what a library raises inside the block into `explain(reason)`: its kind and its words, on one short line.

    Exceptions of the kinds `passing` stay as they are.
    """
    try:
        yield
    except passing:
        raise
    except Exception as error:  # the libraries' exceptions have no base in common
        words = one_line(error)
        short = words if len(words) <= _REASON else f"{words[:_REASON]}..."
        raise explain(f"{type(error).__name__}: {short}" if words else type(error).__name__) from error


def import_quietly(package: str, progress: Progress = SILENT) -> None:
    """Import a package that takes seconds and may print; raises ModuleNotFoundError."""
    progress.step("", f"loading {package}", 0, None)
    with quiet():
        import_module(package)
