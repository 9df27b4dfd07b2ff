"""Bringing the engines to a board, and taking everything away again.

edgefer itself is not installed there: its light half travels with each run, so both sides are the same version.
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

from edgefer.devices.board import doctor, facts, install
from edgefer.devices.board.facts import Facts
from edgefer.devices.board.job import venv
from edgefer.devices.board.ssh import Link, last, refused
from edgefer.devices.device import Say
from edgefer.devices.emulated import wheels
from edgefer.devices.engine_packages import Engines, find
from edgefer.devices.registry import Remote
from edgefer.runtime.errors import NotSetUp, OutputFailed, Unreachable
from edgefer.runtime.interrupts import Terminated

PROGRAM = Path(install.__file__)
FETCH = 900.0  # seconds: a board installs for minutes
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
WIPE = """cd "$1" 2>/dev/null || exit 0
for run in runs/*/; do
    [ -f "$run/begun" ] || continue
    for venv in venv venv-*; do
        [ -x "$venv/bin/python" ] && (cd "$run" && "../../$venv/bin/python" -m edgefer.runtime.runner stop) && break
    done
done >/dev/null 2>&1
rm -rf runs venv venv-* .stage-* || exit 1
cd "$HOME" && rmdir "$1" 2>/dev/null
exit 0"""


def setup(name: str, device: Remote, engine: str | None, offline: bool, say: Say) -> str:
    """Install a set of engines on the user's board; returns what is there now, for people.

    Raises UnknownName, Unreachable, AccessDenied, NotSetUp and OutputFailed (full disk).
    """
    (chosen, wanted), link = find(engine), Link(name, device)
    say(f"looking at {name}")
    found = facts.ask(link)
    if _has(found, chosen, wanted):
        _try(link, chosen, wanted)
        return f"{name} has {wanted.title} already"
    _require(name, device, found)
    with tempfile.TemporaryDirectory() as folder:
        files = [_pip(Path(folder))]
        if offline:
            say(f"downloading {wanted.title} for {found.architecture}")
            files += _wheels(wanted, found, Path(folder) / "wheels")
        size = sum(file.stat().st_size for file in files) / 2**20
        say(f"sending {size:,.0f} MiB and installing {wanted.title}: minutes on a small board")
        with tempfile.TemporaryFile() as load:
            _tar(files, load)
            _install(link, found, chosen, wanted, "offline" if offline else "online", load)
    say("trying the engines")
    _try(link, chosen, wanted)
    return f"{name} has {wanted.title}, in {device.folder}/{venv(chosen)}"


def _has(found: Facts, chosen: str, wanted: Engines) -> bool:
    there = {_normal(f"{key}=={version}") for key, version in found.venvs.get(venv(chosen), {}).items()}
    return there >= {_normal(package) for package in wanted.packages}


def _normal(package: str) -> str:
    """A name is the same with -, _ and dots."""
    key, _, version = package.partition("==")
    return f"{re.sub('[-_.]+', '-', key).lower()}=={version}"


def _require(name: str, device: Remote, found: Facts) -> None:
    """Raise what the doctor would say, before anything is sent."""
    needed = ("architecture", "Python", "glibc")
    lacking = [f for f in doctor.findings(name, device, found) if f.subject in needed and not f.ok]
    if lacking:
        raise NotSetUp(f"{name} can't be set up: {'; '.join(f'{f.subject}: {f.text}' for f in lacking)}.")
    if found.disk is not None and found.disk < doctor.DISK:
        raise OutputFailed(
            f"{name} has {found.disk >> 20} MiB of disk left, {doctor.DISK >> 20} MiB are needed: free some."
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


def _wheels(wanted: Engines, found: Facts, into: Path) -> list[Path]:
    assert found.python is not None and found.glibc is not None  # _require saw to it
    version = ".".join(map(str, found.python[0]))
    return wheels.download(wanted.packages, into, version, wheels.platforms(found.glibc[1], found.architecture))


def _tar(files: Iterable[Path], into: IO[bytes]) -> None:
    with tarfile.open(fileobj=into, mode="w") as archive:
        for file in files:
            archive.add(file, file.name)
    into.seek(0, io.SEEK_SET)


def _install(link: Link, found: Facts, chosen: str, wanted: Engines, source: str, load: IO[bytes]) -> None:
    """Run install.py there; an interrupt ends it there too."""
    assert found.python is not None
    program = PROGRAM.read_text(encoding="utf-8")
    stage = f"{install.STAGE}{secrets.token_hex(4)}"
    words = (found.python[1], program, link.device.folder, stage, venv(chosen), source, *wanted.packages)
    try:
        done = link.run(INSTALL, *words, given=load)
    except (KeyboardInterrupt, Terminated, Unreachable):
        with suppress(Unreachable):  # then it goes on there, and ends whole or not at all
            link.run(STOP, link.device.folder, stage, timeout=60)
        raise
    if done.code == install.BUSY:
        raise NotSetUp(f"{link.name} is at work: a run or another setup holds {link.device.folder}; try again later.")
    if "No matching distribution" in done.err and source == "online":
        raise NotSetUp(f"{link.name} can't fetch packages ({last(done.err)}): without internet there, add --offline.")
    if done.code != 0:
        raise refused(link.name, f"install {wanted.title}", done)


def _try(link: Link, chosen: str, wanted: Engines) -> None:
    """Import the engines there, which also compiles them: the first run then begins as fast as the others."""
    modules = ["numpy", "PIL.Image", "cattrs", *wanted.modules]
    done = link.run(TRY, link.device.folder, venv(chosen), " ".join(modules), timeout=FETCH)
    if done.code != 0:
        raise refused(link.name, f"import {wanted.title}", done)


def wipe(name: str, device: Remote) -> None:
    """Delete what edgefer put on the board, ending what runs there; raises what Link.run raises, and NotSetUp."""
    link = Link(name, device)
    done = link.run(WIPE, device.folder, timeout=120)
    if done.code != 0:
        raise refused(name, f"delete {device.folder}", done)
