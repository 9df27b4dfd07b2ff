"""The papers' ablations as sweeps of edgefer's own, each tied to the rows of its table. Light: no torch."""

from __future__ import annotations

from functools import cache
from itertools import product

from edgefer.papers.paper_files import paper as paper_file
from edgefer.runtime.errors import UnknownName
from edgefer.sweep.runs import Row, Sweep

TEMPERATURES = ("2", "4", "8", "16", "20", "32", "64", "128")  # Cugu et al., section 4.4
SIZES = ("xxs", "xs", "s", "m")
ALONE = {"alpha": "0", "rounds": "0"}  # the network by itself
# Kong et al., Table 2: iter_trans_a to f.
SCHEMES = tuple(zip("abcdef", product(("0.3", "0.5", "0.7"), ("5", "10")), strict=True))

# Of a sweep the paper, the table and the column of its printed accuracies. Those of figures stand in no text.
TABLES = {
    "ean-table2": ("kong2022-ean", "2", "fer2013"),
    "ean-table6": ("kong2022-ean", "6", "rafdb"),
    "microexpnet-pooling": ("cugu2019-microexpnet", "2", "ck"),
}


def _printed(sweep: str, row: Row, name: str) -> Row:
    """The row with the figure that the sweep's table prints in its row `name`; raises UnknownName."""
    paper, number, column = TABLES[sweep]
    cell = paper_file(paper).table(number).cell(name, column)
    return Row(row.name, row.arch, row.settings, cell.printed, cell.dataset)


def _schemes() -> tuple[Row, ...]:
    return tuple(
        Row(f"iter_trans_{letter}", "ean", {"alpha": alpha, "temperature": t}) for letter, (alpha, t) in SCHEMES
    )


def _ean_table2() -> Sweep:
    rows = (Row("EAN", "ean", ALONE), *_schemes())
    return Sweep(
        *("ean-table2", "share and temperature of iterative transfer", "Kong et al., EAN, Table 2", "iterative"),
        tuple(_printed("ean-table2", row, row.name) for row in rows),
    )


def _ean_table6() -> Sweep:
    rows = {
        "none of the three": Row("none of the three", "ean-noatt", ALONE),
        "attention": Row("attention", "ean", ALONE),
        "attention, T-S iteration": Row("attention, iteration", "ean", {"hand_over": "false"}),
        "attention, T-S iteration, weight transfer": Row("attention, iteration, transfer", "ean"),
    }
    return Sweep(
        *("ean-table6", "attention, iteration, weight transfer", "Kong et al., EAN, Table 6", "iterative"),
        tuple(_printed("ean-table6", row, name) for name, row in rows.items()),
    )


def _ean_figure11() -> Sweep:
    """A training's curve has every round: the runs are those of Table 2."""
    return Sweep(
        *("ean-figure11", "accuracy over the number of iterations", "Kong et al., EAN, Figure 11", "iterative"),
        _schemes(),
    )


def _student(size: str, pooled: str = "v") -> str:
    return f"microexpnet-{size}" + ("" if pooled == "v" else f"-{pooled}")


def _microexpnet_temperatures() -> Sweep:
    return Sweep(
        *("microexpnet-temperatures", "temperatures of distillation", "Cugu et al., MicroExpNet, Figures 2 and 4"),
        "distill",
        tuple(Row(f"{s.upper()}, T {t}", _student(s), {"temperature": t}) for s in SIZES for t in TEMPERATURES),
        taught=True,
    )


def _microexpnet_pooling() -> Sweep:
    # 1000 epochs of CK+'s 1,308 training faces are 46 of FER2013's.
    rows = [Row(f"{p}_{s.upper()}", _student(s, p), {"epochs": "46"}) for s in SIZES for p in ("v", "p1", "p2", "p12")]
    return Sweep(
        *("microexpnet-pooling", "where the students pool", "Cugu et al., MicroExpNet, Table 2", "distill"),
        tuple(_printed("microexpnet-pooling", row, f"CandidateExpNet.{row.name}") for row in rows),
        taught=True,
    )


@cache
def sweeps() -> dict[str, Sweep]:
    """The papers' sweeps by name; raises BadRecord."""
    each = (_ean_table2(), _ean_table6(), _ean_figure11(), _microexpnet_temperatures(), _microexpnet_pooling())
    return {sweep.name: sweep for sweep in each}


def sweep(name: str) -> Sweep:
    """The sweep called `name`; raises UnknownName with the nearest names."""
    if name not in sweeps():
        raise UnknownName.of("sweep", name, sweeps())
    return sweeps()[name]
