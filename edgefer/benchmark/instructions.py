"""Instructions per frame: the worker in qemu-user, whose plugin counts between two system calls.

What a processor executes for one frame, Python's call of the engine included, whatever machine emulates it.
The same files count the same to the instruction with LiteRT and ncnn; with ONNX Runtime within 2 in 100,000; with
OpenVINO, whose threads wait for each other, within 1 in 1,000. Other files move memory, and with it a few
instructions: gate.static_metrics says how many.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgefer.benchmark import emulator
from edgefer.benchmark.emulator import EMULATORS, Emulator
from edgefer.benchmark.workload import Task, Workload, ask
from edgefer.runtime import shell
from edgefer.runtime.bench_record import Settings
from edgefer.runtime.errors import EdgeferError, WorkerFailed
from edgefer.runtime.files import cache_folder, digest, write_atomic
from edgefer.runtime.protocol import Blocks

SOURCE = Path(__file__).with_name("tcg_count.c")
BLOCKS = Blocks(blocks=4, frames=5)  # the first ones meet caches that are cold
COMPILE = Blocks(blocks=1, frames=1)  # so that Python has compiled all modules: doing that moves memory too
# Where the heap ends depends on everything before. An engine that frees memory there gives it back to the system in
# each inference, or never: that moved ncnn's count by 0.7 %. mallopt(3) has these.
MALLOC = {"MALLOC_TRIM_THRESHOLD_": str(256 * 2**20), "MALLOC_TOP_PAD_": str(16 * 2**20)}


@dataclass(frozen=True)
class Counted:
    """Instructions per frame and how far two counts were apart; or None and why.

    versions are those that a count is comparable with: of Python, of the packages, of edgefer's own code inside the
    counted blocks, of QEMU.
    """

    instructions: int | None
    spread: int
    reason: str | None
    versions: Mapping[str, str] = field(default_factory=dict)


def count(workload: Workload, device: str = "x86") -> Counted:
    """Instructions per frame of one thread, counted twice; where the counts differ, the lower: waiting only adds.

    Raises what protocol.ask raises if the model does not run outside the emulator either.
    """
    qemu = EMULATORS.get(device)
    if qemu is None:
        return Counted(None, 0, f"not counted: no emulator for {device} is known")
    reason = lacking(qemu)
    if reason is not None:
        return Counted(None, 0, reason)
    ask(Task(workload, Settings(), COMPILE), emulator.this_python())
    return count_in(qemu, workload)


def lacking(qemu: Emulator) -> str | None:
    """Why nothing can be counted on this machine: no such emulator, none with plugins, or no compiler for ours."""
    if shutil.which(qemu.program) is None or _compiler() is None:
        return f"install {qemu.package} and a C compiler"
    if not qemu.takes_plugins:
        return f"not counted: {qemu.program} {qemu.version or ''} is built without plugins, as Debian 13's is"
    return None


def count_in(qemu: Emulator, workload: Workload) -> Counted:
    """As `count`, of what runs in the emulator anyway; a failure is the reason why there is no count."""
    try:
        counter = plugin(qemu)
        if qemu.guest is not None:
            emulator.ask(Task(workload, Settings(), COMPILE), qemu)
        counts = [once(workload, qemu, counter) for _ in range(2)]
    except EdgeferError as error:
        return Counted(None, 0, f"not counted: {qemu.program} can't run it ({error})")
    (low, versions), (high, _) = sorted(counts, key=lambda each: each[0])
    return Counted(low, high - low, None, versions)


def once(workload: Workload, qemu: Emulator, counter: Path) -> tuple[int, dict[str, str]]:
    """The count of one process in the emulator, and the versions that it is of; raises WorkerFailed."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "blocks"
        options = ["-plugin", f"{counter},marker={qemu.getppid},out={out}"]
        answer = emulator.ask(Task(workload, Settings(), BLOCKS), qemu, options, **MALLOC)
        blocks = [int(word) for word in out.read_text().split()]
    versions = answer.versions | ({"qemu": qemu.version} if qemu.version else {})
    return round(blocks[-1] / BLOCKS.frames), versions


def _compiler() -> str | None:
    return next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)


def plugin(qemu: Emulator) -> Path:
    """The plugin compiled for that QEMU, in the user's cache under a checksum of its source; raises WorkerFailed."""
    if qemu.version is None:
        raise WorkerFailed(f"`{qemu.program} --version` names no version, and the plugin is compiled for one")
    version = _plugin_version(qemu.version)
    kept = cache_folder() / f"tcg_count-{digest(SOURCE.read_bytes())[:16]}-v{version}.so"
    if kept.is_file():
        return kept
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "plugin.so"
        define = f"-DVERSION={version}"
        done = shell.run([_compiler() or "cc", "-shared", "-fPIC", "-O2", define, str(SOURCE), "-o", str(made)])
        if done.code != 0:
            raise WorkerFailed(f"the C compiler refused {SOURCE.name}: {done.err.strip()}")
        write_atomic(kept, made.read_bytes())
    return kept


def _plugin_version(version: str) -> int:
    """Of QEMU's interface for plugins: 9.0 and newer refuse 1, older ones know no other."""
    return 2 if int(version.partition(".")[0]) >= 9 else 1
