"""edgefer tables: the papers' tables, each printed figure beside edgefer's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgefer.cli.bench import COUNT, Threads
from edgefer.cli.common import PATH
from edgefer.cli.progress import console

if TYPE_CHECKING:
    from edgefer.papers.measure import Heard, Wish
    from edgefer.papers.paper_table import Sheet

POSITIVE = click.FloatRange(0, min_open=True)


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--all", "every", is_flag=True, help="All tables.")
@click.option("--markdown", type=PATH, metavar="FILE", help="Write them as Markdown.")
@click.option("--csv", "as_csv", type=PATH, metavar="FILE", help="Write a line for each printed figure.")
@click.option("--out", type=PATH, metavar="FOLDER", help="Write a Markdown page for each paper there.")
@click.option("--results", type=PATH, metavar="FOLDER", help="Your own bench records; --measure writes there.")
@click.option("--measure", "measuring", is_flag=True, help="Measure what is missing, on this machine.")
@click.option("--device", metavar="NAME", help="Measure there: an emulated board counts instructions, no times.")
@click.option("--again", is_flag=True, help="Measure also what is there.")
@click.option("--processes", type=COUNT, default=3, show_default=True, metavar="N", help="Fresh processes per bundle.")
@click.option("--threads", type=Threads(), default="1", show_default=True, metavar="N|all", help="Of the engine.")
@click.option("--samples", type=COUNT, metavar="N", help="Fewer than the paper's; the page says so.")
@click.option("--seconds", type=POSITIVE, metavar="S", help="Stop sampling a process then; the page says so.")
@click.option("--minutes", type=POSITIVE, default=10.0, show_default=True, help="Leave out a bundle that takes longer.")
def tables(
    names: tuple[str, ...],
    every: bool,
    markdown: Path | None,
    as_csv: Path | None,
    out: Path | None,
    results: Path | None,
    measuring: bool,
    device: str | None,
    again: bool,
    processes: int,
    threads: int,
    samples: int | None,
    seconds: float | None,
    minutes: float,
) -> None:
    """Show the papers' tables, each printed figure beside what edgefer counts or measures, or why there is none.

    NAME is a table (ean-5) or a paper (ean); without one all are listed with how much of each is reproduced. --measure
    builds a table's networks, runs them in turn under the paper's protocol, and can be stopped and started again.

    \b
    Example: edgefer tables ean-5
             edgefer tables ean-5 --measure --seconds 30
             edgefer tables ean-5 --measure --device rpi4-emulated
    """
    from edgefer.papers import table_names as known
    from edgefer.runtime.files import require_folder

    if every and names:
        raise click.UsageError("--all is every table: leave the names out.")
    for path in (markdown, as_csv):
        if path is not None:
            require_folder(path.absolute().parent)
    wanted = known.expand(names) if names else list(known.tables())
    if measuring:
        from edgefer.papers.measure import Wish

        if not (names or every):
            raise click.UsageError("name the tables to measure, or give --all.")
        wish = Wish(processes, threads, samples, seconds, minutes, again)
        if device is None:
            _measure(wanted, wish, _place_for(results))
        else:
            _count(wanted, wish, device, _place_for(results))
    sheets = _sheets(wanted, results)
    _show(sheets, listed=not names)
    _write(sheets, markdown, as_csv, out)


def _sheets(wanted: Sequence[str], results: Path | None) -> list[Sheet]:
    from edgefer.papers import evidence
    from edgefer.papers.paper_table import sheet
    from edgefer.runtime.files import shipped_folder

    known = evidence.known(shipped_folder("benchmarks") / "results", results)
    return [sheet(name, known) for name in wanted]


def _show(sheets: Sequence[Sheet], listed: bool) -> None:
    from edgefer.papers import render
    from edgefer.runtime.terminal_table import table

    if listed:
        click.echo(table(render.OVERVIEW, render.overview(sheets)))
        return
    for sheet in sheets:
        click.echo(f"{render.title(sheet)}\n\n{render.body(sheet, table)}\n")
    click.echo(render.LEGEND)


def _write(sheets: Sequence[Sheet], markdown: Path | None, as_csv: Path | None, out: Path | None) -> None:
    from edgefer.papers import render
    from edgefer.papers import table_names as names
    from edgefer.runtime.files import write_atomic
    from edgefer.runtime.terminal_table import markdown as to_markdown

    files: list[tuple[Path, str]] = []
    if markdown is not None:
        files.append((markdown, render.page(sheets, to_markdown)))
    if as_csv is not None:
        files.append((as_csv, render.to_csv(sheets)))
    if out is not None:
        pages = {name: [sheet for sheet in sheets if names.page(sheet.name) == name] for name in names.PAGES}
        files += [(out / f"{name}.md", render.page(of, to_markdown)) for name, of in pages.items() if of]
    for path, text in files:
        write_atomic(path, text.encode())
        click.echo(f"wrote {path}")


def _place_for(results: Path | None) -> Path:
    """Where records go: the user's folder, or that of a clone; nothing is written into an installed package."""
    from edgefer.runtime.files import PACKAGE, shipped_folder

    own = shipped_folder("benchmarks") / "results"
    if results is None and own.is_relative_to(PACKAGE):
        raise click.UsageError("--measure needs --results FOLDER, where its records go.")
    return results or own


def _measure(wanted: Sequence[str], wish: Wish, results: Path) -> None:
    from edgefer.devices.device import ThisMachine
    from edgefer.papers import measure
    from edgefer.papers import table_names as names
    from edgefer.papers.deployment_columns import measured_for

    sources = {measured_for(name) for name in wanted}
    wanted_of = [name for name in names.tables() if name in sources]
    _require(wanted_of, wanted, "measured")
    for name in wanted_of:
        with _bar(name) as heard:
            measure.measure(name, wish, results / f"{name}.json", ThisMachine(), heard)
        click.echo(f"wrote {results / f'{name}.json'}")


def _count(wanted: Sequence[str], wish: Wish, device: str, results: Path) -> None:
    from edgefer.devices import registry
    from edgefer.papers import boards
    from edgefer.papers.deployment_columns import BOARDS, TABLES

    if device not in BOARDS:
        raise click.UsageError(f"--device is one of {', '.join(BOARDS)}; without it this machine is measured.")
    names = [name for name in wanted if name in TABLES]
    _require(names, wanted, "counted")
    result = results / boards.record_name(device)
    with _bar(device) as heard:
        boards.count(names, wish, result, registry.ready_device(device), heard)
    click.echo(f"wrote {result}")


def _require(names: Sequence[str], wanted: Sequence[str], done: str) -> None:
    if not names:
        raise click.UsageError(f"nothing of {', '.join(wanted)} can be {done}: no figure of it is a time or a load.")


@contextmanager
def _bar(name: str) -> Iterator[Heard]:
    from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

    from edgefer.papers.measure import Heard

    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console(), transient=True) as bar:
        task = bar.add_task(name, total=None)
        yield Heard(
            lambda what: bar.update(task, description=f"{name}: {what}"),
            lambda done, total: bar.update(task, completed=done, total=total),
        )
