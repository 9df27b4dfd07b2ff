"""The calls of a network whose layers with windows are computed row by row, so that hardly any map is ever whole.

A chain of such layers becomes a function of nested loops: each row of the last map asks for the rows that its window
needs of the map before, and so on up to the frame, which is read where the caller has it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from edgefer.runtime.c import constants
from edgefer.runtime.c.calls import Calls, activation
from edgefer.runtime.c.constants import Arrays
from edgefer.runtime.c.memory import Places, Size, aligned, is_view, places_of
from edgefer.runtime.c.modes import Mode
from edgefer.runtime.c.steps import Step, Window, shape_of
from edgefer.runtime.c.tflite_file import Graph

CHAIN = "ROWS"
_BY_ROWS = ("CONV_2D", "DEPTHWISE_CONV_2D", "MAX_POOL_2D")
_IN_PLACE = ("ADD", "MUL", "LOGISTIC")
_UNIT = 4  # bytes: where maps and rings begin
_BEYOND = 16  # bytes that a kernel may read behind a map


def chained(graph: Graph, steps: list[Step], fuse: bool) -> list[Step]:
    """The steps with those that are computed row by row together as one; `fuse` off: each by itself."""
    readers = Counter(i for step in steps for i in step.inputs())
    readers[graph.output] += 1
    found: list[Step] = []
    for step in steps:
        if step.kind not in _BY_ROWS:
            found.append(step)
            continue
        before = found[-1] if found else None
        joins = fuse and before is not None and before.output == step.source and readers[step.source] == 1
        chain = (*before.chain, step) if joins and before is not None and before.chain else (step,)
        if len(chain) > 1:
            found.pop()
        found.append(replace(step, kind=CHAIN, source=chain[0].source, chain=chain))
    return found


def sharing(graph: Graph, steps: list[Step], sizes: dict[int, Size]) -> dict[int, int]:
    """Outputs that may take the place of an input, which nothing reads after them."""
    last = {tensor: index for index, step in enumerate(steps) for tensor in step.inputs()}
    last[graph.output] = len(steps)
    places = {graph.input: {graph.input}}  # of each tensor, those that lie where it lies
    shared = {}
    for index, step in enumerate(steps):
        place = {step.output}
        if is_view(step, sizes):
            place = places[step.source]
        elif step.kind in _IN_PLACE:
            for given in step.inputs():
                known = places.get(given, set())
                same = given in sizes and sizes[given].total == sizes[step.output].total
                if same and known and all(last.get(each, -1) <= index for each in known):
                    shared[step.output], place = given, known
                    break
        place.add(step.output)
        places[step.output] = place
    return shared


@dataclass(frozen=True)
class Ring:
    """Rows of a map: where they begin, how many are kept and how far they are apart; where a row's first pixel is, and
    how far pixels and channels are apart. `none` is a row of zeros, or None: a kernel leaves such a row out.
    """

    height: int
    rows: int
    row: int
    first: int
    pixel: int
    apart: int
    zero: int
    at: int = 0
    none: int | None = None

    @property
    def size(self) -> int:
        """Bytes of all its rows."""
        return self.rows * self.row

    def address(self, name: str) -> str:
        """The C of where the row `name` is written."""
        return f"arena + {self.at + self.first} + {name} % {self.rows} * {self.row}"


class RowCalls(Calls):
    """See Calls; `steps` are what `chained` returns."""

    def __init__(self, graph: Graph, steps: list[Step], mode: Mode, arrays: Arrays) -> None:
        super().__init__(graph, steps, mode, arrays)
        self.arena_bytes = aligned(self._places.total + _BEYOND, _UNIT)

    def _sizes_of(self, steps: list[Step]) -> dict[int, Size]:
        read = {index for step in steps if not step.chain for index in step.inputs()}
        kept = {step.output for step in steps} | ({self._graph.input} & {*read, self._graph.output})
        shapes = {index: shape_of(self._layers.tensor(index)) for index in kept}
        return {index: Size(height, width, channels, channels) for index, (height, width, channels) in shapes.items()}

    def _places_of(self, steps: list[Step]) -> Places:
        self._rings = [self._rings_of(step) if step.chain else [] for step in steps]
        scratch = [max((_end(ring) for ring in rings), default=0) for rings in self._rings]
        shared = sharing(self._graph, steps, self._sizes)
        return places_of(self._graph, steps, self._sizes, scratch, shared, _UNIT)

    def _load(self) -> Iterator[str]:
        if self._graph.input in self._sizes:
            yield from super()._load()

    def _step(self, index: int, step: Step) -> Iterator[str]:
        if step.chain:
            yield self._chain(index, step.chain)
        elif step.kind == "FULLY_CONNECTED":
            yield self._connected(step)
        else:
            yield from super()._step(index, step)

    def _connected(self, step: Step) -> str:
        source, stored = self._sizes[step.source], self._layers.weights(step)
        weights = stored.reshape(len(stored), 1, 1, -1)
        layer, groups = self._layers.convolution(step, weights, source.total, activation(step, 0))
        return f"k_connect(arena, {self._map(step.source)}, {self._map(step.output)}, {groups}, {layer});"

    def _rings_of(self, step: Step) -> list[Ring]:
        """What each layer of the chain reads: a ring in the step's scratch memory, or (of no size) the map itself."""
        rings, at = [], 0
        for index, layer in enumerate(step.chain):
            ring = self._ring_for(layer)
            if index == 0 and layer.source in self._sizes and ring.first == 0 and ring.apart == 1 and not _sides(layer):
                ring = replace(ring, rows=ring.height)
                rings.append(replace(ring, none=at if ring.none is not None else None, at=-1))
                at += 0 if ring.none is None else aligned(ring.row, _UNIT)
                continue
            ring = replace(ring, at=at)
            at = aligned(at + ring.size, _UNIT)
            if ring.none is not None:
                ring = replace(ring, none=at)
                at = aligned(at + ring.row, _UNIT)
            rings.append(ring)
        return rings

    def _ring_for(self, layer: Step) -> Ring:
        height, width, channels = shape_of(self._layers.tensor(layer.source))
        zero, (left, end) = self._layers.zero(layer.source), _sides(layer)
        columns, rows = left + width + end, min(layer.window.height, height)
        planes = self._by_planes(layer)
        pixel, apart = (1, columns) if planes else (channels, 1)
        needed = _is_outside(layer, height) and not _leaves_out(layer)
        skipped = self._mode.block == 2 and zero == 0 and layer.kind != "MAX_POOL_2D"
        return Ring(
            height,
            rows,
            columns * channels,
            left * pixel,
            pixel,
            apart,
            zero,
            none=0 if needed and not skipped else None,
        )

    def _by_planes(self, layer: Step) -> bool:
        """Whether a depthwise layer reads the columns of a channel side by side."""
        window, (_, _, channels) = layer.window, shape_of(self._layers.tensor(layer.output))
        given = shape_of(self._layers.tensor(layer.source))[2]
        by_words = self._mode.block == 2 and layer.kind == "DEPTHWISE_CONV_2D"
        return by_words and (window.height, window.width, channels) == (3, 3, given)

    def _chain(self, index: int, chain: tuple[Step, ...]) -> str:
        """Writes the chain's function and returns its call."""
        base = self._places.scratch.get(index, 0)
        rings = [self._moved(ring, base, chain[0].source) for ring in self._rings[index]]
        loaded = self._is_loaded(self._rings[index][0])
        size, zero = self._sizes[chain[-1].output], self._layers.zero(chain[-1].output)
        at = self._places.tensors[chain[-1].output]
        whole = Ring(size.height, size.height, size.row, 0, size.pixel, 1, zero, at)
        lines = [f"const k_act *rows[{max(layer.window.height for layer in chain)}];"]
        for number, (ring, layer) in enumerate(zip(rings, chain, strict=True)):
            if any(_sides(layer)):
                lines.append(f"memset(arena + {ring.at}, {ring.zero}, {ring.size});")
            if ring.none is not None:
                lines.append(f"memset(arena + {ring.none}, {ring.zero}, {ring.row});")
            if number or loaded:
                lines.append(f"int y{number} = 0;")
        last = len(chain)
        lines.append(f"for (int y{last} = 0; y{last} < {whole.height}; y{last}++) {{")
        lines += [
            f"  {line}" for line in self._layer(chain, [*rings, whole], last, self._is_loaded(self._rings[index][0]))
        ]
        body = "\n".join(f"  {line}" for line in [*lines, "}"])
        unused = "" if chain[0].source not in self._sizes else "  (void)input;\n"
        head = f"K_FUNCTION void k_rows_{index}(const int8_t *input, k_act *arena)"
        self._functions.append(f"{head} {{\n{unused}{body}\n}}\n\n")
        return f"k_rows_{index}(input, arena);"

    def _is_loaded(self, ring: Ring) -> bool:
        """Whether a chain's first ring is filled from its map or the frame, and not the map itself."""
        return ring.at != -1

    def _moved(self, ring: Ring, base: int, source: int) -> Ring:
        """With places in the arena."""
        at = base + ring.at if self._is_loaded(ring) else self._places.tensors[source]
        return replace(ring, at=at, none=None if ring.none is None else base + ring.none)

    def _layer(self, chain: tuple[Step, ...], rings: list[Ring], number: int, loaded: bool) -> Iterator[str]:
        """The C that makes row y<number> of the ring `number`, and before it the rows that it needs."""
        if number == 0:
            source = chain[0].source
            _, width, channels = shape_of(self._layers.tensor(source))
            at = f"arena + {self._places.tensors[source]}" if source in self._sizes else "input"
            add = 0 if source in self._sizes else self._mode.offset
            numbers = f"{width}, {channels}, {rings[0].pixel}, {rings[0].apart}, {add}"
            yield f"k_load_row({at} + y0 * {width * channels}, {rings[0].address('y0')}, {numbers});"
            return
        layer, given = chain[number - 1], rings[number - 1]
        window, name, before = layer.window, f"y{number}", f"y{number - 1}"
        first = f"{name} * {window.down} - {window.top}"
        if number > 1 or loaded:
            yield f"for (; {before} < limit({first} + {window.height}, 0, {given.height}); {before}++) {{"
            yield from (f"  {line}" for line in self._layer(chain, rings, number - 1, loaded))
            yield "}"
        none = "0" if given.none is None else f"arena + {given.none}"
        where = f"arena + {given.at}, {first}, {given.height}, {given.rows}, {given.row}, {none}"
        yield f"k_window(rows, {window.height}, {where});"
        yield self._row(layer, given, rings[number], f"{rings[number].address(name)}")

    def _row(self, layer: Step, given: Ring, made: Ring, to: str) -> str:
        _, width, channels = shape_of(self._layers.tensor(layer.output))
        inputs = shape_of(self._layers.tensor(layer.source))[2]
        window, out = layer.window, f"{to}, {made.pixel}, {made.apart}, {width}, {channels}"
        if layer.kind == "MAX_POOL_2D":
            return self._pooled(layer, out)
        weights = self._layers.weights(layer)
        if layer.kind == "CONV_2D":
            constant, groups = self._layers.convolution(layer, weights, inputs, activation(layer, 3))
            pixel = window.right * inputs
            return f"k_convolve_row(rows, {window.height}, {groups}, {pixel}, {out}, {made.zero}, {constant});"
        flat = weights[0].reshape(-1, channels)
        if self._by_planes(layer):
            packed = self._arrays.add(constants.depthwise(weights, 1, 4))
            constant = self._layers.layer(layer, flat.T, packed, True, activation(layer, 4))
            return f"k_depthwise_row(rows, {given.apart}, {window.right}, {out}, {made.zero}, {constant});"
        spread = f"rows, {window.height}, {window.width}, {window.right * inputs}, {inputs}"
        if self._mode.block == 4 and channels == inputs:
            packed = self._arrays.add(constants.padded(flat, 8, 1).reshape(len(flat), -1, 8).transpose(1, 0, 2))
            constant = self._layers.layer(layer, flat.T, packed, True, activation(layer, 4))
            made_at = f"{to}, {made.pixel}, {width}, {channels}, {made.zero}"
            return f"k_depthwise_row({spread}, {made_at}, {constant});"
        packed = self._arrays.add(np.ascontiguousarray(flat))
        constant = self._layers.layer(layer, flat.T, packed, True, activation(layer, 4))
        return f"k_depthwise_any_row({spread}, {channels // inputs}, {out}, {made.zero}, {constant});"

    def _pooled(self, layer: Step, out: str) -> str:
        window, (left, end) = layer.window, _sides(layer)
        inputs = left + shape_of(self._layers.tensor(layer.source))[1] + end
        outside = window.left - left
        return f"k_max_pool_row(rows, {window.height}, {window.width}, {window.right}, {outside}, {inputs}, {out});"


def _leaves_out(layer: Step) -> bool:
    """Whether the padding is TFLite's own of a maximum: what lies outside does not count."""
    return layer.kind == "MAX_POOL_2D" and layer.source == layer.operator.inputs[0]


def _sides(layer: Step) -> tuple[int, int]:
    """Columns of zeros on the left and on the right."""
    return (0, 0) if _leaves_out(layer) else (layer.window.left, layer.window.end)


def _is_outside(layer: Step, height: int) -> bool:
    """Whether a window reaches above or below the map."""
    window: Window = layer.window
    return window.top > 0 or window.bottom > 0 or height < window.height


def _end(ring: Ring) -> int:
    """Where the ring and its row of zeros end."""
    ends = [0 if ring.at == -1 else ring.at + ring.size]
    return max([*ends, 0 if ring.none is None else ring.none + ring.row])
