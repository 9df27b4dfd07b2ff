"""edgefer eval: the accuracy of weights, before any export."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from edgefer.cli.common import (
    arch_option,
    console,
    data_option,
    json_option,
    load_torch,
    print_json,
    read_data,
    split_option,
    weights_option,
)


@click.command("eval")
@arch_option
@data_option
@weights_option
@split_option
@click.option("--ten-crop", is_flag=True, help="Also the mean of ten crops (EAN, Figure 8): ten times the work.")
@json_option
def evaluate(arch: str, data: Path, weights: Path | None, split: str, ten_crop: bool, as_json: bool) -> None:
    """Score the float network on one split, centre crop.

    \b
    Example: edgefer eval --arch ean --data fer2013.csv
    """
    from edgefer.arch import get_arch
    from edgefer.data.dataset import unseen_rows
    from edgefer.runtime import metrics
    from edgefer.runtime.text_table import table

    network = get_arch(arch)
    screen = console()
    faces = read_data(screen, data, network.resize)
    test = faces.split(split)
    load_torch(screen)
    from edgefer.training import evaluation_crops, loop
    from edgefer.training import weights as store

    with screen.status(f"running {len(test)} images"):
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
