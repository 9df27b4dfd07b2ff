"""The sweeps that have a name, each with its source; and grids of the user's own. Light: no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from edgefer.papers import transcription
from edgefer.papers.transcription import Cell
from edgefer.runtime.errors import BadSetting, UnknownName


@dataclass(frozen=True)
class Row:
    """One point of a grid: a network, and in what its recipe differs (as `recipes.change` takes it).

    printed is the row of the sweep's table that it repeats, empty where there is none.
    """

    name: str
    arch: str
    settings: Mapping[str, str] = field(default_factory=dict)
    printed: str = ""


@dataclass(frozen=True)
class Sweep:
    """A grid of trainings. paper, number, column: the printed accuracies; taught: it needs a teacher from outside."""

    name: str
    what: str
    source: str
    recipe: str
    rows: tuple[Row, ...]
    paper: str = ""
    number: str = ""
    column: str = ""
    taught: bool = False

    def cell(self, row: Row) -> Cell | None:
        """The paper's figure of a row; raises UnknownName if the table has none of that name."""
        return (
            transcription.paper(self.paper).table(self.number).cell(row.printed, self.column)
            if row.printed and self.paper
            else None
        )


KONG, CUGU = "kong2022-ean", "cugu2019-microexpnet"
TEMPERATURES = ("2", "4", "8", "16", "20", "32", "64", "128")  # Cugu et al., section 4.4
SIZES = ("xxs", "xs", "s", "m")
ALONE = {"alpha": "0", "rounds": "0"}  # the network by itself
# Kong et al., Table 2: iter_trans_a to f.
SCHEMES = tuple(zip("abcdef", product(("0.3", "0.5", "0.7"), ("5", "10")), strict=True))


def _schemes() -> tuple[Row, ...]:
    return tuple(
        Row(f"iter_trans_{letter}", "ean", {"alpha": alpha, "temperature": t}, f"iter_trans_{letter}")
        for letter, (alpha, t) in SCHEMES
    )


def _student(size: str, pooled: str = "v") -> str:
    return f"microexpnet-{size}" + ("" if pooled == "v" else f"-{pooled}")


_ALL = (
    Sweep(
        *("ean-table2", "share and temperature of iterative transfer", "Kong et al., EAN, Table 2", "iterative"),
        (Row("EAN", "ean", ALONE, "EAN"), *_schemes()),
        *(KONG, "2", "fer2013"),
    ),
    Sweep(
        *("ean-table6", "attention, iteration, weight transfer", "Kong et al., EAN, Table 6", "iterative"),
        (
            Row("none of the three", "ean-noatt", ALONE, "none of the three"),
            Row("attention", "ean", ALONE, "attention"),
            Row("attention, iteration", "ean", {"hand_over": "false"}, "attention, T-S iteration"),
            Row("attention, iteration, transfer", "ean", {}, "attention, T-S iteration, weight transfer"),
        ),
        *(KONG, "6", "rafdb"),
    ),
    # The figure's accuracies stand in no text. A training's curve has every round: the runs are those of Table 2.
    Sweep(
        *("ean-figure11", "accuracy over the number of iterations", "Kong et al., EAN, Figure 11", "iterative"),
        _schemes(),
    ),
    # The figures' accuracies stand in no text.
    Sweep(
        *("microexpnet-temperatures", "temperatures of distillation", "Cugu et al., MicroExpNet, Figures 2 and 4"),
        "distill",
        tuple(Row(f"{s.upper()}, T {t}", _student(s), {"temperature": t}) for s in SIZES for t in TEMPERATURES),
        taught=True,
    ),
    # 1000 epochs of CK+'s 1,308 training faces are 46 of FER2013's.
    Sweep(
        *("microexpnet-pooling", "where the students pool", "Cugu et al., MicroExpNet, Table 2", "distill"),
        tuple(
            Row(f"{p}_{s.upper()}", _student(s, p), {"epochs": "46"}, f"CandidateExpNet.{p}_{s.upper()}")
            for s in SIZES
            for p in ("v", "p1", "p2", "p12")
        ),
        *(CUGU, "2", "ck"),
        taught=True,
    ),
)  # fmt: skip
SWEEPS = {sweep.name: sweep for sweep in _ALL}


def get(name: str) -> Sweep:
    """The sweep called `name`; raises UnknownName with the nearest names."""
    if name not in SWEEPS:
        raise UnknownName.of("sweep", name, SWEEPS)
    return SWEEPS[name]


def grid(archs: Sequence[str], recipe: str, values: Mapping[str, Sequence[str]]) -> Sweep:
    """Every network with every combination of the settings' values; raises BadSetting where a value comes twice."""
    for key, given in {"arch": archs, **values}.items():
        if len(set(given)) < len(given):
            raise BadSetting(f"{key}={','.join(given)}: a value comes twice: give each once.")
    rows = tuple(
        Row(", ".join([arch, *(f"{key} {value}" for key, value in zip(values, point, strict=True))]), arch,
            dict(zip(values, point, strict=True)))
        for arch in archs
        for point in product(*values.values())
    )  # fmt: skip
    return Sweep("-".join([*archs, recipe, *values]), "a grid of your own", "", recipe, rows)
