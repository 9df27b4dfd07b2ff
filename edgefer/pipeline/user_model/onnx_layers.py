"""ONNX operators with weights, poolings and paddings, as torch modules, which edgefer's folding and exporters know."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgefer.pipeline.user_model.onnx_build import Builder, Edge, Op, Value


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


def edge(build: Builder, value: Value, begin: list[int], end: list[int]) -> Value:
    """Repeat the first and last row and column: as slices and concatenations, which every engine has in int8."""
    source = value
    for axis, (before, behind) in enumerate(zip(begin, end, strict=True), start=2):
        if not (before or behind):
            continue
        first, last = _place(axis, slice(0, 1)), _place(axis, slice(value.sample.shape[axis] - 1, None))
        parts = [build.function(operator.getitem, value, first)] * before if before else []
        parts += [value, *([build.function(operator.getitem, value, last)] * behind if behind else [])]
        value = build.function(torch.cat, parts, axis)
    build.edges[value.node] = Edge(source, begin, end)
    return value


def _place(axis: int, part: slice) -> tuple[slice, ...]:
    return (*(slice(None),) * axis, part)


def pad(build: Builder, op: Op) -> Value:
    """Pad with a constant or, over height and width, with the edge."""
    value, pads = op.activation(), op.numbers("pads", 1) or []
    count, mode = len(value.axes), op.attributes.get("mode", b"constant")
    if op.inputs[3:4] and op.inputs[3] is not None:
        raise op.refused("it names the axes that it pads")
    if len(pads) != 2 * count or min(pads) < 0:
        raise op.refused("it does not pad every axis, or cuts")
    begin, end = [0] * count, [0] * count
    for index, axis in enumerate(value.axes):
        begin[axis], end[axis] = pads[index], pads[index + count]
    if mode == b"edge" and count == 4 and not any((*begin[:2], *end[:2])):
        padded = edge(build, value, begin[2:], end[2:])
        return Value(padded.node, padded.sample, value.axes)
    if mode != b"constant":
        raise op.refused(f"it pads in the mode {mode.decode()}")
    fill = op.attributes.get("value", 0.0)
    if len(op.inputs) > 2 and op.inputs[2] is not None:
        fill = op.constant(2).item()
    around = [n for pair in list(zip(begin, end, strict=True))[::-1] for n in pair]
    while around[-2:] == [0, 0]:
        around = around[:-2]
    if not around:
        return value
    return build.function(functional.pad, value, around, value=float(fill), axes=value.axes)


Rule = Callable[[Builder, Op], Value]


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
    stride, dilation = _numbers(op, "strides", spatial), _numbers(op, "dilations", spatial)
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


def _numbers(op: Op, name: str, count: int) -> list[int]:
    return op.numbers(name) or [1] * count


def norm(build: Builder, op: Op) -> Value:
    """BatchNormalization as it is after training."""
    value = build.straight(op.activation())
    scale, shift, mean, variance = (op.constant(index) for index in range(1, 5))
    kind = nn.BatchNorm2d if value.sample.dim() == 4 else nn.BatchNorm1d
    layer = kind(len(scale), eps=float(op.attributes.get("epsilon", 1e-5)))
    return build.module(_filled(layer, weight=scale, bias=shift, running_mean=mean, running_var=variance), value)


def layer_norm(build: Builder, op: Op) -> Value:
    """LayerNormalization over the last axis."""
    value, scale = build.straight(op.activation()), op.constant(1)
    if int(op.attributes.get("axis", -1)) not in (-1, value.sample.dim() - 1):
        raise op.refused("a norm over more than the last axis")
    shift = op.constant(2) if len(op.inputs) > 2 and op.inputs[2] is not None else torch.zeros_like(scale)
    layer = nn.LayerNorm(len(scale), eps=float(op.attributes.get("epsilon", 1e-5)))
    return build.module(_filled(layer, weight=scale, bias=shift), value)


def gemm(build: Builder, op: Op) -> Value:
    """Gemm as nn.Linear."""
    if op.attributes.get("transA", 0):
        raise op.refused("its first input is transposed")
    weight = op.constant(1) * float(op.attributes.get("alpha", 1.0))
    weight = weight if op.attributes.get("transB", 0) else weight.T
    bias = None
    if len(op.inputs) > 2 and op.inputs[2] is not None:
        bias = (op.constant(2) * float(op.attributes.get("beta", 1.0))).expand(1, len(weight)).reshape(-1)
    return _linear(build, op.activation(), weight, bias)


def _linear(build: Builder, value: Value, weight: Tensor, bias: Tensor | None) -> Value:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias is not None)
    return build.module(_filled(layer, weight=weight, bias=bias), build.straight(value))


def matmul(build: Builder, op: Op) -> Value:
    """MatMul with weights as nn.Linear, of two activations as it is."""
    right = op.operand(1)
    if isinstance(right, Tensor) and right.dim() == 2:
        return _linear(build, op.activation(), right.T, None)
    if isinstance(right, Tensor):
        raise op.refused("a product with a constant that is no matrix")
    return build.function(torch.matmul, build.straight(op.activation()), build.straight(right))


def prelu(build: Builder, op: Op) -> Value:
    """PRelu with one slope, or one for each channel."""
    value, slope = build.straight(op.activation()), op.constant(1).flatten()
    if len(slope) not in (1, value.sample.shape[1]):
        raise op.refused("slopes that are not those of channels")
    return build.module(_filled(nn.PReLU(len(slope)), weight=slope), value)


def max_pool(build: Builder, op: Op) -> Value:
    """MaxPool. The edge again is no new maximum: so it does for padding that torch's pooling has not."""
    value, kernel = build.straight(op.activation()), op.numbers("kernel_shape") or []
    if len(kernel) != 2 or op.outputs > 1:
        raise op.refused("edgefer knows pooling over two dimensions with one output")
    stride, dilation = _numbers(op, "strides", 2), _numbers(op, "dilations", 2)
    begin, end = sides(op, value, kernel, stride, dilation)
    ceil = bool(op.attributes.get("ceil_mode", 0))
    edges, plain = build.edges.get(value.node), dilation == [1, 1] and not ceil
    if edges is not None and plain and not any((*begin, *end)):
        value, begin, end = edges.value, edges.begin, edges.end
    if begin != end and plain and not any(begin):
        ceil = all(map(_reaches, value.sample.shape[2:], kernel, stride, end))
    if not ceil and (begin != end or any(2 * n > k for n, k in zip(begin, kernel, strict=True))):
        if not plain:
            raise op.refused("it pads unevenly, and is dilated or rounds up")
        value, begin = edge(build, value, begin, end), [0, 0]
    return build.module(
        nn.MaxPool2d(_pair(kernel), _pair(stride), _pair(begin), _pair(dilation), ceil_mode=ceil), value
    )


