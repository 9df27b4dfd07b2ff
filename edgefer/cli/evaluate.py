"""edgefer eval: the accuracy of weights, before any export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgefer.cli.common import (
    arch_option,
    data_option,
    json_option,
    load_torch,
    print_json,
    read_data,
    split_option,
    weights_option,
)
from edgefer.cli.progress import display

if TYPE_CHECKING:
    from edgefer.data.listing import ReadOptions


@click.command("eval")
@arch_option
@data_option
@weights_option
@split_option
@click.option(
    "--ten-crop", is_flag=True, help="Also score the mean of ten crops (EAN, Figure 8); takes ten times as long."
)
@json_option
def evaluate(
    arch: str, data: Path, reading: ReadOptions, weights: Path | None, split: str, ten_crop: bool, as_json: bool
) -> None:
    """Score the float network on the centre crops of one split.

    \b
    Example: edgefer eval --arch ean --data fer2013.csv
    """
    from edgefer.arch import get_arch
    from edgefer.runtime.terminal_table import table

    network = get_arch(arch)
    with display() as shown:
        faces = read_data(shown, data, network.resize, reading)
        images = len(faces.split(split))  # or EmptyData, before torch is loaded
        load_torch(shown)
        from edgefer.training.evaluation import scores
        from edgefer.training.weights import load_trained_model

        shown.progress.step("", f"running {images} images", 0, None)
        model = load_trained_model(network, weights)
        result = scores(model.network, network, faces, split, ten_crop)
    if as_json:
        print_json({"arch": arch, "weights_sha256": model.sha256, "split": split, "scores": result})
        return
    click.echo(f"{arch} on {split}, {result.images} images, centre crop: {result.accuracy:.2f} %")
    if result.ten_crop is not None:
        click.echo(f"ten crops: {result.ten_crop:.2f} %")
    if result.unseen is not None:
        click.echo(f"on the {result.unseen_images} images that Training does not hold: {result.unseen:.2f} %")
    click.echo(table(("class", "recall"), [(name, f"{value:.2f} %") for name, value in result.recall.items()]))
