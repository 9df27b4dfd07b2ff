"""ONNX operators without weights that work on each number by itself, and softmax."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import onnx
import torch
from torch import nn

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


def hard_sigmoid(build: Builder, op: Op) -> Value:
    """HardSigmoid: torch's own, or a scaling, a shift and a clip."""
    value = op.activation()
    alpha, beta = float(op.attributes.get("alpha", 0.2)), float(op.attributes.get("beta", 0.5))
    if abs(alpha - 1 / 6) <= 1e-6 and beta == 0.5:
        return build.module(nn.Hardsigmoid(), value, value.axes)
    scaled = build.function(operator.mul, value, alpha, axes=value.axes)
    shifted = build.function(operator.add, scaled, beta, axes=value.axes)
    return build.module(nn.Hardtanh(0.0, 1.0), shifted, value.axes)


def _selu(op: Op) -> nn.Module:
    layer = nn.SELU()
    for name, own in (("alpha", 1.6732632), ("gamma", 1.0507010)):
        if abs(float(op.attributes.get(name, own)) - own) > 1e-5:
            raise op.refused(
                f"its {name} is {op.attributes[name]:g}; edgefer knows {own}, torch's: use Elu and a factor"
            )
    return layer


def _gelu(op: Op) -> nn.Module:
    return nn.GELU(approximate=op.attributes.get("approximate", b"none").decode())


def softmax(kind: Callable[[int], nn.Module]) -> Rule:
    """Softmax and LogSoftmax over one axis; before opset 13 they are over all axes from one on."""

    def rule(build: Builder, op: Op) -> Value:
        value = op.activation()
        new = op.attributes["opset"] >= 13
        axis = int(op.attributes.get("axis", -1 if new else 1)) % len(value.axes)
        long = [index for index in range(axis, len(value.axes)) if value.shape[index] > 1]
        if not new and len(long) > 1:
            raise op.refused("before opset 13 it is over several axes: export it with opset 13 or later")
        axis = axis if new or not long else long[0]
        return build.module(kind(value.axis(axis)), value, value.axes)

    return rule


def power(build: Builder, op: Op) -> Value:
    """Pow with a number."""
    value, exponent = op.activation(), op.constant(1)
    if exponent.numel() > 1:
        raise op.refused("its exponents are many; edgefer knows one for all numbers")
    if float(exponent) == 2.0:
        return build.function(operator.mul, value, value, axes=value.axes)
    if float(exponent) == 0.5:
        return build.function(torch.sqrt, value, axes=value.axes)
    return build.function(operator.pow, value, float(exponent), axes=value.axes)


_FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE, onnx.TensorProto.BFLOAT16)


def absolute(build: Builder, op: Op) -> Value:
    """Abs as the larger of the value and its negative: TFLite's int8 has maxima and no absolute values."""
    value = op.activation()
    return build.function(torch.maximum, value, build.function(operator.neg, value, axes=value.axes), axes=value.axes)


def cast(_build: Builder, op: Op) -> Value:
    """Cast between kinds of floats: edgefer computes in float32 and quantises itself."""
    kind = int(op.attributes["to"])
    if kind not in _FLOATS:
        raise op.refused(f"it rounds to {onnx.TensorProto.DataType.Name(kind).lower()}: edgefer knows floats")
    return op.activation()


FUNCTIONS: dict[str, Rule] = {
    "Abs": absolute,
    "Cast": cast,
    "Celu": each(lambda op: nn.CELU(float(op.attributes.get("alpha", 1.0)))),
    "Clip": each(_clip),
    "Dropout": same,
    "Elu": each(lambda op: nn.ELU(float(op.attributes.get("alpha", 1.0)))),
    "Erf": call(torch.erf),
    "Exp": call(torch.exp),
    "Gelu": each(_gelu),
    "HardSigmoid": hard_sigmoid,
    "HardSwish": each(lambda _: nn.Hardswish()),
    "Identity": same,
    "LeakyRelu": each(lambda op: nn.LeakyReLU(float(op.attributes.get("alpha", 0.01)))),
    "Log": call(torch.log),
    "LogSoftmax": softmax(nn.LogSoftmax),
    "Mish": each(lambda _: nn.Mish()),
    "Neg": call(operator.neg),
    "Pow": power,
    "Reciprocal": call(torch.reciprocal),
    "Relu": each(lambda _: nn.ReLU()),
    "Selu": each(_selu),
    "Sigmoid": each(lambda _: nn.Sigmoid()),
    "Softmax": softmax(nn.Softmax),
    "Softplus": each(lambda _: nn.Softplus(threshold=80.0)),
    "Softsign": each(lambda _: nn.Softsign()),
    "Sqrt": call(torch.sqrt),
    "Tanh": each(lambda _: nn.Tanh()),
}
