"""ONNX's poolings and paddings, with every padding that a file may have."""

from __future__ import annotations

import operator
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgefer.pipeline.user_model.onnx_build import Builder, Edge, Op, Value
from edgefer.pipeline.user_model.onnx_layers import Rule, numbers_or_ones, sides


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


def mirror(build: Builder, value: Value, begin: list[int], end: list[int]) -> Value:
    """Reflect the rows and columns at the border, row by row: as slices and concatenations."""
    for axis, (before, behind) in enumerate(zip(begin, end, strict=True), start=2):
        size = value.sample.shape[axis]
        rows = [*range(before, 0, -1)], [*range(size - 2, size - 2 - behind, -1)]
        first, last = (
            [build.function(operator.getitem, value, _place(axis, slice(row, row + 1))) for row in part]
            for part in rows
        )
        if first or last:
            value = build.function(torch.cat, [*first, value, *last], axis)
    return value


_BORDERS: dict[bytes, Callable[[Builder, Value, list[int], list[int]], Value]] = {b"edge": edge, b"reflect": mirror}


def pad(build: Builder, op: Op) -> Value:
    """Pad with a constant or, over height and width, with the edge or a reflection; negative paddings cut."""
    value, mode = op.activation(), op.attributes.get("mode", b"constant")
    begin, end = _pads(op, value)
    for axis, (before, behind) in enumerate(zip(begin, end, strict=True)):
        if min(before, behind) < 0:
            kept = slice(max(0, -before), value.sample.shape[axis] - max(0, -behind))
            value = build.function(operator.getitem, value, _place(axis, kept), axes=value.axes)
    begin, end = ([max(0, n) for n in side] for side in (begin, end))
    if mode in _BORDERS:
        if len(value.axes) != 4 or any((*begin[:2], *end[:2])):
            raise op.refused(f"it pads in the mode {mode.decode()} other axes than height and width")
        padded = _BORDERS[mode](build, value, begin[2:], end[2:])
        return Value(padded.node, padded.sample, value.axes)
    if mode != b"constant":
        raise op.refused(f"it pads in the mode {mode.decode()}; edgefer knows constant, edge and reflect")
    fill = op.attributes.get("value", 0.0)
    if len(op.inputs) > 2 and op.inputs[2] is not None:
        fill = op.constant(2).item()
    around = [n for pair in list(zip(begin, end, strict=True))[::-1] for n in pair]
    while around[-2:] == [0, 0]:
        around = around[:-2]
    if not around:
        return value
    return build.function(functional.pad, value, around, value=float(fill), axes=value.axes)


def _pads(op: Op, value: Value) -> tuple[list[int], list[int]]:
    """What comes before and behind each axis of the tensor."""
    pads, count = op.numbers("pads", 1) or [], len(value.axes)
    named = op.numbers("axes", 3) or list(range(count))
    if len(pads) != 2 * len(named):
        raise op.refused(f"it has {len(pads)} paddings for {len(named)} axes")
    begin, end = [0] * count, [0] * count
    for index, axis in enumerate(named):
        at = value.axis(axis % count)
        begin[at], end[at] = pads[index], pads[index + len(named)]
    return begin, end


