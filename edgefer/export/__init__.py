"""The heavy half: a folded network becomes an engine's file. Host only; never imported on a device.

Each module gives the same five functions, on bytes:
    convert(network, crop) -> float model
    observe(model, batches) -> for each image, {tensor: values}   (activations, to be quantised)
    activations(model) -> names of those tensors
    lower(model, target, ranges) -> {file name: content}          (precision and io of the target)
    dtypes(files, target) -> records.Dtypes, as read from the file
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from edgefer.errors import MissingEngine
from edgefer.fold import Deployed
from edgefer.quiet import quiet
from edgefer.records import Dtypes
from edgefer.spec import Format, Target

Ranges = Mapping[str, tuple[float, float]]
Activations = dict[str, NDArray[np.float32]]

EXPORTERS: dict[Format, str] = {"tflite": "to_tflite", "onnx": "to_onnx", "openvino": "to_openvino"}

# Tensor names that ranges are recorded under: OpenVINO's int8 graph is made from the ONNX one.
RANGES_OF: dict[Format, Format] = {"tflite": "tflite", "onnx": "onnx", "openvino": "onnx"}


class Exporter(Protocol):
    """What each module of this package offers; see the package's docstring."""

    PACKAGES: tuple[str, ...]

    def convert(self, network: Deployed, crop: int) -> bytes: ...
    def observe(self, model: bytes, images: Iterable[NDArray[np.uint8]]) -> Iterator[Activations]: ...
    def activations(self, model: bytes) -> set[str]: ...
    def lower(self, model: bytes, target: Target, ranges: Ranges | None) -> dict[str, bytes]: ...
    def dtypes(self, files: dict[str, bytes], target: Target) -> Dtypes: ...


def exporter(kind: Format) -> Exporter:
    """The module that writes this format; raises MissingEngine if a package of it is absent."""
    try:
        with quiet():
            return cast(Exporter, import_module(f"edgefer.export.{EXPORTERS[kind]}"))
    except ModuleNotFoundError as error:
        raise MissingEngine(error.name or str(error), "build") from error
