"""edgefer build: weights in, bundles out."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgefer.commands.common import (
    PATH,
    arch_option,
    console,
    json_option,
    load_torch,
    print_json,
    read_data,
    weights_option,
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status

    from edgefer.arch import Arch
    from edgefer.pipeline import Calibrate


@click.command()
@arch_option
@click.option("--target", "names", required=True, multiple=True, metavar="NAME", help="May be given several times.")
@weights_option
@click.option(
    "--calibration",
    type=PATH,
    metavar="PATH",
    help="What int8 is calibrated on: a fer2013.csv or image folder (its Training images), or the calibration.json of "
    "an earlier bundle; default: the ranges recorded for the shipped weights.",
)
@click.option(
    "--calibration-method",
    "method",
    type=click.Choice(["min-max", "percentile", "mse"]),
    default="percentile",
    show_default=True,
    help="How a tensor's range follows from its values.",
)
@click.option("--calibration-count", "count", type=click.IntRange(2), default=512, show_default=True, metavar="N")
@click.option(
    "--untrained",
    type=click.IntRange(0),
    is_flag=False,
    flag_value=0,
    metavar="[SEED]",
    help="Random weights (by default of seed 0), to measure what a network costs; the bundle says so in its name.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Chooses the calibration images.")
@click.option("--out", type=PATH, default=Path("dist"), show_default=True, help="Folder for the bundles.")
@json_option
def build(
    arch: str,
    names: tuple[str, ...],
    weights: Path | None,
    calibration: Path | None,
    method: str,
    count: int,
    untrained: int | None,
    seed: int,
    out: Path,
    as_json: bool,
) -> None:
    """Build bundles, by default from the shipped weights and calibration: no data needed.

    \b
    Example: edgefer build --arch ean --target tflite-int8
    """
    from edgefer import arch as archs
    from edgefer import spec

    if untrained is not None and weights is not None:
        raise click.UsageError("--untrained takes no --weights: give one of the two.")
    network, targets = archs.get(arch), [(name, spec.target(name)) for name in names]
    screen = console()
    load_torch(screen)
    from edgefer import pipeline
    from edgefer.floating import Floating
    from edgefer.train import untrained as random
    from edgefer.train import weights as store

    loaded = store.load(network, weights) if untrained is None else random.make(network, untrained)
    wanted = _calibrate(screen, network, calibration, method, count, seed)
    bundles, floating = [], Floating(network, loaded)
    for name, target in targets:
        with screen.status("") as status:
            job = pipeline.Job(network, name, target, loaded, wanted)
            bundle = pipeline.build(job, out, partial(_show, status, job.id), floating)
        bundles.append(bundle)
        if not as_json:
            click.echo(_line(bundle.folder, bundle.manifest.model_bytes))
    if as_json:
        print_json([{"folder": str(b.folder), "manifest": b.manifest} for b in bundles])


def _show(status: Status, id: str, stage: str) -> None:
    status.update(f"{id}: {stage}")


def _line(folder: Path, size: int) -> str:
    return f"built {folder} (model {size:,} bytes); next: edgefer verify {folder}"


def _calibrate(screen: Console, network: Arch, path: Path | None, method: str, count: int, seed: int) -> Calibrate:
    from edgefer.errors import MissingFile
    from edgefer.pipeline import Calibrate
    from edgefer.quantize.ranges import METHODS

    if path is None:
        return Calibrate()
    if not path.exists():
        raise MissingFile(f"no calibration data at {path}: give a fer2013.csv, an image folder or a calibration.json.")
    if path.suffix == ".json":
        return Calibrate(recorded=path)
    faces = read_data(screen, path, network.resize)
    return Calibrate(faces=faces, method=METHODS[METHODS.index(method)], count=count, seed=seed)
