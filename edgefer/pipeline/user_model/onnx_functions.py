"""ONNX operators without weights that compute: activations, softmax, means."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

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
