"""Add, Sub, Mul, Div: of two activations, or with a constant.

A constant for each channel becomes a batch norm, which edgefer's folding puts into the convolution before it: that is
how converters from Keras write norms, biases and preprocessing.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, fx, nn

from edgefer.pipeline.fold import called
from edgefer.pipeline.user_model.onnx_build import Builder, Op, Value
from edgefer.pipeline.user_model.onnx_layers import Rule

_FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "Add": operator.add,
    "Sub": operator.sub,
    "Mul": operator.mul,
    "Div": operator.truediv,
}


def binary(build: Builder, op: Op) -> Value:
    """The operator on whatever its two inputs are."""
    left, right = op.operand(0), op.operand(1)
    if isinstance(left, Value) and isinstance(right, Value):
        return _both(build, op, left, right)
    if isinstance(left, Value):
        assert isinstance(right, Tensor)
        return _with_constant(build, op, left, right)
    value = op.activation(1)
    assert isinstance(left, Tensor)
    if op.kind in ("Add", "Mul"):
        return _with_constant(build, op, value, left)
    if op.kind == "Sub":  # c - x = x * -1 + c
        minus = _with_constant(build, _as(op, "Mul"), value, torch.tensor(-1.0))
        return _with_constant(build, _as(op, "Add"), minus, left)
    return _plain(build, op, left, value)


def _as(op: Op, kind: str) -> Op:
    return replace(op, kind=kind)


def _both(build: Builder, op: Op, left: Value, right: Value) -> Value:
    if left.axes == right.axes:
        return build.function(_FUNCTIONS[op.kind], left, right, axes=left.axes)
    return build.function(_FUNCTIONS[op.kind], build.straight(left), build.straight(right))


def _with_constant(build: Builder, op: Op, value: Value, constant: Tensor) -> Value:
    lies = _as_it_lies(value, constant)
    if lies is not None and (lies.numel() > 1 or _at_input(build, value)):
        scale, shift = _affine(op.kind, lies.flatten().expand(value.sample.shape[1]).double())
        return _scaled(build, value, scale, shift)
    if constant.numel() == 1 and constant.dim() <= len(value.axes):
        return build.function(_FUNCTIONS[op.kind], value, float(constant), axes=value.axes)
    return _plain(build, op, value, constant)


def _plain(build: Builder, op: Op, left: Value | Tensor, right: Value | Tensor) -> Value:
    parts = (build.straight(part) if isinstance(part, Value) else part.float() for part in (left, right))
    return build.function(_FUNCTIONS[op.kind], *parts)


def _as_it_lies(value: Value, constant: Tensor) -> Tensor | None:
    """The constant in the order of the tensor's axes, if it differs from channel to channel of a map only."""
    if len(value.axes) != 4 or constant.dim() > 4:
        return None
    whole = constant.reshape((1,) * (4 - constant.dim()) + tuple(constant.shape))
    lies = whole.permute([value.axes.index(axis) for axis in range(4)])
    channels = value.sample.shape[1]
    return lies if lies.shape[1] in (1, channels) and lies.numel() == lies.shape[1] else None


def _affine(kind: str, constant: Tensor) -> tuple[Tensor, Tensor]:
    one, zero = torch.ones_like(constant), torch.zeros_like(constant)
    if kind in ("Add", "Sub"):
        return one, constant if kind == "Add" else -constant
    return constant if kind == "Mul" else 1 / constant, zero


def _at_input(build: Builder, value: Value) -> bool:
    """Whether nothing but preprocessing has happened to the face yet."""
    return value.node is build.face.node or (_norm(build, value) is not None and value.node.args[0] is build.face.node)


def _norm(build: Builder, value: Value) -> nn.BatchNorm2d | None:
    """The norm that made a value, if nothing else has taken the value so far."""
    layer = build.root.get_submodule(str(value.node.target)) if value.node.op == "call_module" else None
    return layer if isinstance(layer, nn.BatchNorm2d) and value.taken == 1 else None


def _scaled(build: Builder, value: Value, scale: Tensor, shift: Tensor) -> Value:
    norm = _norm(build, value)
    if norm is not None:  # x * w + b, scaled and shifted
        norm.weight.data = (norm.weight.double() * scale).float()
        norm.bias.data = (norm.bias.double() * scale + shift).float()
        with torch.no_grad():
            sample = value.sample * scale.view(1, -1, 1, 1) + shift.view(1, -1, 1, 1)
        return replace(value, sample=sample.float())
    norm = nn.BatchNorm2d(len(scale), eps=0.0)
    norm.weight.data, norm.bias.data = scale.float(), shift.float()
    return build.module(norm, value, value.axes)


def shifts_to_biases(network: fx.GraphModule) -> fx.GraphModule:
    """Let norms made here that only shift what a convolution without a bias gives be its bias, in place."""
    for node in list(network.graph.nodes):
        norm, before = called(network, node), node.args[0] if node.args else None
        layer = called(network, before)
        if not isinstance(norm, nn.BatchNorm2d) or norm.eps or not bool((norm.weight == 1).all()):
            continue
        assert isinstance(before, fx.Node)
        if isinstance(layer, nn.Conv2d) and layer.bias is None and len(before.users) == 1:
            layer.bias = nn.Parameter(norm.bias.detach().clone())
            node.replace_all_uses_with(before)
            network.graph.erase_node(node)
            network.delete_submodule(str(node.target))
    network.recompile()
    return network


CONSTANTS: dict[str, Rule] = dict.fromkeys(_FUNCTIONS, binary)
