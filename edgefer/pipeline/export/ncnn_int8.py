"""Int8 for ncnn's layers, in place: weights per output channel, activations per tensor, both symmetric.

That is what ncnn's own tools (ncnn2table, ncnn2int8) write, which are in no Python package. Two things are better
than theirs: pixels are centred, and square convolutions keep 8 bits (see `_centre` and `_quantise_layer`).
"""

from __future__ import annotations

import numpy as np

from edgefer.pipeline.export import Ranges
from edgefer.pipeline.export.ncnn_file import LINEAR, REQUANTISED, SCALES, Layer
from edgefer.runtime.errors import ExportFailed

Sources = dict[bytes, list[str]]

STEPS = 127  # ncnn's int8 is -127 to 127
# Layers that can hold int8, with the scale term that says weight scales by row and one input scale.
INTEGER = {"Convolution": 2, "ConvolutionDepthWise": 1, "InnerProduct": 2}
_CHAINED = {"Convolution", "ConvolutionDepthWise"}  # those that can also hand int8 on
_SQUARE = {"1": "3", "11": "3", "2": "1", "12": "1", "3": "1", "13": "1"}  # kernel 3, dilation 1, stride 1
_FEATURES, _NO_WINOGRAD = "31", "64"
_LEFT, _RIGHT, _TOP, _BOTTOM = "4", "15", "14", "16"  # a convolution's padding
_MIDDLE = 128


def quantise(layers: list[Layer], sources: Sources, ranges: Ranges) -> None:
    """Make every layer that can be int8 int8.

    `sources` tells from a layer's float weights the tensor that it takes, by its name in `ranges`.
    Raises ExportFailed if a layer's weights are not among them.
    """
    for layer in layers:
        _by_rows(layer)
    whole = [layer for layer in layers if layer.kind in INTEGER]
    taken = {layer.name: ranges[_source(layer, sources)] for layer in whole}
    centred = _centre(layers, taken)
    for layer in whole:
        _quantise_layer(layer, taken[layer.name])
    for layer in centred:
        # What the subtraction took away, as the stored weights see it.
        weights = layer.arrays[0].reshape(layer.rows, -1).sum(1, dtype=np.int64) / layer.arrays[2]
        layer.arrays[1] = (layer.arrays[1] + _MIDDLE * weights).astype(np.float32)
    _chain(layers)


def _by_rows(layer: Layer) -> None:
    """Make a linear layer over rows an InnerProduct, which takes rows too: ncnn's int8 Gemm has one scale for all of
    its weights and measures its input's at every run. Any other Gemm stays as it is, in float."""
    if layer.kind == "Gemm" and LINEAR.items() <= layer.params.items():
        columns, depth = layer.number("8"), layer.number("9")
        layer.kind, layer.params = "InnerProduct", {"0": str(columns), "1": "1", "2": str(columns * depth)}


def _source(layer: Layer, sources: Sources) -> str:
    names = sources.get(layer.arrays[0].tobytes())
    if not names:
        raise ExportFailed(f"pnnx changed the weights of {layer.name}: its input's range is not known.")
    return names.pop(0)


def _centre(layers: list[Layer], taken: dict[str, tuple[float, float]]) -> list[Layer]:
    """Let the convolutions that take the pixels take the pixels less 128: symmetric int8 has 127 steps for 0 to 255.

    Padding goes before the subtraction, so that it stays black. Returns the layers whose bias must make up for it.
    """
    blob = next(layer for layer in layers if layer.kind == "Input").outputs[0]
    users = [layer for layer in layers if blob in layer.inputs]
    if len(users) != 1 or users[0].kind != "Convolution" or not users[0].number("5"):
        return []
    (first,) = users
    left, top = (first.params.pop(key, "0") for key in (_LEFT, _TOP))
    right, bottom = first.params.pop(_RIGHT, left), first.params.pop(_BOTTOM, top)
    sides = dict(zip("0123", (top, bottom, left, right), strict=True))
    first.inputs, padded = ["centred"], any(side != "0" for side in sides.values())
    taken_from = "padded" if padded else blob
    layers[layers.index(first) : layers.index(first)] = [
        *([Layer("Padding", "pad_pixels", [blob], ["padded"], sides)] if padded else []),
        Layer("BinaryOp", "centre_pixels", [taken_from], ["centred"], {"0": "1", "1": "1", "2": f"{_MIDDLE}.0"}),
    ]
    low, high = taken[first.name]
    taken[first.name] = low - _MIDDLE, high - _MIDDLE
    return [first]


def _quantise_layer(layer: Layer, taken: tuple[float, float]) -> None:
    """Int8 weights, then the bias as it is, the scale of every row of the weights and that of the input."""
    weights = layer.arrays[0].reshape(layer.rows, -1)
    scales = np.array([_scale(float(np.abs(row).max())) for row in weights], np.float32)
    stored = np.clip(np.rint(weights * scales[:, None]), -STEPS, STEPS).astype(np.int8)
    layer.arrays = [stored.ravel(), *layer.arrays[1:], scales, np.array([_scale(max(map(abs, taken)))], np.float32)]
    layer.params[SCALES] = str(INTEGER[layer.kind])
    if layer.kind == "Convolution" and _SQUARE.items() <= layer.params.items():
        # ncnn's int8 Winograd kernels need such weights cut to 6 bits, as ncnn2table does. Without these
        # kernels all 8 bits can stay.
        layer.params[_FEATURES] = _NO_WINOGRAD


def _scale(largest: float) -> float:
    """Steps for one unit; a tensor that is always 0 may have any."""
    return STEPS / largest if largest else 1.0


def _chain(layers: list[Layer]) -> None:
    """Where nothing but int8 convolutions takes a convolution's output, hand it on as int8, with their scale."""
    for place, layer in enumerate(layers):
        users = [later for later in layers[place + 1 :] if set(layer.outputs) & set(later.inputs)]
        if users and all(one.kind in _CHAINED and one.number(SCALES) for one in (layer, *users)):
            layer.params[SCALES] = str(layer.number(SCALES) + REQUANTISED)
            layer.arrays.append(users[0].arrays[-1])
