"""The calls that a network is in C, one a step, with their constants, for one mode of kernels."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgefer.runtime.c import constants
from edgefer.runtime.c.constants import Arrays, real
from edgefer.runtime.c.modes import Mode
from edgefer.runtime.c.plan import FUSED, Size, Step, is_view, places_of, refuse, shape_of, sizes_of
from edgefer.runtime.c.tflite_file import Graph, Tensor

_RELU, _RELU6 = 1, 3
_ALIGNED = 32
_NEAREST = 2**22  # below which C rounds by adding and taking off 1.5 * 2^23


class Calls:
    """The C of a network's steps, and the arena that they need."""

    def __init__(self, graph: Graph, steps: list[Step], mode: Mode, arrays: Arrays) -> None:
        self._graph, self._mode, self._arrays = graph, mode, arrays
        arrays.mode = mode.name
        self._sizes = sizes_of(graph, steps)
        self._places = places_of(graph, steps, self._sizes, [self._scratch(step) for step in steps])
        self.arena_bytes = (self._places.total + 2 * _ALIGNED) * mode.bytes
        lines = [*self._load(), *(line for index, step in enumerate(steps) for line in self._step(index, step))]
        output = graph.output
        lines.append(f"k_store(arena, {self._map(output)}, output, {self._tensor(output).zero_point});")
        body = "\n".join(f"  {line}" for line in lines)
        self.source = f"\nK_FUNCTION void k_run(const int8_t *input, int8_t *output, k_act *arena) {{\n{body}\n}}\n"

    def _tensor(self, index: int) -> Tensor:
        return self._graph.tensors[index]

    def _zero(self, index: int) -> int:
        return self._mode.zero(self._tensor(index).zero_point)

    def _map(self, index: int, size: Size | None = None, shift: int = 0) -> str:
        """The C of a tensor's map, or of a part of it that begins `shift` activations behind its first."""
        whole = self._sizes[index]
        shown = size or whole
        at = self._places.tensors[index] + whole.first + shift
        numbers = (shown.height, shown.width, shown.channels, shown.pixel, whole.row, at, self._zero(index))
        return f"(Map){{{', '.join(map(str, numbers))}}}"

    def _flat(self, index: int) -> str:
        """The map as one row, where its rows lie densely."""
        size = self._sizes[index]
        return self._map(index, replace(size, height=1, width=size.height * size.width))

    def _scratch(self, step: Step) -> int:
        """What a fused step needs besides its maps: four rows of the map between, and one of the depthwise layer's."""
        if step.first is None:
            return 0
        _, width, channels = shape_of(self._tensor(step.first.output))
        row = 0 if step.last is None else shape_of(self._tensor(step.operator.output))[1] * channels
        return 4 * self._ring(channels, width) + row + _ALIGNED

    def _ring(self, channels: int, width: int) -> int:
        return -(-self._mode.ring(channels, width) // _ALIGNED) * _ALIGNED

    def _load(self) -> Iterator[str]:
        index = self._graph.input
        yield from self._clear(index)
        yield f"k_load(arena, input, {self._map(index)}, {self._tensor(index).zero_point});"

    def _clear(self, index: int) -> Iterator[str]:
        size = self._sizes[index]
        if any(size.border):
            yield f"k_clear(arena, {self._places.tensors[index]}, {size.total}, {self._zero(index)});"

    def _step(self, index: int, step: Step) -> Iterator[str]:
        if is_view(step, self._sizes):
            return
        yield from self._clear(step.output)
        if step.kind == FUSED:
            yield self._fused(index, step)
        else:
            yield from _CALLS[step.kind](self, step)

    def _limits(self, index: int, activation: int = 0) -> tuple[int, int]:
        """The least and the largest value of a tensor, as distances from zero."""
        tensor = self._tensor(index)
        low, high = -128 - tensor.zero_point, 127 - tensor.zero_point
        if activation in (_RELU, _RELU6):
            low = max(low, 0)
        if activation == _RELU6:
            high = min(high, int(np.rint(np.float32(6) / tensor.scales[0])))
        if activation not in (0, _RELU, _RELU6):
            raise refuse("a fused activation", f" number {activation} of the schema")
        return low, high

    def _layer(self, step: Step, weights: NDArray[np.int8], packed: str, zeros_counted: bool, activation: int) -> str:
        """The C of a layer's constants. `weights` are (outputs, inputs), of which `packed` is the array's name.

        `zeros_counted`: the kernel multiplies activations as they are stored, so that the bias makes good for zero.
        """
        given, returned = self._tensor(step.operator.inputs[0]), self._tensor(step.operator.output)
        scales = self._tensor(step.operator.inputs[1]).scales
        biases = self._biases(step, len(weights))
        factors = np.broadcast_to(given.scales[0] * scales / returned.scales[0], len(weights)).astype(np.float32)
        heavy = np.abs(weights.astype(np.int64)).sum(1) * 255 + np.abs(biases)
        if heavy.max() >= 2**31 or (heavy * factors).max() >= _NEAREST:
            raise refuse(f"the operator {step.operator.name}", ": its sums or scales are too large")
        if zeros_counted:
            biases = biases - self._zero(step.operator.inputs[0]) * weights.astype(np.int64).sum(1)
        names = (
            self._arrays.add(constants.padded(biases.astype(np.int32), 16)),
            self._arrays.add(constants.padded(factors, 16)),
        )
        low, high = self._limits(step.operator.output, activation)
        return f"(Layer){{{packed}, {', '.join(names)}, {low}, {high}}}"

    def _biases(self, step: Step, count: int) -> NDArray[np.int64]:
        inputs = step.operator.inputs
        if len(inputs) < 3 or inputs[2] < 0:
            return np.zeros(count, np.int64)
        data = self._tensor(inputs[2]).data
        if data is None:
            raise refuse(f"the operator {step.operator.name}", " with a computed bias")
        return data.ravel().astype(np.int64)

    def _weights(self, step: Step) -> NDArray[np.int8]:
        tensor = self._tensor(step.operator.inputs[1])
        if tensor.data is None or tensor.dtype != "int8" or tensor.zero_point:
            raise refuse(f"the operator {step.operator.name}", " with other weights than int8 constants around 0")
        weights: NDArray[np.int8] = tensor.data
        return weights

    def _convolution(self, step: Step, weights: NDArray[np.int8], pixel: int, activation: int) -> tuple[str, int]:
        packed, groups = constants.convolution(weights, pixel, self._mode.block, self._mode.group)
        name = self._arrays.add(packed)
        return self._layer(step, weights.reshape(len(weights), -1), name, True, activation), groups

    def _convolve(self, step: Step) -> Iterator[str]:
        weights, source, output = self._weights(step), self._sizes[step.source], self._sizes[step.output]
        if weights.shape[3] != source.channels:
            raise refuse("the operator CONV_2D", " in groups")
        layer, groups = self._convolution(step, weights, source.pixel, _activation(step, 3))
        pointwise = step.window.height == step.window.width == step.window.down == step.window.right == 1
        dense = not any((*step.window.border, *source.border, *output.border))
        maps = [self._flat(i) if pointwise and dense else self._map(i) for i in (step.source, step.output)]
        yield f"k_convolve(arena, {', '.join(maps)}, {_window(step)}, {groups}, {layer});"

    def _connect(self, step: Step) -> Iterator[str]:
        """A fully connected layer is a convolution whose window is the whole map."""
        source, stored = self._sizes[step.source], self._weights(step)
        inputs = source.height * source.width * source.channels
        if stored.shape[1] != inputs:
            raise refuse("the operator FULLY_CONNECTED", " of several rows")
        weights = stored.reshape(-1, source.height, source.width, source.channels)
        layer, groups = self._convolution(step, weights, source.pixel, _activation(step, 0))
        window = f"(Window){{{source.height}, {source.width}, 1, 1, 0, 0}}"
        yield f"k_convolve(arena, {self._map(step.source)}, {self._map(step.output)}, {window}, {groups}, {layer});"

    def _depthwise(self, step: Step) -> Iterator[str]:
        weights, source, output = self._weights(step), self._sizes[step.source], self._sizes[step.output]
        multiplier = output.channels // source.channels
        by_vectors = multiplier == 1 and source.pixel == output.pixel and output.pixel % 8 == 0
        wide = np.pad(weights[0], ((0, 0), (0, 0), (0, output.pixel - output.channels))) if by_vectors else weights[0]
        flat = weights[0].reshape(-1, output.channels).T
        layer = self._layer(step, flat, self._arrays.add(np.ascontiguousarray(wide)), False, _activation(step, 4))
        maps = f"{self._map(step.source)}, {self._map(step.output)}, {_window(step)}"
        if by_vectors:
            yield f"k_depthwise(arena, {maps}, {layer});"
        else:
            yield f"k_depthwise_any(arena, {maps}, {multiplier}, {layer});"

    def _fused(self, index: int, step: Step) -> str:
        first, last = step.first, step.last
        assert first is not None
        middle = first.output
        height, width, channels = shape_of(self._tensor(middle))
        before, groups = self._convolution(
            first, self._weights(first), self._sizes[first.source].pixel, _activation(first, 3)
        )
        depthwise = replace(step, source=middle)
        packed = self._arrays.add(constants.depthwise(self._weights(step), self._mode.block, self._mode.group))
        flat = self._weights(step)[0].reshape(-1, channels).T
        layer = self._layer(depthwise, flat, packed, True, _activation(step, 4))
        ring, at = self._ring(channels, width), self._places.scratch[index]
        numbers = (height, width, channels, 0, ring, at, self._zero(middle))
        scratch, zero = at + 4 * ring, self._zero(step.operator.output)
        behind, last_groups = "(Layer){0}", 0
        if last is not None:
            behind, last_groups = self._convolution(last, self._weights(last), channels, _activation(last, 3))
        return (
            f"k_convolve_depthwise(arena, {self._map(first.source)}, (Map){{{', '.join(map(str, numbers))}}}, "
            f"{self._map(step.output)}, {_window(first)}, {groups}, {before}, {step.window.down}, {layer}, "
            f"{scratch}, {zero}, {last_groups}, {behind});"
        )

    def _pool(self, step: Step) -> Iterator[str]:
        self._require_one_scale(step, step.operator.inputs[0])
        if _activation(step, 5):
            raise refuse("the operator MAX_POOL_2D", " with a fused activation")
        source = self._sizes[step.source]
        if source.pixel != self._sizes[step.output].pixel:
            raise refuse("the operator MAX_POOL_2D", " behind this operator")
        window = step.window
        if step.source == step.operator.inputs[0]:  # TFLite's own padding: left out
            yield f"k_max_pool(arena, {self._map(step.source)}, {self._map(step.output)}, {_window(step)});"
            return
        shown = replace(
            source,
            height=source.height + window.top + window.bottom,
            width=source.width + window.left + window.end,
        )
        bare = replace(step, window=replace(window, top=0, left=0, bottom=0, end=0))
        shift = -window.top * source.row - window.left * source.pixel
        around = self._map(step.source, shown, shift)
        yield f"k_max_pool(arena, {around}, {self._map(step.output)}, {_window(bare)});"

    def _require_one_scale(self, step: Step, *indices: int) -> None:
        returned = self._tensor(step.output)
        for given in (self._tensor(index) for index in indices):
            if given.scales[0] != returned.scales[0] or given.zero_point != returned.zero_point:
                raise refuse(f"the operator {step.kind}", " that changes its scale")

    def _add(self, step: Step) -> Iterator[str]:
        one, other = (self._operand(step, index) for index in step.operator.inputs)
        output = self._tensor(step.output)
        if {self._sizes[i].height * self._sizes[i].width * self._sizes[i].channels for i in (one, other)} != {
            int(np.prod(output.shape))
        }:
            raise refuse("the operator ADD", " of different shapes")
        ratios = [self._tensor(index).scales[0] / output.scales[0] for index in (one, other)]
        shift = 127 + 20 - (struct.unpack("<I", struct.pack("<f", max(ratios)))[0] >> 23)
        factors = [int(np.rint(float(ratio) * 2.0**shift)) for ratio in ratios]
        low, high = self._limits(step.output, _activation(step, 0))
        maps = ", ".join(self._map(index) for index in (one, other, step.output))
        yield f"k_add(arena, {maps}, {factors[0]}, {factors[1]}, {shift}, {low}, {high});"

    def _operand(self, step: Step, index: int) -> int:
        if index not in self._sizes:
            raise refuse(f"the operator {step.kind}", " with a constant")
        return index

    def _multiply(self, step: Step) -> Iterator[str]:
        one, other = (self._operand(step, index) for index in step.operator.inputs)
        shapes = [shape_of(self._tensor(index)) for index in (one, other)]
        output = shape_of(self._tensor(step.output))
        if shapes[0] != output:
            one, other, shapes = other, one, shapes[::-1]
        if shapes[0] != output or any(n not in (1, whole) for n, whole in zip(shapes[1], output, strict=True)):
            raise refuse("the operator MUL", " of two shapes that both are stretched")
        scale = self._tensor(one).scales[0] * self._tensor(other).scales[0] / self._tensor(step.output).scales[0]
        low, high = self._limits(step.output, _activation(step, 0))
        maps = ", ".join(self._map(index) for index in (one, other, step.output))
        yield f"k_multiply(arena, {maps}, {real(scale)}, {low}, {high});"

    def _mean(self, step: Step) -> Iterator[str]:
        height, width, channels = shape_of(self._tensor(step.source))
        axes = self._tensor(step.operator.inputs[1]).data
        rank = len(self._tensor(step.source).shape)
        wanted = axes is not None and {(int(axis) % rank) + 4 - rank for axis in axes.ravel()} - {0} == {1, 2}
        if not wanted or shape_of(self._tensor(step.output))[2] != channels:
            raise refuse("the operator MEAN", " over other axes than height and width")
        scale = np.float32(self._tensor(step.source).scales[0] / self._tensor(step.output).scales[0])
        low, high = self._limits(step.output)
        factor = real(scale / np.float32(height * width))
        yield f"k_mean(arena, {self._map(step.source)}, {self._map(step.output)}, {factor}, {low}, {high});"

    def _logistic(self, step: Step) -> Iterator[str]:
        given, returned = self._tensor(step.source), self._tensor(step.output)
        table = self._arrays.add(constants.sigmoid(given, returned))
        maps = f"{self._map(step.source)}, {self._map(step.output)}"
        yield f"k_table(arena, {maps}, {table}, {given.zero_point}, {returned.zero_point});"

    def _softmax(self, step: Step) -> Iterator[str]:
        given, returned = self._tensor(step.source), self._tensor(step.output)
        beta = 1.0 if step.operator.options is None else step.operator.options.real(0, 0.0)
        table = self._arrays.add(constants.exponentials(float(given.scales[0] * np.float32(beta))))
        low, high = self._limits(step.output)
        maps = f"{self._map(step.source)}, {self._map(step.output)}"
        yield f"k_softmax(arena, {maps}, {table}, {real(returned.scales[0])}, {low}, {high});"

    def _transpose(self, step: Step) -> Iterator[str]:
        self._require_one_scale(step, step.source)
        order = self._tensor(step.operator.inputs[1]).data
        source = self._sizes[step.source]
        if order is None:
            raise refuse("the operator TRANSPOSE", " in a computed order")
        missing = 4 - len(order)
        axes = [*range(missing), *(int(axis) + missing for axis in order)]
        apart = {0: 0, 1: source.row, 2: source.pixel, 3: 1}
        if axes[0] != 0:
            raise refuse("the operator TRANSPOSE", " of the batch")
        steps = ", ".join(str(apart[axis]) for axis in axes[1:])
        yield f"k_move(arena, {self._map(step.source)}, {self._map(step.output)}, {steps});"

    def _reshape(self, step: Step) -> Iterator[str]:
        self._require_one_scale(step, step.source)
        yield f"k_reshape(arena, {self._map(step.source)}, {self._map(step.output)});"

    def _part(self, index: int, output: int, shift: int) -> str:
        """Copies a map into a part of another one."""
        source, size = self._sizes[index], self._sizes[output]
        part = replace(size, height=source.height, width=source.width, channels=source.channels)
        maps = f"{self._map(index)}, {self._map(output, part, shift)}"
        return f"k_move(arena, {maps}, {source.row}, {source.pixel}, 1);"

    def _concatenate(self, step: Step) -> Iterator[str]:
        inputs, output = step.operator.inputs, self._sizes[step.output]
        self._require_one_scale(step, *(self._operand(step, index) for index in inputs))
        options, rank = step.operator.options, len(self._tensor(step.output).shape)
        axis = 0 if options is None else options.number(0)
        axis = axis % rank + 4 - rank
        if axis == 0 or (options is not None and options.number(1, "<b")):
            raise refuse("the operator CONCATENATION", " of batches or with a fused activation")
        apart = {1: output.row, 2: output.pixel, 3: 1}[axis]
        done = 0
        for index in inputs:
            yield self._part(index, step.output, done * apart)
            done += shape_of(self._tensor(index))[axis - 1]

    def _pad(self, step: Step) -> Iterator[str]:
        """A padding that is no convolution's: a copy with zeros around."""
        self._require_one_scale(step, step.source)
        size, data = self._sizes[step.output], self._tensor(step.operator.inputs[1]).data
        if data is None:
            raise refuse("the operator PAD", " by computed amounts")
        before = [0] * (4 - len(data)) + [int(amount) for amount, _ in data]
        yield f"k_clear(arena, {self._places.tensors[step.output]}, {size.total}, {self._zero(step.output)});"
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


def _activation(step: Step, index: int) -> int:
    options = step.operator.options
    return 0 if options is None else options.number(index, "<b")


def _window(step: Step) -> str:
    w = step.window
    return f"(Window){{{w.height}, {w.width}, {w.down}, {w.right}, {w.top}, {w.left}}}"
