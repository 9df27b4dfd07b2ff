"""Installing the engines on a board, and deleting everything again.

edgefer itself is not installed there: its runtime travels with each run, so both sides are the same version.
"""

from __future__ import annotations

import importlib.util
import io
import re
import secrets
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO

from edgefer.devices import engine_packages
from edgefer.devices.board import doctor, install
from edgefer.devices.board.doctor import Facts
from edgefer.devices.board.job import venv
from edgefer.devices.board.ssh import Link, refused
from edgefer.devices.config import RemoteBoard
from edgefer.devices.device import Say
from edgefer.devices.engine_packages import EngineSet
from edgefer.runtime.errors import NotSetUp, OutputFailed, Unreachable
from edgefer.runtime.process import Terminated

PROGRAM = Path(install.__file__)
TRY_TIMEOUT = 900.0  # seconds: compiling the engines takes a small board minutes
# The stage is there before Python has started, so that an interrupt always finds whom to stop.
INSTALL = """python=$1; program=$2; shift 2
mkdir -p "$1/$2" && echo $$ >"$1/$2/pid" || { rm -rf "$1/$2"; exit 1; }
exec "$python" -I -c "$program" "$@\""""
STOP = """pid=$(cat "$1/$2/pid" 2>/dev/null) || exit 0
kill -TERM -- "-$pid" 2>/dev/null || kill -TERM "$pid" 2>/dev/null
n=0
while kill -0 "$pid" 2>/dev/null && [ $n -lt 10 ]; do sleep 1; n=$((n + 1)); done
rm -rf "$1/$2"; rmdir "$1" 2>/dev/null
exit 0"""
# ONNX Runtime's packages report each session to Microsoft, and note that in the home folder, unless told not to.
TRY = """PYTHONDONTWRITEBYTECODE= ORT_DISABLE_TELEMETRY=1 exec "$1/$2/bin/python" -c 'import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)' $3"""
# Only what edgefer made: the folder may hold other things too.
WIPE = """[ -n "$1" ] && cd "$1" 2>/dev/null && [ "$PWD" != "$HOME" ] || exit 0
for run in runs/*/; do
    [ -f "$run/begun" ] || continue
    for venv in venv venv-*; do
        [ -x "$venv/bin/python" ] && (cd "$run" && "../../$venv/bin/python" -m edgefer.runtime.runner stop) && break
    done
done >/dev/null 2>&1
rm -rf runs venv venv-* .stage-* || exit 1
cd "$HOME" && rmdir "$1" 2>/dev/null
exit 0"""


def setup(board: RemoteBoard, engines: EngineSet, offline: bool, say: Say) -> str:
    """Install a set of engines on the user's board; returns what is there now, for people.

    Raises Unreachable, AccessDenied, NotSetUp and OutputFailed (full disk).
    """
    link = Link(board)
    say(f"looking at {board.name}")
    facts = doctor.ask_facts(link)
    if _has(facts, engines):
        _try(link, engines)
        return f"{board.name} has {engines.title} already"
    _require(board, facts)
    say(f"looking for the wheels of {engines.title}")
    engine_packages.require_wheels(engines.packages, *_machine(facts))
    with tempfile.TemporaryDirectory() as folder:
        files = [_pip(Path(folder))]
        if offline:
            say(f"downloading {engines.title} for {facts.architecture}")
            files += _wheels(engines, facts, Path(folder) / "wheels")
        size = sum(file.stat().st_size for file in files) / 2**20
        say(f"sending {size:,.0f} MiB and installing {engines.title}: minutes on a small board")
        with tempfile.TemporaryFile() as archive:
            _tar(files, archive)
            _install(link, facts, engines, "offline" if offline else "online", archive)
    say("trying the engines")
    _try(link, engines)
    return f"{board.name} has {engines.title}, in {board.folder}/{venv(engines)}"


def _has(facts: Facts, engines: EngineSet) -> bool:
    there = {_normal(f"{key}=={version}") for key, version in facts.venvs.get(venv(engines), {}).items()}
    return there >= {_normal(package) for package in engines.packages}


def _normal(package: str) -> str:
    """A name is the same with -, _ and dots."""
    key, _, version = package.partition("==")
    return f"{re.sub('[-_.]+', '-', key).lower()}=={version}"


