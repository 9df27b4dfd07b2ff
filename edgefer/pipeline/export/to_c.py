"""C, from TFLite's int8 file, which stays beside it: the runtime generates the C again from there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from edgefer.pipeline.export import LeanStep, Ranges, shorten, to_tflite
from edgefer.pipeline.export.to_tflite import activations, convert, input_name, observe
from edgefer.pipeline.targets import Target
from edgefer.runtime.c.generate import generate
from edgefer.runtime.records import Dtypes

LEAN: Mapping[str, LeanStep] = {}
__all__ = ["LEAN", "activations", "convert", "dtypes", "input_name", "observe", "quantize"]  # the float graph is TFLite


def quantize(model: bytes, target: Target, ranges: Ranges | None, name: str) -> dict[str, bytes]:
    """The C of the function edgefer_<name>, its header, and the TFLite file that they come from."""
    between = _tflite(target)
    written = shorten(to_tflite.quantize(model, between, ranges, name), to_tflite.LEAN)
    return generate(written[between.file], name) | written


def dtypes(files: dict[str, bytes], target: Target) -> Dtypes:
    """Those of the TFLite file."""
    return to_tflite.dtypes(files, _tflite(target))


def _tflite(target: Target) -> Target:
    return replace(target, file=str(PurePosixPath(target.file).with_suffix(".tflite")))
