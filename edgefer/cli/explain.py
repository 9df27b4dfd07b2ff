"""edgefer explain: where a network looks, what labels hide, and which faces it gets most wrong, as figures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgefer.cli.command import Group
from edgefer.cli.common import (
    PATH,
    data_option,
    faces_of_classes,
    json_option,
    labels_option,
    load_torch,
    print_json,
    read_data,
    reading_options,
    require_drawing,
    require_packages,
    split_option,
    teacher_option,
    usage_errors,
    weights_option,
)
from edgefer.cli.network import network_options
from edgefer.cli.progress import display
from edgefer.cli.streams import say

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edgefer.cli.progress import Display
    from edgefer.data.dataset import Dataset
    from edgefer.data.listing import ReadOptions
    from edgefer.pipeline.original import OriginalNetwork

_SIDE = 48  # of faces that no network is shown
_out_option = click.option("--out", type=PATH, required=True, metavar="FILE", help="A .png or .svg file.")
_rows_option = click.option(
    "--row",
    "rows",
    type=click.IntRange(0),
    multiple=True,
    metavar="N",
    help="A face of the data by its number, from 0, in any split; may be repeated; default: the first of each class.",
)


@click.group(cls=Group)
def explain() -> None:
    """Draw where a network looks, what labels hide, and which faces it gets most wrong.

    \b
    Example: edgefer explain blocks face.jpg --arch ean --out looks.png
    """


@explain.command()
@click.argument("faces", nargs=-1, type=PATH, metavar="[FACE]...")
@network_options
@weights_option
@labels_option
@click.option("--data", type=PATH, metavar="PATH", help="Instead of FACEs: a fer2013.csv or an image folder.")
@reading_options
@split_option
@_rows_option
@click.option("--label", metavar="NAME", help="Show what speaks for this label; default: for the network's answer.")
@click.option(
    "--layer",
    "layers",
    multiple=True,
    metavar="NAME",
    help="A part of the network by its name in torch, instead of the blocks; may be repeated.",
)
@_out_option
@json_option
def blocks(
    faces: tuple[Path, ...],
    data: Path | None,
    reading: ReadOptions,
    split: str,
    rows: tuple[int, ...],
    label: str | None,
    layers: tuple[str, ...],
    out: Path,
    as_json: bool,
    **network: Any,
) -> None:
    """Where each block of a network looks: Grad-CAM, as EAN's Figures 13 and 14. Needs pip install 'edgefer[explain]'.

    Each FACE is an image of a face, cut out as a face detector does. A block is what the network's author wrote as one
    (EAN's six EAIRBs), and the last one at each size of the map where there are many.

    \b
    Example: edgefer explain blocks face.jpg --arch ean --out looks.png
             edgefer explain blocks --arch ean --data fer2013.csv --row 28709 --row 28712 --out looks.png
             edgefer explain blocks --model net:make --weights w.safetensors --input 1x64x64
                                    --labels happy,sad --label sad --out looks.png face.jpg
    """
    if bool(faces) == (data is not None):
        raise click.UsageError("give FACEs, or --data.")
    require_drawing(out, "matplotlib")
    require_packages("explain", "captum")
    with usage_errors(), display() as shown:
        load_torch(shown)
        from edgefer.pipeline import explanations

        original = _load(network, shown)
        if data is None:
            chosen = explanations.read_faces(faces, original.arch.resize)
        else:
            whole = faces_of_classes(shown, read_data(shown, data, original.arch.resize, reading), original.arch)
            chosen = explanations.of_dataset(explanations.choose(whole, split, rows))
        figure, record = explanations.explain_blocks(original, chosen, label, layers, shown.progress)
    _show(figure, record, out, as_json)


def _load(network: dict[str, Any], shown: Display) -> OriginalNetwork:
    from edgefer.pipeline.options import BuildOptions
    from edgefer.pipeline.original import load_original

    return load_original(BuildOptions(targets=(), **network), shown.progress)


def _show(figure: Any, record: Any, out: Path, as_json: bool) -> None:
    from edgefer.training import figures

    figures.save(figure, out)
    if as_json:
        print_json(record)
    say(f"wrote {out}", err=as_json)


@explain.command()
@data_option
@split_option
@_rows_option
@teacher_option("May be repeated: their mean is drawn.")
@click.option(
    "--temperature",
    type=click.FloatRange(0, min_open=True),
    default=5.0,
    show_default=True,
    metavar="T",
    help="Softens what teachers say: softmax(logits / T). 5 is what EAN's paper found best.",
)
@_out_option
@json_option
def labels(
    data: Path,
    reading: ReadOptions,
    split: str,
    rows: tuple[int, ...],
    teachers: tuple[Path, ...],
    temperature: float,
    out: Path,
    as_json: bool,
) -> None:
    """Soft labels beside the given ones, as EAN's Figure 12: FER+'s votes, and what teachers say.

    Votes are drawn where the data have them: fer2013new.csv beside fer2013.csv.

    \b
    Example: edgefer explain labels --data fer2013.csv --teacher teacher --out labels.png
    """
    require_drawing(out, "matplotlib")
    with usage_errors(), display() as shown:
        load_torch(shown)
        from edgefer.pipeline import explanations
        from edgefer.training.losses import load_teachers
        from edgefer.training.weights import arch_of_weights

        arch = arch_of_weights(teachers[0]) if teachers else None
        loaded = [] if arch is None else load_teachers(teachers, arch, "cpu")
        whole = read_data(shown, data, _SIDE if arch is None else arch.resize, reading)
        matched = whole if arch is None else faces_of_classes(shown, whole, arch)
        chosen = explanations.choose(matched, split, rows)
        figure, record = explanations.explain_labels(chosen, loaded, temperature, data.name)
    _show(figure, record, out, as_json)


@explain.command()
@network_options
@weights_option
@labels_option
@click.option("--bundle", type=PATH, metavar="FOLDER", help="Instead of a float network: a bundle.")
@data_option
@split_option
@click.option("--count", type=click.IntRange(1, 100), default=12, show_default=True, metavar="N", help="How many.")
@_out_option
@json_option
def mistakes(
    data: Path,
    reading: ReadOptions,
    split: str,
    bundle: Path | None,
    count: int,
    out: Path,
    as_json: bool,
    **network: Any,
) -> None:
    """The most confident wrong answers on a split, with both labels, probabilities, and FER+'s votes where there are.

    \b
    Example: edgefer explain mistakes --arch ean --data fer2013.csv --split PublicTest --out mistakes.png
             edgefer explain mistakes --bundle dist/ean.tflite-int8 --data fer2013.csv --out mistakes.png
    """
    from edgefer.runtime.terminal_table import table

    require_drawing(out, "matplotlib")
    if bundle is not None and any(network.values()):
        raise click.UsageError("--bundle goes with no option of a float network: give one of the two.")
    with usage_errors(), display() as shown:
        load_torch(shown)
        from edgefer.pipeline import explanations

        if bundle is None:
            answered = _of_network(shown, network, data, reading, split)
        else:
            answered = _of_bundle(shown, bundle, data, reading, split)
        figure, record = explanations.explain_mistakes(*answered, count, split)
    _show(figure, record, out, as_json)
    if not as_json:
        click.echo(explanations.mistakes_table(record, table))


def _of_network(
    shown: Display, network: dict[str, Any], data: Path, reading: ReadOptions, split: str
) -> tuple[str, NDArray[np.float32], Dataset]:
    """The network's name, its probabilities on the split, and the split."""
    original = _load(network, shown)
    faces = read_data(shown, data, original.arch.resize, reading).split(split)
    test = faces_of_classes(shown, faces, original.arch)
    tick = shown.progress.counter(original.arch.name, "faces", len(test))
    return original.arch.name, original.probabilities(test.pixels, tick), test


def _of_bundle(
    shown: Display, folder: Path, data: Path, reading: ReadOptions, split: str
) -> tuple[str, NDArray[np.float32], Dataset]:
    """The same of a bundle."""
    from edgefer.runtime import verify
    from edgefer.runtime.bundle import read_bundle

    bundle = read_bundle(folder)
    test = read_data(shown, data, bundle.manifest.contract.resize, reading).split(split)
    verify.require_classes(bundle, test)
    tick = shown.progress.counter(bundle.manifest.name, "faces", len(test))
    return bundle.manifest.name, verify.run_faces(bundle, test.pixels, tick), test
