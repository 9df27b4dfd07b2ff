"""edgefer bench: memory, size and latency of bundles, with everything needed to believe them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgefer.commands.common import PATH, console

if TYPE_CHECKING:
    from edgefer.bench.record import BenchRecord, Settings
    from edgefer.bench.run import Plan

COUNT = click.IntRange(1)


class Threads(click.ParamType[int]):
    """A number of threads, or `all`."""

    name = "threads"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """`all` is every core that this process may use."""
        if value == "all":
            from edgefer.bench.machine import usable_cores

            return usable_cores()
        return COUNT.convert(value, param, ctx)


@click.command()
@click.argument("selectors", nargs=-1, metavar="[SELECTOR]...")
@click.option("--device", metavar="NAME", help="Where to measure; default: this machine's CPU.")
@click.option("--dist", type=PATH, default=Path("dist"), show_default=True, help="Folder of the bundles.")
@click.option(
    "--threads", type=Threads(), default="1", show_default=True, metavar="N|all", help="Threads of the engine."
)
@click.option("--fps", type=click.FloatRange(0, min_open=True), help="Pace: one inference per tick of such a camera.")
@click.option("--batch", type=COUNT, metavar="N", help="Time N frames at once.")
@click.option("--end-to-end", is_flag=True, help="From a 640x480 frame: crop, resize and label are timed too.")
@click.option("--samples", type=COUNT, metavar="N", help="Per process; default: 1000, but no longer than 10 s.")
@click.option("--processes", type=COUNT, default=3, show_default=True, metavar="N", help="Fresh processes per bundle.")
@click.option("--protocol", metavar="NAME", help="Measure as a paper did, for example ean-table5.")
@click.option(
    "--instructions/--no-instructions", default=True, help="Count instructions per frame too (in an emulator)."
)
@click.option("--json", "as_json", type=PATH, metavar="FILE", help="Write the whole record, raw samples included.")
@click.option("--markdown", type=PATH, metavar="FILE", help="Write the table as Markdown.")
@click.option("--csv", "as_csv", type=PATH, metavar="FILE", help="Write the table as CSV: seconds, bytes, percent.")
@click.option("--save-baseline", type=PATH, metavar="FILE", help="Write the record (as --json) for `edgefer gate`.")
def bench(
    selectors: tuple[str, ...],
    device: str | None,
    dist: Path,
    threads: int,
    fps: float | None,
    batch: int | None,
    end_to_end: bool,
    samples: int | None,
    processes: int,
    protocol: str | None,
    instructions: bool,
    as_json: Path | None,
    markdown: Path | None,
    as_csv: Path | None,
    save_baseline: Path | None,
) -> None:
    """Measure bundles in fresh processes: latency, memory, CPU, and figures that are exact.

    SELECTOR is <arch>.<target>, a glob of it, or a bundle's folder; default: all in --dist.
    <arch>.torch-eager is the naive baseline, the unfolded network in torch. Ctrl-C keeps what is measured.

    \b
    Example: edgefer bench 'ean.*' --threads 1 --json bench.json
    """
    from edgefer.bench import selection
    from edgefer.bench.run import Plan
    from edgefer.devices import places
    from edgefer.files import require_folder

    asked = ((as_json, "json"), (save_baseline, "json"), (markdown, "markdown"), (as_csv, "csv"))
    files = [(path, kind) for path, kind in asked if path is not None]
    for path, _ in files:
        require_folder(path.absolute().parent)
    place = places.find(device)
    plan = Plan(
        subjects=selection.select(selectors, dist),
        settings=_settings(threads, fps, batch, end_to_end, samples, protocol),
        processes=processes,
        place=place,
        protocol=protocol,
        count=place.count if instructions else None,
    )
    record = _measure(plan)
    click.echo(_screen(record))
    for path, kind in files:
        _write(record, path, kind)
    if record.interrupted:
        raise KeyboardInterrupt


def _settings(
    threads: int, fps: float | None, batch: int | None, end_to_end: bool, samples: int | None, protocol: str | None
) -> Settings:
    from dataclasses import replace

    from edgefer.bench.protocols import protocol as known
    from edgefer.bench.record import Settings

    if sum(given is not None for given in (fps, batch, protocol)) > 1:
        raise click.UsageError("--fps, --batch and --protocol exclude each other: give one of them.")
    if protocol is not None:
        if end_to_end or samples is not None:
            raise click.UsageError("--protocol says what and how often: leave --end-to-end and --samples out.")
        return known(protocol).settings(threads)
    if batch is not None and end_to_end:
        raise click.UsageError("--end-to-end is one frame at a time: leave --batch out.")
    made = Settings(threads=threads, scope="end-to-end" if end_to_end else "model")
    if samples is not None:
        made = replace(made, samples=samples, seconds=None)
    if fps is not None:
        return replace(made, mode="paced", fps=fps)
    return made if batch is None else replace(made, mode="batch", batch=batch)


def _measure(plan: Plan) -> BenchRecord:
    from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

    from edgefer.bench.run import bench as measure

    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console(), transient=True) as bar:
        task = bar.add_task("measuring", total=plan.steps)
        done = -1

        def tick(what: str) -> None:
            nonlocal done
            done += 1
            bar.update(task, description=what, completed=done)

        return measure(plan, tick)


def _screen(record: BenchRecord) -> str:
    from edgefer.bench import render
    from edgefer.commands.tables import table

    return render.to_markdown(record, table).rstrip("\n")


def _write(record: BenchRecord, path: Path, kind: str) -> None:
    from edgefer import records
    from edgefer.bench import render
    from edgefer.commands.tables import markdown
    from edgefer.files import write_atomic

    text = {
        "json": lambda: records.dumps(record),
        "markdown": lambda: f"# Bench\n\n{render.to_markdown(record, markdown)}",
        "csv": lambda: render.to_csv(record),
    }[kind]()
    write_atomic(path, text.encode())
    click.echo(f"wrote {path}")
