"""Instructions per frame: the worker in qemu-user, whose plugin counts between two system calls.

What a processor executes for one frame, Python's call of the engine included, whatever machine emulates it.
LiteRT and ncnn repeat to the instruction; ONNX Runtime within 2 in 100,000; OpenVINO, whose threads wait for each
other, within 1 in 1,000.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgefer import shell
from edgefer.bench import client
from edgefer.bench.messages import Blocks
from edgefer.bench.record import Settings
from edgefer.bench.selection import Subject
from edgefer.errors import EdgeferError, WorkerFailed
from edgefer.files import write_atomic

SOURCE = Path(__file__).with_name("tcg_count.c")
INSTALL = "install qemu-user and a C compiler"
BLOCKS = Blocks(blocks=4, frames=5)  # the first ones meet caches that are cold


@dataclass(frozen=True)
class Emulator:
    """A dynamic qemu-user; cpu is the model it emulates, getppid the number of the system call that marks."""

    program: str
    cpu: str
    getppid: int


# Haswell: AVX2, the newest that QEMU 7.2 emulates. It has no AVX-512, so an engine takes its AVX2 kernels.
EMULATORS = {"x86": Emulator("qemu-x86_64", "Haswell", 110)}
# What would change the way through the same code: the hash seed, addresses that the kernel and QEMU choose at
# random, threads, and the length of the environment and of the bundle's path, which move everything in memory.
STEADY = {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "LANG": "C.UTF-8"}
KEPT = ("PATH", "HOME", "PYTHONPATH", "LD_LIBRARY_PATH", "ORT_DISABLE_TELEMETRY")
SEED = "1"
PLACES = 100


@dataclass(frozen=True)
class Counted:
    """Instructions per frame and how far two counts were apart; or None and why."""

    instructions: int | None
    spread: int
    reason: str | None


def count(subject: Subject, device: str = "x86") -> Counted:
    """Instructions per frame of one thread, counted twice; where the counts differ, the lower: waiting only adds.

    Raises what client.ask raises if the model does not run outside the emulator either.
    """
    emulator = EMULATORS.get(device)
    if emulator is None:
        return Counted(None, 0, f"not counted: no emulator for {device} is known")
    if shutil.which(emulator.program) is None or _compiler() is None:
        return Counted(None, 0, INSTALL)
    # Also so that Python has compiled all modules: doing that moves everything in memory.
    client.ask(client.request(subject, Settings(), Blocks(1, 1)), base=_environment())
    try:
        plugin = _plugin()
        counts = sorted(once(subject, emulator, plugin) for _ in range(2))
    except EdgeferError as error:
        return Counted(None, 0, f"not counted: {emulator.program} can't run it ({error})")
    return Counted(counts[0], counts[1] - counts[0], None)


def once(subject: Subject, emulator: Emulator, plugin: Path) -> int:
    """One process in the emulator; raises WorkerFailed."""
    with _place() as folder:
        out = folder / "blocks"
        if subject.folder is not None:
            subject = Subject(subject.name, Path(shutil.copytree(subject.folder, folder / "bundle")))
        given = f"{plugin},marker={emulator.getppid},out={out}"
        line = [*_fixed_addresses(), emulator.program, "-seed", SEED, "-cpu", emulator.cpu, "-plugin", given]
        client.ask(client.request(subject, Settings(), BLOCKS), [*line, *client.WORKER], _environment(), folder)
        blocks = [int(word) for word in out.read_text().split()]
    return round(blocks[-1] / BLOCKS.frames)


@contextlib.contextmanager
def _place() -> Iterator[Path]:
    """An empty folder whose path is the same each time, or as long where that one is in use."""
    for number in range(PLACES):
        folder = Path(tempfile.gettempdir()) / f"edgefer-count-{number:02}"
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            break
    else:
        raise WorkerFailed(f"{folder} and those before it are in use: remove what earlier runs left there.")
    try:
        yield folder.resolve()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _environment() -> dict[str, str]:
    """The same whoever starts it, as far as that goes."""
    known = client.environment()
    return STEADY | {name: known[name] for name in KEPT if name in known}


def _fixed_addresses() -> list[str]:
    return ["setarch", "-R"] if shutil.which("setarch") else []


def _compiler() -> str | None:
    return next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)


def _plugin() -> Path:
    """The compiled plugin, kept in the user's cache under a checksum of its source; raises WorkerFailed."""
    source = SOURCE.read_bytes()
    kept = _cache() / f"tcg_count-{hashlib.sha256(source).hexdigest()[:16]}.so"
    if kept.is_file():
        return kept
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "plugin.so"
        done = shell.run([_compiler() or "cc", "-shared", "-fPIC", "-O2", str(SOURCE), "-o", str(made)])
        if done.code != 0:
            raise WorkerFailed(f"the C compiler refused {SOURCE.name}: {done.err.strip()}")
        write_atomic(kept, made.read_bytes())
    return kept


def _cache() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches/edgefer"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgefer"
