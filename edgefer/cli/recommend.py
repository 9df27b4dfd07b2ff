"""edgefer recommend: which target of a network to take on a device."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgefer.cli.command import Command
from edgefer.cli.common import (
    COUNT,
    PATH,
    arch_option,
    engine_option,
    json_option,
    print_json,
    reading_options,
    split_option,
    usage_errors,
    weights_option,
)
from edgefer.cli.progress import display
from edgefer.cli.threads import Threads

if TYPE_CHECKING:
    from edgefer.benchmark.recommendation import Recommendation

_ABOVE_0 = click.FloatRange(0, min_open=True)


@click.command(cls=Command)
@arch_option
@click.option("--device", metavar="NAME", help="Where it is to run; default: this machine's CPU.")
@engine_option
@click.option(
    "--max-kb",
    type=_ABOVE_0,
    metavar="KB",
    help="The model's files (on a microcontroller its flash) take at most so many kB (1,000 bytes).",
)
@click.option("--max-ms", type=_ABOVE_0, metavar="MS", help="A frame takes at most so many milliseconds (the median).")
@click.option(
    "--min-accuracy",
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    help="It is right on at least this share of the faces; needs --data or --verified.",
)
@click.option(
    "--target", "targets", multiple=True, metavar="NAME", help="Try this target only; may be repeated; default: all."
)
@weights_option
@click.option(
    "--calibration",
    type=PATH,
    metavar="PATH",
    help="What int8 is calibrated on, as in `edgefer build`, for your weights.",
)
@click.option(
    "--dist", type=PATH, default=Path("dist"), show_default=True, help="Bundles are taken from here, or built into it."
)
@click.option(
    "--threads",
    type=Threads(),
    multiple=True,
    metavar="N|all",
    help="Threads of the engine; may be repeated; default: 1, and all cores of the device.",
)
@click.option("--processes", type=COUNT, default=3, show_default=True, metavar="N", help="Runs of each.")
@click.option("--samples", type=COUNT, metavar="N", help="Samples of a run; default: 1000, but no longer than 10 s.")
@click.option("--data", type=PATH, metavar="PATH", help="Measure accuracy on this data set, on this machine.")
@reading_options
@split_option
@click.option(
    "--verified", type=PATH, metavar="FILE", help="Take accuracies from what `edgefer verify --data --json` printed."
)
@click.option(
    "--record",
    type=PATH,
    metavar="FILE",
    help="Where measurements are kept, to go on with; `edgefer report` reads it; default: in --dist.",
)
@click.option("--fresh", is_flag=True, help="Measure all again, also what is kept.")
@click.option("--markdown", type=PATH, metavar="FILE", help="Write the page as Markdown.")
@json_option
def recommend(
    max_kb: float | None,
    max_ms: float | None,
    min_accuracy: float | None,
    markdown: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Measure a network's targets on a device, and name the best for latency, size, memory and accuracy.

    Targets that are not in --dist are built. Without a data set, accuracy is how far each agrees with the float network
    on the faces that its bundle was compared on. An emulated board has instructions instead of latency, a
    microcontroller flash and RAM too. Ctrl-C keeps what was measured: the same command goes on. The exit code is 37 if
    no bundle meets the limits.

    \b
    Example: edgefer recommend --arch ean --max-kb 100
             edgefer recommend --arch ean --device kitchen --max-ms 5 --min-accuracy 67 --data fer2013.csv
    """
    from edgefer.benchmark.recommendation import Limits
    from edgefer.devices.recommend import RecommendOptions
    from edgefer.devices.recommend import recommend as run
    from edgefer.runtime.files import require_folder

    if markdown is not None:
        require_folder(markdown.absolute().parent)
    with usage_errors(), display() as shown:
        found = run(RecommendOptions(limits=Limits(max_kb, max_ms, min_accuracy), **options), shown.progress)
    _show(found, markdown, as_json)
    found.require()


def _show(found: Recommendation, markdown: Path | None, as_json: bool) -> None:
    from edgefer.benchmark.recommendation import page
    from edgefer.runtime import terminal_table
    from edgefer.runtime.files import write_atomic

    if markdown is not None:
        write_atomic(markdown, f"# Recommendation\n\n{page(found, terminal_table.markdown)}".encode())
    if as_json:
        print_json(found)
    else:
        click.echo(page(found, terminal_table.table), nl=False)
