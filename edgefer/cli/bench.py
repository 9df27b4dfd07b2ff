"""edgefer bench: memory, size and latency of bundles, with everything needed to believe them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgefer.cli.common import PATH, engine_option
from edgefer.cli.progress import console

if TYPE_CHECKING:
    from edgefer.devices.schedule import Job, Outcome
    from edgefer.runtime.bench_record import BenchRecord, Settings

COUNT = click.IntRange(1)


class Threads(click.ParamType[int]):
    """A number of threads, or `all`."""

    name = "threads"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """`all` is every core that this process may use."""
        if value == "all":
            from edgefer.runtime.machine import usable_cores

            return usable_cores()
        return COUNT.convert(value, param, ctx)


@click.command()
@click.argument("selectors", nargs=-1, metavar="[SELECTOR]...")
@click.option(
    "--device",
    "devices",
    multiple=True,
    metavar="NAME",
    help="Where to measure, may be given several times; default: this machine's CPU. `edgefer devices` lists them.",
)
@click.option("--all-devices", is_flag=True, help="On every device that is configured, in one table.")
@engine_option
@click.option("--dist", type=PATH, default=Path("dist"), show_default=True, help="Folder of the bundles.")
@click.option(
    "--threads", type=Threads(), default="1", show_default=True, metavar="N|all", help="Threads of the engine."
)
@click.option("--fps", type=click.FloatRange(0, min_open=True), help="Pace: one inference per tick of such a camera.")
@click.option(
    "--batch",
    "batches",
    type=COUNT,
    multiple=True,
    metavar="N",
    help="Time N frames at once; may be given several times.",
)
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
    devices: tuple[str, ...],
    all_devices: bool,
    engine: str | None,
    dist: Path,
    threads: int,
    fps: float | None,
    batches: tuple[int, ...],
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
             edgefer bench ean.tflite-int8 --device kitchen --device rpi5-emulated
    """
    from edgefer.benchmark import selection
    from edgefer.devices import registry
    from edgefer.devices.schedule import Job
    from edgefer.runtime.files import require_folder

    asked = ((as_json, "json"), (save_baseline, "json"), (markdown, "markdown"), (as_csv, "csv"))
    files = [(path, kind) for path, kind in asked if path is not None]
    for path, _ in files:
        require_folder(path.absolute().parent)
    if all_devices and devices:
        raise click.UsageError("--all-devices is every device: leave --device out.")
    if save_baseline is not None and (all_devices or len(devices) > 1):
        raise click.UsageError("a baseline is of one device: save one for each.")
    settings = tuple(_settings(threads, fps, batch, end_to_end, samples, protocol) for batch in batches or (None,))
    names = registry.names(devices, all_devices)
    workloads = tuple(selection.select(selectors, dist))
    jobs = [Job(name, engine, workloads, settings, processes, protocol, instructions) for name in names]
    outcome = _measure(jobs)
    recorded = list(outcome.records.values())
    if recorded:
        _show(recorded, files)
    _end(outcome)


def _settings(
    threads: int, fps: float | None, batch: int | None, end_to_end: bool, samples: int | None, protocol: str | None
) -> Settings:
    from dataclasses import replace

    from edgefer.papers.protocols import protocol as known
    from edgefer.runtime.bench_record import Settings

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


def _measure(jobs: Sequence[Job]) -> Outcome:
    from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

    from edgefer.devices import schedule

    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeElapsedColumn())
    screen = console()
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as bar:
        tasks = {job.device: bar.add_task(f"{job.device}: waiting for its turn", total=None) for job in jobs}

        def hear(device: str, what: str, done: int, total: int) -> None:
            bar.update(tasks[device], description=f"{device}: {what}", completed=done, total=total)

        return schedule.measure(jobs, hear)


def _show(recorded: Sequence[BenchRecord], files: Sequence[tuple[Path, str]]) -> None:
    from edgefer.benchmark.report import page
    from edgefer.papers.protocols import protocol_notes
    from edgefer.runtime.terminal_table import table

    click.echo(page(recorded, table, protocol_notes).rstrip("\n"))
    for path, kind in files:
        _write(recorded, path, kind)


def _write(recorded: Sequence[BenchRecord], path: Path, kind: str) -> None:
    from edgefer.benchmark.report import as_one, page, to_csv
    from edgefer.papers.protocols import protocol_notes
    from edgefer.runtime import records
    from edgefer.runtime.files import write_atomic
    from edgefer.runtime.terminal_table import markdown

    text = {
        "json": lambda: records.dumps(as_one(recorded)),
        "markdown": lambda: f"# Bench\n\n{page(recorded, markdown, protocol_notes)}",
        "csv": lambda: to_csv(recorded, protocol_notes),
    }[kind]()
    write_atomic(path, text.encode())
    click.echo(f"wrote {path}")


def _end(outcome: Outcome) -> None:
    """Raise what went wrong; what was measured is shown and written by now."""
    from edgefer.benchmark.report import invalid_lines
    from edgefer.runtime.errors import SeveralFailures, Throttled

    if outcome.stopped is not None:
        raise outcome.stopped
    failures = [*outcome.failures, *(Throttled(line) for line in invalid_lines(outcome.records.values()))]
    if failures:
        raise SeveralFailures.of(failures)
