"""ONNX operators without weights: activations, softmax, means; and those that only move numbers, cut or join them."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from edgefer.pipeline.user_model.onnx_build import Builder, Op, Value
from edgefer.pipeline.user_model.onnx_layers import Rule


def same(_build: Builder, op: Op) -> Value:
    """Identity, and what is one after training."""
    return op.activation()


def each(module: Callable[[Op], nn.Module]) -> Rule:
    """A module that works on each number by itself."""

    def rule(build: Builder, op: Op) -> Value:
        value = op.activation()
        return build.module(module(op), value, value.axes)

    return rule


def call(function: Callable[[Any], Any]) -> Rule:
    """The same for a function."""

    def rule(build: Builder, op: Op) -> Value:
        value = op.activation()
        return build.function(function, value, axes=value.axes)

    return rule


def _clip(op: Op) -> nn.Module:
    limits = []
    for name, index, default in (("min", 1, float("-inf")), ("max", 2, float("inf"))):
        given = index < len(op.inputs) and op.inputs[index] is not None
        limits.append(float(op.constant(index)) if given else float(op.attributes.get(name, default)))
    if limits == [0.0, float("inf")]:
        return nn.ReLU()
    return nn.ReLU6() if limits == [0.0, 6.0] else nn.Hardtanh(limits[0], limits[1])


def _hard_sigmoid(op: Op) -> nn.Module:
    alpha, beta = float(op.attributes.get("alpha", 0.2)), float(op.attributes.get("beta", 0.5))
    if abs(alpha - 1 / 6) > 1e-6 or beta != 0.5:
        raise op.refused(f"alpha {alpha:g} and beta {beta:g}; edgefer knows 1/6 and 0.5, torch's")
    return nn.Hardsigmoid()


def _gelu(op: Op) -> nn.Module:
    return nn.GELU(approximate=op.attributes.get("approximate", b"none").decode())


def softmax(build: Builder, op: Op) -> Value:
    """Softmax over one axis."""
    value = op.activation()
    axis = int(op.attributes.get("axis", -1)) % len(value.axes)
    if axis != len(value.axes) - 1 and op.attributes["opset"] < 13:
        raise op.refused("before opset 13 it is over several axes")
    return build.module(nn.Softmax(value.axis(axis)), value, value.axes)


def mean(build: Builder, op: Op) -> Value:
    """ReduceMean; over height and width it is global pooling, which the exporters know best."""
    value = op.activation()
    axes = [n % len(value.axes) for n in op.numbers("axes", 1) or range(len(value.axes))]
    keep = bool(op.attributes.get("keepdims", 1))
    if len(value.axes) == 4 and sorted(map(value.axis, axes)) == [2, 3]:
        pooled = build.module(nn.AdaptiveAvgPool2d(1), value, value.axes)
        return pooled if keep else build.reshape(pooled, tuple(n for i, n in enumerate(pooled.shape) if i not in axes))
    return build.function(torch.mean, build.straight(value), axes, keep)


def power(build: Builder, op: Op) -> Value:
    """Pow with a number."""
    value, exponent = op.activation(), op.constant(1)
    if exponent.numel() > 1:
        raise op.refused("its exponents are many")
    return build.function(operator.pow, value, float(exponent), axes=value.axes)


FUNCTIONS: dict[str, Rule] = {
    "Abs": call(torch.abs),
    "Clip": each(_clip),
    "Dropout": same,
    "Elu": each(lambda op: nn.ELU(float(op.attributes.get("alpha", 1.0)))),
    "Erf": call(torch.erf),
    "Exp": call(torch.exp),
    "Gelu": each(_gelu),
    "HardSigmoid": each(_hard_sigmoid),
    "HardSwish": each(lambda _: nn.Hardswish()),
    "Identity": same,
    "LeakyRelu": each(lambda op: nn.LeakyReLU(float(op.attributes.get("alpha", 0.01)))),
    "Neg": call(operator.neg),
    "Pow": power,
    "ReduceMean": mean,
    "Relu": each(lambda _: nn.ReLU()),
    "Sigmoid": each(lambda _: nn.Sigmoid()),
    "Softmax": softmax,
    "Sqrt": call(torch.sqrt),
    "Tanh": each(lambda _: nn.Tanh()),
}


_LAST = 1 << 62  # ends of slices at least this large mean "to the end"


def transpose(_build: Builder, op: Op) -> Value:
    """No node: the value is seen with other axes."""
    value = op.activation()
    order = op.numbers("perm") or list(range(len(value.axes)))[::-1]
    return replace(value, axes=tuple(value.axes[index] for index in order))


def reshape(build: Builder, op: Op) -> Value:
    """Reshape to constants, of which 0 keeps a length and -1 takes what is left."""
    value, wanted = op.activation(), op.numbers("shape", 1) or []
    if not op.attributes.get("allowzero", 0):
        wanted = [value.shape[index] if n == 0 else n for index, n in enumerate(wanted)]
    return build.reshape(value, tuple(torch.empty(value.shape, device="meta").reshape(wanted).shape))


def flatten(build: Builder, op: Op) -> Value:
    """Flatten all axes but the face's."""
    value = op.activation()
    if op.attributes.get("axis", 1) not in (1, 1 - len(value.axes)):
        raise op.refused("it does not keep the first axis")
    return build.reshape(value, (value.shape[0], math.prod(value.shape[1:])))


