"""The light half: numpy and one engine a file, never torch. What verifies and benches is what ships."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

from numpy.typing import NDArray

from edgefer.runtime.contract import Layout, TensorSpec
from edgefer.runtime.errors import MissingEngine, UnknownName
from edgefer.runtime.interrupts import held

ENGINES = {"tflite": "tflite", "onnx": "onnx", "openvino": "openvino", "ncnn": "ncnn"}
# The ways to a GPU of each format's engine; without one of them it computes on the processor.
PROVIDERS: dict[str, tuple[str, ...]] = {
    "tflite": (),
    "onnx": ("cuda", "tensorrt"),
    "openvino": ("gpu",),
    "ncnn": ("vulkan",),
}


class Model(Protocol):
    """A loaded file; its input and output are arrays as the contract has them, the output (1, classes).

    Where an engine can tell, it also has `provider` (what really runs the model) and `arena` (bytes); on a GPU `gpu`
    (a runtime.bench_record.Gpu) and `notes` (what does not run there, a line each).
    """

    engine: str
    layout: Layout
    input: TensorSpec
    output: TensorSpec

    def run(self, given: NDArray[Any]) -> NDArray[Any]:
        """One inference."""


def load(path: Path, kind: str, threads: int = 1, provider: str | None = None) -> Model:
    """Open a model file with the engine of its format, on the processor or a GPU (`provider`).

    Raises MissingEngine, NoGpu, UnknownName for a provider that the format has not, or what the engine raises.
    """
    if provider is not None and provider not in PROVIDERS[kind]:
        raise UnknownName(f"way of {kind} to a GPU", provider, PROVIDERS[kind] or ["none"])
    try:
        with held():
            module = import_module(f"edgefer.runtime.engines.{ENGINES[kind]}")
    except ModuleNotFoundError as error:
        raise MissingEngine(error.name or str(error), kind) from error
    return cast(Model, module.load(path, threads) if provider is None else module.load(path, threads, provider))
