"""edgefer plot: records and papers as pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgefer.cli.command import Group
from edgefer.cli.common import PATH, data_option, read_data, require_drawing, split_option
from edgefer.cli.progress import display
from edgefer.cli.streams import say

if TYPE_CHECKING:
    from edgefer.data.listing import ReadOptions

out_option = click.option("--out", type=PATH, required=True, metavar="FILE", help="A .png or .svg file.")


@click.group(cls=Group)
def plot() -> None:
    """Draw records and the papers' figures as PNG or SVG.

    \b
    Example: edgefer plot latency bench.json --out latency.png
    """


@plot.command()
@out_option
def accuracy(out: Path) -> None:
    """Accuracy on FER2013 against parameters: the papers' figures, and of weights that were trained here.

    \b
    Example: edgefer plot accuracy --out accuracy.svg
    """
    from edgefer.papers import plot_points
    from edgefer.papers.evidence import read_records
    from edgefer.runtime.files import shipped_folder

    draw = _drawing(out)
    records = read_records(shipped_folder("benchmarks") / "results")
    _save(draw.accuracy_parameters([*plot_points.of_papers(), *plot_points.of_trainings(records)]), out)


@plot.command()
@click.argument("files", nargs=-1, required=True, type=PATH, metavar="FILE...")
@out_option
def pareto(files: tuple[Path, ...], out: Path) -> None:
    """Accuracy against latency of bundles, and which of them nothing is faster and more accurate than.

    FILEs are benches (`edgefer bench --out`) and accuracies (what `edgefer verify --data PATH --json` prints).

    \b
    Example: edgefer plot pareto bench.json verified.json --out pareto.png
    """
    from edgefer.papers import plot_points

    draw = _drawing(out)
    benches, accuracies = plot_points.read_files(files)
    _save(draw.accuracy_latency(plot_points.of_bundles(benches, accuracies), draw.machines(benches)), out)


@plot.command()
@click.argument("files", nargs=-1, required=True, type=PATH, metavar="FILE...")
@out_option
def latency(files: tuple[Path, ...], out: Path) -> None:
    """How the latencies of each bundle of a bench spread.

    \b
    Example: edgefer plot latency bench.json --out latency.png
    """
    from edgefer.papers import plot_points

    draw = _drawing(out)
    _save(draw.latencies(plot_points.read_files(files)[0]), out)


@plot.command()
@click.argument("bundle", type=PATH)
@data_option
@split_option
@out_option
def confusion(bundle: Path, data: Path, reading: ReadOptions, split: str, out: Path) -> None:
    """The confusion matrix of a bundle on a data set: what is shown against what it says.

    \b
    Example: edgefer plot confusion dist/ean.tflite-int8 --data fer2013.csv --out confusion.png
    """
    from edgefer.papers import plots
    from edgefer.runtime import verify
    from edgefer.runtime.bundle import read_bundle

    _drawing(out)
    read = read_bundle(bundle)
    with display() as shown:
        test = read_data(shown, data, read.manifest.contract.resize, reading).split(split)
        verify.require_classes(read, test)
        tick = shown.progress.counter(read.manifest.name, "faces", len(test))
        answers = verify.run_faces(read, test.pixels, tick).argmax(1)
    shares = plots.shares(answers, test.labels, len(test.names))
    right = 100 * float((answers == test.labels).mean())
    title = f"{read.manifest.name}, {len(test)} images of {split}: {right:.2f} %"
    _save(plots.confusion(shares, test.names, title), out)


def _drawing(out: Path) -> Any:
    """The module that draws, after a look at the file's ending and whether what it draws with is there."""
    from edgefer.papers import plots

    require_drawing(out, "matplotlib", "adjustText")
    return plots


def _save(figure: Any, out: Path) -> None:
    from edgefer.training import figures

    figures.save(figure, out)
    say(f"wrote {out}")
