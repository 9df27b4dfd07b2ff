"""ncnn's two files as layers: model.param, a line of text a layer, and model.bin, their weights one after another.

Written from the wiki page of Tencent/ncnn, "param and model file structure". How many weights a layer has, ncnn says
itself: its own layer is made from the line of text, and what that would load is written down. So every layer that ncnn
has can be read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Any

import ncnn
import numpy as np
from numpy.typing import NDArray

from edgefer.runtime.errors import ExportFailed
from edgefer.runtime.process import quiet

Array = NDArray[Any]
Asked = tuple[int, bool]  # of an array that a layer loads: its values, and whether its type stands before them
MAGIC = "7767517"
# What stands before a layer's weights in model.bin and says their type; biases and scales are bare float32.
TAGS = {"float32": 0, "float16": 0x01306B47, "int8": 0x000D4B38}
_TYPES = {tag: np.dtype(name) for name, tag in TAGS.items()}
# Gemm's keys where it is a linear layer: only B transposed, B and C constant, C a row.
LINEAR = {"2": "0", "3": "1", "4": "0", "5": "1", "6": "1", "10": "4"}
OUTPUTS, GROUP, SCALES = "0", "7", "8"  # keys: channels put out, groups, int8 scale term
REQUANTISED = 100  # added to the scale term of a layer whose output is int8 too
_TAGGED = 0  # how ncnn asks for an array that has its type before it; any other number asks for bare float32


@dataclass
class Layer:
    """A line of model.param and the arrays of model.bin that belong to it."""

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
    """The layers of both files; raises ExportFailed for a layer that ncnn doesn't have, or weights that don't fit."""
    magic, _counts, *lines = param.decode().splitlines()
    if magic != MAGIC:
        raise ExportFailed(f"not an ncnn param file: it begins with {magic[:20]!r}.")
    layers, at = [_layer(line) for line in lines], 0
    for layer, asked in zip(layers, weights_asked(layers), strict=True):
        at = _take(layer, asked, weights, at)
    if at != len(weights):
        raise ExportFailed(f"ncnn's layers have {at} bytes of weights, the file has {len(weights)}.")
    return layers


def _layer(line: str) -> Layer:
    kind, name, inputs, outputs, *rest = line.split()
    ends = int(inputs), int(inputs) + int(outputs)
    params = dict(word.split("=", 1) for word in rest[ends[1] :])
    return Layer(kind, name, rest[: ends[0]], rest[ends[0] : ends[1]], params)


def _take(layer: Layer, asked: list[Asked], weights: bytes, at: int) -> int:
    """Give a layer its arrays, which begin at `at`; return where the next layer's do."""
    try:
        for size, tagged in asked:
            kind = _TYPES[int.from_bytes(weights[at : at + 4], "little")] if tagged else np.dtype(np.float32)
            at += 4 * tagged
            layer.arrays.append(np.frombuffer(weights, kind, size, at))
            at += _aligned(size * kind.itemsize)
    except (KeyError, ValueError) as error:
        raise ExportFailed(f"edgefer can't read ncnn's weights of the layer {layer.name}: {error}.") from error
    return at


def weights_asked(layers: list[Layer]) -> list[list[Asked]]:
    """What each layer loads: of every array how many values it has, and whether its type stands before it.

    Raises ExportFailed for layers that ncnn doesn't have.
    """
    if unknown := sorted({layer.kind for layer in layers if ncnn.layer_to_index(layer.kind) < 0}):
        raise ExportFailed(f"pnnx has no ncnn layer for {', '.join(unknown)}.")
    with quiet():
        return [_asked(layer) for layer in layers]


def _asked(layer: Layer) -> list[Asked]:
    """What ncnn's layer loads, in a net of its own in which its inputs come from nowhere."""
    sources = [Layer("Input", f"source_{name}", [], [name], {}) for name in layer.inputs]
    net, recorder = ncnn.Net(), _Recorder()
    if net.load_param_mem(_text([*sources, layer])):
        raise ExportFailed(f"ncnn can't read the layer {layer.name} ({layer.kind}) as pnnx wrote it.")
    net.layers()[-1].load_model(recorder)
    return recorder.asked


class _Recorder(ncnn.ModelBin):
    """Weights that a layer may load: it gets zeros, and what it asked for is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Asked] = []

    def load(self, *request: int) -> Any:
        """ncnn asks with the sizes of the array, the innermost first, then the kind of storage."""
        *sizes, storage = request
        self.asked.append((prod(sizes), storage == _TAGGED))
        return ncnn.Mat(*sizes)


def _aligned(size: int) -> int:
    return size + -size % 4


def write(layers: list[Layer]) -> tuple[bytes, bytes]:
    """The contents of model.param and model.bin."""
    asked = weights_asked(layers)
    return _text(layers).encode(), b"".join(map(_bytes, layers, asked))


def _text(layers: list[Layer]) -> str:
    blobs = sum(len(layer.outputs) for layer in layers)
    return "\n".join([MAGIC, f"{len(layers)} {blobs}", *map(_line, layers)]) + "\n"


def _line(layer: Layer) -> str:
    counts = f"{len(layer.inputs)} {len(layer.outputs)}"
    params = (f"{key}={value}" for key, value in layer.params.items())
    return " ".join([layer.kind, layer.name, counts, *layer.inputs, *layer.outputs, *params])


def _bytes(layer: Layer, asked: list[Asked]) -> bytes:
    pairs = zip(layer.arrays, asked, strict=True)
    return b"".join(_tagged(array) if tagged else array.tobytes() for array, (_, tagged) in pairs)


def _tagged(array: Array) -> bytes:
    content = array.tobytes()
    return TAGS[array.dtype.name].to_bytes(4, "little") + content + bytes(_aligned(len(content)) - len(content))
