"""What a killed process left half-written: told from what is being written by a lock, swept and restored."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

STAGED, OLD = ".edgefer-", ".old"  # marks in names: of what is being written, and of what it is to replace
_LEFT = re.compile(rf"\.(?P<name>.+){re.escape(STAGED)}[a-z0-9_]{{8}}(?P<old>{re.escape(OLD)})?", re.DOTALL)
_GRACE = 60.0  # seconds between making something and locking it, and much more


def own(handle: int) -> None:
    """Lock what is being written: who finds it locked knows that its owner lives. Some file systems can't."""
    with contextlib.suppress(ImportError, OSError):
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextlib.contextmanager
def owned(folder: Path) -> Iterator[None]:
    """The same for a folder, until the block ends."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        own(handle)
        yield
    finally:
        os.close(handle)


def restore(target: Path) -> None:
    """Give a folder its name back that a killed process took from it and could not replace any more."""
    if not target.exists():
        sweep(target.resolve().parent)


_swept: set[Path] = set()  # by this process


def sweep_once(folder: Path) -> None:
    """Sweep a folder if this process has not done so."""
    if folder not in _swept:
        _swept.add(folder)
        sweep(folder)


def sweep(folder: Path) -> None:
    """Remove what killed processes left half-written in a folder, and restore what they were replacing.

    Such a file or folder has edgefer's mark in its name and nobody holds its lock, for a minute at least.
    """
    with contextlib.suppress(OSError):
        for entry in list(os.scandir(folder)):
            left = _LEFT.fullmatch(entry.name)
            if left is None or entry.is_symlink() or time.time() - entry.stat().st_mtime < _GRACE:
                continue
            path, target = Path(entry.path), folder / left["name"]
            stage = path.with_name(entry.name.removesuffix(OLD))
            if _held(path) or (stage.exists() and _held(stage)):
                continue
            if left["old"] and not target.exists():
                path.rename(target)
            elif entry.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _held(path: Path) -> bool:
    """Whether a process holds the lock on a file or folder, or that can't be told."""
    try:
        import fcntl

        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except (ImportError, OSError):
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False
