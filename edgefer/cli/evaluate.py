"""edgefer eval: the accuracy of weights, before any export."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgefer.cli.command import Command
from edgefer.cli.common import (
    PATH,
    arch_option,
    data_option,
    detector_option,
    faces_of_classes,
    json_option,
    labels_option,
    load_torch,
    print_json,
    read_data,
    split_option,
    usage_errors,
    weights_option,
)
from edgefer.cli.progress import display
from edgefer.cli.threads import torch_threads_option

if TYPE_CHECKING:
    from edgefer.arch import Arch
    from edgefer.data.listing import ReadOptions
    from edgefer.training.evaluation import RobustnessRecord


@click.command("eval", cls=Command)
@arch_option
@data_option
@weights_option
@labels_option
@split_option
@detector_option
@click.option(
    "--ten-crop", is_flag=True, help="Also score the mean of ten crops (EAN, Figure 8); takes ten times as long."
)
@click.option(
    "--robustness",
    is_flag=True,
    help="Score under what a camera brings: scale, rotation, shift, contrast, brightness, blur, JPEG, small faces.",
)
@click.option(
    "--bundle",
    "bundles",
    type=PATH,
    multiple=True,
    metavar="FOLDER",
    help="With --robustness: score this bundle too; may be repeated.",
)
@torch_threads_option
@click.option("--markdown", type=PATH, metavar="FILE", help="Write the table of --robustness as Markdown.")
@json_option
def evaluate(
    arch: str,
    data: Path,
    reading: ReadOptions,
    weights: Path | None,
    labels: tuple[str, ...] | None,
    split: str,
    detector: str | None,
    ten_crop: bool,
    robustness: bool,
    bundles: tuple[Path, ...],
    threads: int,
    markdown: Path | None,
    as_json: bool,
) -> None:
    """Score the float network on the centre crops of one split, with --robustness under a camera's conditions.

    \b
    Example: edgefer eval --arch ean --data fer2013.csv
             edgefer eval --arch ean --data fer2013.csv --robustness --bundle dist/ean.tflite-int8
    """
    from edgefer.arch import get_arch

    network = get_arch(arch)
    if robustness:
        if ten_crop:
            raise click.UsageError("--robustness is of the centre crop: leave --ten-crop out.")
        if detector is not None:
            raise click.UsageError("--robustness changes faces that are cut out: leave --detector out.")
        _show_robustness(
            _Measurement(network, data, reading, weights, labels, split, bundles, threads), markdown, as_json
        )
        return
    if bundles or markdown is not None:
        raise click.UsageError("--bundle and --markdown go with --robustness.")
    reading = replace(reading, detector=detector)
    _show_scores(network, data, reading, weights, labels, split, threads, ten_crop, as_json)


def _show_scores(
    network: Arch,
    data: Path,
    reading: ReadOptions,
    weights: Path | None,
    labels: tuple[str, ...] | None,
    split: str,
    threads: int,
    ten_crop: bool,
    as_json: bool,
) -> None:
    from edgefer.runtime.metrics import Detection
    from edgefer.runtime.terminal_table import table

    with display() as shown:
        faces = read_data(shown, data, network.resize, reading)
        faces.split(split)  # or EmptyData, before torch is loaded
        load_torch(shown)
        from edgefer.training.evaluation import scores
        from edgefer.training.torch_settings import torch_threads
        from edgefer.training.weights import labelled, load_trained_model

        network = labelled(network, weights, labels)
        model = load_trained_model(network, weights, shown.progress)
        faces = faces_of_classes(shown, faces, network)
        images = len(faces.split(split))
        faces.split(split).found_only()  # or EmptyData, of this split
        faces = faces.found_only()
        shown.progress.step("", f"running {images} images", 0, None)
        with torch_threads(threads):
            result = scores(model.network, network, faces, split, ten_crop)
    detection = None if reading.detector is None else Detection.of(reading.detector, images, result)
    if as_json:
        record = {"arch": network.name, "weights_sha256": model.sha256, "split": split, "scores": result}
        print_json(record if detection is None else {**record, "detection": detection})
        return
    if detection is not None:
        click.echo(detection.line(result.accuracy))
    click.echo(f"{network.name} on {split}, {result.images} images, centre crop: {result.accuracy:.2f} %")
    if result.ten_crop is not None:
        click.echo(f"ten crops: {result.ten_crop:.2f} %")
    if result.unseen is not None:
        click.echo(f"on the {result.unseen_images} images that Training does not hold: {result.unseen:.2f} %")
    click.echo(table(("class", "recall"), [(name, f"{value:.2f} %") for name, value in result.recall.items()]))


@dataclass(frozen=True)
class _Measurement:
    """What `--robustness` measures, and on which faces."""

    network: Arch
    data: Path
    reading: ReadOptions
    weights: Path | None
    labels: tuple[str, ...] | None
    split: str
    bundles: tuple[Path, ...]
    threads: int

    def run(self) -> RobustnessRecord:
        """Check the bundles before the data are read, and the data before torch is loaded."""
        from edgefer.runtime.bundle import read_bundle

        with usage_errors(), display() as shown:
            bundles = [read_bundle(folder) for folder in self.bundles]
            test = read_data(shown, self.data, self.network.resize, self.reading).split(self.split)
            load_torch(shown)
            from edgefer.training.evaluation import measure_robustness
            from edgefer.training.torch_settings import torch_threads
            from edgefer.training.weights import labelled, load_trained_model

            network = labelled(self.network, self.weights, self.labels)
            model = load_trained_model(network, self.weights, shown.progress)
            test = faces_of_classes(shown, test, network)
            with torch_threads(self.threads):
                return measure_robustness(model, network, test, self.split, bundles, shown.progress)


def _show_robustness(measurement: _Measurement, markdown: Path | None, as_json: bool) -> None:
    from edgefer.runtime import terminal_table
    from edgefer.runtime.files import require_folder, write_atomic

    if markdown is not None:
        require_folder(markdown.absolute().parent)
    record = measurement.run()
    from edgefer.training.evaluation import robustness_page

    if markdown is not None:
        write_atomic(markdown, f"# Robustness\n\n{robustness_page(record, terminal_table.markdown)}".encode())
    if as_json:
        print_json(record)
    else:
        click.echo(robustness_page(record, terminal_table.table), nl=False)
