"""P-Net, R-Net and O-Net of MTCNN, computed with numpy.

Zhang et al. 2016, "Joint Face Detection and Alignment using Multitask Cascaded Convolutional Networks", Figure 2. The
whole of MTCNN takes 1.5 times as long as with ONNX Runtime, so it needs no engine. Tensors are float32 (N, H, W, C); a
pixel p goes in as (p - 127.5) / 128.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from edgefer.runtime.detectors.boxes import Floats


@dataclass(frozen=True)
class Conv:
    """A convolution without padding, its PReLU, and a max pooling of stride 2 if `pool` is its size.

    A window of the pooling that reaches over the border takes what is there (Caffe's rounding up).
    """

    size: int
    inputs: int
    outputs: int
    pool: int = 0


@dataclass(frozen=True)
class Network:
    """Convolutions, a fully connected layer with PReLU (`dense`: inputs, outputs), and the outputs.

    P-Net has no fully connected layer: its outputs are 1 x 1 convolutions, so that it takes a picture of any size.
    """

    convs: tuple[Conv, ...]
    dense: tuple[int, int] | None
    heads: Mapping[str, int]

    def shapes(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """The arrays by name: kernels (height, width, inputs, outputs) or (inputs, outputs), biases, slopes."""
        for number, conv in enumerate(self.convs, 1):
            yield f"conv{number}.kernel", (conv.size, conv.size, conv.inputs, conv.outputs)
            yield f"conv{number}.bias", (conv.outputs,)
            yield f"conv{number}.slope", (1, 1, conv.outputs)
        features: tuple[int, ...] = (1, 1, self.convs[-1].outputs)
        if self.dense:
            yield "dense.kernel", self.dense
            yield "dense.bias", self.dense[1:]
            yield "dense.slope", self.dense[1:]
            features = self.dense[1:]
        for name, outputs in self.heads.items():
            yield f"{name}.kernel", (*features, outputs)
            yield f"{name}.bias", (outputs,)


NETWORKS: dict[str, Network] = {
    # (N, H, W, 3) -> a window of 12 x 12 at every second pixel
    "pnet": Network((Conv(3, 3, 10, pool=2), Conv(3, 10, 16), Conv(3, 16, 32)), None, {"box": 4, "face": 2}),
    # 24 -> 22, pooled 11 -> 9, pooled 4 -> 3: 3 * 3 * 64 = 576
    "rnet": Network(
        (Conv(3, 3, 28, pool=3), Conv(3, 28, 48, pool=3), Conv(2, 48, 64)), (576, 128), {"box": 4, "face": 2}
    ),
    # 48 -> 46, pooled 23 -> 21, pooled 10 -> 8, pooled 4 -> 3: 3 * 3 * 128 = 1152
    "onet": Network(
        (Conv(3, 3, 32, pool=3), Conv(3, 32, 64, pool=3), Conv(3, 64, 64, pool=2), Conv(2, 64, 128)),
        (1152, 256),
        {"box": 4, "points": 10, "face": 2},
    ),
}


def run(network: Network, weights: Mapping[str, Floats], x: Floats) -> dict[str, Floats]:
    """float32 (N, H, W, 3) -> the outputs by name, values last; "face" is the probability of no face and of one."""
    for number, conv in enumerate(network.convs, 1):
        kernel, bias, slope = (weights[f"conv{number}.{part}"] for part in ("kernel", "bias", "slope"))
        x = prelu(convolve(x, kernel) + bias, slope)
        if conv.pool:
            x = pool(x, conv.pool)
    if network.dense:
        flat = x.transpose(0, 2, 1, 3).reshape(len(x), -1)  # columns before rows: the weights came from Caffe
        x = prelu(flat @ weights["dense.kernel"] + weights["dense.bias"], weights["dense.slope"])
    outputs = {
        name: x @ weights[f"{name}.kernel"].reshape(-1, count) + weights[f"{name}.bias"]
        for name, count in network.heads.items()
    }
    return outputs | {"face": softmax(outputs["face"])}


def convolve(x: Floats, kernel: Floats) -> Floats:
    """(N, H, W, C) and (h, w, C, D) -> (N, H - h + 1, W - w + 1, D), as one product of matrices."""
    height, width, channels, outputs = kernel.shape
    rows, columns = x.shape[1] - height + 1, x.shape[2] - width + 1
    windows = np.empty((len(x), rows, columns, height * width, channels), dtype=np.float32)
    for y in range(height):
        for left in range(width):
            windows[:, :, :, y * width + left] = x[:, y : y + rows, left : left + columns]
    product: Floats = windows.reshape(-1, height * width * channels) @ kernel.reshape(-1, outputs)
    return product.reshape(len(x), rows, columns, outputs)


def prelu(x: Floats, slope: Floats) -> Floats:
    """Negative values times the channel's slope."""
    result: Floats = np.where(x < 0, x * slope, x)
    return result


def pool(x: Floats, size: int) -> Floats:
    """Maxima of size x size at every second pixel; a window at the end may be cut."""
    rows, columns = (-(-(length - size) // 2) + 1 for length in x.shape[1:3])
    short = (2 * (rows - 1) + size - x.shape[1], 2 * (columns - 1) + size - x.shape[2])
    if any(short):
        x = np.pad(x, ((0, 0), (0, short[0]), (0, short[1]), (0, 0)), constant_values=-np.inf)
    pooled = x[:, : 2 * rows : 2, : 2 * columns : 2][:, :rows, :columns]
    for y in range(size):
        for left in range(size):
            pooled = np.maximum(pooled, x[:, y : y + 2 * rows - 1 : 2, left : left + 2 * columns - 1 : 2])
    return pooled


def softmax(x: Floats) -> Floats:
    """Over the last axis."""
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    result: Floats = powers / powers.sum(axis=-1, keepdims=True)
    return result
