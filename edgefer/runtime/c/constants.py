"""Arrays of the generated C: weights in the kernels' order, tables, and how numbers are written; equal ones once."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefer.runtime.c.tflite_file import Tensor

_TYPES = {"int8": "int8_t", "int32": "int32_t", "float32": "float"}
_STEEP = 1000.0  # from which on a float32 has 0 or 1 for the sigmoid


def real(value: float | np.floating[Any]) -> str:
    """A float32 as C99 has it, exactly, on any compiler."""
    mantissa, _, exponent = float(np.float32(value)).hex().partition("p")
    return f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa}p{exponent}f"


@dataclass
class Arrays:
    """The arrays that were asked for, by type and content, and the modes of kernels that read each."""

    mode: str = ""
    _names: dict[tuple[str, bytes], str] = field(default_factory=dict)
    _modes: dict[str, set[str]] = field(default_factory=dict)
    _values: dict[str, NDArray[Any]] = field(default_factory=dict)

    def add(self, values: NDArray[Any]) -> str:
        """The name of an array with these values."""
        flat = values.ravel()
        key = flat.dtype.name, flat.tobytes()
        name = self._names.setdefault(key, f"array_{len(self._names)}")
        self._values[name] = flat
        self._modes.setdefault(name, set()).add(self.mode)
        return name

    def source(self) -> str:
        """The arrays as C, each only where a mode is compiled that reads it."""
        parts: dict[tuple[str, ...], list[str]] = {}
        for name, values in self._values.items():
            parts.setdefault(tuple(sorted(self._modes[name])), []).append(_array(name, values))
        text = []
        for modes, arrays in sorted(parts.items()):
            text += [f"#if {' || '.join(f'USE_{mode.upper()}' for mode in modes)}", *arrays, "#endif", ""]
        return "\n".join(text)


@dataclass
class Structs:
    """Maps, windows and layers that a network's calls point to, by type; equal ones once."""

    _values: dict[str, dict[str, int]] = field(default_factory=dict)

    def add(self, kind: str, *members: int | str) -> str:
        """A pointer to a struct of this type with these members."""
        known = self._values.setdefault(kind, {})
        index = known.setdefault(f"{{{', '.join(map(str, members))}}}", len(known))
        return f"&k_{kind.lower()}s[{index}]"

    def source(self) -> str:
        """An array of each type as C."""
        arrays = []
        for kind, known in self._values.items():
            lines = "\n".join(f"  {each}," for each in known)
            arrays.append(f"static const {kind} k_{kind.lower()}s[] = {{\n{lines}\n}};\n")
        return "".join(arrays)


def _array(name: str, values: NDArray[Any]) -> str:
    numbers = [real(v) for v in values] if values.dtype == np.float32 else map(str, values.tolist())
    words = list(numbers)
    step = 8 if values.dtype == np.float32 else 24
    body = ",\n".join(", ".join(words[i : i + step]) for i in range(0, len(words), step))
    return f"static const {_TYPES[values.dtype.name]} {name}[{values.size}] ALIGNED = {{\n{body}}};"


def padded(values: NDArray[Any], count: int, axis: int = 0) -> NDArray[Any]:
    """With zeros behind, so that the axis is a multiple of `count`."""
    width = [(0, -size % count if index == axis else 0) for index, size in enumerate(values.shape)]
    return np.pad(values, width)


def convolution(weights: NDArray[np.int8], pixel: int, block: int, group: int) -> tuple[NDArray[np.int8], int]:
    """Weights (outputs, height, width, inputs) as [block][row][group][output][input], and the groups of a row."""
    wide = np.pad(weights, ((0, 0), (0, 0), (0, 0), (0, pixel - weights.shape[3])))
    flat = wide.reshape(*wide.shape[:2], -1)
    whole = padded(padded(flat, block), group, 2)
    outputs, rows, inputs = whole.shape
    parts = whole.reshape(outputs // block, block, rows, inputs // group, group)
    return parts.transpose(0, 2, 3, 1, 4), inputs // group


def halved(weights: NDArray[np.int8], pixel: int, block: int, group: int) -> tuple[NDArray[np.int8], int]:
    """As `convolution` has them, but the last eight outputs of half a block as [row][two groups][output][input]."""
    whole = len(weights) // block * block
    before = [convolution(weights[:whole], pixel, block, group)[0].ravel()] if whole else []
    rest, _ = convolution(weights[whole:], pixel, block // 2, 2 * group)
    return np.concatenate([*before, rest.ravel()]), -(-weights.shape[2] * pixel // group)


def with_rests(weights: NDArray[np.int8], block: int) -> NDArray[np.int8]:
    """Weights (outputs, 3, 3, 3) as [block][group][output][input]: two groups a row, then each row's last input."""
    rows = weights.reshape(-1, block, 3, 9)
    groups = rows[..., :8].reshape(-1, block, 6, 4)
    rests = padded(rows[..., 8], 4, 2)[:, :, None]
    return np.concatenate([groups, rests], 2).transpose(0, 2, 1, 3)


def depthwise(weights: NDArray[np.int8], block: int, group: int) -> NDArray[np.int8]:
    """Weights (1, 3, 3, channels) as [block][row][group][channel][column]; the fourth column is 0."""
    whole = padded(np.pad(weights[0], ((0, 0), (0, 1), (0, 0))), block, 2)
    parts = whole.reshape(3, 4 // group, group, whole.shape[2] // block, block)
    return parts.transpose(3, 0, 1, 4, 2)


def taps(weights: NDArray[np.int8]) -> NDArray[np.int8]:
    """Weights (taps, channels) as [block of 8][pair of taps][channel][tap]."""
    whole = padded(weights, 2)
    return whole.reshape(len(whole) // 2, 2, -1, 8).transpose(2, 0, 3, 1)


def exponentials(scale: float) -> NDArray[np.float32]:
    """exp(-scale * n) for n from 0 to 255: rounded once, the same on any machine."""
    factor = np.float32(scale)
    return np.array([_float32(Decimal(float(-factor * np.float32(n))).exp()) for n in range(256)], np.float32)


def sigmoid(given: Tensor, returned: Tensor) -> NDArray[np.int8]:
    """The stored result for each stored value from -128 to 127."""
    results = _sigmoids(float(given.scales[0]), given.zero_point) / np.float32(returned.scales[0])
    table: NDArray[np.int8] = np.clip(np.rint(results) + returned.zero_point, -128, 127).astype(np.int8)
    return table


@lru_cache(256)
def _sigmoids(scale: float, zero_point: int) -> NDArray[np.float32]:
    found = []
    for q in range(-128, 128):
        x = float(np.float32(scale) * np.float32(q - zero_point))
        found.append(_float32(1 / (1 + Decimal(-min(max(x, -_STEEP), _STEEP)).exp())))
    return np.array(found, np.float32)


def _float32(number: Decimal) -> np.float32:
    return np.float32(float(number))
