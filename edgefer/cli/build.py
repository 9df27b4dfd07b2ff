"""edgefer build: weights in, bundles out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgefer.cli.command import Command
from edgefer.cli.common import (
    PATH,
    json_option,
    print_json,
    reading_options,
    split_labels,
    usage_errors,
    weights_option,
)
from edgefer.cli.network import network_options
from edgefer.cli.progress import display

if TYPE_CHECKING:
    from edgefer.pipeline.options import BuildOutcome
    from edgefer.runtime.bundle import Bundle

KEYS = """\b
Keys of a contract (TOML), all optional but labels and, with --model, input:
  name = "mynet"              the bundle is mynet.<target>
  labels = ["happy", "sad"]   in the order of the outputs
  input = "1x64x64"           channels x height x width
  resize = 72, crop = 64      pixels; by default both are the input's
  color = "grey"              or "rgb", "bgr"
  range = [0, 1]              what pixel values 0 and 255 become; also [-1, 1], [0, 255]
  mean = [0.5], std = [0.5]   per channel, of values in that range: (value - mean) / std
  output = "logits"           or "probabilities", "log-probabilities", "sigmoid" (each is
                              a probability by itself), "sigmoid-logits" (a sigmoid
                              follows); by default what the network shows
  output_name = "expression"  the output that the labels are for, where there are several
  output_slice = [0, 7]       the part of it that they are for, its end not included
  layout = "NCHW"             or "NHWC", of an ONNX file; by default as its shape looks
The built model takes RGB pixels 0..255 and gives probabilities, whatever the network does.
"""


@click.command(cls=Command, epilog=KEYS)
@network_options
@click.option(
    "--labels",
    metavar="A,B,...",
    callback=split_labels,
    help="Its labels in the order of the outputs; overrides the contract. With --arch: those of weights that have no "
    "record beside them.",
)
@click.option("--name", metavar="NAME", help="Its name; default: that of the contract, module or file.")
@click.option(
    "--target",
    "targets",
    required=True,
    multiple=True,
    metavar="NAME",
    help="What to build; may be repeated; `edgefer targets` lists them.",
)
@weights_option
@reading_options
@click.option(
    "--calibration",
    type=PATH,
    metavar="PATH",
    help="What int8 is calibrated on, and every target judged by: a fer2013.csv or image folder (its Training images, "
    "labels are not needed), or the calibration.json of an earlier bundle; default: the ranges recorded for the "
    "shipped weights.",
)
@click.option(
    "--calibration-method",
    type=click.Choice(["min-max", "percentile", "mse"]),
    default="mse",
    show_default=True,
    help="How the range of a tensor follows from its values.",
)
@click.option(
    "--calibration-count",
    type=click.IntRange(2),
    default=512,
    show_default=True,
    metavar="N",
    help="How many faces of a data set calibrate.",
)
@click.option(
    "--untrained",
    type=click.IntRange(0),
    is_flag=False,
    flag_value=0,
    metavar="[SEED]",
    help="Use random weights (of seed 0 by default), to measure what a network costs; the bundle's name says so.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, metavar="N", help="Chooses the calibration images."
)
@click.option(
    "--accept-loss",
    is_flag=True,
    help="Build also what is further from the float network than its target allows; the bundle says so.",
)
@click.option(
    "--keep-names",
    is_flag=True,
    help="Leave the model file as its converter writes it, larger, with the names of inner tensors (for a viewer).",
)
@click.option(
    "--accept-unrun",
    is_flag=True,
    help="Build also what can't be run here (Core ML), so that nobody has seen its answers; the bundle says so.",
)
@click.option(
    "--platform",
    "platforms",
    multiple=True,
    metavar="NAME",
    help="Add a library of a C bundle for an app: linux-x86_64, linux-aarch64, android-arm64, macos-arm64, "
    "macos-x86_64 or wasm32; may be repeated. edgefer loads none of them.",
)
@click.option("--out", type=PATH, default=Path("dist"), show_default=True, help="The folder to write bundles into.")
@json_option
def build(as_json: bool, **options: Any) -> None:
    """Build bundles, by default from the shipped weights and calibration: no data needed.

    Of several targets one that fails does not take the others with it: each is built or told of with its reason, and
    the exit code is the highest one of those that failed.

    \b
    Example: edgefer build --arch ean --target tflite-int8
             edgefer build --arch ean --target tflite-int8 --target ncnn-int8
             edgefer build --model mypkg.net:make --weights w.safetensors --input 1x64x64
                           --labels happy,sad,angry --target tflite-int8 --calibration faces/
             edgefer build --onnx theirs.onnx --contract c.toml --target onnx-fp32
    """
    from edgefer.pipeline.options import BuildOptions, build_bundles
    from edgefer.runtime.errors import SeveralFailures, without_controls

    outcomes = []
    with usage_errors(), display() as shown:
        for outcome in build_bundles(BuildOptions(**options), shown.progress):
            outcomes.append(outcome)
            if outcome.bundle is not None and not as_json:
                for line in _lines(outcome.bundle):
                    shown.print(without_controls(line))
    if as_json:
        print_json([_record(outcome) for outcome in outcomes])
    failures = [outcome.failure for outcome in outcomes if outcome.failure is not None]
    if failures:
        raise SeveralFailures.of(failures, highest=True)


def _record(outcome: BuildOutcome) -> dict[str, Any]:
    bundle, failure = outcome.bundle, outcome.failure
    if bundle is not None:
        return {"folder": str(bundle.folder), "manifest": bundle.manifest}
    assert failure is not None
    return {"target": outcome.target, "error": {"exit_code": failure.exit_code, "message": str(failure)}}


def _lines(bundle: Bundle) -> Iterator[str]:
    """What is printed of a bundle: where it lies, how it answers, and what should be known of that."""
    from edgefer.pipeline.fidelity import agreement, recorded

    manifest = bundle.manifest
    own = manifest.own
    how = "" if own is None else f", outputs taken as {own['output']}, preprocessing {own['preprocessing']}"
    size = f"{manifest.model_bytes:,} bytes"
    following = "verify" if manifest.unrun is None else "app ios"
    yield f"built {bundle.folder} (model {size}{how}); next: edgefer {following} {bundle.folder}"
    if manifest.unrun is not None:
        yield f"  {manifest.unrun}: its answers were not seen"
    measured = manifest.fidelity
    if measured is not None:
        yield f"  agrees with float on {agreement(measured)}, probabilities are {measured.rms:.2g} off (rms)"
        of_ranges = recorded(manifest.calibration)
        if of_ranges is not None:
            yield f"  when its ranges were recorded, {of_ranges.target} did so on {agreement(of_ranges)}"
        if measured.accepted is not None:
            yield f"  accepted loss: {measured.accepted}"
        yield from (f"  warning: {each}" for each in (*measured.warnings, *_about_calibration(manifest.calibration)))


def _about_calibration(calibration: dict[str, Any] | None) -> Sequence[str]:
    warnings: Sequence[str] = (calibration or {}).get("warnings", ())
    return warnings
