"""A grid of trainings: a sweep with its rows, and grids of the user's own. Light: no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from edgefer.runtime.errors import BadSetting


@dataclass(frozen=True)
class Row:
    """One point of a grid: a network, and in what its recipe differs (as `recipes.change` takes it).

    printed and printed_of are a paper's accuracy of it as printed and its data set, empty where there is none.
    """

    name: str
    arch: str
    settings: Mapping[str, str] = field(default_factory=dict)
    printed: str = ""
    printed_of: str = ""


@dataclass(frozen=True)
class Sweep:
    """A grid of trainings; taught: it needs a teacher from outside."""

    name: str
    what: str
    source: str
    recipe: str
    rows: tuple[Row, ...]
    taught: bool = False


def grid(archs: Sequence[str], recipe: str, values: Mapping[str, Sequence[str]]) -> Sweep:
    """Every network with every combination of the settings' values; raises BadSetting where a value comes twice."""
    for key, texts in {"arch": archs, **values}.items():
        if len(set(texts)) < len(texts):
            raise BadSetting(f"{key}={','.join(texts)}: a value comes twice: give each once.")
    rows = tuple(
        Row(", ".join([arch, *(f"{key} {value}" for key, value in zip(values, point, strict=True))]), arch,
            dict(zip(values, point, strict=True)))
        for arch in archs
        for point in product(*values.values())
    )  # fmt: skip
    return Sweep("-".join([*archs, recipe, *values]), "a grid of your own", "", recipe, rows)
