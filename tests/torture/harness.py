"""Feeds a reader its mutants in a child process that may die, and says what became of each."""

from __future__ import annotations

import faulthandler
import gc
import json
import mmap
import os
import resource
import signal
import struct
import tempfile
import time
import traceback
from dataclasses import asdict, dataclass, field
from pathlib import Path

from edgefer.runtime.errors import MESSAGE_LIMIT, EdgeferError
from edgefer.runtime.files import explained
from tests.torture.mutate import mutant
from tests.torture.packed import Packed
from tests.torture.readers import Reader

MEMORY = 2**30  # bytes that reading may take beside what the process has
SECONDS, WALL = 10, 120  # of processor time for an input; of wall time, on a busy machine
KEPT = 20  # failures of a reader
NO_MEMORY = ("MemoryError", "llocate memory", "bad_alloc", "bad allocation", "enough memory", "enough space")
_SLOTS = struct.Struct("<6q")  # the seed in work, and how many were read, refused, failed, too large and done
_SHARED = Path("/dev/shm")  # a folder in memory, where the system has one


@dataclass
class Tally:
    """What became of so many mutants, the failures (seed and words), and of which commits edgefer was.

    distinct  how many of the mutants are no other's twin, and none of the whole files
    """

    read: int = 0
    refused: int = 0
    tracebacks: int = 0
    deaths: int = 0
    hangs: int = 0
    memory: int = 0
    distinct: int = 0
    failures: list[str] = field(default_factory=list)
    commits: list[str] = field(default_factory=list)

    @property
    def tried(self) -> int:
        """All of them."""
        return self.read + self.refused + self.tracebacks + self.deaths + self.hangs + self.memory

    def plus(self, other: Tally) -> Tally:
        """Both together."""
        sums = {key: value + asdict(other)[key] for key, value in asdict(self).items()}
        commits = list(dict.fromkeys(sums["commits"]))
        return Tally(**{**sums, "failures": sums["failures"][:KEPT], "commits": commits})


def memory_folder() -> str | None:
    """Where files are written and read without a disk; None: there is no such folder."""
    return str(_SHARED) if os.access(_SHARED, os.W_OK) else None


def try_reader(reader: Reader, seeds: range, memory: int = MEMORY) -> Tally:
    """Read the mutants of these seeds; a child that dies of one is followed by another that goes on behind it."""
    tally = Tally()
    with tempfile.TemporaryDirectory(dir=memory_folder()) as folder:
        whole = list(reader.whole(Path(folder)))
        while len(seeds):
            part, seeds = _one_child(reader, whole, seeds, Path(folder), memory)
            tally = tally.plus(part)
    return tally


def _one_child(
    reader: Reader, whole: list[bytes | Packed], seeds: range, folder: Path, memory: int
) -> tuple[Tally, range]:
    """What a child did, and the seeds that are left."""
    shared = mmap.mmap(-1, _SLOTS.size)
    log = folder / ".failures"
    log.unlink(missing_ok=True)
    gc.freeze()  # what a child does not look through it does not copy
    child = os.fork()
    if child == 0:
        try:
            _work(reader, whole, seeds, folder, memory, shared)
        finally:
            os._exit(0)
    code = _wait(child, shared)
    seed, read, refused, failed, large, done = _SLOTS.unpack(shared[:])
    said = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    tally = Tally(read, refused, failed, memory=large, failures=said[:KEPT])
    if done == len(seeds):
        return tally, range(0)
    if code in (-signal.SIGPROF, -signal.SIGALRM):
        tally.hangs = 1
        tally.failures.append(f"{seed}: took more than {SECONDS} s")
    else:
        tally.deaths = 1
        tally.failures.append(f"{seed}: the process ended with {code}")
    return tally, range(seed + 1, seeds.stop)


def _wait(child: int, shared: mmap.mmap) -> int:
    """The child's end; it is killed where it stays with one input."""
    before, since = b"", time.monotonic()
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if shared[:] != before:
            before, since = shared[:], time.monotonic()
        elif time.monotonic() - since > WALL:
            os.kill(child, signal.SIGALRM)
        time.sleep(0.01)


def _work(
    reader: Reader, whole: list[bytes | Packed], seeds: range, folder: Path, memory: int, shared: mmap.mmap
) -> None:
    """Read one mutant after the other; ends by a signal where one takes too long."""
    faulthandler.disable()  # pytest's would print where it dies
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + memory, size + memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    tempfile.tempdir = str(folder)
    counts = [0, 0, 0, 0]
    with (folder / ".failures").open("w") as log:
        for number, seed in enumerate(seeds):
            shared[:] = _SLOTS.pack(seed, *counts, number)
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            kind, words = outcome(reader, mutant(whole[seed % len(whole)], seed), folder)
            counts[kind] += 1
            if words:
                log.write(json.dumps(f"{seed}: {words}") + "\n")
                log.flush()
    signal.setitimer(signal.ITIMER_PROF, 0)
    shared[:] = _SLOTS.pack(seeds.stop, *counts, len(seeds))


def outcome(reader: Reader, content: bytes, folder: Path) -> tuple[int, str]:
    """0: it was read, 1: refused in a line of edgefer's, 2: anything else, in words, 3: it took too much memory."""
    path = folder / reader.file
    path.write_bytes(content)
    try:
        reader.read(path)
    except EdgeferError as error:
        return _judged(error)
    except BaseException as error:
        if isinstance(error, OSError | ModuleNotFoundError) and not _is_memory(error):
            return _judged(explained(error))  # as the command line does
        frame = traceback.extract_tb(error.__traceback__)[-1]
        words = f"{type(error).__name__}: {error!s:.200} ({Path(frame.filename).name}:{frame.lineno})"
        return (3 if _is_memory(error) else 2), words
    return 0, ""


def _judged(error: EdgeferError) -> tuple[int, str]:
    line = str(error)
    if _is_memory(error):
        return 3, f"refused when the memory was gone: {line:.200}"
    if len(line) > MESSAGE_LIMIT or not line.isprintable() or error.exit_code == 1:
        return 2, f"an unfit line of {len(line)} characters and exit code {error.exit_code}: {line:.200}"
    return 1, ""


def _is_memory(error: BaseException | None) -> bool:
    """Whether an error, or one that it came from, is that of memory which the system did not give."""
    while error is not None:
        if isinstance(error, MemoryError) or any(words in str(error) for words in NO_MEMORY):
            return True
        error = error.__cause__ or error.__context__
    return False
