"""ncnn's two files as layers: model.param, a line of text a layer, and model.bin, their weights one after another.

Written from the wiki pages of Tencent/ncnn, "param and model file structure" and "operation param weight table".
Only layers with weights that edgefer's networks have are known; others are refused, never skipped.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefer.runtime.errors import ExportFailed

Array = NDArray[Any]
MAGIC = "7767517"
# What stands before a layer's weights in model.bin and says their type; biases and scales are bare float32.
TAGS = {"float32": 0, "float16": 0x01306B47, "int8": 0x000D4B38}
_TYPES = {tag: np.dtype(name) for name, tag in TAGS.items()}
# Layers with weights: the keys of their size and of whether a bias follows.
WEIGHTED = {
    "Convolution": ("6", "5"),
    "Convolution1D": ("6", "5"),
    "ConvolutionDepthWise": ("6", "5"),
    "InnerProduct": ("2", "1"),
    "Gemm": ("", ""),  # see `_gemm`
}
_NORMS = {"LayerNorm": ("0", "2")}  # the keys of their size and of whether they have a scale and a shift: bare floats
# Gemm's keys where it is a linear layer: only B transposed, B and C constant, C a row.
LINEAR = {"2": "0", "3": "1", "4": "0", "5": "1", "6": "1", "10": "4"}
OUTPUTS, GROUP, SCALES = "0", "7", "8"  # keys: channels put out, groups, int8 scale term
REQUANTISED = 100  # added to the scale term of a layer whose output is int8 too


@dataclass
class Layer:
    """A line of model.param and the arrays of model.bin that belong to it.

    Of weights the first array is tagged with its type, of Gemm (see `_gemm`) both are; a norm's are bare.
    """

    kind: str
    name: str
    inputs: list[str]
    outputs: list[str]
    params: dict[str, str]
    arrays: list[Array] = field(default_factory=list)

    def number(self, key: str) -> int:
        """A whole-number parameter; 0 is ncnn's default for those used here."""
        return int(self.params.get(key, "0"))

    @property
    def rows(self) -> int:
        """How many weight scales the layer has: one an output channel, or one a group."""
        return self.number(GROUP if self.kind == "ConvolutionDepthWise" else OUTPUTS)


def read(param: bytes, weights: bytes) -> list[Layer]:
    """The layers of both files; raises ExportFailed if they hold more or less than the layers known here."""
    magic, _counts, *lines = param.decode().splitlines()
    if magic != MAGIC:
        raise ExportFailed(f"not an ncnn param file: it begins with {magic[:20]!r}.")
    layers, at = [_layer(line) for line in lines], 0
    for layer in layers:
        at = _take(layer, weights, at)
    if at != len(weights):
        kinds = ", ".join(sorted({layer.kind for layer in layers} - WEIGHTED.keys() - _NORMS.keys()))
        raise ExportFailed(f"edgefer can't read ncnn's weights of one of these layers: {kinds}.")
    return layers


def _layer(line: str) -> Layer:
    kind, name, inputs, outputs, *rest = line.split()
    ends = int(inputs), int(inputs) + int(outputs)
    params = dict(word.split("=", 1) for word in rest[ends[1] :])
    return Layer(kind, name, rest[: ends[0]], rest[ends[0] : ends[1]], params)


def _take(layer: Layer, weights: bytes, at: int) -> int:
    """Give a layer its arrays, which begin at `at`; return where the next layer's do."""
    tagged, bare = _sizes(layer)
    try:
        for size in tagged:
            kind = _TYPES[int.from_bytes(weights[at : at + 4], "little")]
            layer.arrays.append(np.frombuffer(weights, kind, size, at + 4))
            at += 4 + _aligned(size * kind.itemsize)
        for length in bare:
            layer.arrays.append(np.frombuffer(weights, np.float32, length, at))
            at += 4 * length
    except (KeyError, ValueError) as error:
        raise ExportFailed(f"edgefer can't read ncnn's weights of the layer {layer.name}: {error}.") from error
    return at


def _sizes(layer: Layer) -> tuple[list[int], list[int]]:
    """How many values the tagged arrays of a layer have, and the bare ones behind them."""
    if layer.kind == "Gemm":
        return _gemm(layer), []
    if layer.kind in _NORMS:
        size, scaled = (layer.number(key) for key in _NORMS[layer.kind])
        return [], [size, size] * (scaled != 0)
    if layer.kind not in WEIGHTED:
        return [], []
    size, bias = (layer.number(key) for key in WEIGHTED[layer.kind])
    scales = layer.number(SCALES)
    return [size], [layer.number(OUTPUTS)] * (bias != 0) + [layer.rows, 1] * (scales != 0) + [1] * (
        scales > REQUANTISED
    )


def _gemm(layer: Layer) -> list[int]:
    """Weights and bias of a linear layer over rows; raises ExportFailed if the Gemm is any other product."""
    if not LINEAR.items() <= layer.params.items():
        raise ExportFailed(f"edgefer knows ncnn's Gemm of a linear layer only, {layer.name} is another.")
    columns, depth = layer.number("8"), layer.number("9")
    return [columns * depth, columns]


def _aligned(size: int) -> int:
    return size + -size % 4


def write(layers: list[Layer]) -> tuple[bytes, bytes]:
    """The contents of model.param and model.bin."""
    blobs = sum(len(layer.outputs) for layer in layers)
    text = "\n".join([MAGIC, f"{len(layers)} {blobs}", *map(_line, layers)]) + "\n"
    return text.encode(), b"".join(_bytes(layer) for layer in layers)


def _line(layer: Layer) -> str:
    counts = f"{len(layer.inputs)} {len(layer.outputs)}"
    params = (f"{key}={value}" for key, value in layer.params.items())
    return " ".join([layer.kind, layer.name, counts, *layer.inputs, *layer.outputs, *params])


def _bytes(layer: Layer) -> bytes:
    tagged = len(_sizes(layer)[0])
    return b"".join([*map(_tagged, layer.arrays[:tagged]), *(array.tobytes() for array in layer.arrays[tagged:])])


def _tagged(array: Array) -> bytes:
    content = array.tobytes()
    return TAGS[array.dtype.name].to_bytes(4, "little") + content + bytes(_aligned(len(content)) - len(content))
