"""The shape that each operator's output has by its inputs, weights and options; what does not fit is refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefer.runtime.c.steps import refuse, shape_of
from edgefer.runtime.c.tflite_file import Graph, Operator, Table, Tensor

Sides = tuple[int, int, int]  # height, width and channels
SIDE = 2**20  # of a tensor, and what a padding may add
STRIDE = 1024
POOL = 256  # the side of a pooling window
SCALES = 2.0**-60, 2.0**20  # so that no product or ratio of three leaves float32


def check_sides(tensor: Tensor, of: str) -> None:
    """Raise ExportFailed for sides that no tensor of a network has."""
    if not all(1 <= side <= SIDE for side in tensor.shape):
        raise refuse(of, f" with a tensor of the shape {tensor.shape} (sides of 1 to {SIDE:,})")


def check_scales(tensor: Tensor, of: str) -> None:
    """Raise ExportFailed for scales or a zero point that a product or an index could not bear."""
    least, most = SCALES
    if not ((tensor.scales >= least) & (tensor.scales <= most)).all() or not -128 <= tensor.zero_point <= 127:
        raise refuse(
            of,
            f" with scales from {tensor.scales.min():g} to {tensor.scales.max():g} and the zero point "
            f"{tensor.zero_point} ({least:g} to {most:g}, -128 to 127)",
        )


def options_of(operator: Operator) -> Table:
    """The operator's options; raises ExportFailed if it has none."""
    if operator.options is None:
        raise refuse(f"the operator {operator.name}", " without its options")
    return operator.options


def _integers(graph: Graph, operator: Operator) -> NDArray[Any]:
    """The second input: axes, amounts or an order."""
    tensor = graph.tensors[operator.inputs[1]]
    assert tensor.data is not None
    if tensor.dtype not in ("int32", "int64") or tensor.data.size > 16:
        raise refuse(f"the operator {operator.name}", f" by {tensor.dtype} of the shape {tensor.shape}")
    return tensor.data


def _layer(graph: Graph, operator: Operator, axes: int, outputs_axis: int) -> Tensor:
    """The weights, whose shape, scales and biases fit together."""
    name, weights = f"the operator {operator.name}", graph.tensors[operator.inputs[1]]
    if weights.dtype != "int8" or weights.zero_point:
        raise refuse(name, " with other weights than int8 constants around 0")
    if len(weights.shape) != axes:
        raise refuse(name, f" with weights of the shape {weights.shape}")
    check_sides(weights, name)
    outputs = weights.shape[outputs_axis]
    if len(weights.scales) not in (1, outputs):
        raise refuse(name, f" with {len(weights.scales)} scales for {outputs} outputs")
    check_scales(weights, name)
    bias = operator.inputs[2] if len(operator.inputs) > 2 else -1
    if bias >= 0:
        data = graph.tensors[bias].data
        if data is None or graph.tensors[bias].dtype != "int32" or data.size != outputs:
            raise refuse(name, f" with other biases than {outputs} int32 constants")
    return weights


