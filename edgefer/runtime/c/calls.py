"""The calls that a network is in C, one a step, with their constants, for one mode of kernels."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from edgefer.runtime.c import constants
from edgefer.runtime.c.constants import Arrays, Structs, real
from edgefer.runtime.c.layers import Layers, require_near
from edgefer.runtime.c.memory import Places, Size, aligned, is_view, places_of, sizes_of
from edgefer.runtime.c.modes import SIGNED, Mode
from edgefer.runtime.c.shapes import options_of
from edgefer.runtime.c.steps import FUSED, Step, refuse, shape_of
from edgefer.runtime.c.tflite_file import Graph

ARENA = 2**26  # bytes at most
_RESTS = 128  # pixels of a row at most, for the kernels that gather inputs of three rows
_TAPS = 49  # of a depthwise layer's window at most, for the kernels that compute several channels together


class Calls:
    """The C of a network's steps, and the arena that they need."""

    def __init__(self, graph: Graph, steps: list[Step], mode: Mode, arrays: Arrays) -> None:
        arrays.mode = mode.name
        self._graph, self._mode, self._arrays = graph, mode, arrays
        self._structs = Structs()
        self._layers = Layers(graph, mode, arrays, self._structs)
        self._functions: list[str] = []
        self._sizes = self._sizes_of(steps)
        self._places = self._places_of(steps)
        self._rooms = {step.output: self._places.scratch.get(index, 0) for index, step in enumerate(steps)}
        self.arena_bytes = (self._places.total + 2 * mode.aligned + self._behind(steps)) * mode.bytes
        if self.arena_bytes > ARENA:
            raise refuse(f"{self.arena_bytes:,} bytes of working memory", f" (at most {ARENA:,})")
        lines = [*self._load(), *(line for index, step in enumerate(steps) for line in self._step(index, step))]
        output = graph.output
        lines.append(f"k_store(arena, {self._map(output)}, output, {self._layers.tensor(output).zero_point});")
        body = "\n".join(f"  {line}" for line in lines)
        head = "K_FUNCTION void k_run(const int8_t *input, int8_t *output, k_act *arena)"
        functions = "".join(self._functions)
        self.source = f"\n{self._structs.source()}\n{functions}{head} {{\n{body}\n}}\n"

    def _sizes_of(self, steps: list[Step]) -> dict[int, Size]:
        return sizes_of(self._graph, steps)

    def _places_of(self, steps: list[Step]) -> Places:
        scratch = [self._scratch(step) for step in steps]
        return places_of(self._graph, steps, self._sizes, scratch, unit=self._mode.aligned)

    def _map(self, index: int, size: Size | None = None, shift: int = 0) -> str:
        """A pointer to a tensor's map, or to a part of it that begins `shift` activations behind its first."""
        whole = self._sizes[index]
        shown = size or whole
        at = self._places.tensors[index] + whole.first + shift
        numbers = (shown.height, shown.width, shown.channels, shown.pixel, whole.row, at, self._layers.zero(index))
        return self._structs.add("Map", *numbers)

    def _window(self, step: Step) -> str:
        w = step.window
        return self._structs.add("Window", w.height, w.width, w.down, w.right, w.top, w.left)

    def _flat(self, index: int) -> str:
        """The map as one row, where its rows lie densely."""
        size = self._sizes[index]
        return self._map(index, replace(size, height=1, width=size.height * size.width))

    def _scratch(self, step: Step) -> int:
        """What a fused step needs besides its maps: four rows of the map between, and one of the depthwise layer's."""
        if step.first is None:
            return 0
        _, width, channels = shape_of(self._layers.tensor(step.first.output))
        row = 0 if step.last is None else shape_of(self._layers.tensor(step.operator.output))[1] * channels
        return 4 * self._ring(channels, width) + row + self._mode.aligned

    def _convolution(self, step: Step, arguments: str) -> str:  # noqa: ARG002 - other kernels need memory for weights
        """The call of a convolution's kernel."""
        return f"k_convolve(arena, {arguments});"

    def _room(self, step: Step) -> str:  # noqa: ARG002 - as above
        """Where the kernels of a fused step have memory for its weights, as arguments; empty where they need none."""
        return ""

    def _behind(self, steps: list[Step]) -> int:
        """What kernels for bytes read behind a map and do not use: three pixels, or three groups between layers."""
        between = [shape_of(self._layers.tensor(step.operator.output))[2] for step in steps if step.last is not None]
        widest = max(*between, *(size.pixel for size in self._sizes.values()))
        return aligned(max(4 * widest, 256), self._mode.aligned) if self._mode.layout == "bytes" else 0

    def _ring(self, channels: int, width: int) -> int:
        return aligned(self._mode.ring(channels, width), self._mode.aligned)

    def _load(self) -> Iterator[str]:
        index = self._graph.input
        yield from self._clear(index)
        yield f"k_load(arena, input, {self._map(index)}, {self._layers.tensor(index).zero_point});"

    def _clear(self, index: int) -> Iterator[str]:
        size = self._sizes[index]
        if any(size.border):
            _, left, bottom, end = size.border
            between = (left + end) * size.pixel
            behind = bottom * size.row + end * size.pixel
            yield f"k_clear(arena, {self._map(index)}, {size.first}, {between}, {behind});"

    def _step(self, index: int, step: Step) -> Iterator[str]:
        if is_view(step, self._sizes):
            return
        yield from self._clear(step.output)
        if step.kind == FUSED:
            yield self._fused(index, step)
        else:
            yield from _CALLS[step.kind](self, step)

    def _convolve(self, step: Step) -> Iterator[str]:
        weights, source, output = self._layers.weights(step), self._sizes[step.source], self._sizes[step.output]
        if self._has_rests(step):
            packed = self._arrays.add(constants.with_rests(weights, self._mode.block))
            layer = self._layers.layer(step, weights.reshape(len(weights), -1), packed, True, activation(step, 3))
            places = f"{self._map(step.source)}, {self._map(step.output)}, {self._window(step)}"
            yield f"k_convolve_rests(arena, {places}, {layer});"
            return
        layer, groups = self._layers.convolution(step, weights, source.pixel, activation(step, 3))
        pointwise = step.window.height == step.window.width == step.window.down == step.window.right == 1
        dense = not any((*step.window.border, *source.border, *output.border))
        maps = [self._flat(i) if pointwise and dense else self._map(i) for i in (step.source, step.output)]
        yield self._convolution(step, f"{', '.join(maps)}, {self._window(step)}, {groups}, {layer}")

    def _has_rests(self, step: Step) -> bool:
        """Whether it is a 3x3 convolution of three channels: the ninth inputs of its rows are one group."""
        source, output, window = self._sizes[step.source], self._sizes[step.output], step.window
        return (
            self._mode.halved
            and (window.height, window.width, window.right, source.pixel) == (3, 3, 1, 3)
            and output.channels % self._mode.block == 0
            and 8 <= output.width <= _RESTS
        )

    def _connect(self, step: Step) -> Iterator[str]:
        """A fully connected layer is a convolution whose window is the whole map."""
        source, stored = self._sizes[step.source], self._layers.weights(step)
        weights = stored.reshape(-1, source.height, source.width, source.channels)
        layer, groups = self._layers.convolution(step, weights, source.pixel, activation(step, 0))
        window = self._structs.add("Window", source.height, source.width, 1, 1, 0, 0)
        maps = f"{self._map(step.source)}, {self._map(step.output)}"
        yield self._convolution(step, f"{maps}, {window}, {groups}, {layer}")

    def _depthwise(self, step: Step) -> Iterator[str]:
        weights, source, output = self._layers.weights(step), self._sizes[step.source], self._sizes[step.output]
        multiplier = output.channels // source.channels
        flat = weights[0].reshape(-1, output.channels)
        alike = multiplier == 1 and source.pixel == output.pixel
        by_vectors = alike and output.pixel % 8 == 0 and len(flat) <= _TAPS
        wide = flat
        if by_vectors:  # the last vector of a pixel reaches into the next one
            wide = np.pad(flat, ((0, 0), (0, output.pixel - output.channels)))
            in_pairs = self._mode.group == 2
            wide = constants.taps(wide) if in_pairs else np.pad(wide.ravel(), (0, self._mode.block - 8))
        as_stored = by_vectors and self._mode is SIGNED  # NEON multiplies bytes
        layer = self._layers.layer(step, flat.T, self._arrays.add(wide), as_stored, activation(step, 4))
        maps = f"{self._map(step.source)}, {self._map(step.output)}, {self._window(step)}"
        if by_vectors:
            yield f"k_depthwise(arena, {maps}, {layer});"
        else:
            yield f"k_depthwise_any(arena, {maps}, {multiplier}, {layer});"

    def _fused(self, index: int, step: Step) -> str:
        first, last = step.first, step.last
        assert first is not None
        middle = first.output
        height, width, channels = shape_of(self._layers.tensor(middle))
        before, groups = self._layers.convolution(
            first, self._layers.weights(first), self._sizes[first.source].pixel, activation(first, 3), expands=True
        )
        depthwise = replace(step, source=middle)
        weights = self._layers.weights(step)
        turned = weights.transpose(0, 2, 1, 3) if self._mode.relaxed else weights
        packed = self._arrays.add(constants.depthwise(turned, self._mode.block, self._mode.group))
        flat = weights[0].reshape(-1, channels).T
        layer = self._layers.layer(depthwise, flat, packed, True, activation(step, 4))
        ring, at = self._ring(channels, width), self._places.scratch[index]
        numbers = (height, width, channels, 0, ring, at, self._layers.zero(middle))
        scratch, zero = at + 4 * ring, self._layers.zero(step.operator.output)
        behind, last_groups = "0", 0
        if last is not None:
            behind, last_groups = self._layers.convolution(
                last, self._layers.weights(last), channels, activation(last, 3)
            )
        return (
            f"k_convolve_depthwise(arena, {self._map(first.source)}, {self._structs.add('Map', *numbers)}, "
            f"{self._map(step.output)}, {self._window(first)}, {groups}, {before}, {step.window.down}, {layer}, "
            f"{scratch}, {zero}, {last_groups}, {behind}{self._room(step)});"
        )

    def _pool(self, step: Step) -> Iterator[str]:
        source, window = self._sizes[step.source], step.window
        if step.source == step.operator.inputs[0]:  # TFLite's own padding: left out
            yield f"k_max_pool(arena, {self._map(step.source)}, {self._map(step.output)}, {self._window(step)});"
            return
        shown = replace(
            source,
            height=source.height + window.top + window.bottom,
            width=source.width + window.left + window.end,
        )
        bare = replace(step, window=replace(window, top=0, left=0, bottom=0, end=0))
        shift = -window.top * source.row - window.left * source.pixel
        around = self._map(step.source, shown, shift)
        yield f"k_max_pool(arena, {around}, {self._map(step.output)}, {self._window(bare)});"

    def _add(self, step: Step) -> Iterator[str]:
        one, other = step.operator.inputs
        output = self._layers.tensor(step.output)
        ratios = [self._layers.tensor(index).scales[0] / output.scales[0] for index in (one, other)]
        shift = 127 + 20 - (struct.unpack("<I", struct.pack("<f", max(ratios)))[0] >> 23)
        if not 1 <= shift <= 30:  # XNNPACK's bounds lie within
            raise refuse("the operator ADD", f" with scales {max(ratios):g} times its output's")
        factors = [int(np.rint(float(ratio) * 2.0**shift)) for ratio in ratios]
        low, high = self._layers.limits(step.output, activation(step, 0))
        maps = ", ".join(self._map(index) for index in (one, other, step.output))
        yield f"k_add(arena, {maps}, {factors[0]}, {factors[1]}, {shift}, {low}, {high});"

    def _multiply(self, step: Step) -> Iterator[str]:
        one, other = step.operator.inputs
        if shape_of(self._layers.tensor(one)) != shape_of(self._layers.tensor(step.output)):
            one, other = other, one
        scale = (
            self._layers.tensor(one).scales[0]
            * self._layers.tensor(other).scales[0]
            / self._layers.tensor(step.output).scales[0]
        )
        require_near(step, 255 * 255 * float(scale))
        low, high = self._layers.limits(step.output, activation(step, 0))
        maps = ", ".join(self._map(index) for index in (one, other, step.output))
        yield f"k_multiply(arena, {maps}, {real(scale)}, {low}, {high});"

    def _mean(self, step: Step) -> Iterator[str]:
        height, width, _ = shape_of(self._layers.tensor(step.source))
        given, returned = self._layers.tensor(step.source), self._layers.tensor(step.output)
        pixels = height * width
        scale = given.scales[0] / returned.scales[0] * (np.float32(1) / np.float32(pixels))  # XNNPACK's order
        bias = np.float32(returned.zero_point) - np.float32(given.zero_point * pixels) * scale
        require_near(step, 2 * 255 * pixels * float(scale) + abs(float(bias)))
        low, high = self._layers.limits(step.output)
        numbers = f"{real(scale)}, {given.zero_point}, {real(bias)}, {returned.zero_point}, {low}, {high}"
        yield f"k_mean(arena, {self._map(step.source)}, {self._map(step.output)}, {numbers});"

    def _logistic(self, step: Step) -> Iterator[str]:
        given, returned = self._layers.tensor(step.source), self._layers.tensor(step.output)
        table = self._arrays.add(constants.sigmoid(given, returned))
        maps = f"{self._map(step.source)}, {self._map(step.output)}"
        yield f"k_table(arena, {maps}, {table}, {given.zero_point}, {returned.zero_point});"

    def _softmax(self, step: Step) -> Iterator[str]:
        given, returned = self._layers.tensor(step.source), self._layers.tensor(step.output)
        beta = 1.0 if step.operator.options is None else step.operator.options.real(0, 0.0)
        if not 0 < beta <= 1000:
            raise refuse("the operator SOFTMAX", f" with beta {beta:g}")
        require_near(step, 1 / float(returned.scales[0]))
        table = self._arrays.add(constants.exponentials(float(given.scales[0] * np.float32(beta))))
        low, high = self._layers.limits(step.output)
        maps = f"{self._map(step.source)}, {self._map(step.output)}"
        yield f"k_softmax(arena, {maps}, {table}, {real(returned.scales[0])}, {low}, {high});"

    def _transpose(self, step: Step) -> Iterator[str]:
        order = self._layers.tensor(step.operator.inputs[1]).data
        assert order is not None
        source = self._sizes[step.source]
        missing = 4 - len(order)
        axes = [*range(missing), *(int(axis) + missing for axis in order)]
        apart = {0: 0, 1: source.row, 2: source.pixel, 3: 1}
        steps = ", ".join(str(apart[axis]) for axis in axes[1:])
        yield f"k_move(arena, {self._map(step.source)}, {self._map(step.output)}, {steps});"

    def _reshape(self, step: Step) -> Iterator[str]:
        yield f"k_reshape(arena, {self._map(step.source)}, {self._map(step.output)});"

    def _part(self, index: int, output: int, shift: int) -> str:
        """Copies a map into a part of another one."""
        source, size = self._sizes[index], self._sizes[output]
        part = replace(size, height=source.height, width=source.width, channels=source.channels)
        maps = f"{self._map(index)}, {self._map(output, part, shift)}"
        return f"k_move(arena, {maps}, {source.row}, {source.pixel}, 1);"

    def _concatenate(self, step: Step) -> Iterator[str]:
        inputs, output = step.operator.inputs, self._sizes[step.output]
        rank = len(self._layers.tensor(step.output).shape)
        axis = options_of(step.operator).number(0) % rank + 4 - rank
        apart = {1: output.row, 2: output.pixel, 3: 1}[axis]
        done = 0
        for index in inputs:
            yield self._part(index, step.output, done * apart)
            done += shape_of(self._layers.tensor(index))[axis - 1]

    def _pad(self, step: Step) -> Iterator[str]:
        """A padding that is no convolution's: a copy with zeros around."""
        size, data = self._sizes[step.output], self._layers.tensor(step.operator.inputs[1]).data
        assert data is not None
        before = [0] * (4 - len(data)) + [int(amount) for amount, _ in data]
        yield f"k_fill(arena + {self._places.tensors[step.output]}, {size.total}, {self._layers.zero(step.output)});"
        yield self._part(step.source, step.output, before[1] * size.row + before[2] * size.pixel + before[3])


_CALLS: dict[str, Callable[[Calls, Step], Iterator[str]]] = {
    "ADD": Calls._add,
    "CONCATENATION": Calls._concatenate,
    "CONV_2D": Calls._convolve,
    "DEPTHWISE_CONV_2D": Calls._depthwise,
    "FULLY_CONNECTED": Calls._connect,
    "LOGISTIC": Calls._logistic,
    "MAX_POOL_2D": Calls._pool,
    "MEAN": Calls._mean,
    "MUL": Calls._multiply,
    "PAD": Calls._pad,
    "RESHAPE": Calls._reshape,
    "SOFTMAX": Calls._softmax,
    "TRANSPOSE": Calls._transpose,
}


def activation(step: Step, index: int) -> int:
    """The number of a layer's fused activation, which stands in the field `index` of its options."""
    options = step.operator.options
    return 0 if options is None else options.number(index, "<b")
