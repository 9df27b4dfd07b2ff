"""The networks: one literal table from name to what builds it. A row is all a new network needs."""

from __future__ import annotations

from edgefer.arch.architecture import Arch as Arch
from edgefer.arch.registry import ROWS
from edgefer.runtime.errors import UnknownName

ARCHS: dict[str, Arch] = {arch.name: arch for arch in ROWS}


def get_arch(name: str) -> Arch:
    """The network called `name`; raises UnknownName with the nearest names."""
    if name not in ARCHS:
        raise UnknownName.of("arch", name, ARCHS)
    return ARCHS[name]