def _reaches(size: int, window: int, step: int, end: int) -> bool:
    """Whether rounding up gives as many windows as padding so much at the end."""
    return -(-(size - window) // step) == (size + end - window) // step


def average_pool(build: Builder, op: Op) -> Value:
    """AveragePool, unevenly padded only where the padding counts."""
    value, kernel = build.straight(op.activation()), op.numbers("kernel_shape") or []
    if len(kernel) != 2 or set(_numbers(op, "dilations", 2)) != {1}:
        raise op.refused("edgefer knows pooling over two dimensions without dilation")
    stride, counted = _numbers(op, "strides", 2), bool(op.attributes.get("count_include_pad", 0))
    begin, end = sides(op, value, kernel, stride, [1, 1])
    if begin != end and not counted:
        raise op.refused("it pads unevenly and does not count its padding")
    if begin != end:
        value, begin = build.function(functional.pad, value, [begin[1], end[1], begin[0], end[0]]), [0, 0]
    ceil = bool(op.attributes.get("ceil_mode", 0))
    return build.module(nn.AvgPool2d(_pair(kernel), _pair(stride), _pair(begin), ceil, counted), value)


def _pair(numbers: list[int]) -> tuple[int, int]:
    return numbers[0], numbers[1]


def global_pool(kind: Callable[[int], nn.Module]) -> Rule:
    """GlobalAveragePool and GlobalMaxPool."""

    def rule(build: Builder, op: Op) -> Value:
        value = build.straight(op.activation())
        if value.sample.dim() != 4:
            raise op.refused("edgefer knows pooling over two dimensions")
        return build.module(kind(1), value)

    return rule


LAYERS: dict[str, Rule] = {
    "AveragePool": average_pool,
    "BatchNormalization": norm,
    "Conv": convolution,
    "Gemm": gemm,
    "GlobalAveragePool": global_pool(nn.AdaptiveAvgPool2d),
    "GlobalMaxPool": global_pool(nn.AdaptiveMaxPool2d),
    "LayerNormalization": layer_norm,
    "MatMul": matmul,
    "MaxPool": max_pool,
    "PRelu": prelu,
}
