"""What is read from TOML: build targets. An unknown key is an error that names the known ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Literal

from edgefer.runtime import records
from edgefer.runtime.engines import ENGINES, UNRUN
from edgefer.runtime.errors import BadRecord, UnknownName
from edgefer.runtime.files import shipped_folder

Precision = Literal["fp32", "fp16", "dynamic", "int8"]


@dataclass(frozen=True)
class Limits:
    """How far a built file may be from its float network on faces; targets.toml says what each key means."""

    agreement: float
    rms: float
    warn_rms: float
    drawn_agreement: float
    drawn_rms: float


@dataclass(frozen=True)
class Twin:
    """A file of a bundle that must answer like its model, and the engine that runs it."""

    format: str
    file: str


@dataclass(frozen=True)
class Target:
    """A row of targets/targets.toml; the comments there say what each key means."""

    format: str
    precision: Precision
    io: Literal["float32", "int8"]
    file: str
    needs: str
    limits: Limits
    oldest: tuple[tuple[str, ...], ...]
    twin: Twin | None = None
    float_only: tuple[str, ...] = ()
    cannot: dict[str, str] = field(default_factory=dict)
    tried: tuple[str, ...] = ()

    def is_tried(self, network: str) -> bool:
        """Whether benchmarks/matrix.py builds this shipped network for the target."""
        return not self.tried or network in self.tried


@cache
def all_targets() -> dict[str, Target]:
    """Every build target whose files are run here, by name; raises BadRecord for a row that is none."""
    return {name: row for name, row in _rows().items() if row.format in ENGINES}


@cache
def unrun_targets() -> dict[str, Target]:
    """The other targets: their files are only written here."""
    return {name: row for name, row in _rows().items() if row.format in UNRUN}


def _rows() -> dict[str, Target]:
    path = shipped_folder("targets") / "targets.toml"
    rows = records.structure(dict[str, Target], records.read_toml(path), str(path))
    for name, row in rows.items():
        if row.format not in ENGINES | UNRUN:
            raise BadRecord(f"{path}: {name} has the format {row.format!r}, known are {', '.join(ENGINES | UNRUN)}.")
    return rows


def get_target(name: str) -> Target:
    """The target called `name`; raises UnknownName with the nearest names."""
    known = all_targets() | unrun_targets()
    if name not in known:
        raise UnknownName.of("target", name, known)
    return known[name]
