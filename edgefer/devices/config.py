"""What is known of devices: the tables in targets/devices/, and the user's own boards in devices.toml."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, TypeVar

from edgefer.runtime import records
from edgefer.runtime.errors import BadRecord, UnknownName
from edgefer.runtime.files import shipped_folder, write_atomic
from edgefer.runtime.names import NAMES_ARE, is_name

T = TypeVar("T")
_HOST = re.compile(r"[^\s\x00-\x1f\x7f\"'`$;&|<>()\\]{1,255}")  # OpenSSH refuses some of these itself since 9.6
FAMILIES = ("rpi",)  # each stands for any board of the family


@dataclass(frozen=True)
class Fact:
    """What is known of a board, and the page that says so."""

    value: str
    source: str


@dataclass(frozen=True)
class BoardKind:
    """A kind of board that one can buy (boards.toml); a configured one of it is a RemoteBoard."""

    name: str
    title: str
    family: str
    architecture: str
    cores: int
    cpu: str
    memory: str
    gpu: str
    source: str
    facts: dict[str, Fact]
    kind: ClassVar[str] = "board"
    access: ClassVar[str] = "yours, over SSH"

    @property
    def description(self) -> str:
        """What it is, for people."""
        return f"{self.title}: {self.cores} x {self.cpu}; {self.memory}; {self.gpu}"


@dataclass(frozen=True)
class Cache:
    """One of a processor's: kind as Linux calls it (Data, Instruction, Unified), cores that share it."""

    level: int
    kind: str
    kibibytes: int
    cores: int


@dataclass(frozen=True)
class EmulatedProcessor:
    """A board's processor under qemu-user (emulated.toml): what engines read of it to choose their kernels.

    board     whose processor
    qemu      QEMU's name of it
    part, variant, revision  in /proc/cpuinfo, as Arm gives them
    features  the words of cpuinfo's Features line
    caches    with the page that says so
    """

    name: str
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
    kind: ClassVar[str] = "emulated"
    access: ClassVar[str] = "in qemu-user, on this machine"

    @property
    def description(self) -> str:
        """What it is, for people."""
        return f"{self.title}'s {self.qemu}: instructions, no times"

    @property
    def board_kind(self) -> BoardKind:
        """The board whose processor it is."""
        return board_kinds()[self.board]


@dataclass(frozen=True)
class Microcontroller:
    """A processor with nothing but memory around it, under qemu-system-arm (microcontrollers.toml).

    machine, cpu  QEMU's names
    flags         of gcc, for the processor's instructions
    flash, ram    what the machine has where firmware lies, in KiB
    """

    name: str
    title: str
    machine: str
    cpu: str
    flags: list[str]
    flash: int
    ram: int
    source: str
    kind: ClassVar[str] = "emulated"
    access: ClassVar[str] = "in qemu-system-arm, on this machine"

    @property
    def description(self) -> str:
        """What it is, for people."""
        return f"{self.title}, {self.machine}: instructions, flash and RAM of c-int8 bundles, no times"


@dataclass(frozen=True)
class LocalDevice:
    """This machine's own processor or GPU (local.toml)."""

    name: str
    title: str
    source: str
    kind: ClassVar[str] = "local"
    access: ClassVar[str] = "this machine"

    @property
    def description(self) -> str:
        """What it is, for people."""
        return self.title


@dataclass(frozen=True)
class RemoteBoard:
    """The user's own board, reached over the system's OpenSSH.

    name    the heading of its table in devices.toml
    host    what `ssh` takes: an alias of ~/.ssh/config, or user@address
    port    None: what ~/.ssh/config or OpenSSH says
    folder  on the board, relative to the home folder; everything of edgefer's lies in it
    board   the name of its kind, if it is one of board_kinds()
    """

    name: str
    host: str
    port: int | None = None
    folder: str = ".edgefer"
    board: str | None = None
    kind: ClassVar[str] = "yours"

    @property
    def description(self) -> str:
        """What it is, for people."""
        kind = board_kinds().get(self.board or "")
        return kind.title if kind else self.board or "a board"

    @property
    def access(self) -> str:
        """How it is reached."""
        return f"ssh {self.host}{'' if self.port is None else f' -p {self.port}'}"