def _require(board: RemoteBoard, facts: Facts) -> None:
    """Raise what the doctor would say, before anything is sent."""
    needed = ("architecture", "Python", "glibc")
    lacking = [f for f in doctor.findings(board, facts) if f.subject in needed and not f.ok]
    if lacking:
        raise NotSetUp(f"{board.name} can't be set up: {'; '.join(f'{f.subject}: {f.text}' for f in lacking)}.")
    if facts.disk is not None and facts.disk < doctor.DISK:
        raise OutputFailed(
            f"{board.name} has {facts.disk >> 20} MiB of disk left, {doctor.DISK >> 20} MiB are needed: free some."
        )


def _pip(folder: Path) -> Path:
    """This Python's pip in an archive that any Python runs: a board's own may have none, or an old one."""
    spec = importlib.util.find_spec("pip")
    if spec is None or spec.origin is None:
        raise NotSetUp("this Python has no pip, and the board's is to be the same: run `python -m ensurepip` first.")
    top = Path(spec.origin).parent
    with zipfile.ZipFile(folder / "pip.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(top.rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                archive.write(path, f"pip/{path.relative_to(top).as_posix()}")
    return folder / "pip.zip"


def _wheels(engines: EngineSet, facts: Facts, into: Path) -> list[Path]:
    python, _, tags = _machine(facts)
    return engine_packages.download_wheels(engines.packages, into, python, tags)


def _machine(facts: Facts) -> tuple[str, str, tuple[str, ...]]:
    """The version of the board's Python, its architecture, and the tags of wheels that run there."""
    assert facts.python is not None and facts.glibc is not None  # _require saw to it
    version = ".".join(map(str, facts.python[0]))
    return version, facts.architecture, engine_packages.platform_tags(facts.glibc[1], facts.architecture)


def _tar(files: Iterable[Path], into: IO[bytes]) -> None:
    with tarfile.open(fileobj=into, mode="w") as archive:
        for file in files:
            archive.add(file, file.name)
    into.seek(0, io.SEEK_SET)


def _install(link: Link, facts: Facts, engines: EngineSet, source: str, archive: IO[bytes]) -> None:
    """Run install.py there; an interrupt ends it there too."""
    assert facts.python is not None
    board, program, stage = link.board, PROGRAM.read_text(encoding="utf-8"), f"{install.STAGE}{secrets.token_hex(4)}"
    words = (facts.python[1], program, board.folder, stage, venv(engines), source, *engines.packages)
    try:
        done = link.run(INSTALL, *words, stdin=archive)
    except (KeyboardInterrupt, Terminated, Unreachable):
        with suppress(Unreachable):  # then it goes on there, and ends whole or not at all
            link.run(STOP, board.folder, stage, timeout=60)
        raise
    if done.code == install.BUSY:
        raise NotSetUp(f"{board.name} is at work: a run or another setup holds {board.folder}; try again later.")
    if "No matching distribution" in done.err and source == "online":
        reason = done.last_line().removeprefix("ERROR: ")
        broken = [line for line in done.err.splitlines() if "connection broken by" in line]
        if broken:
            why = broken[-1].partition("connection broken by ")[2]
            raise NotSetUp(
                f"{board.name} can't reach the package index ({why}): add --offline, then this machine does."
            )
        raise NotSetUp(f"{board.name} can't fetch packages ({reason}): with --offline this machine fetches them.")
    if done.code != 0:
        raise refused(link, f"install {engines.title}", done)


def _try(link: Link, engines: EngineSet) -> None:
    """Import the engines there, which also compiles them: the first run then begins as fast as the others."""
    modules = " ".join(["numpy", "PIL.Image", "cattrs", *engines.modules])
    done = link.run(TRY, link.board.folder, venv(engines), modules, timeout=TRY_TIMEOUT)
    if done.code != 0:
        raise refused(link, f"import {engines.title}", done)


def wipe(board: RemoteBoard) -> None:
    """Delete what edgefer put on the board, ending what runs there; raises what Link.run raises, and NotSetUp."""
    link = Link(board)
    done = link.run(WIPE, board.folder, timeout=120)
    if done.code != 0:
        raise refused(link, f"delete {board.folder}", done)
