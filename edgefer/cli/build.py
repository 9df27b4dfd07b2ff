"""edgefer build: weights in, bundles out."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgefer.cli.build_own import KEYS, Asked, network_options
from edgefer.cli.common import (
    PATH,
    console,
    json_option,
    load_torch,
    print_json,
    read_data,
    reading_options,
    weights_option,
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status

    from edgefer.arch import Arch
    from edgefer.pipeline.build import Calibrate
    from edgefer.runtime.bundle import Bundle


@click.command(epilog=KEYS)
@network_options
@click.option("--target", "names", required=True, multiple=True, metavar="NAME", help="May be given several times.")
@weights_option
@reading_options
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
    names: tuple[str, ...],
    weights: Path | None,
    calibration: Path | None,
    method: str,
    count: int,
    untrained: int | None,
    seed: int,
    out: Path,
    as_json: bool,
    **named: Any,
) -> None:
    """Build bundles, by default from the shipped weights and calibration: no data needed.

    \b
    Example: edgefer build --arch ean --target tflite-int8
             edgefer build --model mypkg.net:make --weights w.safetensors --input 1x64x64
                           --labels happy,sad,angry --target tflite-int8 --calibration faces/
             edgefer build --onnx theirs.onnx --contract c.toml --target onnx-fp32
    """
    from edgefer.pipeline import targets as spec

    asked = Asked(weights=weights, untrained=untrained, **named)
    asked.check()
    targets = [(name, spec.target(name)) for name in names]
    screen = console()
    load_torch(screen)
    from edgefer.pipeline import build as pipeline
    from edgefer.pipeline.float_model import Floating

    with screen.status("loading the network"):
        network, loaded = asked.load()
    wanted = _calibrate(screen, network, calibration, method, count, seed)
    bundles, floating = [], Floating(network, loaded)
    for name, target in targets:
        with screen.status("") as status:
            job = pipeline.Job(network, name, target, loaded, wanted)
            bundle = pipeline.build(job, out, partial(_show, status, job.id), floating)
        bundles.append(bundle)
        if not as_json:
            click.echo(_line(bundle))
    if as_json:
        print_json([{"folder": str(b.folder), "manifest": b.manifest} for b in bundles])


def _show(status: Status, id: str, stage: str) -> None:
    status.update(f"{id}: {stage}")


def _line(bundle: Bundle) -> str:
    own = bundle.manifest.own
    how = "" if own is None else f", preprocessing {own['preprocessing']}"
    size = f"{bundle.manifest.model_bytes:,} bytes"
    return f"built {bundle.folder} (model {size}{how}); next: edgefer verify {bundle.folder}"


def _calibrate(screen: Console, network: Arch, path: Path | None, method: str, count: int, seed: int) -> Calibrate:
    from edgefer.pipeline.build import Calibrate
    from edgefer.pipeline.ranges import METHODS
    from edgefer.runtime.errors import MissingFile

    if path is None:
        return Calibrate()
    if not path.exists():
        raise MissingFile(f"no calibration data at {path}: give a fer2013.csv, an image folder or a calibration.json.")
    if path.suffix == ".json":
        return Calibrate(recorded=path)
    faces = read_data(screen, path, network.resize)
    if network.user_model is not None and network.user_model.color != "grey" and faces.pixels.shape[-1] == 1:
        click.echo(
            f"note: {network.name} reads colour, but {path} has grey faces only: ranges may be too narrow", err=True
        )
    return Calibrate(faces=faces, method=METHODS[METHODS.index(method)], count=count, seed=seed)