def board_fault(board: RemoteBoard) -> tuple[str, str] | None:
    """What of a board can't be so: the key and why; None if nothing is. Names and folders become parts of commands."""
    folder, parts = board.folder, PurePosixPath(board.folder).parts
    if not is_name(board.name):
        return "name", f"{board.name!r:.120} can't be a device's name: {NAMES_ARE}"
    if board.host.startswith("-") or not board.host or not _HOST.fullmatch(board.host):
        return "host", f"{board.host!r:.120} is no host: give user@address, or an alias of ~/.ssh/config"
    if board.port is not None and not 1 <= board.port <= 65535:
        return "port", f"{board.port} is no port: it is from 1 to 65535"
    if not parts or folder.startswith(("/", "~", "-")) or ".." in parts or not folder.isprintable():
        return "folder", f"{folder!r:.120} is no such folder: give a folder in the home folder there, like .edgefer"
    return None


Row = BoardKind | EmulatedProcessor | Microcontroller | LocalDevice | RemoteBoard


def _rows(kind: type[T], content: dict[str, Any], source: str) -> dict[str, T]:
    """A TOML file's tables as rows by name; each row has its table's heading as its name. Raises BadRecord."""
    for name, table in content.items():
        if isinstance(table, dict) and "name" in table:
            raise BadRecord(f"{source}: [{name}] has the key 'name', which is its heading: remove that line.")
    named = {key: {"name": key, **table} if isinstance(table, dict) else table for key, table in content.items()}
    return records.structure(dict[str, kind], named, source)  # type: ignore[valid-type]


def _shipped(name: str, kind: type[T]) -> dict[str, T]:
    path = shipped_folder("targets") / "devices" / f"{name}.toml"
    return _rows(kind, records.read_toml(path), str(path))


@cache
def board_kinds() -> dict[str, BoardKind]:
    """Kinds of boards by name."""
    return _shipped("boards", BoardKind)


@cache
def emulated_processors() -> dict[str, EmulatedProcessor]:
    """Emulated boards by name."""
    return _shipped("emulated", EmulatedProcessor)


@cache
def microcontrollers() -> dict[str, Microcontroller]:
    """Emulated microcontrollers by name."""
    return _shipped("microcontrollers", Microcontroller)


@cache
def local_devices() -> dict[str, LocalDevice]:
    """This machine's devices by name."""
    return _shipped("local", LocalDevice)


def remote_boards_path() -> Path:
    """The user's file; the environment variable EDGEFER_DEVICES names another one."""
    chosen = os.environ.get("EDGEFER_DEVICES")
    if chosen:
        return Path(chosen)
    if sys.platform == "darwin":
        return Path.home() / "Library/Application Support/edgefer/devices.toml"
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "edgefer" / "devices.toml"


def remote_boards() -> dict[str, RemoteBoard]:
    """The user's boards by name, none if there is no file; raises MissingFile, and BadRecord for faults too."""
    path = remote_boards_path()
    if not path.exists():
        return {}
    content = records.read_toml(path, "correct it, or remove it and add the devices again")
    boards = _rows(RemoteBoard, content, str(path))
    for board in boards.values():
        fault = board_fault(board)
        if fault is not None:
            raise BadRecord(f"{path}, {fault[0]} of a device: {fault[1]}.")
    return boards


def save_remote_boards(boards: Iterable[RemoteBoard]) -> None:
    """Write the user's file anew; raises OutputFailed."""
    import tomli_w

    tables = {board.name: {k: v for k, v in asdict(board).items() if k != "name" and v is not None} for board in boards}
    write_atomic(remote_boards_path(), tomli_w.dumps(tables).encode())


def all_rows() -> dict[str, Row]:
    """Everything by name; the user's boards come first and may not take a name that edgefer has."""
    return {**remote_boards(), **local_devices(), **emulated_processors(), **microcontrollers(), **board_kinds()}


def row(name: str) -> Row:
    """What is known of the device called `name`; raises UnknownName with the nearest names."""
    rows = all_rows()
    if name not in rows:
        raise UnknownName.of("device", name, rows)
    return rows[name]
