"""edgefer tables: the papers' tables, each printed figure beside edgefer's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgefer.cli.command import Command
from edgefer.cli.common import COUNT, PATH, json_option, print_json
from edgefer.cli.progress import display
from edgefer.cli.streams import say
from edgefer.cli.threads import bench_threads_option

if TYPE_CHECKING:
    from edgefer.papers.measure import MeasureOptions
    from edgefer.papers.paper_table import PaperTable

POSITIVE = click.FloatRange(0, min_open=True)


@click.command(cls=Command)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--all", "every", is_flag=True, help="Write or measure all tables.")
@click.option("--markdown", type=PATH, metavar="FILE", help="Write them as Markdown.")
@click.option("--csv", "as_csv", type=PATH, metavar="FILE", help="Write a line for each printed figure.")
@click.option("--out", type=PATH, metavar="FOLDER", help="Write a Markdown page for each paper there.")
@click.option("--results", type=PATH, metavar="FOLDER", help="Your own bench records; --measure writes there.")
@click.option("--measure", "measuring", is_flag=True, help="Measure what is missing, on this machine.")
@click.option(
    "--device", metavar="NAME", help="Measure there: an emulated board counts instructions, and has no times."
)
@click.option("--again", is_flag=True, help="Measure what is recorded once more.")
@click.option("--processes", type=COUNT, default=3, show_default=True, metavar="N", help="Fresh processes per bundle.")
@bench_threads_option
@click.option("--samples", type=COUNT, metavar="N", help="Fewer than the paper's; the page says so.")
@click.option("--seconds", type=POSITIVE, metavar="S", help="Stop sampling a process then; the page says so.")
@click.option(
    "--minutes",
    type=POSITIVE,
    default=10.0,
    show_default=True,
    metavar="MINUTES",
    help="Leave out a bundle that takes longer.",
)
@json_option
def tables(
    names: tuple[str, ...],
    every: bool,
    markdown: Path | None,
    as_csv: Path | None,
    out: Path | None,
    results: Path | None,
    measuring: bool,
    device: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Show the papers' tables, each printed figure beside what edgefer counts or measures, or why there is none.

    NAME is a table (ean-5) or a paper (ean); without one all are listed with how much of each is reproduced. --measure
    builds a table's networks, runs them in turn under the paper's protocol, and can be stopped and started again.

    \b
    Example: edgefer tables ean-5
             edgefer tables ean-5 --measure --seconds 30
             edgefer tables ean-5 --measure --device rpi4-emulated
    """
    from edgefer.papers.paper_files import expand_names
    from edgefer.papers.paper_files import tables as all_tables
    from edgefer.runtime.files import require_folder

    if every and names:
        raise click.UsageError("--all is every table: leave the names out.")
    for path in (markdown, as_csv):
        if path is not None:
            require_folder(path.absolute().parent)
    chosen = expand_names(names) if names else list(all_tables())
    if measuring:
        from edgefer.papers.measure import MeasureOptions

        if not (names or every):
            raise click.UsageError("name the tables to measure, or give --all.")
        how, folder = MeasureOptions(**options), _results_folder(results)
        written = _measure(chosen, how, folder) if device is None else _count(chosen, how, device, folder)
        _say_written(written, as_json)
    compared = _compare(chosen, results)
    if as_json:
        from edgefer.papers.paper_table import figures

        print_json(figures(compared))
    else:
        _show(compared, listed=not names)
    _say_written(_write(compared, markdown, as_csv, out), as_json)


def _say_written(paths: Iterable[Path], as_json: bool) -> None:
    for path in paths:
        say(f"wrote {path}", err=as_json)


def _compare(names: Sequence[str], results: Path | None) -> list[PaperTable]:
    from edgefer.papers.evidence import read_records
    from edgefer.papers.paper_table import compare_table
    from edgefer.runtime.files import shipped_folder

    records = read_records(shipped_folder("benchmarks") / "results", results)
    return [compare_table(name, records) for name in names]


def _show(compared: Sequence[PaperTable], listed: bool) -> None:
    from edgefer.papers import paper_table
    from edgefer.runtime.terminal_table import table

    if listed:
        click.echo(table(paper_table.OVERVIEW, paper_table.overview(compared)))
        return
    for each in compared:
        click.echo(f"{paper_table.title(each)}\n\n{paper_table.body(each, table)}\n")
    click.echo(paper_table.LEGEND)


def _write(compared: Sequence[PaperTable], markdown: Path | None, as_csv: Path | None, out: Path | None) -> list[Path]:
    from edgefer.papers.paper_files import PAGES, page_of
    from edgefer.papers.paper_table import page, to_csv
    from edgefer.runtime.files import write_atomic
    from edgefer.runtime.terminal_table import markdown as to_markdown

    files: list[tuple[Path, str]] = []
    if markdown is not None:
        files.append((markdown, page(compared, to_markdown)))
    if as_csv is not None:
        files.append((as_csv, to_csv(compared)))
    if out is not None:
        pages = {name: [each for each in compared if page_of(each.name) == name] for name in PAGES}
        files += [(out / f"{name}.md", page(of, to_markdown)) for name, of in pages.items() if of]
    for path, text in files:
        write_atomic(path, text.encode())
    return [path for path, _ in files]


def _results_folder(results: Path | None) -> Path:
    """Where records go: the user's folder, or that of a clone; nothing is written into an installed package."""
    from edgefer.runtime.files import PACKAGE, shipped_folder

    of_clone = shipped_folder("benchmarks") / "results"
    if results is None and of_clone.is_relative_to(PACKAGE):
        raise click.UsageError("--measure needs --results FOLDER, where its records go.")
    return results or of_clone


def _measure(chosen: Sequence[str], options: MeasureOptions, results: Path) -> Iterator[Path]:
    from edgefer.devices.device import ThisMachine
    from edgefer.papers import measure
    from edgefer.papers.deployment_columns import measured_for
    from edgefer.papers.paper_files import tables as all_tables

    sources = {measured_for(name) for name in chosen}
    names = [name for name in all_tables() if name in sources]
    _require(names, chosen, "measured")
    for name in names:
        with display() as shown:
            measure.measure(name, options, results / f"{name}.json", ThisMachine(), shown.progress)
        yield results / f"{name}.json"


def _count(chosen: Sequence[str], options: MeasureOptions, device: str, results: Path) -> Iterator[Path]:
    from edgefer.devices import registry
    from edgefer.papers import boards
    from edgefer.papers.deployment_columns import BOARDS, TABLES

    if device not in BOARDS:
        raise click.UsageError(f"--device is one of {', '.join(BOARDS)}; without it this machine is measured.")
    names = [name for name in chosen if name in TABLES]
    _require(names, chosen, "counted")
    result = results / boards.record_name(device)
    with display() as shown:
        boards.count(names, options, result, registry.ready_device(device), shown.progress)
    yield result


def _require(names: Sequence[str], chosen: Sequence[str], done: str) -> None:
    if not names:
        raise click.UsageError(f"nothing of {', '.join(chosen)} can be {done}: no figure of it is a time or a load.")
