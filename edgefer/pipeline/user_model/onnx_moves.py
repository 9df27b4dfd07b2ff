"""ONNX operators that compute nothing: they move numbers, cut them out, or put them together."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from edgefer.pipeline.user_model.onnx_build import Builder, Op, Value

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
    parts, axis = [op.given(index) for index in range(len(op.inputs))], int(op.attributes["axis"])
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
