"""Devices by name: those that edgefer knows (targets/devices/*.toml) and the user's own (devices.toml)."""

from __future__ import annotations

import os
import sys
import tomllib
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

from edgefer.runtime import records, resources
from edgefer.runtime.errors import BadRecord, UnknownName
from edgefer.runtime.files import write_atomic

T = TypeVar("T")


@dataclass(frozen=True)
class Fact:
    """What is known of a board, and the page that says so."""

    value: str
    source: str


@dataclass(frozen=True)
class Board:
    """A kind of board that one can buy (boards.toml); a configured one of it is a Remote."""

    title: str
    family: str
    architecture: str
    cores: int
    cpu: str
    memory: str
    gpu: str
    source: str
    facts: dict[str, Fact]


@dataclass(frozen=True)
class Cache:
    """One of a processor's: kind as Linux calls it (Data, Instruction, Unified), cores that share it."""

    level: int
    kind: str
    kibibytes: int
    cores: int


@dataclass(frozen=True)
class Emulated:
    """A board's processor under qemu-user (emulated.toml): what engines read of it to choose their kernels.

    board     whose processor
    qemu      QEMU's name of it
    part, variant, revision  in /proc/cpuinfo, as Arm gives them
    features  the words of cpuinfo's Features line
    caches    with the page that says so
    """

    title: str
    board: str
    qemu: str
    part: str
    variant: str
    revision: str
    features: str
    source: str
    megahertz: int
    caches: list[Cache]
    caches_source: str


@dataclass(frozen=True)
class Local:
    """This machine's own processor or GPU (local.toml)."""

    title: str
    source: str


@dataclass(frozen=True)
class Remote:
    """The user's own board, reached over the system's OpenSSH.

    host    what `ssh` takes: an alias of ~/.ssh/config, or user@address
    port    None: what ~/.ssh/config or OpenSSH says
    folder  on the board, relative to the home folder; everything of edgefer's lies in it
    board   the kind in boards.toml, if it is one of them
    """

    host: str
    port: int | None = None
    folder: str = ".edgefer"
    board: str | None = None


Device = Board | Emulated | Local | Remote


def _read(name: str, kind: type[T]) -> dict[str, T]:
    path = resources.folder("targets") / "devices" / f"{name}.toml"
    return records.structure(dict[str, kind], tomllib.loads(path.read_text(encoding="utf-8")), str(path))  # type: ignore[valid-type]


@cache
def boards() -> dict[str, Board]:
    """Kinds of boards by name."""
    return _read("boards", Board)


@cache
def emulated() -> dict[str, Emulated]:
    """Emulated boards by name."""
    return _read("emulated", Emulated)


@cache
def local() -> dict[str, Local]:
    """This machine's devices by name."""
    return _read("local", Local)


def own_path() -> Path:
    """The user's file; the environment variable EDGEFER_DEVICES names another one."""
    given = os.environ.get("EDGEFER_DEVICES")
    if given:
        return Path(given)
    if sys.platform == "darwin":
        return Path.home() / "Library/Application Support/edgefer/devices.toml"
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "edgefer" / "devices.toml"


def own() -> dict[str, Remote]:
    """The user's devices by name, none if there is no file; raises BadRecord."""
    path = own_path()
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadRecord(f"{path} is not TOML ({error}): mend it, or remove it and add the devices again.") from error
    return records.structure(dict[str, Remote], content, str(path))


def save(devices: dict[str, Remote]) -> None:
    """Write the user's file anew; raises OutputFailed."""
    import tomli_w

    rows = {name: {k: v for k, v in asdict(device).items() if v is not None} for name, device in devices.items()}
    write_atomic(own_path(), tomli_w.dumps(rows).encode())


def everything() -> dict[str, Device]:
    """All devices by name; the user's come first and may not take a name that edgefer has."""
    return {**own(), **local(), **emulated(), **boards()}


def find(name: str) -> Device:
    """The device called `name`; raises UnknownName with the nearest names."""
    known = everything()
    if name not in known:
        raise UnknownName.of("device", name, known)
    return known[name]