def _rounded_up(value: Value, op: Op, begin: list[int], end: list[int]) -> list[int]:
    """The padding behind with which rounding down gives as many windows as rounding up (ceil_mode)."""
    kernel, stride = op.numbers("kernel_shape") or [], numbers_or_ones(op, "strides", 2)
    grown = []
    for size, window, step, before, behind in zip(value.sample.shape[2:], kernel, stride, begin, end, strict=True):
        windows = -(-(size + before + behind - window) // step) + 1
        if (windows - 1) * step >= size + before:  # the last would lie in the padding altogether
            windows -= 1
        grown.append(max(behind, (windows - 1) * step + window - size - before))
    return grown


def max_pool(build: Builder, op: Op) -> Value:
    """MaxPool. The edge again is no new maximum: so it does for padding that torch's pooling has not."""
    value, kernel = build.straight(op.activation()), op.numbers("kernel_shape") or []
    if len(kernel) != 2 or op.outputs > 1:
        raise op.refused("edgefer knows pooling over two dimensions with one output")
    stride, dilation = numbers_or_ones(op, "strides", 2), numbers_or_ones(op, "dilations", 2)
    begin, end = sides(op, value, kernel, stride, dilation)
    ceil = bool(op.attributes.get("ceil_mode", 0))
    edges, plain = build.edges.get(value.node), dilation == [1, 1] and not ceil
    if edges is not None and plain and not any((*begin, *end)):
        value, begin, end = edges.value, edges.begin, edges.end
    if begin != end and plain and not any(begin):
        ceil = all(map(_reaches, value.sample.shape[2:], kernel, stride, end))
    uneven = begin != end and not (ceil and plain)
    if uneven or any(2 * n > k for n, k in zip(begin, kernel, strict=True)):
        if dilation != [1, 1]:
            raise op.refused("it pads unevenly, and is dilated: export it without dilation")
        end, ceil = _rounded_up(value, op, begin, end) if ceil else end, False
        value, begin = edge(build, value, begin, end), [0, 0]
    return build.module(
        nn.MaxPool2d(_pair(kernel), _pair(stride), _pair(begin), _pair(dilation), ceil_mode=ceil), value
    )


def _reaches(size: int, window: int, step: int, end: int) -> bool:
    """Whether rounding up gives as many windows as padding so much at the end."""
    return -(-(size - window) // step) == (size + end - window) // step


def average_pool(build: Builder, op: Op) -> Value:
    """AveragePool. Where torch has not its padding: of the map with zeros around it, times window / what counts."""
    value, kernel = build.straight(op.activation()), op.numbers("kernel_shape") or []
    if len(kernel) != 2 or set(numbers_or_ones(op, "dilations", 2)) != {1}:
        raise op.refused("edgefer knows pooling over two dimensions without dilation")
    stride, counted = numbers_or_ones(op, "strides", 2), bool(op.attributes.get("count_include_pad", 0))
    begin, end = sides(op, value, kernel, stride, [1, 1])
    behind = _rounded_up(value, op, begin, end) if op.attributes.get("ceil_mode", 0) else end
    if begin == behind and not any(2 * n > k for n, k in zip(begin, kernel, strict=True)):
        return build.module(nn.AvgPool2d(_pair(kernel), _pair(stride), _pair(begin), False, counted), value)
    bare = nn.AvgPool2d(_pair(kernel), _pair(stride))
    ones = _framed(torch.ones(1, 1, *value.sample.shape[2:]), begin, end, 1.0 if counted else 0.0)
    ones = _framed(ones, [0, 0], [more - n for more, n in zip(behind, end, strict=True)], 0.0)
    factor = 1 / bare(ones)
    value = build.function(functional.pad, value, [begin[1], behind[1], begin[0], behind[0]])
    pooled = build.module(bare, value)
    return pooled if bool((factor == 1).all()) else build.function(operator.mul, pooled, factor)


def _framed(tensor: Tensor, begin: list[int], end: list[int], fill: float) -> Tensor:
    return functional.pad(tensor, [begin[1], end[1], begin[0], end[0]], value=fill)


def _pair(numbers: list[int]) -> tuple[int, int]:
    return numbers[0], numbers[1]


def global_average(build: Builder, op: Op) -> Value:
    """GlobalAveragePool."""
    return build.module(nn.AdaptiveAvgPool2d(1), _map(build, op))


def global_max(build: Builder, op: Op) -> Value:
    """GlobalMaxPool, as a pooling whose window is the map: every engine has that."""
    value = _map(build, op)
    return build.module(nn.MaxPool2d((value.shape[2], value.shape[3])), value)


def _map(build: Builder, op: Op) -> Value:
    value = build.straight(op.activation())
    if value.sample.dim() != 4:
        raise op.refused("edgefer knows pooling over two dimensions")
    return value


POOLS: dict[str, Rule] = {
    "AveragePool": average_pool,
    "GlobalAveragePool": global_average,
    "GlobalMaxPool": global_max,
    "MaxPool": max_pool,
    "Pad": pad,
}
