"""ONNX operators with weights, as torch modules, which edgefer's folding and exporters know."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgefer.pipeline.user_model.onnx_build import Builder, Op, Value

Rule = Callable[[Builder, Op], Value]


def sides(
    op: Op, value: Value, kernel: list[int], stride: list[int], dilation: list[int]
) -> tuple[list[int], list[int]]:
    """What a convolution or pooling adds before and behind each dimension."""
    auto = op.attributes.get("auto_pad", b"NOTSET")
    pads = op.numbers("pads") or [0] * (2 * len(kernel))
    if auto in (b"NOTSET", b""):
        return pads[: len(kernel)], pads[len(kernel) :]
    if auto == b"VALID":
        return [0] * len(kernel), [0] * len(kernel)
    total = [
        max(0, (-(-size // step) - 1) * step + (window - 1) * apart + 1 - size)
        for size, window, step, apart in zip(value.sample.shape[2:], kernel, stride, dilation, strict=True)
    ]
    less, more = [n // 2 for n in total], [n - n // 2 for n in total]
    return (less, more) if auto == b"SAME_UPPER" else (more, less)


def _filled(layer: Any, **tensors: Tensor | None) -> Any:
    """The layer with these parameters (float32 copies) and buffers."""
    for name, value in tensors.items():
        if value is not None:
            getattr(layer, name).data = value.detach().float().clone()
    return layer


def convolution(build: Builder, op: Op) -> Value:
    """Conv: nn.Conv1d or nn.Conv2d, behind a padding of its own if it pads unevenly."""
    value, weight = build.straight(op.activation()), op.constant(1)
    bias = op.constant(2) if len(op.inputs) > 2 and op.inputs[2] is not None else None
    spatial = weight.dim() - 2
    if spatial not in (1, 2):
        raise op.refused(f"a convolution over {spatial} dimensions")
    stride, dilation = numbers_or_ones(op, "strides", spatial), numbers_or_ones(op, "dilations", spatial)
    begin, end = sides(op, value, list(weight.shape[2:]), stride, dilation)
    if begin != end:
        value = build.function(
            functional.pad, value, [n for pair in list(zip(begin, end, strict=True))[::-1] for n in pair]
        )
        begin = [0] * spatial
    kind: Any = nn.Conv2d if spatial == 2 else nn.Conv1d
    groups = int(op.attributes.get("group", 1))
    layer = kind(
        weight.shape[1] * groups,
        weight.shape[0],
        tuple(weight.shape[2:]),
        tuple(stride),
        tuple(begin),
        tuple(dilation),
        groups,
        bias is not None,
    )
    return build.module(_filled(layer, weight=weight, bias=bias), value)


def numbers_or_ones(op: Op, name: str, count: int) -> list[int]:
    """Strides or dilations; left out, they are 1."""
    return op.numbers(name) or [1] * count


def norm(build: Builder, op: Op) -> Value:
    """BatchNormalization as it is after training."""
    value = build.straight(op.activation())
    scale, shift, mean, variance = (op.constant(index) for index in range(1, 5))
    if value.sample.dim() == 2 and not _of_linear(build, value):  # folding has no layer to put it into
        factor = scale.double() / torch.sqrt(variance.double() + float(op.attributes.get("epsilon", 1e-5)))
        scaled = build.function(operator.mul, value, factor.float()[None])
        return build.function(operator.add, scaled, (shift.double() - mean.double() * factor).float()[None])
    kind = nn.BatchNorm2d if value.sample.dim() == 4 else nn.BatchNorm1d
    layer = kind(len(scale), eps=float(op.attributes.get("epsilon", 1e-5)))
    return build.module(_filled(layer, weight=scale, bias=shift, running_mean=mean, running_var=variance), value)


def _of_linear(build: Builder, value: Value) -> bool:
    """Whether a linear layer made the value for one taker alone."""
    layer = build.root.get_submodule(str(value.node.target)) if value.node.op == "call_module" else None
    return isinstance(layer, nn.Linear) and value.taken == 1


def layer_norm(build: Builder, op: Op) -> Value:
    """LayerNormalization over the last axes."""
    value, scale = build.straight(op.activation()), op.constant(1)
    if op.outputs > 1:
        raise op.refused("it gives its statistics too; edgefer knows one output")
    axis = int(op.attributes.get("axis", -1)) % value.sample.dim()
    shape = value.shape[axis:]
    shift = op.constant(2) if len(op.inputs) > 2 and op.inputs[2] is not None else torch.zeros(shape)
    layer = nn.LayerNorm(shape, eps=float(op.attributes.get("epsilon", 1e-5)))
    return build.module(_filled(layer, weight=scale.expand(shape), bias=shift.expand(shape)), value)


def instance_norm(build: Builder, op: Op) -> Value:
    """InstanceNormalization of a map, as a norm of groups of one channel."""
    value, scale, shift = build.straight(op.activation()), op.constant(1), op.constant(2)
    layer = nn.GroupNorm(len(scale), len(scale), eps=float(op.attributes.get("epsilon", 1e-5)))
    return build.module(_filled(layer, weight=scale, bias=shift), value)


def group_norm(build: Builder, op: Op) -> Value:
    """GroupNormalization; before opset 21 its scale and shift are for each group."""
    value, scale, shift = build.straight(op.activation()), op.constant(1), op.constant(2)
    groups, channels = int(op.attributes["num_groups"]), value.shape[1]
    layer = nn.GroupNorm(groups, channels, eps=float(op.attributes.get("epsilon", 1e-5)))
    each = channels // len(scale)
    parts = {"weight": scale.repeat_interleave(each), "bias": shift.repeat_interleave(each)}
    return build.module(_filled(layer, **parts), value)


def gemm(build: Builder, op: Op) -> Value:
    """Gemm: as nn.Linear where only one input depends on the face and its rows are faces."""
    alpha, beta = float(op.attributes.get("alpha", 1.0)), float(op.attributes.get("beta", 1.0))
    turned = [bool(op.attributes.get(name, 0)) for name in ("transA", "transB")]
    left, right, shift = op.operand(0), op.operand(1), op.inputs[2] if len(op.inputs) > 2 else None
    if isinstance(left, Value) and isinstance(right, Tensor) and not turned[0] and not isinstance(shift, Value):
        weight = alpha * (right if turned[1] else right.T)
        if shift is None or math.prod(shift.shape[:-1]) == 1:
            bias = None if shift is None else (beta * shift).expand(1, len(weight)).reshape(-1)
            return _linear(build, left, weight, bias)
    parts: list[Any] = [build.straight(each) if isinstance(each, Value) else each for each in (left, right)]
    parts = [_turned(build, part) if turn else part for part, turn in zip(parts, turned, strict=True)]
    made = build.function(torch.matmul, *parts)
    made = made if alpha == 1 else build.function(operator.mul, made, alpha)
    if shift is None:
        return made
    if isinstance(shift, Tensor):
        return build.function(operator.add, made, beta * shift)
    more = build.straight(shift)
    return build.function(operator.add, made, more if beta == 1 else build.function(operator.mul, more, beta))


def _turned(build: Builder, part: Value | Tensor) -> Value | Tensor:
    return part.T.contiguous() if isinstance(part, Tensor) else build.function(torch.permute, part, (1, 0))


def _linear(build: Builder, value: Value, weight: Tensor, bias: Tensor | None) -> Value:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias is not None)
    return build.module(_filled(layer, weight=weight, bias=bias), build.straight(value))


def matmul(build: Builder, op: Op) -> Value:
    """MatMul with a matrix of weights on the right as nn.Linear, of anything else as it is."""
    left, right = op.operand(0), op.operand(1)
    if isinstance(left, Value) and isinstance(right, Tensor) and right.dim() == 2:
        return _linear(build, left, right.T, None)
    return build.function(
        torch.matmul, *(build.straight(part) if isinstance(part, Value) else part.float() for part in (left, right))
    )


def einsum(build: Builder, op: Op) -> Value:
    """Einsum as torch has it, which the exporters write as products of matrices."""
    parts = [op.operand(index) for index in range(len(op.inputs))]
    return build.function(
        torch.einsum,
        op.attributes["equation"].decode(),
        *(build.straight(part) if isinstance(part, Value) else part.float() for part in parts),
    )


def prelu(build: Builder, op: Op) -> Value:
    """PRelu: with one slope or one for each channel a module; with any other as max(x, 0) + slope * min(x, 0)."""
    value, slope = op.activation(), op.constant(1).float()
    shape = (1,) * (len(value.axes) - slope.dim()) + tuple(slope.shape)
    lies = slope.reshape(shape).permute([value.axes.index(axis) for axis in range(len(value.axes))])
    if lies.numel() == 1 or (lies.numel() == lies.shape[1] == value.sample.shape[1]):
        return build.module(_filled(nn.PReLU(lies.numel()), weight=lies.flatten()), value, value.axes)
    above = build.module(nn.ReLU(), value, value.axes)
    below = build.function(operator.sub, value, above, axes=value.axes)
    sloped = build.function(operator.mul, below, lies.contiguous(), axes=value.axes)
    return build.function(operator.add, above, sloped, axes=value.axes)


LAYERS: dict[str, Rule] = {
    "BatchNormalization": norm,
    "Conv": convolution,
    "Einsum": einsum,
    "Gemm": gemm,
    "GroupNormalization": group_norm,
    "InstanceNormalization": instance_norm,
    "LayerNormalization": layer_norm,
    "MatMul": matmul,
    "PRelu": prelu,
}
