"""edgefer bench: memory, size and latency of bundles; edgefer report: recorded benches in one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgefer.cli.command import Command
from edgefer.cli.common import COUNT, PATH, engine_option, json_option, print_json, require_packages, usage_errors
from edgefer.cli.progress import display
from edgefer.cli.streams import say
from edgefer.cli.threads import bench_threads_option
from edgefer.cli.trust import trust_options

if TYPE_CHECKING:
    from edgefer.devices.schedule import Outcome
    from edgefer.runtime.bench_record import BenchRecord, Settings

_markdown_option = click.option("--markdown", type=PATH, metavar="FILE", help="Write the table as Markdown.")
_csv_option = click.option(
    "--csv", "as_csv", type=PATH, metavar="FILE", help="Write the table as CSV: seconds, bytes, percent."
)


class BenchCommand(Command):
    """Takes `--json FILE` as `--out FILE`, which is what it meant before --json was a flag as in all commands."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """A FILE ends in .json, which no SELECTOR does."""
        changed = list(args)
        for number, word in enumerate(args):
            following = args[number + 1] if number + 1 < len(args) else ""
            if word.startswith("--json=") or (word == "--json" and following.endswith(".json")):
                changed[number] = word.replace("--json", "--out", 1)
                click.echo("edgefer: --json FILE is --out FILE now; --json alone prints the record.", err=True)
        return super().parse_args(ctx, changed)


@click.command(cls=BenchCommand)
@click.argument("selectors", nargs=-1, metavar="[SELECTOR]...")
@click.option(
    "--device",
    "devices",
    multiple=True,
    metavar="NAME",
    help="Where to measure; may be repeated; default: this machine's CPU. `edgefer devices` lists them.",
)
@click.option("--all-devices", is_flag=True, help="Measure on every device that is configured, in one table.")
@engine_option
@click.option("--dist", type=PATH, default=Path("dist"), show_default=True, help="The folder that holds the bundles.")
@bench_threads_option
@click.option(
    "--fps",
    type=click.FloatRange(0, min_open=True),
    metavar="FPS",
    help="Run one inference per frame of a camera of this rate.",
)
@click.option(
    "--batch",
    "batches",
    type=COUNT,
    multiple=True,
    metavar="N",
    help="Time N frames at once; may be repeated.",
)
@click.option(
    "--end-to-end", is_flag=True, help="Start from a 640x480 frame: cropping, resizing and labelling are timed too."
)
@click.option(
    "--samples", type=COUNT, metavar="N", help="Samples of a process; default: 1000, but no longer than 10 s."
)
@click.option(
    "--processes", type=COUNT, default=3, show_default=True, metavar="N", help="Fresh processes for each bundle."
)
@click.option("--protocol", metavar="NAME", help="Measure as a paper did, for example ean-table5.")
@click.option(
    "--instructions/--no-instructions", default=True, help="Count instructions per frame too (in an emulator)."
)
@click.option(
    "--roofline",
    is_flag=True,
    help="Measure this processor's peaks in fp32 and int8 too (2 s), and show each bundle's distance from its own.",
)
@click.option("--out", type=PATH, metavar="FILE", help="Write the whole record, raw samples included, as JSON.")
@_markdown_option
@_csv_option
@click.option("--save-baseline", type=PATH, metavar="FILE", help="Write the record (as --out) for `edgefer gate`.")
@trust_options
@json_option
def bench(
    threads: int,
    fps: float | None,
    batches: tuple[int, ...],
    end_to_end: bool,
    samples: int | None,
    out: Path | None,
    save_baseline: Path | None,
    markdown: Path | None,
    as_csv: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Measure latency, memory, CPU and static metrics of bundles, each in fresh processes.

    SELECTOR is <arch>.<target>, a glob of that, or the folder of a bundle; default: all bundles in --dist.
    <arch>.torch-eager is the unfolded network in torch, a naive baseline. Ctrl-C keeps what was measured.

    \b
    Example: edgefer bench 'ean.*' --threads 1 --out bench.json
             edgefer bench ean.tflite-int8 --device kitchen --device rpi5-emulated
    """
    from edgefer.devices import bench as benches

    files = _files(json=out, baseline=save_baseline, markdown=markdown, csv=as_csv)
    if save_baseline is not None and (options["all_devices"] or len(options["devices"]) > 1):
        raise click.UsageError("a baseline is of one device: save one for each.")
    with usage_errors(), display(together=True) as shown:
        settings = _settings(options["protocol"], threads, fps, batches, end_to_end, samples)
        outcome = benches.bench_devices(benches.BenchOptions(settings=settings, **options), shown.progress)
    recorded = list(outcome.records.values())
    if recorded:
        _show(recorded, files, as_json)
    _raise_failures(outcome)


