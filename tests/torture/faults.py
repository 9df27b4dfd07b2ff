"""Runs commands of edgefer in a forked process that is killed, or whose system fails, and looks at what is left."""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import random
import resource
import shutil
import signal
import struct
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from edgefer.runtime.leftovers import STAGED
from tests.torture.whole import broken

LINE = 2_000  # characters of a line on standard error
SECONDS = 600  # that a command may take on a busy machine
_STEPS = ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.chmod", "ctypes.dlsym")
_IMPORTED = "\nimported:"
_COUNT = struct.Struct("<q")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@dataclass(frozen=True)
class Fault:
    """What happens to a command, by its kind.

    kill     after so many seconds
    step     a kill in front of this step of those that change the folder: see `_count_steps`
    EIO, ENOSPC, EROFS  at this step the system refuses with that error
    limit    no file may grow beyond so many bytes
    """

    kind: str
    at: float


NOTHING = Fault("kill", 0)


@dataclass(frozen=True)
class Ran:
    """How a command ended: its exit code, what it said, how long it took, how many steps it made, what it imported."""

    code: int
    err: str
    seconds: float
    steps: int
    modules: tuple[str, ...] = ()


def run(arguments: tuple[str, ...], folder: Path, fault: Fault = NOTHING) -> Ran:
    """The command in a folder, in a process that is forked from this one: nothing is imported twice."""
    shared, (hears, says) = mmap.mmap(-1, _COUNT.size), os.pipe()
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        try:
            _command(arguments, folder, fault, shared, says)
        finally:
            os._exit(99)
    os.close(says)
    os.set_blocking(hears, False)
    said, status = b"", None
    end = began + (fault.at if fault.kind == "kill" and fault.at else SECONDS)
    while status is None:
        if time.monotonic() > end:
            with contextlib.suppress(ProcessLookupError):  # it leads no group yet
                os.killpg(child, signal.SIGKILL)
            os.kill(child, signal.SIGKILL)
            end += SECONDS
        ended, ending = os.waitpid(child, os.WNOHANG)
        status = ending if ended else None
        with contextlib.suppress(BlockingIOError):
            said += os.read(hears, 1 << 20)
        time.sleep(0.002)
    with contextlib.suppress(BlockingIOError):  # a process that the command started may still hold the other end
        while part := os.read(hears, 1 << 20):
            said += part
    os.close(hears)
    seconds, code = time.monotonic() - began, os.waitstatus_to_exitcode(status)
    text, _, modules = said.decode(errors="replace").partition(_IMPORTED)
    return Ran(code, text, seconds, _COUNT.unpack(shared[:])[0], tuple(modules.split()))


def preload(modules: Sequence[str]) -> None:
    """Import what commands import, so that they, which are forked, do what they are tried for right away."""
    for name in modules:
        with contextlib.suppress(Exception):  # what has no module of that name to be found, or only within another one
            import_module(name)


def _command(arguments: tuple[str, ...], folder: Path, fault: Fault, shared: mmap.mmap, says: int) -> None:
    from edgefer.cli import main

    before = set(sys.modules)
    os.setsid()
    os.chdir(folder)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(os.open(os.devnull, os.O_RDWR), 1)
    os.dup2(says, 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    _count_steps(folder, fault, shared)
    if fault.kind == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(fault.at), int(fault.at)))
    sys.argv = ["edgefer", *arguments]
    code = 0
    try:
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 1
    print(_IMPORTED, *sorted(sys.modules.keys() - before), file=sys.stderr)
    sys.stderr.flush()
    os._exit(code)


def _count_steps(folder: Path, fault: Fault, shared: mmap.mmap) -> None:
    """Count what changes the folder, before it does: Python tells hooks of each call. The fault comes at its step."""
    count, inside = 0, os.path.realpath(folder)

    def hook(event: str, given: tuple[object, ...]) -> None:
        nonlocal count
        if event not in _STEPS or not _changes(event, given, inside):
            return
        count += 1
        shared[:] = _COUNT.pack(count)
        if count == fault.at and fault.kind == "step":
            os.kill(os.getpid(), signal.SIGKILL)
        if count == fault.at and fault.kind in ("EIO", "ENOSPC", "EROFS"):
            code = getattr(errno, fault.kind)
            raise OSError(code, os.strerror(code), str(given[0]))

    sys.addaudithook(hook)


def _changes(event: str, given: tuple[object, ...], inside: str) -> bool:
    if event == "ctypes.dlsym":
        return given[1] == "renameat2"
    if event == "open" and not int(str(given[2] or 0)) & _WRITES:
        return False
    path = given[0]
    return isinstance(path, str | bytes | os.PathLike) and os.path.realpath(os.fsdecode(path)).startswith(inside)


def faults_of(clean: Ran, seed: int) -> Fault:
    """The fault of this seed: half of them kills at random moments, a quarter kills at steps, the others errors."""
    draw = random.Random(seed)
    kind = draw.choice(("kill", "kill", "kill", "kill", "step", "step", "EIO", "ENOSPC", "EROFS", "limit"))
    if kind == "kill":
        return Fault(kind, draw.uniform(0.001, 1.1 * clean.seconds))
    if kind == "limit":
        return Fault(kind, draw.choice((0, 1, 100, 1_000, 10_000, 100_000)))
    return Fault(kind, 1 + draw.randrange(max(1, clean.steps)))


@dataclass(frozen=True)
class Command:
    """A command line, what makes its folder ready, and what gives the earlier result that lies there.

    earlier  the command line of that; by default the same
    """

    arguments: tuple[str, ...]
    prepare: Callable[[Path], object]
    earlier: tuple[str, ...] = ()


def copy(ready: Path, work: Path) -> None:
    """The folder `ready` once more, in place of what `work` is."""
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(ready, work, symlinks=True)


def trial(command: Command, ready: Path, work: Path, fault: Fault) -> tuple[str, list[str]]:
    """What became of the command ("killed", "refused" or "done"), and what is wrong with that or with what is left."""
    copy(ready, work)
    before = _files(work)
    ran = run(command.arguments, work, fault)
    wrong = [] if ran.code == -signal.SIGKILL else unfit(ran)
    wrong += [f"{name} is gone" for name in sorted(before - _files(work))]
    wrong += broken(work)
    for path in work.rglob(f".*{STAGED}*"):
        os.utime(path, (0, 0))  # as if a minute had passed
    again = run(command.arguments, work)
    if again.code != 0:
        wrong.append(f"run again it ends with {again.code}: {again.err[-300:]}")
    wrong += broken(work)
    left = [path.name for path in work.rglob("*") if STAGED in path.name]
    wrong += [f"{name} is left" for name in left]
    return "killed" if ran.code < 0 else "done" if ran.code == 0 else "refused", wrong


def _files(folder: Path) -> set[str]:
    """The files of a folder but for hidden ones and checkpoints, which a finished training takes away."""
    names = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(name) for name in names if not any(part.startswith(".") for part in name.parts)}


def unfit(ran: Ran) -> list[str]:
    """What is wrong with the end of a command that was not killed."""
    wrong = []
    if ran.code < 0 or ran.code in (1, 99):
        wrong.append(f"ended with {ran.code}: {ran.err[-300:]}")
    if "Traceback" in ran.err:
        wrong.append(f"a traceback: {ran.err[-300:]}")
    if any(len(line) > LINE for line in ran.err.splitlines()):
        wrong.append("a line of more than 2,000 characters")
    return wrong
