"""The papers' ways of measuring, read from benchmarks/papers/*.toml; an unknown key there is an error."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from typing import Literal

from edgefer import records, resources
from edgefer.bench.record import Mode, Settings
from edgefer.errors import UnknownName

Statistic = Literal["mean", "usage"]


@dataclass(frozen=True)
class Protocol:
    """One table of a paper; the comments in kong2022-ean.toml say what each key means."""

    paper: str
    table: str
    section: str
    quote: str
    machine: str
    mode: Mode
    batch: int
    samples: int
    warmup: int
    statistic: Statistic
    assumed: str
    unit: str
    printed: dict[str, dict[str, float]]

    def settings(self, threads: int) -> Settings:
        """What a worker has to do for it: all samples, however long they take."""
        return Settings(
            mode=self.mode, batch=self.batch, threads=threads, warmup=self.warmup, samples=self.samples, seconds=None
        )


@cache
def protocols() -> dict[str, Protocol]:
    """Every protocol by name; raises BadRecord."""
    found: dict[str, Protocol] = {}
    for path in sorted((resources.folder("benchmarks") / "papers").glob("*.toml")):
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        found |= records.structure(dict[str, Protocol], content, str(path))
    return found


def protocol(name: str) -> Protocol:
    """The protocol called `name`; raises UnknownName with the nearest names."""
    if name not in protocols():
        raise UnknownName("protocol", name, protocols())
    return protocols()[name]
