"""Sets of packages for boards without a Python environment of their own, from targets/engines.toml."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from functools import cache

from edgefer.runtime import records, resources
from edgefer.runtime.engines import ENGINES, Package
from edgefer.runtime.errors import UnknownName

DEFAULT = "default"


@dataclass(frozen=True)
class Engines:
    """Exactly pinned packages with all that they need."""

    packages: list[str]

    @property
    def _engines(self) -> dict[str, Package]:
        """The engines among the packages, by the format that they run."""
        pinned = {package.partition("==")[0] for package in self.packages}
        return {row.name: each for row in ENGINES.values() for each in row.packages if each.name in pinned}

    @property
    def formats(self) -> list[str]:
        """The formats of bundles that they run."""
        return list(self._engines)

    @property
    def modules(self) -> list[str]:
        """What must be importable when they are installed."""
        return [engine.module for engine in self._engines.values()]

    @property
    def title(self) -> str:
        """The engines' names: LiteRT, ONNX Runtime and ncnn."""
        *others, last = (engine.title for engine in self._engines.values())
        return f"{', '.join(others)} and {last}" if others else last

    @property
    def checksum(self) -> str:
        """Eight hexadecimal digits; other packages have another one."""
        return hashlib.sha256("\n".join(self.packages).encode()).hexdigest()[:8]


@cache
def sets() -> dict[str, Engines]:
    """All sets by name."""
    path = resources.folder("targets") / "engines.toml"
    return records.structure(dict[str, Engines], tomllib.loads(path.read_text(encoding="utf-8")), str(path))


def find(name: str | None) -> tuple[str, Engines]:
    """The set of that name, None is the default one; raises UnknownName."""
    wanted = name or DEFAULT
    if wanted not in sets():
        raise UnknownName.of("engine", wanted, sets())
    return wanted, sets()[wanted]
