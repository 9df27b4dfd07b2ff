"""What ONNX Runtime, onnxsim and onnx's checker do with a user's file: native code, which a broken file can kill."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np
import onnx
import onnx.inliner
import onnxruntime
import onnxsim
from numpy.typing import NDArray

from edgefer.pipeline.user_model import onnx_batch
from edgefer.runtime.process import quiet

Faces = NDArray[np.float32]


class OnnxEngine(Protocol):
    """Models are the bytes of ModelProto. What the libraries raise, which have no base in common, passes through."""

    def check(self, model: bytes) -> bytes:
        """The model, with its local functions put into its graph; raises an exception for one that is not valid."""

    def simplify(self, model: bytes, name: str, shape: tuple[int, ...], batch: int) -> bytes | None:
        """Without what only computes constants, for an input `name` of this shape; None: its outputs would be others.

        A model for a `batch` of several faces is made one for a single face first.
        """

    def run(self, model: bytes, batches: Faces) -> Faces:
        """The outputs (N, ...) for inputs (N, ...), each as the model takes it."""


class InProcess:
    """An OnnxEngine in this process; what its libraries print goes where `silence` lets it go."""

    def __init__(self, silence: Callable[[], AbstractContextManager[None]] = quiet) -> None:
        self._silence = silence

    def check(self, model: bytes) -> bytes:
        """See OnnxEngine."""
        onnx.checker.check_model(model)
        whole = onnx.load_model_from_string(model)
        return onnx.inliner.inline_local_functions(whole).SerializeToString() if whole.functions else model

    def simplify(self, model: bytes, name: str, shape: tuple[int, ...], batch: int) -> bytes | None:
        """See OnnxEngine. Batch norms stay: edgefer folds them itself, in double precision."""
        whole = onnx.load_model_from_string(model)
        with self._silence():
            one = onnx_batch.single(whole, batch) if batch > 1 else whole
            simple, same = onnxsim.simplify(one, overwrite_input_shapes={name: list(shape)}, skip_fuse_bn=True)
        return simple.SerializeToString() if same else None

    def run(self, model: bytes, batches: Faces) -> Faces:
        """See OnnxEngine."""
        with self._silence():
            session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
            name = session.get_inputs()[0].name
            return np.stack([session.run(None, {name: each})[0] for each in batches]).astype(np.float32)
