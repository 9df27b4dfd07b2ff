"""ONNX operators that only move numbers, cut, repeat or join them."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from edgefer.pipeline.user_model.onnx_build import Builder, Op, Value

_LAST = 1 << 31  # ends of slices at least this large mean "to the end"
_MANY = 64  # more places than this are not taken one by one


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
    """Flatten the axes before `axis`, and those from it on."""
    value = op.activation()
    axis = int(op.attributes.get("axis", 1))
    axis += len(value.axes) if axis < 0 else 0
    return build.reshape(value, (math.prod(value.shape[:axis]), math.prod(value.shape[axis:])))


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
    """Slice with constant limits; backwards (RGB to BGR) it takes place for place."""
    value, starts, ends = op.activation(), op.numbers("starts", 1) or [], op.numbers("ends", 2) or []
    axes = op.numbers("axes", 3) or list(range(len(starts)))
    steps = op.numbers("steps", 4) or [1] * len(starts)
    places = [axis % len(value.axes) for axis in axes]
    for axis, start, end, step in zip(places, starts, ends, steps, strict=True):
        if step < 0:
            value = _places(build, op, value, axis, list(range(value.shape[axis]))[_backwards(start, end, step)])
        else:
            value = _cut(build, value, axis, slice(start, None if end >= _LAST - 1 else end, step))
    return value


def _backwards(start: int, end: int, step: int) -> slice:
    """ONNX's limits of a slice with a negative step; an end that is very small means "the first, too"."""
    return slice(start, None if end < -_LAST + 2 else end, step)


def gather(build: Builder, op: Op) -> Value:
    """Gather of constant places of an axis: one, a range, or a few in any order."""
    value, index = op.activation(), op.constant(1)
    axis = int(op.attributes.get("axis", 0)) % len(value.axes)
    if index.dim() == 0:
        return build.function(torch.select, build.straight(value), axis, int(index))
    if index.dim() > 1:
        raise op.refused("its places form a table; edgefer knows one place, or a list of them")
    return _places(build, op, value, axis, [int(n) % value.shape[axis] for n in index])


def _places(build: Builder, op: Op, value: Value, axis: int, places: list[int]) -> Value:
    if not places:
        raise op.refused("it takes nothing")
    if places == list(range(places[0], places[-1] + 1)):
        return _cut(build, value, axis, slice(places[0], places[-1] + 1))
    if len(places) > _MANY:
        raise op.refused(f"it takes {len(places)} places in an order of their own; edgefer knows up to {_MANY}")
    parts = [_cut(build, value, axis, slice(place, place + 1)) for place in places]
    return build.function(torch.cat, parts, value.axis(axis), axes=value.axes)


def expand(build: Builder, op: Op) -> Value:
    """Expand, as a sum with zeros, which every engine has."""
    value, wanted = build.straight(op.activation()), op.numbers("shape", 1) or []
    shape = tuple((torch.zeros(value.shape) + torch.zeros(wanted)).shape)
    if shape == value.shape:
        return value
    return build.function(operator.add, value, torch.zeros(shape))


def where(build: Builder, op: Op) -> Value:
    """Where with a constant condition: a blend with 0 and 1, which every engine has."""
    condition = op.constant(0).float()
    parts = [op.operand(index) for index in (1, 2)]
    kept: list[Value | Tensor] = []
    for part, mask in zip(parts, (condition, 1 - condition), strict=True):
        if isinstance(part, Tensor):
            kept.append(torch.where(mask.bool(), part.float(), torch.zeros(())))  # so that 0 * inf is not nan
        else:
            kept.append(build.function(operator.mul, build.straight(part), mask))
    return build.function(operator.add, *kept)


_RESIZED: dict[tuple[str, str, str], tuple[str, bool | None]] = {  # torch's mode and align_corners
    ("nearest", "asymmetric", "floor"): ("nearest", None),
    ("linear", "half_pixel", ""): ("bilinear", False),
    ("linear", "pytorch_half_pixel", ""): ("bilinear", False),
    ("linear", "align_corners", ""): ("bilinear", True),
}


def resize(build: Builder, op: Op) -> Value:
    """Resize and Upsample of height and width, in the ways that torch has too."""
    value = build.straight(op.activation())
    if len(value.axes) != 4:
        raise op.refused("edgefer knows resizing of height and width of a map")
    size, scales = _resized(op, value)
    mode = op.attributes.get("mode", b"nearest").decode()
    old = op.kind == "Upsample" or op.attributes["opset"] < 11
    transform = "asymmetric" if old else op.attributes.get("coordinate_transformation_mode", b"half_pixel").decode()
    rounding = "floor" if old else op.attributes.get("nearest_mode", b"round_prefer_floor").decode()
    whole = all(scale >= 1 and scale == int(scale) for scale in scales)
    if mode == "nearest" and whole and (transform, rounding) == ("half_pixel", "round_prefer_floor"):
        transform, rounding = "asymmetric", "floor"  # the same for whole factors
    how = _RESIZED.get((mode, transform, rounding if mode == "nearest" else ""))
    if how is None or op.attributes.get("antialias", 0):
        raise op.refused(f"it resizes in the way {mode}, {transform}, {rounding}, which torch has not: use bilinear")
    return build.module(nn.Upsample(size=size, mode=how[0], align_corners=how[1]), value)


def _resized(op: Op, value: Value) -> tuple[tuple[int, int], list[float]]:
    """The new height and width, and by what they grow."""
    at = 1 if op.kind == "Upsample" or op.attributes["opset"] < 11 else 2
    given = op.inputs[at] if at < len(op.inputs) else None
    if "scales" in op.attributes or (given is not None and op.constant(at).numel()):
        scales = [float(n) for n in (op.attributes["scales"] if given is None else op.constant(at))]
        shape = [math.floor(n * scale) for n, scale in zip(value.shape[-len(scales) :], scales, strict=True)]
    else:
        shape = op.numbers("sizes", 3) or []
        scales = [new / n for n, new in zip(value.shape[-len(shape) :], shape, strict=True)]
    if len(shape) == 4 and tuple(shape[:2]) != value.shape[:2]:
        raise op.refused("it resizes the batch or the channels")
    exact = [new / n == scale for n, new, scale in zip(value.shape[-2:], shape[-2:], scales[-2:], strict=True)]
    if not all(exact):
        raise op.refused("its factors give no whole number of pixels: export it with sizes")
    return (shape[-2], shape[-1]), scales[-2:]


MOVES: dict[str, Callable[[Builder, Op], Value | list[Value]]] = {
    "Concat": concat,
    "Expand": expand,
    "Flatten": flatten,
    "Gather": gather,
    "Reshape": reshape,
    "Resize": resize,
    "Slice": cut,
    "Split": split,
    "Squeeze": squeeze,
    "Transpose": transpose,
    "Unsqueeze": unsqueeze,
    "Upsample": resize,
    "Where": where,
}
