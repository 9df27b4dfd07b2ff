"""The made format's half that runs: an edgefer.runtime.engines.Model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from edgefer.runtime.contract import Layout, TensorSpec


class MadeModel:
    """A convolution of stride 2, ReLU, a linear layer, softmax."""

    engine = f"numpy {np.__version__}"
    layout: Layout = "NCHW"

    def __init__(self, path: Path) -> None:
        with np.load(path) as arrays:
            self._arrays = dict(arrays)
        side = int(self._arrays["crop"])
        self.input = TensorSpec("pixels", (1, 3, side, side), "float32")
        self.output = TensorSpec("probabilities", (1, len(self._arrays["linear"])), "float32")

    def run(self, given: NDArray[Any]) -> NDArray[Any]:
        """One inference."""
        windows = sliding_window_view(given, (3, 3), axis=(2, 3))[:, :, ::2, ::2]
        maps = np.einsum("nchwyx,ocyx->nohw", windows, self._arrays["conv"])
        hidden = np.maximum(maps + self._arrays["conv_bias"][:, None, None], 0).reshape(1, -1)
        logits = hidden @ self._arrays["linear"].T + self._arrays["linear_bias"]
        powers = np.exp(logits - logits.max())
        probabilities: NDArray[Any] = (powers / powers.sum()).astype(np.float32)
        return probabilities


def load(path: Path, threads: int) -> MadeModel:
    """Open an .npz file."""
    return MadeModel(path)