def squeeze(build: Builder, op: Op) -> Value:
    """Without axes of length 1."""
    value, axes = op.activation(), op.numbers("axes", 1)
    gone = {n % len(value.axes) for n in axes} if axes is not None else {i for i, n in enumerate(value.shape) if n == 1}
    return build.reshape(value, tuple(n for index, n in enumerate(value.shape) if index not in gone))


def unsqueeze(build: Builder, op: Op) -> Value:
    """With more axes of length 1."""
    value, axes = op.activation(), op.numbers("axes", 1) or []
    shape = list(value.shape)
    for axis in sorted(n % (len(value.axes) + len(axes)) for n in axes):
        shape.insert(axis, 1)
    return build.reshape(value, tuple(shape))


def concat(build: Builder, op: Op) -> Value:
    """Concat; constants among the inputs (a class token) become buffers."""
    parts, axis = [op.operand(index) for index in range(len(op.inputs))], int(op.attributes["axis"])
    first = next(part for part in parts if isinstance(part, Value))
    if any(isinstance(part, Tensor) or part.axes != first.axes for part in parts):
        return build.function(torch.cat, [build.straight(p) if isinstance(p, Value) else p for p in parts], axis)
    return build.function(torch.cat, parts, first.axis(axis % len(first.axes)), axes=first.axes)


def split(build: Builder, op: Op) -> list[Value]:
    """Split: a slice for each output, which every engine has."""
    value = op.activation()
    axis = int(op.attributes.get("axis", 0)) % len(value.axes)
    length = value.shape[axis]
    part = -(-length // op.outputs)
    sizes = op.numbers("split", 1) or [min(part, length - part * n) for n in range(op.outputs)]
    ends = [sum(sizes[: n + 1]) for n in range(len(sizes))]
    return [_cut(build, value, axis, slice(end - size, end)) for size, end in zip(sizes, ends, strict=True)]


def _cut(build: Builder, value: Value, axis: int, part: slice) -> Value:
    place = (*(slice(None),) * value.axis(axis), part)
    return build.function(operator.getitem, value, place, axes=value.axes)


def cut(build: Builder, op: Op) -> Value:
    """Slice with constant limits and positive steps."""
    value, starts, ends = op.activation(), op.numbers("starts", 1) or [], op.numbers("ends", 2) or []
    axes = op.numbers("axes", 3) or list(range(len(starts)))
    steps = op.numbers("steps", 4) or [1] * len(starts)
    if min(steps) < 1:
        raise op.refused("its steps are negative")
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        part = slice(start, None if end >= _LAST else end, step)
        value = _cut(build, value, axis % len(value.axes), part)
    return value


def gather(build: Builder, op: Op) -> Value:
    """Gather of one place of an axis."""
    value, index = build.straight(op.activation()), op.constant(1)
    if index.dim():
        raise op.refused("it takes several places; edgefer knows one")
    return build.function(torch.select, value, int(op.attributes.get("axis", 0)), int(index))


MOVES: dict[str, Callable[[Builder, Op], Value | list[Value]]] = {
    "Concat": concat,
    "Flatten": flatten,
    "Gather": gather,
    "Reshape": reshape,
    "Slice": cut,
    "Split": split,
    "Squeeze": squeeze,
    "Transpose": transpose,
    "Unsqueeze": unsqueeze,
}
