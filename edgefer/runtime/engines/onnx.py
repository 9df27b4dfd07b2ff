"""ONNX files on ONNX Runtime: its CPU provider, or those for CUDA and TensorRT."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnxruntime
from numpy.typing import NDArray

from edgefer.runtime.contract import Layout, TensorSpec


class OnnxModel:
    """See runtime.Model."""

    engine = f"ONNX Runtime {onnxruntime.__version__}"
    layout: Layout = "NCHW"

    def __init__(self, path: Path, threads: int, provider: str | None = None) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        if provider is None:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            self.provider = ", ".join(self._session.get_providers())
        else:
            from edgefer.runtime.engines import onnx_gpu

            self._session = onnx_gpu.session(path, options, provider)
            self.provider, self.notes = onnx_gpu.provider_and_notes(self._session, provider)
        self.input = _spec(self._session.get_inputs()[0])
        self.output = _spec(self._session.get_outputs()[0])

    def run(self, given: NDArray[Any]) -> NDArray[Any]:
        """One inference; on a GPU it returns when the result is back in the computer's memory."""
        result: NDArray[Any] = self._session.run([self.output.name], {self.input.name: given})[0]
        return result


def _spec(arg: Any) -> TensorSpec:
    return TensorSpec(arg.name, tuple(int(n) for n in arg.shape), "float32")


def load(path: Path, threads: int, provider: str | None = None) -> OnnxModel:
    """Open an .onnx file; raises NoGpu if the provider can't be had."""
    return OnnxModel(path, threads, provider)
