"""Feeds a reader its mutants in a child process that may die, and says what became of each."""

from __future__ import annotations

import faulthandler
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
from tests.torture.mutate import mutated
from tests.torture.readers import Reader

MEMORY = 2**30  # bytes that reading may take beside what the process has
SECONDS, WALL = 10, 120  # of processor time for an input; of wall time, on a busy machine
KEPT = 20  # failures of a reader
_SLOTS = struct.Struct("<5q")  # the seed in work, and how many were read, refused, failed and done


@dataclass
class Tally:
    """What became of so many mutants, and the failures: seed and words."""

    read: int = 0
    refused: int = 0
    tracebacks: int = 0
    deaths: int = 0
    hangs: int = 0
    failures: list[str] = field(default_factory=list)

    @property
    def tried(self) -> int:
        """All of them."""
        return self.read + self.refused + self.tracebacks + self.deaths + self.hangs

    def plus(self, other: Tally) -> Tally:
        """Both together."""
        sums = {key: value + asdict(other)[key] for key, value in asdict(self).items()}
        return Tally(**{**sums, "failures": sums["failures"][:KEPT]})


def try_reader(reader: Reader, seeds: range, memory: int = MEMORY) -> Tally:
    """Read the mutants of these seeds; a child that dies of one is followed by another that goes on behind it."""
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        whole = list(reader.whole(Path(folder)))
        while len(seeds):
            part, seeds = _one_child(reader, whole, seeds, Path(folder), memory)
            tally = tally.plus(part)
    return tally


def _one_child(reader: Reader, whole: list[bytes], seeds: range, folder: Path, memory: int) -> tuple[Tally, range]:
    """What a child did, and the seeds that are left."""
    shared = mmap.mmap(-1, _SLOTS.size)
    log = folder / ".failures"
    log.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        try:
            _work(reader, whole, seeds, folder, memory, shared)
        finally:
            os._exit(0)
    code = _wait(child, shared)
    seed, read, refused, failed, done = _SLOTS.unpack(shared[:])
    said = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    tally = Tally(read, refused, failed, failures=said[:KEPT])
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


def _work(reader: Reader, whole: list[bytes], seeds: range, folder: Path, memory: int, shared: mmap.mmap) -> None:
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
    counts = [0, 0, 0]
    with (folder / ".failures").open("w") as log:
        for number, seed in enumerate(seeds):
            shared[:] = _SLOTS.pack(seed, *counts, number)
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            kind, words = outcome(reader, mutated(whole[seed % len(whole)], seed), folder)
            counts[kind] += 1
            if words:
                log.write(json.dumps(f"{seed}: {words}") + "\n")
                log.flush()
    signal.setitimer(signal.ITIMER_PROF, 0)
    shared[:] = _SLOTS.pack(seeds.stop, *counts, len(seeds))


def outcome(reader: Reader, content: bytes, folder: Path) -> tuple[int, str]:
    """0: it was read, 1: refused in a line of edgefer's, 2: anything else, in words."""
    path = folder / reader.file
    path.write_bytes(content)
    try:
        reader.read(path)
    except EdgeferError as error:
        return _judged(error)
    except (OSError, ModuleNotFoundError) as error:  # the command line explains these
        return _judged(explained(error))
    except BaseException as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        return 2, f"{type(error).__name__}: {error!s:.200} ({Path(frame.filename).name}:{frame.lineno})"
    return 0, ""


def _judged(error: EdgeferError) -> tuple[int, str]:
    line = str(error)
    if len(line) > MESSAGE_LIMIT or not line.isprintable() or error.exit_code == 1:
        return 2, f"an unfit line of {len(line)} characters and exit code {error.exit_code}: {line:.200}"
    return 1, ""
