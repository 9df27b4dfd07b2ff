"""TFLite files on LiteRT, or on tflite-runtime 2.14 where that is what the device has."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefer.runtime import units
from edgefer.runtime.contract import Layout, TensorSpec
from edgefer.runtime.process import quiet

try:
    from ai_edge_litert.interpreter import Interpreter

    ENGINE = f"LiteRT {metadata.version('ai-edge-litert')}"
except ModuleNotFoundError:
    from tflite_runtime.interpreter import Interpreter

    ENGINE = f"tflite-runtime {metadata.version('tflite-runtime')}"


class TFLiteModel:
    """See runtime.Model."""

    engine = ENGINE
    layout: Layout = "NHWC"

    def __init__(self, path: Path, threads: int) -> None:
        self._interpreter = open_interpreter(path, threads)
        self.provider = _provider(self._interpreter)
        given, returned = self._interpreter.get_input_details()[0], self._interpreter.get_output_details()[0]
        self._indices = given["index"], returned["index"]
        self.input, self.output = _spec(given), _spec(returned)

    def run(self, given: NDArray[Any]) -> NDArray[Any]:
        """One inference; the result is a copy."""
        self._interpreter.set_tensor(self._indices[0], given)
        self._interpreter.invoke()
        result: NDArray[Any] = self._interpreter.get_tensor(self._indices[1])
        return result


def _spec(detail: dict[str, Any]) -> TensorSpec:
    shape = tuple(int(n) for n in detail["shape"])
    if detail["dtype"] == np.float32:
        return TensorSpec(detail["name"], shape, "float32")
    scale, zero_point = detail["quantization"]
    return TensorSpec(detail["name"], shape, "int8", float(scale), int(zero_point))


def _provider(interpreter: Any) -> str:
    """XNNPACK where it took over parts of the graph; only a private method of the interpreter tells."""
    if not hasattr(interpreter, "_get_ops_details"):
        return "not told"
    parts = sum(node["op_name"] == "DELEGATE" for node in interpreter._get_ops_details())
    return f"XNNPACK, {units.counted(parts, 'part')}" if parts else "built-in kernels"


def open_interpreter(path: Path, threads: int) -> Any:
    """The engine's interpreter of a file, ready to run; it may have any number of inputs and outputs."""
    with quiet():
        interpreter = Interpreter(model_path=str(path), num_threads=threads)
        interpreter.allocate_tensors()
    return interpreter


def load(path: Path, threads: int) -> TFLiteModel:
    """Open a .tflite file."""
    return TFLiteModel(path, threads)
