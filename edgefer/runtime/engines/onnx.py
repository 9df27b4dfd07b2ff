"""ONNX files on ONNX Runtime: its CPU provider, or those for CUDA and TensorRT."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from edgefer.runtime.contract import Layout, TensorSpec


class OnnxModel:
    """See runtime.Model."""

    engine = f"ONNX Runtime {onnxruntime.__version__}"
    layout: Layout = "NCHW"
    _binding: Any = None  # on the processor

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
        if provider is None:
            self._bind()

    def _bind(self) -> None:
        """Tie arrays of this object's to input and output, once: `run` of a session looks both up for each frame."""
        self._given, self._returned = np.zeros(self.input.shape, np.float32), np.zeros(self.output.shape, np.float32)
        self._binding = self._session.io_binding()
        self._binding.bind_ortvalue_input(self.input.name, onnxruntime.OrtValue.ortvalue_from_numpy(self._given))
        self._binding.bind_ortvalue_output(self.output.name, onnxruntime.OrtValue.ortvalue_from_numpy(self._returned))

    def run(self, given: NDArray[Any]) -> NDArray[Any]:
        """One inference; the result is a new array, on a GPU as soon as it is back in the computer's memory."""
        if self._binding is None:
            result: NDArray[Any] = self._session.run([self.output.name], {self.input.name: given})[0]
            return result
        if given.shape != self.input.shape:  # it would be repeated until it fits
            raise ValueError(f"an input of {given.shape}, the network takes {self.input.shape}")
        self._given[...] = given
        self._session.run_with_iobinding(self._binding)
        return self._returned.copy()


def _spec(arg: Any) -> TensorSpec:
    return TensorSpec(arg.name, tuple(int(n) for n in arg.shape), "float32")


def load(path: Path, threads: int, provider: str | None = None) -> OnnxModel:
    """Open an .onnx file; raises NoGpu if the provider can't be had."""
    return OnnxModel(path, threads, provider)
