"""ONNX paddings: how much a window adds at each side, and padding with zeros or with the edge."""

from __future__ import annotations

import operator

import torch
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
