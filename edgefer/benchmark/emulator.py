"""A worker in qemu-user: of this machine's own architecture, or of another one in a userland of its own.

Memory is laid out the same in each run, as far as that goes: paths, environment and addresses are the same
whoever starts it and from wherever, because what a processor executes depends on where things lie.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from edgefer.benchmark.workload import Task, Workload
from edgefer.runtime import engines, files, protocol, shell
from edgefer.runtime.c import board_libraries
from edgefer.runtime.errors import WorkerFailed
from edgefer.runtime.protocol import Answer

# What would change the way through the same code: the hash seed, addresses that the kernel and QEMU choose at
# random, threads, and the length of the environment and of the bundle's path, which move everything in memory.
STEADY = {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "LANG": "C.UTF-8"}
KEPT = ("PATH", "HOME", "PYTHONPATH", "LD_LIBRARY_PATH", "ORT_DISABLE_TELEMETRY", "EDGEFER_KERNEL", "CC")
SEED = "1"
FOLDERS = 100
_PATIENCE = 60.0  # seconds for QEMU to tell of itself: what it says is kept, and the machine may be busy
_VERSION = re.compile(r"\bversion (\d+(?:\.\d+)*)")


@dataclass(frozen=True)
class Guest:
    """A userland: its root for qemu's -L (with the processor's own /proc and /sys), and packages for its Python.

    python is the path of its interpreter in the root; `variables` are added to its environment; `machine` is what
    uname calls its processor.
    """

    root: Path
    packages: Path
    python: str
    variables: Mapping[str, str] = field(default_factory=dict)
    machine: str = "aarch64"


@dataclass(frozen=True)
class Emulator:
    """A dynamic qemu-user; cpu is the model it emulates, getppid the number of the system call that marks.

    guest is None where the worker is this very Python. package is Debian's that has it.
    """

    program: str
    cpu: str
    getppid: int
    guest: Guest | None = None
    package: str = "qemu-user"

    @property
    def version(self) -> str | None:
        """QEMU's, 7.2.22 for example; None if it does not tell."""
        return _version(self.program)

    @property
    def takes_plugins(self) -> bool:
        """Whether it was built for that: a static one is not."""
        return _takes_plugins(self.program)


@cache
def _takes_plugins(program: str) -> bool:
    return "\n-plugin" in (shell.run_or_none([program, "-help"], _PATIENCE) or "")


@cache
def _version(program: str) -> str | None:
    said = _VERSION.search(shell.run_or_none([program, "--version"], _PATIENCE) or "")
    return said[1] if said else None


# Haswell: AVX2, the newest that QEMU 7.2 emulates. It has no AVX-512, so an engine takes its AVX2 kernels.
EMULATORS = {"x86": Emulator("qemu-x86_64", "Haswell", 110)}
ARM64_GETPPID = 173


def run_python(emulator: Emulator, *words: str) -> shell.Done:
    """Run the guest's Python with these arguments."""
    assert emulator.guest is not None
    with working_folder() as folder:
        line, environment = _link(emulator.guest, folder)
        return shell.run([emulator.program, "-cpu", emulator.cpu, *line, *words], "", environment, folder)


def ask(task: Task, emulator: Emulator, options: Sequence[str] = (), **variables: str) -> Answer:
    """The answer of a worker in the emulator, which gets more `options`, and the worker more environment variables.

    Raises what protocol.ask raises.
    """
    request = task.request
    with working_folder() as folder:
        if request.folder is not None:
            copy = shutil.copytree(request.folder, folder / "bundle")
            request = replace(request, folder=str(copy))
        line = [*fixed_addresses(), emulator.program, "-seed", SEED, "-cpu", emulator.cpu, *options]
        if emulator.guest is None:
            python, environment = [sys.executable], this_python()
        else:
            python, environment = _link(emulator.guest, folder)
            environment |= _compiled(task.workload, emulator.guest, folder)
        line += shell.module_command(task.workload.worker, python)
        return protocol.ask(request, line, environment, folder, **variables)


def _link(guest: Guest, folder: Path) -> tuple[list[str], dict[str, str]]:
    """What runs Python, and its environment: only links in `folder`, so that no path tells whose cache it is."""
    links = {"root": guest.root, "packages": guest.packages, "self/edgefer": files.PACKAGE}
    (folder / "self").mkdir()
    for name, target in links.items():
        (folder / name).symlink_to(target)
    environment = {
        **STEADY,
        "HOME": str(folder),
        "PATH": "/usr/bin:/bin",
        "PYTHONNOUSERSITE": "1",
        "PYTHONPATH": f"{folder}/packages:{folder}/self",
        **guest.variables,
    }
    return ["-L", f"{folder}/root", f"{folder}/root/{guest.python}"], environment


def _compiled(workload: Workload, guest: Guest, folder: Path) -> dict[str, str]:
    """Put what this host compiles for the guest into `folder`; the variable that names it, if it is anything."""
    if workload.bundle is None:
        return {}
    manifest = workload.bundle.manifest
    made = engines.for_boards(workload.bundle.path(manifest.model), manifest.format, (guest.machine,))
    if not made:
        return {}
    (folder / board_libraries.FOLDER).mkdir()
    for name, content in made.items():
        (folder / board_libraries.FOLDER / name).write_bytes(content)
    return {board_libraries.VARIABLE: str(folder / board_libraries.FOLDER)}


def this_python() -> dict[str, str]:
    """The environment of a worker in this Python, the same whoever starts it, as far as that goes."""
    environment = shell.environment()
    return STEADY | {name: environment[name] for name in KEPT if name in environment}


@contextlib.contextmanager
def working_folder() -> Iterator[Path]:
    """An empty folder whose path is the same each time, or as long where that one is in use."""
    for number in range(FOLDERS):
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


@cache
def fixed_addresses() -> tuple[str, ...]:
    """What keeps Linux from choosing addresses at random; nothing where that is forbidden, as in some containers."""
    line = ("setarch", "-R")
    return line if shell.run_or_none([*line, "true"]) is not None else ()
