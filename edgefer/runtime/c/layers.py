"""The constants of a layer in C: weights as the kernels read them, biases, scales and limits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgefer.runtime.c import constants
from edgefer.runtime.c.constants import Arrays, Structs
from edgefer.runtime.c.modes import SIGNED, Mode
from edgefer.runtime.c.steps import Step, refuse
from edgefer.runtime.c.tflite_file import Graph, Tensor

_RELU, _RELU6 = 1, 3
_HALF = 2**15  # which numbers of 16 bits are below
_NEAREST = 2**22  # below which C rounds by adding and taking off 1.5 * 2^23


def require_near(step: Step, most: float) -> None:
    """Raise ExportFailed unless the largest number that a step rounds is one that C rounds rightly."""
    if not most < _NEAREST:
        raise refuse(f"the operator {step.operator.name}", f": its scales make numbers up to {most:g} of it")


class Layers:
    """Writes layers of a graph for one mode of kernels; their arrays are added to `arrays`."""

    def __init__(self, graph: Graph, mode: Mode, arrays: Arrays, structs: Structs) -> None:
        self._graph, self._mode, self._arrays, self._structs = graph, mode, arrays, structs

    def tensor(self, index: int) -> Tensor:
        """A tensor of the graph."""
        return self._graph.tensors[index]

    def zero(self, index: int) -> int:
        """What zero is stored as in a tensor."""
        return self._mode.zero(self.tensor(index).zero_point)

    def limits(self, index: int, activation: int = 0) -> tuple[int, int]:
        """The least and the largest value of a tensor, as distances from zero."""
        tensor = self.tensor(index)
        low, high = -128 - tensor.zero_point, 127 - tensor.zero_point
        if activation in (_RELU, _RELU6):
            low = max(low, 0)
        if activation == _RELU6:
            high = min(high, int(np.rint(np.float32(6) / tensor.scales[0])))
        if activation not in (0, _RELU, _RELU6):
            raise refuse("a fused activation", f" number {activation} of the schema")
        return low, high

    def layer(self, step: Step, weights: NDArray[np.int8], packed: str, zeros_counted: bool, activation: int) -> str:
        """A pointer to a layer's constants. `weights` are (outputs, inputs), of which `packed` is the array's name.

        `zeros_counted`: the kernel multiplies activations as they are stored, so that the bias makes good for zero.
        """
        given, returned = self.tensor(step.operator.inputs[0]), self.tensor(step.operator.output)
        scales = self.tensor(step.operator.inputs[1]).scales
        biases = self._biases(step, len(weights))
        factors = np.broadcast_to(given.scales[0] * scales / returned.scales[0], len(weights)).astype(np.float32)
        heavy = np.abs(weights.astype(np.int64)).sum(1) * 255 + np.abs(biases)
        if heavy.max() >= 2**31:
            raise refuse(f"the operator {step.operator.name}", ": its sums are too large")
        most = float((heavy * factors).max())
        require_near(step, most)
        if zeros_counted:
            biases = biases - self.zero(step.operator.inputs[0]) * weights.astype(np.int64).sum(1)
        names = (
            self._arrays.add(constants.padded(biases.astype(np.int32), self._mode.block)),
            self._arrays.add(constants.padded(factors, self._mode.block)),
        )
        low, high = self.limits(step.operator.output, activation)
        zero = self.zero(step.operator.output)
        # NEON adds an even zero before it rounds, where nothing is beyond 16 bits
        even = [int(zero % 2 == 0 and most + abs(zero) < _HALF)] if self._mode is SIGNED else []
        return self._structs.add("Layer", packed, *names, low, high, *even)

    def _biases(self, step: Step, count: int) -> NDArray[np.int64]:
        inputs = step.operator.inputs
        if len(inputs) < 3 or inputs[2] < 0:
            return np.zeros(count, np.int64)
        data = self.tensor(inputs[2]).data
        assert data is not None
        return data.ravel().astype(np.int64)

    def weights(self, step: Step) -> NDArray[np.int8]:
        """A layer's weights; raises ExportFailed if -128 is among them."""
        weights = self.tensor(step.operator.inputs[1]).data
        assert weights is not None
        if (weights == -128).any():  # TFLite's specification has none; NEON adds two products in 16 bits
            raise refuse(f"the operator {step.operator.name}", " with weights of -128")
        return weights

    def convolution(
        self, step: Step, weights: NDArray[np.int8], pixel: int, activation: int, expands: bool = False
    ) -> tuple[str, int]:
        """A pointer to a convolution's constants, and how many groups of inputs a row of its window has.

        `expands`: it is computed together with the depthwise layer behind it, so by whole vectors of outputs.
        """
        halved = self._mode.halved and not expands and 0 < len(weights) % self._mode.block <= 8
        pack = constants.halved if halved else constants.convolution
        packed, groups = pack(weights, pixel, self._mode.side_by_side(len(weights)), self._mode.group)
        name = self._arrays.add(packed)
        return self.layer(step, weights.reshape(len(weights), -1), name, True, activation), groups
