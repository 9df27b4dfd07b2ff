"""C, from TFLite's int8 file, which stays beside it: the runtime generates the C again from there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from edgefer.pipeline.export import LeanStep, Ranges, to_tflite
from edgefer.pipeline.export.to_tflite import activations, convert, input_name, observe
from edgefer.pipeline.targets import Target
from edgefer.runtime.c.generate import generate
from edgefer.runtime.manifest import Dtypes


def _beside(step: LeanStep) -> LeanStep:
    """The step for the TFLite file among a bundle's files: the C does not depend on what it leaves out."""

    def applied(files: dict[str, bytes]) -> dict[str, bytes]:
        return files | step({name: content for name, content in files.items() if name.endswith(".tflite")})

    return applied


LEAN: Mapping[str, LeanStep] = {what: _beside(step) for what, step in to_tflite.LEAN.items()}
__all__ = ["LEAN", "activations", "convert", "dtypes", "input_name", "observe", "quantize"]  # the float graph is TFLite


def quantize(model: bytes, target: Target, ranges: Ranges | None, name: str) -> dict[str, bytes]:
    """The C of the function edgefer_<name>, its header, and the TFLite file that they come from."""
    between = _tflite(target)
    written = to_tflite.quantize(model, between, ranges, name)
    return generate(written[between.file], name) | written


def dtypes(files: dict[str, bytes], target: Target) -> Dtypes:
    """Those of the TFLite file."""
    return to_tflite.dtypes(files, _tflite(target))


def _tflite(target: Target) -> Target:
    return replace(target, file=str(PurePosixPath(target.file).with_suffix(".tflite")))
