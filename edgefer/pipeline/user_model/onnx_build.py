"""A torch.fx graph in the making: what the tables of operators (onnx_layers, onnx_functions) write into.

ONNX files that began as Keras networks are full of transposes. A value here carries the axes that it should have been
transposed to, and most operators only hand that on: so transposes that cancel never become nodes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, fx, nn

from edgefer.runtime.errors import ExportFailed

Axes = tuple[int, ...]


@dataclass(frozen=True)
class Value:
    """What a node gives: a tensor like `sample`, to be seen with its axes in the order of `axes`.

    taken  by how many nodes of the ONNX graph
    """

    node: fx.Node
    sample: Tensor
    axes: Axes
    taken: int = 1

    @property
    def shape(self) -> tuple[int, ...]:
        """As ONNX sees it."""
        return tuple(self.sample.shape[axis] for axis in self.axes)

    @property
    def straight(self) -> bool:
        """Whether ONNX sees the tensor as it is."""
        return self.axes == tuple(range(len(self.axes)))

    def axis(self, index: int) -> int:
        """The tensor's axis that ONNX calls `index`."""
        return self.axes[index]


Operand = Value | Tensor  # an activation or a constant


@dataclass(frozen=True)
class Op:
    """A node of the ONNX graph; inputs are None where they are left out."""

    kind: str
    name: str
    inputs: tuple[Operand | None, ...]
    attributes: dict[str, Any]
    outputs: int

    def operand(self, index: int) -> Operand:
        """An input that must be there."""
        operand = self.inputs[index] if index < len(self.inputs) else None
        if operand is None:
            raise ExportFailed(f"the ONNX node {self.name} ({self.kind}) has no input {index}.")
        return operand

    def activation(self, index: int = 0) -> Value:
        """An input that depends on the face."""
        operand = self.operand(index)
        if not isinstance(operand, Value):
            raise ExportFailed(f"the ONNX node {self.name} ({self.kind}) takes a constant where edgefer knows none.")
        return operand

    def constant(self, index: int) -> Tensor:
        """An input that must not depend on the face."""
        operand = self.operand(index)
        if isinstance(operand, Value):
            raise self.refused(f"input {index} depends on the face")
        return operand

    def numbers(self, name: str, index: int | None = None) -> list[int] | None:
        """Whole numbers from the attribute `name`, or (in later opsets) from an input; None if there are none."""
        if name in self.attributes:
            return [int(each) for each in self.attributes[name]]
        if index is not None and index < len(self.inputs) and self.inputs[index] is not None:
            return [int(each) for each in self.constant(index).flatten()]
        return None

    def refused(self, why: str) -> ExportFailed:
        """The error for a form of the operator that edgefer does not know."""
        return ExportFailed(f"edgefer can't take the ONNX node {self.name} ({self.kind}): {why}.")


@dataclass(frozen=True)
class Edge:
    """A value whose first and last rows and columns were repeated, so often."""

    value: Value
    begin: list[int]
    end: list[int]


class Builder:
    """The graph so far, from the face on."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.root, self.graph = nn.Module(), fx.Graph()
        self.face = Value(self.graph.placeholder("x"), torch.zeros(shape), tuple(range(len(shape))))
        self.edges: dict[fx.Node, Edge] = {}  # what onnx_pool.edge made
        self._count = 0

    def module(self, module: nn.Module, value: Value, axes: Axes | None = None) -> Value:
        """Call a module on a value as its tensor lies; `axes` are those of the result."""
        name = self._name(type(module).__name__.lower())
        module.eval()
        self.root.add_module(name, module)
        with torch.no_grad():
            sample = module(value.sample)
        return self._value(self.graph.call_module(name, (value.node,)), sample, axes)

    def function(self, function: Callable[..., Any], *args: Any, axes: Axes | None = None, **options: Any) -> Value:
        """Call a function; values and tensors among the arguments become nodes."""
        with torch.no_grad():
            sample = function(*_samples(args), **options)
        return self._value(self.graph.call_function(function, self._nodes(args), options), sample, axes)

    def straight(self, value: Value) -> Value:
        """The value with its tensor as ONNX sees it."""
        if value.straight:
            return value
        if self.in_order(value):  # only axes of length 1 move: no byte does
            return self.reshape(value, value.shape)
        return self.function(torch.permute, value, value.axes)

    def in_order(self, value: Value) -> bool:
        """Whether ONNX sees the numbers in the order in which they lie."""
        long = [axis for axis in value.axes if value.sample.shape[axis] > 1]
        return long == sorted(long)

    def reshape(self, value: Value, shape: tuple[int, ...]) -> Value:
        """The numbers in the order in which ONNX sees them, in another shape."""
        if math.prod(shape) != value.sample.numel():
            raise ExportFailed(f"the ONNX graph reshapes {value.shape} to {shape}, which holds another count.")
        lies = value if self.in_order(value) else self.straight(value)
        if tuple(lies.sample.shape) == shape:
            return replace(lies, axes=tuple(range(len(shape))))
        batch = shape[:1] == (1,) and lies.sample.shape[:1] == (1,)
        if batch and len(shape) == 2:
            return self.function(torch.flatten, lies, 1)
        return self.function(torch.reshape, lies, (-1, *shape[1:]) if batch else shape)

    def _value(self, node: fx.Node, sample: Any, axes: Axes | None) -> Value:
        return Value(node, sample, axes or tuple(range(sample.dim() if isinstance(sample, Tensor) else 0)))

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{kind}_{self._count}"

    def _nodes(self, args: Any) -> Any:
        if isinstance(args, tuple | list):
            return type(args)(self._nodes(each) for each in args)
        if isinstance(args, Tensor):
            name = self._name("constant")
            self.root.register_buffer(name, args)
            return self.graph.get_attr(name)
        return args.node if isinstance(args, Value) else args

    def finish(self, value: Value) -> fx.GraphModule:
        """The network that gives `value`."""
        self.graph.output(self.straight(value).node)
        self.graph.lint()
        module = fx.GraphModule(self.root, self.graph)
        module.graph.eliminate_dead_code()
        module.recompile()
        return module


def _samples(args: Any) -> Any:
    if isinstance(args, tuple | list):
        return type(args)(_samples(each) for each in args)
    return args.sample if isinstance(args, Value) else args
