"""ONNX operators over axes: sums, means, maxima and norms; and Max, Min, Sum and Mean of several inputs."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn

from edgefer.pipeline.user_model.onnx_build import Axes, Builder, Op, Value
from edgefer.pipeline.user_model.onnx_layers import Rule

Over = Callable[[Builder, Value, list[int]], Value]  # of a value as its tensor lies, axes kept


def reduction(over: Over) -> Rule:
    """A Reduce operator, its axes an attribute or (in later opsets) an input."""

    def rule(build: Builder, op: Op) -> Value:
        value = op.activation()
        axes = [n % len(value.axes) for n in op.numbers("axes", 1) or []]
        if not axes and op.attributes.get("noop_with_empty_axes", 0):
            return value
        axes = axes or list(range(len(value.axes)))
        made = replace(over(build, value, sorted(map(value.axis, axes))), axes=value.axes)
        if op.attributes.get("keepdims", 1):
            return made
        return build.reshape(made, tuple(n for index, n in enumerate(made.shape) if index not in axes))

    return rule


def _is_map(value: Value, axes: list[int]) -> bool:
    """Whether the axes are height and width: that is global pooling, which the exporters know best."""
    return value.sample.dim() == 4 and axes == [2, 3]


def mean(build: Builder, value: Value, axes: list[int]) -> Value:
    """The mean."""
    if _is_map(value, axes):
        return build.module(nn.AdaptiveAvgPool2d(1), value)
    return build.function(torch.mean, value, axes, True)


def total(build: Builder, value: Value, axes: list[int]) -> Value:
    """The sum; over a map as a mean times the number of pixels."""
    if _is_map(value, axes):
        pixels = value.sample.shape[2] * value.sample.shape[3]
        return build.function(operator.mul, mean(build, value, axes), float(pixels))
    return build.function(torch.sum, value, axes, True)


def maximum(build: Builder, value: Value, axes: list[int]) -> Value:
    """The largest; over a map it is a pooling, which every engine has."""
    if _is_map(value, axes):
        return build.module(nn.MaxPool2d((value.sample.shape[2], value.sample.shape[3])), value)
    return build.function(torch.amax, value, axes, True)


def minimum(build: Builder, value: Value, axes: list[int]) -> Value:
    """The smallest, as the largest of the negative: every engine has that."""
    return build.function(operator.neg, maximum(build, build.function(operator.neg, value), axes))


def absolutes(build: Builder, value: Value, axes: list[int]) -> Value:
    """The sum of the absolute values."""
    larger = build.function(torch.maximum, value, build.function(operator.neg, value))
    return total(build, larger, axes)


def squares(build: Builder, value: Value, axes: list[int]) -> Value:
    """The sum of the squares."""
    return total(build, build.function(operator.mul, value, value), axes)


def length(build: Builder, value: Value, axes: list[int]) -> Value:
    """The root of the sum of the squares."""
    return build.function(torch.sqrt, squares(build, value, axes))


def lp_normalization(build: Builder, op: Op) -> Value:
    """LpNormalization: a vector over its length. Of nothing but zeros it is zero."""
    value = op.activation()
    axis = value.axis(int(op.attributes.get("axis", -1)) % len(value.axes))
    size = (length if int(op.attributes.get("p", 2)) == 2 else absolutes)(build, value, [axis])
    above = build.function(torch.clamp, size, min=1e-12)
    return build.function(operator.truediv, value, above, axes=value.axes)


def many(function: Callable[[Any, Any], Any], averaged: bool = False) -> Rule:
    """Max, Min, Sum and Mean of any number of inputs, which are broadcast."""

    def rule(build: Builder, op: Op) -> Value:
        parts = [op.operand(index) for index in range(len(op.inputs))]
        values = [part for part in parts if isinstance(part, Value)]
        constants = [part.float() for part in parts if isinstance(part, Tensor)]
        axes: Axes | None = values[0].axes
        if constants or any(each.axes != axes for each in values):
            values, axes = [build.straight(each) for each in values], None
        made = values[0]
        for other in values[1:]:
            made = build.function(function, made, other, axes=axes)
        if constants:
            made = build.function(function, made, reduce(function, constants))
        return build.function(operator.mul, made, 1 / len(parts), axes=axes) if averaged else made

    return rule


REDUCTIONS: dict[str, Rule] = {
    "LpNormalization": lp_normalization,
    "Max": many(torch.maximum),
    "Mean": many(operator.add, averaged=True),
    "Min": many(torch.minimum),
    "ReduceL1": reduction(absolutes),
    "ReduceL2": reduction(length),
    "ReduceMax": reduction(maximum),
    "ReduceMean": reduction(mean),
    "ReduceMin": reduction(minimum),
    "ReduceSum": reduction(total),
    "ReduceSumSquare": reduction(squares),
    "Sum": many(operator.add),
}
