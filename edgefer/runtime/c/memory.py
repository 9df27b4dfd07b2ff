"""Where every map lies in the arena: its size with the border that its readers want, and first fit by lifetimes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgefer.runtime.c.steps import Step, shape_of
from edgefer.runtime.c.tflite_file import Graph

ALIGNED = 32  # activations; every map begins at a multiple, unless a mode has another one


@dataclass(frozen=True)
class Size:
    """Height, width and channels; how far pixels are apart; and the border of zeros around them."""

    height: int
    width: int
    channels: int
    pixel: int
    border: tuple[int, int, int, int] = (0, 0, 0, 0)

    @property
    def row(self) -> int:
        """Activations from one row to the next."""
        return (self.width + self.border[1] + self.border[3]) * self.pixel

    @property
    def total(self) -> int:
        """All activations, the border's too."""
        return (self.height + self.border[0] + self.border[2]) * self.row

    @property
    def first(self) -> int:
        """From the beginning to the first pixel."""
        return self.border[0] * self.row + self.border[1] * self.pixel

    @property
    def whole(self) -> bool:
        """Whether nothing but values lies in it, in their order."""
        return not any(self.border) and self.pixel == self.channels


def sizes_of(graph: Graph, steps: list[Step]) -> dict[int, Size]:
    """The size of every computed tensor in the arena, by its index."""
    borders: dict[int, tuple[int, int, int, int]] = {}
    for step in steps:
        source, window = (step.source, step.window) if step.first is None else (step.first.source, step.first.window)
        if step.kind != "MAX_POOL_2D" or step.source != step.operator.inputs[0]:  # TFLite's own SAME leaves it out
            wanted = zip(borders.get(source, (0, 0, 0, 0)), window.border, strict=True)
            top, left, bottom, end = (max(pair) for pair in wanted)
            borders[source] = top, left, bottom, end
    sizes = {graph.input: _size(graph, graph.input, borders, None)}
    for step in steps:
        sizes[step.output] = _size(graph, step.output, borders, _pixel(graph, step, sizes))
    return sizes


def _pixel(graph: Graph, step: Step, sizes: dict[int, Size]) -> int | None:
    """How far the pixels of the output are apart: None where its channels lie densely."""
    channels = shape_of(graph.tensors[step.output])[2]
    if step.kind in ("CONV_2D", "FULLY_CONNECTED") or step.last is not None:
        return -(-channels // 8) * 8
    alike = step.kind in ("DEPTHWISE_CONV_2D", "MAX_POOL_2D", "ADD", "MUL", "LOGISTIC")
    source = sizes.get(step.source)
    return source.pixel if alike and source is not None and source.channels == channels else None


def _size(graph: Graph, index: int, borders: dict[int, tuple[int, int, int, int]], pixel: int | None) -> Size:
    height, width, channels = shape_of(graph.tensors[index])
    return Size(height, width, channels, pixel or channels, borders.get(index, (0, 0, 0, 0)))


@dataclass(frozen=True)
class Places:
    """Where each tensor and each step's scratch begins in the arena, and the arena's size, in activations."""

    tensors: dict[int, int]
    scratch: dict[int, int]
    total: int


def is_view(step: Step, sizes: dict[int, Size]) -> bool:
    """Whether the step's output is its input, under another shape."""
    return step.kind == "RESHAPE" and sizes[step.source].whole and sizes[step.output].whole


def places_of(
    graph: Graph,
    steps: list[Step],
    sizes: dict[int, Size],
    scratch: list[int],
    shared: Mapping[int, int] | None = None,
    unit: int = ALIGNED,
) -> Places:
    """First fit by lifetimes: each tensor lies where no other one lies that is alive at the same time.

    `scratch` is what each step needs besides, while it runs. `shared` are outputs that take the place of an input. A
    place is a multiple of `unit`.
    """
    shared = shared or {}
    roots = {graph.input: graph.input}
    for step in steps:
        source = step.source if is_view(step, sizes) else shared.get(step.output)
        roots[step.output] = step.output if source is None else roots[source]
    last = {roots[graph.output]: len(steps)}
    for index, step in enumerate(steps):
        for tensor in step.inputs():
            if tensor in roots:
                last[roots[tensor]] = max(index, last.get(roots[tensor], -1))
    placed: list[tuple[int, int, int]] = []  # from, to, last step
    found: dict[int, int] = {}

    def place(size: int, first: int, end: int) -> int:
        at, alive = 0, sorted(each for each in placed if each[2] >= first)
        for begin, stop, _ in alive:
            if at + size <= begin:
                break
            at = max(at, stop)
        placed.append((at, at + size, end))
        return at

    for index, tensor in [(-1, graph.input), *((i, step.output) for i, step in enumerate(steps))]:
        if roots[tensor] == tensor and tensor in sizes:
            margin = unit if unit >= ALIGNED else 0
            found[tensor] = place(aligned(sizes[tensor].total + margin, unit), index, last.get(tensor, index))
        if index >= 0 and scratch[index]:
            found[-1 - index] = place(aligned(scratch[index], unit), index, index)
    tensors = {tensor: found[root] for tensor, root in roots.items() if root in found}
    room = {index: found[-1 - index] for index, size in enumerate(scratch) if size}
    return Places(tensors, room, max(stop for _, stop, _ in placed))


def aligned(size: int, unit: int = ALIGNED) -> int:
    """`size`, rounded up to where the next map may begin."""
    return -(-size // unit) * unit
