"""Sets of packages for boards without a Python environment of their own, from targets/engines.toml."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from functools import cache

from edgefer.runtime import records, resources
from edgefer.runtime.errors import UnknownName

DEFAULT = "default"


@dataclass(frozen=True)
class Engines:
    """Exactly pinned packages with all that they need; the formats of bundles that they run.

    modules are what must be importable when they are installed.
    """

    title: str
    formats: list[str]
    modules: list[str]
    packages: list[str]

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
        raise UnknownName("engine", wanted, sets())
    return wanted, sets()[wanted]