def _settings(
    protocol: str | None,
    threads: int,
    fps: float | None,
    batches: tuple[int, ...],
    end_to_end: bool,
    samples: int | None,
) -> tuple[Settings, ...]:
    """What a run does: as a paper did, or as the options say."""
    from edgefer.devices import bench as benches
    from edgefer.papers import protocols

    if protocol is None:
        return benches.settings(threads, fps, batches, end_to_end, samples)
    if fps is not None or batches or end_to_end or samples is not None:
        raise click.UsageError(
            "--protocol says what is measured and how often: leave --fps, --batch, --end-to-end and --samples out."
        )
    return (protocols.protocol(protocol).settings(threads),)


@click.command(cls=Command)
@click.argument("files", nargs=-1, required=True, type=PATH, metavar="FILE...")
@click.option(
    "--html",
    type=PATH,
    metavar="FILE",
    help="Write one page of everything; FILEs may be bundles' folders, and what `edgefer verify --json` prints, too.",
)
@_markdown_option
@_csv_option
@json_option
def report(
    files: tuple[Path, ...], html: Path | None, markdown: Path | None, as_csv: Path | None, as_json: bool
) -> None:
    """Show what `edgefer bench --out` recorded, of any number of devices, in one table.

    Results stand together only where the bundles' checksums are equal; others are kept apart and named. With --html
    they become a page that fetches nothing and needs no JavaScript: model card, contract, accuracy, confusion matrix,
    latency, Pareto plots and roofline, as far as the FILEs hold them.

    \b
    Example: edgefer report kitchen.json hall.json --markdown boards.md
             edgefer report dist/ean.tflite-int8 bench.json verified.json --html ean.html
    """
    from edgefer.benchmark.report import read_bench

    written = _files(markdown=markdown, csv=as_csv)
    if html is None:
        folders = [str(path) for path in files if path.is_dir()]
        if folders:
            raise click.UsageError(f"{folders[0]} is a folder: bundles go with --html; else give what bench wrote.")
        _show([record for path in files for record in read_bench(path)], written, as_json)
        return
    require_packages("train", "matplotlib", "adjustText", "markdown_it")
    from edgefer.benchmark.html_report import page
    from edgefer.benchmark.html_sources import read_sources
    from edgefer.runtime.files import write_atomic

    sources = read_sources(files)
    if not sources.benches and (written or as_json):
        raise click.UsageError("--markdown, --csv and --json are of benches: none is among the FILEs.")
    _files(html=html)
    write_atomic(html, page(sources).encode())
    if sources.benches:
        _show(sources.benches, written, as_json)
    say(f"wrote {html}", err=as_json)


def _files(**paths: Path | None) -> dict[str, Path]:
    """The files that are wanted, by kind; raises OutputFailed before anything is measured."""
    from edgefer.runtime.files import require_folder

    files = {kind: path for kind, path in paths.items() if path is not None}
    for path in files.values():
        require_folder(path.absolute().parent)
    return files


def _show(recorded: Sequence[BenchRecord], files: Mapping[str, Path], as_json: bool) -> None:
    from edgefer.benchmark.report import as_one, page
    from edgefer.papers.protocols import protocol_notes
    from edgefer.runtime.terminal_table import table

    if as_json:
        print_json(as_one(recorded))
    else:
        click.echo(page(recorded, table, protocol_notes).rstrip("\n"))
    for kind, path in files.items():
        _write(recorded, path, kind)
        say(f"wrote {path}", err=as_json)


def _write(recorded: Sequence[BenchRecord], path: Path, kind: str) -> None:
    from edgefer.benchmark.report import as_one, page, to_csv
    from edgefer.papers.protocols import protocol_notes
    from edgefer.runtime import records
    from edgefer.runtime.files import write_atomic
    from edgefer.runtime.terminal_table import markdown

    text = {
        "json": lambda: records.dumps(as_one(recorded)),
        "baseline": lambda: records.dumps(as_one(recorded)),
        "markdown": lambda: f"# Bench\n\n{page(recorded, markdown, protocol_notes)}",
        "csv": lambda: to_csv(recorded, protocol_notes),
    }[kind]()
    write_atomic(path, text.encode())


def _raise_failures(outcome: Outcome) -> None:
    """Raise what went wrong; what was measured is shown and written by now."""
    from edgefer.devices.bench import failures
    from edgefer.runtime.errors import SeveralFailures

    if outcome.stopped is not None:
        raise outcome.stopped
    failed = failures(outcome)
    if failed:
        raise SeveralFailures.of(failed)