def slide(operator: Operator, size: Sides, tall: int, wide: int) -> tuple[int, int]:
    """Height and width behind a window."""
    options = options_of(operator)
    padding, right, down = options.number(0, "<b"), options.number(1), options.number(2)
    if padding not in (0, 1) or not (1 <= right <= STRIDE and 1 <= down <= STRIDE):
        raise refuse(f"the operator {operator.name}", f" with the strides {down} and {right} and padding {padding}")
    if padding == 0:
        return -(-size[0] // down), -(-size[1] // right)
    return (size[0] - tall) // down + 1, (size[1] - wide) // right + 1


def _convolution(graph: Graph, operator: Operator) -> Sides:
    given, weights = graph.tensors[operator.inputs[0]], _layer(graph, operator, 4, 0)
    size = shape_of(given)
    if len(given.shape) != 4 or weights.shape[3] != size[2]:
        raise refuse("the operator CONV_2D", f" in groups: {given.shape} by weights of {weights.shape}")
    return (*slide(operator, size, *weights.shape[1:3]), weights.shape[0])


def _depthwise(graph: Graph, operator: Operator) -> Sides:
    given, weights = graph.tensors[operator.inputs[0]], _layer(graph, operator, 4, 3)
    size = shape_of(given)
    if len(given.shape) != 4 or weights.shape[0] != 1 or weights.shape[3] % size[2]:
        raise refuse("the operator DEPTHWISE_CONV_2D", f" on {given.shape} by weights of {weights.shape}")
    return (*slide(operator, size, *weights.shape[1:3]), weights.shape[3])


def _pool(graph: Graph, operator: Operator) -> Sides:
    options, given = options_of(operator), graph.tensors[operator.inputs[0]]
    window = options.number(4), options.number(3)
    if len(given.shape) != 4 or not all(1 <= side <= POOL for side in window):
        raise refuse("the operator MAX_POOL_2D", f" on {given.shape} with a window of {window[0]} x {window[1]}")
    if options.number(5, "<b"):
        raise refuse("the operator MAX_POOL_2D", " with a fused activation")
    return (*slide(operator, shape_of(given), *window), shape_of(given)[2])


def _connected(graph: Graph, operator: Operator) -> Sides:
    size, weights = shape_of(graph.tensors[operator.inputs[0]]), _layer(graph, operator, 2, 0)
    if weights.shape[1] != math.prod(size) or (operator.options is not None and operator.options.number(1, "<b")):
        raise refuse("the operator FULLY_CONNECTED", " of several rows, or with shuffled weights")
    return 1, 1, weights.shape[0]


def _same(graph: Graph, operator: Operator) -> Sides:
    """All inputs have one shape, and the output has it."""
    shapes = {shape_of(graph.tensors[index]) for index in operator.inputs}
    if len(shapes) != 1:
        raise refuse(f"the operator {operator.name}", " of different shapes")
    return shapes.pop()


def _stretched(graph: Graph, operator: Operator) -> Sides:
    """The output has one input's shape, and the other one's sides are that or 1."""
    output = shape_of(graph.tensors[operator.output])
    shapes = [shape_of(graph.tensors[index]) for index in operator.inputs]
    if output not in shapes or any(
        n not in (1, side) for shape in shapes for n, side in zip(shape, output, strict=True)
    ):
        raise refuse("the operator MUL", " of two shapes that both are stretched")
    return output


def _mean(graph: Graph, operator: Operator) -> Sides:
    given = graph.tensors[operator.inputs[0]]
    rank = len(given.shape)
    axes = _integers(graph, operator).ravel()
    inside = all(-rank <= axis < rank for axis in axes)
    if not inside or {int(axis) % rank + 4 - rank for axis in axes} - {0} != {1, 2}:
        raise refuse("the operator MEAN", " over other axes than height and width")
    return 1, 1, shape_of(given)[2]


def _reshape(graph: Graph, operator: Operator) -> Sides:
    given, output = (graph.tensors[index] for index in (operator.inputs[0], operator.output))
    if math.prod(given.shape) != math.prod(output.shape):
        raise refuse("the operator RESHAPE", f" from the shape {given.shape} to {output.shape}")
    return shape_of(output)


def _transposed(graph: Graph, operator: Operator) -> Sides:
    shape, order = graph.tensors[operator.inputs[0]].shape, _integers(graph, operator).ravel().tolist()
    if sorted(order) != list(range(len(shape))) or len(shape) > 4 or (len(shape) == 4 and order[0] != 0):
        raise refuse("the operator TRANSPOSE", f" of the shape {shape} in the order {order}")
    return _sides([shape[axis] for axis in order])


def _sides(shape: list[int]) -> Sides:
    return shape_of(Tensor(tuple(shape), "int8", np.zeros(0, np.float32), 0, None))


def _joined(graph: Graph, operator: Operator) -> Sides:
    shapes = [list(graph.tensors[index].shape) for index in operator.inputs]
    options, rank = options_of(operator), len(shapes[0])
    axis = options.number(0)
    alike = -rank <= axis < rank and all(len(shape) == rank for shape in shapes)
    if not alike or len({tuple(shape[: axis % rank] + shape[axis % rank + 1 :]) for shape in shapes}) != 1:
        shown = ", ".join(map(str, shapes[:8]))
        raise refuse("the operator CONCATENATION", f" of the shapes {shown} along axis {axis}")
    if axis % rank < rank - 3 or options.number(1, "<b"):
        raise refuse("the operator CONCATENATION", " of batches or with a fused activation")
    return _sides([sum(s[a] for s in shapes) if a == axis % rank else shapes[0][a] for a in range(rank)])


def _padded(graph: Graph, operator: Operator) -> Sides:
    shape, amounts = graph.tensors[operator.inputs[0]].shape, _integers(graph, operator)
    if (
        len(shape) > 4
        or amounts.shape != (len(shape), 2)
        or amounts.min(initial=0) < 0
        or amounts.max(initial=0) > SIDE
    ):
        raise refuse("the operator PAD", f" of the shape {shape} by {amounts.ravel().tolist()}")
    return _sides([side + int(before) + int(after) for side, (before, after) in zip(shape, amounts, strict=True)])


@dataclass(frozen=True)
class Rule:
    """What an operator takes: computed inputs (None: any number), constants behind them, and constants that may follow.

    `output` gives the output's shape or raises ExportFailed; `same_scale`: all inputs and the output have one scale.
    """

    computed: int | None
    constants: int
    optional: int
    output: Callable[[Graph, Operator], Sides]
    same_scale: bool = False


RULES = {
    "ADD": Rule(2, 0, 0, _same),
    "CONCATENATION": Rule(None, 0, 0, _joined, same_scale=True),
    "CONV_2D": Rule(1, 1, 1, _convolution),
    "DEPTHWISE_CONV_2D": Rule(1, 1, 1, _depthwise),
    "FULLY_CONNECTED": Rule(1, 1, 1, _connected),
    "LOGISTIC": Rule(1, 0, 0, _same),
    "MAX_POOL_2D": Rule(1, 0, 0, _pool, same_scale=True),
    "MEAN": Rule(1, 1, 0, _mean),
    "MUL": Rule(2, 0, 0, _stretched),
    "PAD": Rule(1, 1, 0, _padded, same_scale=True),
    "RESHAPE": Rule(1, 0, 1, _reshape, same_scale=True),
    "SOFTMAX": Rule(1, 0, 0, _same),
    "TRANSPOSE": Rule(1, 1, 0, _transposed, same_scale=True),
}
