"""Writing so that nothing half-written is ever seen, and reading with checksums."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edgefer.errors import OutputFailed

_REASONS = {
    errno.ENOSPC: "the disk is full: free some space",
    errno.EDQUOT: "the disk quota is used up: free some space",
    errno.EROFS: "the file system is read-only: choose another folder with --out",
    errno.EACCES: "no permission to write there: choose another folder with --out",
    errno.EPERM: "no permission to write there: choose another folder with --out",
    errno.ENOTDIR: "a part of the path is a file: choose another folder with --out",
}


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the system's write errors into one clear line about `path`."""
    try:
        yield
    except OSError as error:
        if error.errno not in _REASONS:
            raise
        raise OutputFailed(f"can't write {path}: {_REASONS[error.errno]}.") from error


def write_atomic(path: Path, content: bytes) -> None:
    """Write `content` beside `path`, then rename: readers see the old file or the whole new one."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                os.fchmod(file.fileno(), 0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def staged_folder(target: Path) -> Iterator[Path]:
    """An empty folder that becomes `target` when the block ends well.

    On any error, interrupt included, the folder is removed and an earlier `target` is still whole.
    """
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            stage.chmod(0o755)
            yield stage
            old = stage.with_name(f"{stage.name}.old")
            if target.exists():
                target.rename(old)
            try:
                stage.rename(target)
            except BaseException:
                if old.exists():
                    old.rename(target)
                raise
            shutil.rmtree(old, ignore_errors=True)
        finally:
            shutil.rmtree(stage, ignore_errors=True)


def sha256(path: Path) -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
