"""Small ONNX files, one for each form of an operator that edgefer takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Array = NDArray[Any]
CHANNELS, SIDE = 3, 8
_RANDOM = np.random.default_rng(0)


def floats(*shape: int) -> Array:
    return _RANDOM.standard_normal(shape).astype(np.float32)


def real(number: float | list[float]) -> Array:
    return np.array(number, np.float32)


def ints(*numbers: int) -> Array:
    return np.array(numbers, np.int64)


class Graph:
    """An ONNX graph in the making: x (1, 3, 8, 8) -> y; nodes are named by what they give."""

    def __init__(self, shape: Sequence[int | str] = (1, CHANNELS, SIDE, SIDE), opset: int = 18) -> None:
        self.shape, self.opset = shape, opset
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, kind: str, *inputs: str | Array | None, count: int = 1, **attributes: Any) -> str:
        """A node; arrays among its inputs become constants. Returns the name of its (first) output."""
        names = ["" if each is None else each if isinstance(each, str) else self._constant(each) for each in inputs]
        made = [f"v{len(self.nodes)}"] + [f"v{len(self.nodes)}_{n}" for n in range(1, count)]
        self.nodes.append(helper.make_node(kind, names, made, **attributes))
        return made[0]

    def _constant(self, array: Array) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def finish(self, last: str, classes: int | None = None, rank: int = 2) -> onnx.ModelProto:
        """The model; with `classes`, pooled over the map `last` and made so many logits."""
        if classes is not None:
            flat = self.add("Flatten", self.add("GlobalAveragePool", last))
            last = self.add("Gemm", flat, floats(classes, CHANNELS), floats(classes), transB=1)
        given = helper.make_tensor_value_info("x", TensorProto.FLOAT, list(self.shape))
        made = helper.make_tensor_value_info(last, TensorProto.FLOAT, [None] * rank)
        graph = helper.make_graph(self.nodes, "g", [given], [made], self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)


# name: the nodes that end in a map or vector, each (operator, inputs behind the one before, attributes)
Step = tuple[str, tuple[Array | None, ...], dict[str, Any]]
_KERNEL = {"kernel_shape": [3, 3]}
_HALF = {"kernel_shape": [3, 3], "strides": [2, 2]}


def _step(kind: str, *constants: Array | None, **attributes: Any) -> Step:
    return kind, constants, attributes


CHAINS: dict[str, list[Step]] = {
    "Abs": [_step("Abs")],
    "Add channel": [_step("Add", floats(3, 1, 1))],
    "Add scalar late": [_step("Relu"), _step("Add", real([0.5]))],
    "Add scalar at the input": [_step("Add", real([0.5])), _step("Div", real([2.0]))],
    "Add map": [_step("Add", floats(1, 3, 8, 8))],
    "AveragePool": [_step("AveragePool", **_HALF, pads=[1, 1, 1, 1])],
    "AveragePool counted": [_step("AveragePool", **_KERNEL, pads=[0, 0, 1, 1], count_include_pad=1)],
    "BatchNormalization": [_step("BatchNormalization", floats(3), floats(3), floats(3), abs(floats(3)) + 1)],
    "Clip 6": [_step("Clip", real(0), real(6))],
    "Clip 0": [_step("Clip", real(0), None)],
    "Clip other": [_step("Clip", real(-0.3), real(0.4))],
    "Conv same": [_step("Conv", floats(3, 3, 3, 3), floats(3), auto_pad="SAME_UPPER", strides=[2, 2])],
    "Conv same lower": [_step("Conv", floats(3, 3, 4, 4), auto_pad="SAME_LOWER")],
    "Conv valid": [_step("Conv", floats(3, 3, 3, 3), auto_pad="VALID")],
    "Conv uneven": [_step("Conv", floats(3, 3, 3, 3), pads=[0, 1, 2, 1])],
    "Conv depthwise": [_step("Conv", floats(3, 1, 3, 3), group=3, dilations=[2, 2])],
    "Conv bias behind": [_step("Conv", floats(3, 3, 1, 1)), _step("Add", floats(1, 3, 1, 1))],
    "Div channel": [_step("Div", abs(floats(3, 1, 1)) + 1)],
    "Dropout": [_step("Dropout")],
    "Elu": [_step("Elu", alpha=0.5)],
    "Erf": [_step("Erf")],
    "Exp": [_step("Exp")],
    "GlobalMaxPool": [_step("GlobalMaxPool")],
    "HardSigmoid": [_step("HardSigmoid", alpha=1 / 6)],
    "HardSwish": [_step("HardSwish")],
    "Identity": [_step("Identity"), _step("Relu")],
    "LayerNormalization": [_step("LayerNormalization", floats(8), floats(8))],
    "LeakyRelu": [_step("LeakyRelu", alpha=0.2)],
    "MaxPool": [_step("MaxPool", **_HALF, pads=[1, 1, 1, 1])],
    "MaxPool uneven": [_step("MaxPool", **_HALF, pads=[0, 0, 1, 1])],
    "MaxPool uneven, both sides": [_step("MaxPool", **_HALF, pads=[2, 0, 1, 1])],
    "MaxPool behind an edge": [_step("Pad", ints(0, 0, 0, 0, 0, 0, 1, 1), mode="edge"), _step("MaxPool", **_HALF)],
    "MaxPool behind other edges": [_step("Pad", ints(0, 0, 1, 0, 0, 0, 0, 2), mode="edge"), _step("MaxPool", **_HALF)],
    "MaxPool same": [_step("MaxPool", kernel_shape=[2, 2], auto_pad="SAME_LOWER")],
    "MaxPool ceil": [_step("MaxPool", **_HALF, ceil_mode=1)],
    "Mul channel": [_step("Mul", floats(3, 1, 1)), _step("Add", floats(3, 1, 1)), _step("Sub", floats(1, 3, 1, 1))],
    "Neg": [_step("Neg")],
    "PRelu": [_step("PRelu", floats(3, 1, 1))],
    "Pad": [_step("Pad", ints(0, 0, 1, 0, 0, 0, 2, 1))],
    "Pad value": [_step("Pad", ints(0, 0, 1, 0, 0, 0, 2, 1), real(0.5))],
    "Pad edge": [_step("Pad", ints(0, 0, 1, 0, 0, 0, 2, 1), mode="edge")],
    "Pow": [_step("Pow", real(2))],
    "ReduceMean": [_step("ReduceMean", ints(2, 3))],
    "ReduceMean flat": [_step("ReduceMean", ints(2, 3), keepdims=0), _step("Unsqueeze", ints(2, 3))],
    "ReduceMean other": [_step("ReduceMean", ints(1)), _step("Concat")],
    "Reshape": [_step("Reshape", ints(0, 3, 16, -1))],
    "Sigmoid": [_step("Sigmoid")],
    "Slice": [_step("Slice", ints(0, 1), ints(1 << 62, -1), ints(2, 3), ints(2, 1))],
    "Softmax": [_step("Softmax", axis=1)],
    "Sqrt": [_step("Abs"), _step("Sqrt")],
    "Squeeze": [_step("GlobalAveragePool"), _step("Squeeze", ints(2, 3)), _step("Unsqueeze", ints(-1, -2))],
    "Sub scalar": [_step("Relu"), _step("Sub", real(0.5))],
    "Tanh": [_step("Tanh")],
    "Transpose kept": [_step("Transpose", perm=[0, 1, 3, 2])],
    "Transpose forth and back": [
        _step("Transpose", perm=[0, 2, 3, 1]),
        _step("Mul", floats(3)),
        _step("Add", floats(1, 1, 1, 3)),
        _step("Relu"),
        _step("Softmax", axis=3),
        _step("Pad", ints(0, 1, 0, 0, 0, 0, 1, 0)),
        _step("Slice", ints(1), ints(8), ints(1)),
        _step("Transpose", perm=[0, 3, 1, 2]),
    ],
    "Transpose through a mean": [
        _step("Transpose", perm=[0, 2, 3, 1]),
        _step("ReduceMean", ints(1, 2), keepdims=0),
        _step("Unsqueeze", ints(2, 3)),
    ],
}


def chain(steps: list[Step], opset: int = 18) -> onnx.ModelProto:
    """One node after another, from x."""
    graph, last = Graph(opset=opset), "x"
    for kind, constants, attributes in steps:
        if kind == "Concat":  # with itself, thrice: three channels again
            last = graph.add(kind, last, last, last, axis=1)
        else:
            last = graph.add(kind, last, *constants, **attributes)
    return graph.finish(last, classes=5)


_HERE = _RANDOM.bit_generator.state


def begin_anew() -> None:
    """Draw as if no other module had drawn since this one: a network's weights must not depend on who was imported."""
    _RANDOM.bit_generator.state = _HERE
