"""The light half: numpy and one engine a file, never torch. What verifies and benches is what ships."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

from numpy.typing import NDArray

from edgefer.contract import Layout, TensorSpec
from edgefer.errors import MissingEngine
from edgefer.interrupts import held

ENGINES = {"tflite": "tflite", "onnx": "onnx", "openvino": "openvino", "ncnn": "ncnn"}


class Model(Protocol):
    """A loaded file; its input and output are arrays as the contract has them, the output (1, classes)."""

    engine: str
    layout: Layout
    input: TensorSpec
    output: TensorSpec

    def run(self, given: NDArray[Any]) -> NDArray[Any]:
        """One inference."""


def load(path: Path, kind: str, threads: int = 1) -> Model:
    """Open a model file with the engine of its format; raises MissingEngine or what the engine raises."""
    try:
        with held():
            module = import_module(f"edgefer.runtime.{ENGINES[kind]}")
    except ModuleNotFoundError as error:
        raise MissingEngine(error.name or str(error), kind) from error
    return cast(Model, module.load(path, threads))
