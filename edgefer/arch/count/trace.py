"""A network as a list of operations with their shapes, without a single value computed.

The network is traced with torch.fx, so functions (matmul, softmax) are seen like modules, and run on
torch's meta device, so VGG-16 takes no longer than EAN.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Op:
    """One operation as it is written in the network.

    name    of the module, or of the function's place in the graph
    kind    the module's class or the function's name: Conv2d, matmul
    output  of the largest shape where there are several (chunk)
    weight  shape of the module's weight
    bias    whether the module has one
    parameters  trainable ones of the module
    """

    name: str
    kind: str
    inputs: tuple[Shape, ...]
    output: Shape
    weight: Shape | None = None
    bias: bool = False
    parameters: int = 0


def elements(shape: Shape) -> int:
    """How many values a tensor of this shape holds."""
    return math.prod(shape)


def on_meta(network: nn.Module) -> nn.Module:
    """A copy without values, in evaluation mode: shapes only, whatever the size of the weights."""
    known: dict[int, Any] = {}
    for tensor in (*network.parameters(), *network.buffers()):
        empty = torch.empty_like(tensor, device="meta")
        known[id(tensor)] = nn.Parameter(empty, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else empty
    return copy.deepcopy(network, known).eval()


def operations(network: nn.Module, shape: Shape) -> list[Op]:
    """The operations of one input of `shape` in the order in which they run; the network is left alone."""
    seen = _Recorder(fx.symbolic_trace(on_meta(network)))
    with torch.no_grad():
        seen.run(torch.zeros(shape, device="meta"))
    return seen.ops


def shapes(value: object) -> list[Shape]:
    """The shapes of all tensors in what a node gives or takes."""
    if isinstance(value, Tensor):
        return [tuple(value.shape)]
    if isinstance(value, tuple | list):
        return [shape for each in value for shape in shapes(each)]
    return []


def kind_of(graph: fx.GraphModule, node: fx.Node) -> str:
    """What a node does: a module's class or a function's name."""
    if node.op == "call_module":
        return type(graph.get_submodule(str(node.target))).__name__
    return str(node.target) if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))


class _Recorder(fx.Interpreter):
    """Runs a graph and keeps an Op for each call."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__(graph)
        self.graph_module = graph
        self.ops: list[Op] = []

    def run_node(self, n: fx.Node) -> Any:
        """See fx.Interpreter."""
        found = super().run_node(n)
        if n.op.startswith("call_"):
            args, _ = self.fetch_args_kwargs_from_env(n)
            self.ops.append(self._op(n, tuple(shapes(args)), max(shapes(found), key=elements, default=())))
        return found

    def _op(self, node: fx.Node, inputs: tuple[Shape, ...], output: Shape) -> Op:
        kind = kind_of(self.graph_module, node)
        if node.op != "call_module":
            return Op(node.name, kind, inputs, output)
        module = self.graph_module.get_submodule(str(node.target))
        weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
        parameters = sum(p.numel() for p in module.parameters() if p.requires_grad)
        shape = tuple(weight.shape) if isinstance(weight, Tensor) else None
        return Op(str(node.target), kind, inputs, output, shape, isinstance(bias, Tensor), parameters)
