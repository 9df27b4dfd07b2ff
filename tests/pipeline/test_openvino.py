"""What OpenVINO's int8 gets wrong at one thread, and the exporter's way around it."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from edgefer.pipeline.built_file import GOLDEN_TOLERANCE
from edgefer.pipeline.export import shorten, to_openvino
from edgefer.pipeline.fold import DeployableModel
from edgefer.pipeline.ranges import estimate
from edgefer.pipeline.targets import get_target
from edgefer.runtime import engines


class Unbiased(nn.Module):
    """Linear layers over a vector (one after the other), a 1x1 map and rows, all without a bias or with zeros."""

    def __init__(self, zeros: bool, activation: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(6)
        self.stem, self.activation = nn.Conv2d(3, 16, 3, stride=2, padding=1), activation
        self.vector, self.rows = nn.Linear(16, 24, bias=zeros), nn.Linear(16, 24, bias=zeros)
        self.second, self.last = nn.Linear(24, 24, bias=zeros), nn.Linear(24, 5, bias=zeros)
        self.map = nn.Conv2d(24, 24, 1, groups=2, bias=zeros)
        if zeros:
            for layer in (self.vector, self.rows, self.map, self.second, self.last):
                nn.init.zeros_(cast(Tensor, layer.bias))

    def forward(self, pixels: Tensor) -> Tensor:
        x = torch.relu(self.stem(pixels / 255))
        vector = self.activation(self.second(self.activation(self.vector(x.mean((2, 3))))))
        rows = self.activation(self.rows(x.flatten(2).transpose(1, 2))).mean(1)
        return torch.softmax(9 * self.last(vector + 0.1 * (rows + self.map(vector[..., None, None]).flatten(1))), 1)


@pytest.mark.parametrize(
    ("zeros", "activation"), [(False, nn.ReLU()), (False, nn.Sigmoid()), (True, nn.ReLU()), (True, nn.Identity())]
)
def test_int8_linear_layers_without_a_bias_are_right_at_every_number_of_threads(
    tmp_path: Path, zeros: bool, activation: nn.Module
) -> None:
    network, target = Unbiased(zeros, activation).eval(), get_target("openvino-int8")
    model = to_openvino.convert(cast(DeployableModel, network), 12)
    images = np.random.default_rng(1).integers(0, 256, (16, 12, 12, 3), np.uint8)
    ranges = estimate(to_openvino.observe(model, images), len(images), "min-max")
    stock = to_openvino.quantize(model, target, ranges, "network")
    inputs = np.ascontiguousarray(images.transpose(0, 3, 1, 2), np.float32)
    with torch.inference_mode():
        expected = network(torch.from_numpy(inputs)).numpy()
    for files in (stock, shorten(stock, to_openvino.LEAN)):
        assert to_openvino.dtypes(files, target).float_inside == []
        for name, content in files.items():
            (tmp_path / name).write_bytes(content)
        for threads in (1, 1, 2):
            loaded = engines.load(tmp_path / "model.xml", "openvino", threads)
            answers = np.concatenate([loaded.run(one[None]) for one in inputs])
            assert np.abs(answers - expected).max() < GOLDEN_TOLERANCE["int8"], threads
