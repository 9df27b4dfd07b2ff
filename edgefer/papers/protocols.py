"""The papers' ways of measuring, as benchmarks/papers/*.toml tells them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from edgefer.benchmark.report import ProtocolNotes
from edgefer.papers import paper_files, transcription
from edgefer.runtime.bench_record import Settings
from edgefer.runtime.errors import UnknownName

_REPORTED = {"mean": ("latency",), "usage": ("cpu-percent", "memory-percent")}


@dataclass(frozen=True)
class Protocol(transcription.Method):
    """How one table of a paper was measured, and what it printed: network -> column -> figure."""

    paper: str
    printed: dict[str, dict[str, float]]

    def settings(self, threads: int) -> Settings:
        """What a worker has to do for it: all samples, however long they take."""
        return Settings(
            mode=self.mode, batch=self.batch, threads=threads, warmup=self.warmup, samples=self.samples, seconds=None
        )


@cache
def protocols() -> dict[str, Protocol]:
    """Every protocol by name; raises BadRecord."""
    return {
        name: Protocol(**vars(method), paper=source.paper.cite, printed=_printed(source, name, method))
        for source in paper_files.papers().values()
        for name, method in source.protocols.items()
    }


def _printed(source: transcription.Paper, name: str, method: transcription.Method) -> dict[str, dict[str, float]]:
    """The times or loads of the tables that name the protocol."""
    figures: dict[str, dict[str, float]] = {}
    for table in source.tables:
        for cell in table.cells if table.protocol == name else ():
            if cell.column.kind in _REPORTED[method.statistic]:
                figures.setdefault(cell.row.name, {})[cell.column.key] = float(cell.value)
    return figures


def protocol(name: str) -> Protocol:
    """The protocol called `name`; raises UnknownName with the nearest names."""
    if name not in protocols():
        raise UnknownName.of("protocol", name, protocols())
    return protocols()[name]


def protocol_notes(name: str) -> ProtocolNotes:
    """What the page of a bench tells of a protocol; raises UnknownName."""
    of_paper = protocol(name)
    printed = "; ".join(
        f"{network} {', '.join(f'{column} {figure:g}' for column, figure in figures.items())}"
        for network, figures in of_paper.printed.items()
    )
    return ProtocolNotes(
        of_paper.statistic,
        [
            f'{of_paper.table} of {of_paper.paper}, section {of_paper.section}: "{of_paper.quote}" {of_paper.assumed}',
            f"printed there, {of_paper.unit}, on {of_paper.machine}: {printed}",
        ],
    )
