"""edgefer eval: the accuracy of weights, before any export."""

from __future__ import annotations

from dataclasses import replace
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
@click.option("--ten-crop", is_flag=True, help="Also the mean of ten crops (EAN, Figure 8): ten times the work.")
@json_option
def evaluate(
    arch: str, data: Path, reading: ReadOptions, weights: Path | None, split: str, ten_crop: bool, as_json: bool
) -> None:
    """Score the float network on one split, centre crop.

    \b
    Example: edgefer eval --arch ean --data fer2013.csv
    """
    from edgefer.arch import get_arch
    from edgefer.data.dataset import unseen_rows
    from edgefer.runtime import metrics
    from edgefer.runtime.terminal_table import table

    network = get_arch(arch)
    with display() as shown:
        faces = read_data(shown, data, network.resize, reading)
        test = faces.split(split)
        load_torch(shown)
        from edgefer.training import evaluation_crops, loop
        from edgefer.training import weights as store

        shown.progress.step("", f"running {len(test)} images", 0, None)
        loaded = store.load(network, weights)
        found = loop.logits(loaded.network, test, network).numpy()
        result = metrics.score(found, test, unseen_rows(test, faces))
        if ten_crop:
            crops = evaluation_crops.ten_crop_probabilities(loaded.network, test, network).numpy()
            result = replace(result, ten_crop=metrics.score(crops, test).accuracy)
    if as_json:
        print_json({"arch": arch, "weights_sha256": loaded.sha256, "split": split, "scores": result})
        return
    click.echo(f"{arch} on {split}, {result.images} images, centre crop: {result.accuracy:.2f} %")
    if result.ten_crop is not None:
        click.echo(f"ten crops: {result.ten_crop:.2f} %")
    if result.unseen is not None:
        click.echo(f"on the {result.unseen_images} images that Training does not hold: {result.unseen:.2f} %")
    click.echo(table(("class", "recall"), [(name, f"{value:.2f} %") for name, value in result.recall.items()]))
