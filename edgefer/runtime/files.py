"""Writing so that nothing half-written is ever seen, locks, checksums, and edgefer's own folders."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import chain
from pathlib import Path

from edgefer.runtime.errors import BadRecord, EdgeferError, MissingEngine, MissingFile, OutputFailed
from edgefer.runtime.leftovers import OLD, STAGED, own, owned, sweep_once
from edgefer.runtime.process import defer_signals

PACKAGE = Path(__file__).parents[1]
COUNTING_PLUGIN = "benchmark/tcg_count.c"  # it decides what is counted, and stays on the machine that counts
RECORD_LIMIT = 32 * 2**20  # bytes of a JSON record
TOML_LIMIT = 2**20  # of a TOML file
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # of Linux
_ELSEWHERE = "choose another folder"
_FULL = {
    errno.ENOSPC: "the disk is full: free some space",
    errno.EDQUOT: "the disk quota is used up: free some space",
    errno.EROFS: f"the file system is read-only: {_ELSEWHERE}",
    errno.EFBIG: "the file is larger than this process or the file system may write (`ulimit -f` shows the former)",
}
_OWN = ("PIL", "cattr", "cattrs", "click", "numpy", "platformdirs", "rich", "tomli_w")  # dependencies of no extra
_NO_TEMPORARY = "No usable temporary directory"  # what tempfile says, as ENOENT without a name
_REASONS = _FULL | {
    errno.EACCES: f"no permission to write there: {_ELSEWHERE}",
    errno.EPERM: f"no permission to write there: {_ELSEWHERE}",
    errno.ENOTDIR: f"a part of the path is a file: {_ELSEWHERE}",
    errno.EEXIST: f"a part of the path is a file: {_ELSEWHERE}",  # what mkdir says of it
}


class BoundedFile(io.BufferedReader):
    """A file that is read: a read takes no more memory than it has bytes, how many a header in it ever promises.

    Python's own takes as much as it is asked for, before it reads; Pillow and zipfile ask for what headers say.
    """

    def __init__(self, path: Path) -> None:
        raw = io.FileIO(path)
        super().__init__(raw)
        self._size = os.fstat(raw.fileno()).st_size

    def read(self, size: int | None = -1, /) -> bytes:
        """As of every file."""
        return super().read(-1 if size is None or size < 0 else min(size, self._size))


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the system's write errors into one clear line about `path`."""
    try:
        yield
    except OSError as error:
        reason = _REASONS.get(error.errno or 0, f"{error.strerror or error}: {_ELSEWHERE}")
        raise OutputFailed(f"can't write {path}: {reason}.") from error


def explained(error: OSError | ModuleNotFoundError) -> EdgeferError:
    """An error of the system that no reader or writer foresaw, or a missing package, as one of edgefer's.

    Raises the error itself if the package is edgefer: that is a bug, not an extra that is not installed.
    """
    if isinstance(error, ModuleNotFoundError):
        package = (error.name or "edgefer").partition(".")[0]
        if package == "edgefer":
            raise error
        if package in _OWN:
            return MissingEngine(f"the package {package} is not installed, edgefer's own dependency: install it anew.")
        return MissingEngine.of(package, "build")
    if error.errno in _FULL:
        where = error.filename or "standard output or a temporary file"
        return OutputFailed(f"can't write {where}: {_FULL[error.errno]}.")
    if _NO_TEMPORARY in str(error):
        return OutputFailed(f"can't write a temporary file ({error.strerror}): free some space or set TMPDIR.")
    if error.filename is None:
        return EdgeferError(f"the system refused something ({error}): `edgefer --debug` shows where.")
    return MissingFile(f"can't use {error.filename} ({error.strerror}): check the path and its permissions.")


def require_folder(folder: Path) -> None:
    """Raise OutputFailed if nothing can be written to `folder`: better before the work than after it."""
    with writing(folder):
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        with tempfile.TemporaryFile(dir=there):
            pass


def write_atomic(path: Path, content: bytes, durable: bool = True, mode: int = 0o644, replace: bool = True) -> None:
    """Write `content` beside `path`, then rename: readers see the old file or the whole new one.

    `durable`: on the disk before the rename, so that a power cut too leaves one of the two; it takes milliseconds.
    Only its owner can read it before it has its `mode`. Without `replace` a file that is there is an OutputFailed.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep_once(path.parent)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}{STAGED}", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                own(handle)
                file.write(content)
                os.fchmod(handle, mode)
                file.flush()  # a disk that is full says so now, not when the earlier file is gone
                if durable:
                    os.fsync(handle)
                if replace:
                    Path(name).replace(path)
                else:
                    _link_new(Path(name), path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        if durable:
            _sync(path.parent)


def _link_new(staged: Path, path: Path) -> None:
    """Give a staged file its name; unlike a rename a link replaces nothing."""
    try:
        os.link(staged, path)
    except FileExistsError as error:
        raise OutputFailed(f"{path} is there, and is not replaced: choose another name or folder.") from error
    staged.unlink()


@contextlib.contextmanager
def private_stage(target: Path) -> Iterator[Path]:
    """An empty folder beside `target` for as long as the block lasts; if it is killed, the next writer there sweeps it.

    Raises OSError.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    sweep_once(target.parent)
    stage = Path(tempfile.mkdtemp(prefix=f".{target.name}{STAGED}", dir=target.parent))
    try:
        with owned(stage):
            yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


