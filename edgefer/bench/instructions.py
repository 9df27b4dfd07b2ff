"""Exact instructions per frame: the worker in qemu-user, whose plugin counts between two system calls.

What a processor executes for one frame, Python's call of the engine included. The same in every run of the
same versions on any machine that emulates the same processor, so a change of one instruction is a change.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from edgefer import shell
from edgefer.bench import client
from edgefer.bench.messages import Blocks
from edgefer.bench.record import Settings
from edgefer.bench.selection import Subject
from edgefer.errors import WorkerFailed
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
# What would change the way through the same code: the hash seed, the kernel's and QEMU's random addresses.
STEADY = {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
SEED = "1"


@dataclass(frozen=True)
class Counted:
    """Instructions per frame and how far two counts were apart; or None and why."""

    instructions: int | None
    spread: int
    reason: str | None


def count(subject: Subject, device: str = "x86") -> Counted:
    """Instructions per frame of one thread, counted twice; where the counts differ, the lower: waiting only adds."""
    emulator = EMULATORS.get(device)
    if emulator is None:
        return Counted(None, 0, f"not counted: no emulator for {device} is known")
    if shutil.which(emulator.program) is None or _compiler() is None:
        return Counted(None, 0, INSTALL)
    try:
        plugin = _plugin()
        with ThreadPoolExecutor(2) as pool:
            counts = sorted(pool.map(lambda _: once(subject, emulator, plugin), range(2)))
    except WorkerFailed as error:
        return Counted(None, 0, f"not counted: {emulator.program} can't run it ({error})")
    return Counted(counts[0], counts[1] - counts[0], None)


def once(subject: Subject, emulator: Emulator, plugin: Path) -> int:
    """One process in the emulator; raises WorkerFailed."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "blocks"
        given = f"{plugin},marker={emulator.getppid},out={out}"
        line = [*_fixed_addresses(), emulator.program, "-seed", SEED, "-cpu", emulator.cpu, "-plugin", given]
        client.ask(client.request(subject, Settings(), BLOCKS), [*line, *client.WORKER], **STEADY)
        blocks = [int(word) for word in out.read_text().split()]
    return round(blocks[-1] / BLOCKS.frames)


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