@contextlib.contextmanager
def staged_folder(target: Path, durable: bool = True) -> Iterator[Path]:
    """An empty folder that becomes `target` when the block ends well.

    On any error, interrupt included, the folder is removed and an earlier `target` is still whole. `durable`: see
    `write_atomic`.
    """
    target = target.resolve()  # a link's own folder is replaced, not the link
    with writing(target), private_stage(target) as stage:
        stage.chmod(0o755)
        yield stage
        if durable:
            for path in (*stage.rglob("*"), stage):
                _sync(path)
        with defer_signals():
            _replace(target, stage)
        if durable:
            _sync(target.parent)


def _sync(path: Path) -> None:
    """Bring a file or a folder's entries to the disk; what is no regular file or can't be opened is left alone."""
    if path.is_symlink() or not (path.is_file() or path.is_dir()):
        return
    with contextlib.suppress(OSError):  # some file systems sync no folders
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _replace(target: Path, stage: Path) -> None:
    """Let the stage take the target's place; at each moment one of the two has that name, where Linux can do so."""
    if not target.exists():
        stage.rename(target)
        return
    if _exchange(stage, target):
        return  # the earlier one is the stage now, which the caller removes
    old = stage.with_name(f"{stage.name}{OLD}")
    target.rename(old)
    try:
        stage.rename(target)
    except BaseException:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one step, by renameat2(2); False where system or file system have no such thing."""
    import ctypes

    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    return bool(renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0)


@contextlib.contextmanager
def locked(path: Path, wait: bool = True, shared: bool = False) -> Iterator[int | None]:
    """Hold the kernel's lock on a folder, or on a file, which is made if it is not there.

    The block gets the open descriptor (of a file: for appending), or None if another process holds the lock and
    `wait` is False. Processes that say `shared` hold it together. The lock ends with the block, or with the last
    process that has the descriptor open, however that ends: no stale one is ever left. Where the system has no
    such lock (Windows) the block runs without one. Raises OSError if `path` can't be opened.
    """
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT | os.O_APPEND
    handle = os.open(path, flags, 0o644)
    try:
        yield handle if _lock(handle, wait, shared) else None
    finally:
        os.close(handle)


def _lock(handle: int, wait: bool, shared: bool) -> bool:
    """Whether the lock could be had."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def read_text(path: Path, limit: int = RECORD_LIMIT, encoding: str = "utf-8", errors: str = "strict") -> str:
    """The text of a file of at most `limit` bytes; raises OSError, UnicodeDecodeError and, for more, BadRecord.

    What is no regular file (a pipe, a device) is read no further either.
    """
    with path.open("rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise BadRecord(f"{path} has more than {limit:,} bytes, no such file is read further: give the right one.")
    return content.decode(encoding, errors)


def sha256(path: Path) -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(content: bytes | memoryview | Iterable[bytes]) -> str:
    """Hex SHA-256 of bytes, or of parts one behind another."""
    found = hashlib.sha256()
    for part in (content,) if isinstance(content, bytes | memoryview) else content:
        found.update(part)
    return found.hexdigest()


def digest_contents(contents: Mapping[str, bytes], *made_by: str) -> str:
    """Hex SHA-256 of files by their names, in whatever order they come, and of what they are made by."""
    heads = (f"{len(word)} {word}\n".encode() for word in made_by)
    parts = ((f"{name} {len(content)}\n".encode(), content) for name, content in sorted(contents.items()))
    return digest((*heads, *chain.from_iterable(parts)))


def shipped_folder(name: str) -> Path:
    """`targets`, `calibration`, `benchmarks` or `weights`: a wheel carries them inside, a clone at its top level."""
    inside = PACKAGE / name
    return inside if inside.is_dir() else PACKAGE.parent / name


def cache_folder() -> Path:
    """The user's folder for what edgefer can make again: compiled plugins, emulated boards, decoded faces."""
    from platformdirs import user_cache_path  # boards don't have it, and keep nothing

    return user_cache_path("edgefer", appauthor=False)


def runtime_files(package: Path = PACKAGE) -> dict[str, bytes]:
    """What a board gets: all files of the runtime, by their paths in the package edgefer (runtime/worker.py)."""
    paths = (path for path in sorted((package / "runtime").rglob("*")) if path.is_file() and path.suffix != ".pyc")
    return {path.relative_to(package).as_posix(): path.read_bytes() for path in paths}


@cache
def runtime_checksum(package: Path = PACKAGE) -> str:
    """By which counts of instructions compare: 16 hexadecimal digits of the runtime's files and the plugin.

    Counts of two commits may be compared if it is equal, whatever else changed between them. Where the plugin is
    missing it counts as empty.
    """
    plugin = package / COUNTING_PLUGIN
    counted = {**runtime_files(package), COUNTING_PLUGIN: plugin.read_bytes() if plugin.is_file() else b""}
    return digest_contents(counted)[:16]
