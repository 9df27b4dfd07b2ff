"""What TFLite has in int8 and its quantiser leaves in float all the same."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from edgefer.pipeline.built_file import GOLDEN_TOLERANCE
from edgefer.pipeline.export import to_tflite
from edgefer.pipeline.fold import DeployableModel
from edgefer.pipeline.ranges import estimate
from edgefer.pipeline.targets import get_target
from edgefer.runtime import engines
from edgefer.runtime.errors import ExportFailed
from tests.made import shake
from tests.pipeline.user_model.test_preprocess import OWN


class Extremes(nn.Module):
    """A maximum over channels and one over places, as CBAM's; with `least`, also a minimum."""

    def __init__(self, least: bool) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.first, self.least = nn.Conv2d(3, 6, 3), least
        self.classify = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        pooled = (x - x.amax(1, keepdim=True)).amax((2, 3))
        answer: Tensor = self.classify(pooled + x.amin((2, 3)) if self.least else pooled)
        return answer


def quantized(network: nn.Module, target: str) -> tuple[DeployableModel, dict[str, bytes], np.ndarray]:
    deployed = DeployableModel(shake(network).eval(), user_model=dataclasses.replace(OWN, mean=(0.0, 0.0, 0.0))).eval()
    model = to_tflite.convert(deployed, 12)
    images = np.random.default_rng(1).integers(0, 256, (20, 12, 12, 3), np.uint8)
    ranges = estimate(to_tflite.observe(model, images), len(images), "min-max")
    return deployed, to_tflite.quantize(model, get_target(target), ranges, "network"), images


@pytest.mark.parametrize("target", ["tflite-int8-floatio", "tflite-fp16", "tflite-dynamic"])
def test_maxima_are_maxima_and_in_int8_where_the_rest_is(target: str, tmp_path: Path) -> None:
    deployed, files, images = quantized(Extremes(least=False), target)
    dtypes = to_tflite.dtypes(files, get_target(target))
    assert dtypes.operators[f"REDUCE_MAX {'int8' if 'int8' in target else 'float32'}"] == 2
    assert not any("REDUCE_MIN" in operator for operator in dtypes.operators)
    if "int8" in target:
        assert dtypes.float_inside == []
    (tmp_path / "model.tflite").write_bytes(files["model.tflite"])
    loaded = engines.load(tmp_path / "model.tflite", "tflite")
    with torch.inference_mode():
        expected = deployed(torch.from_numpy(images).permute(0, 3, 1, 2).float()).numpy()
    returned = np.concatenate([loaded.run(image[None].astype(np.float32)) for image in images])
    assert np.abs(returned - expected).max() < GOLDEN_TOLERANCE[get_target(target).precision]


def test_a_network_with_both_keeps_its_maxima_in_float_and_says_so() -> None:
    _, files, _ = quantized(Extremes(least=True), "tflite-int8")
    dtypes = to_tflite.dtypes(files, get_target("tflite-int8"))
    assert "REDUCE_MAX" in dtypes.float_inside
    assert dtypes.operators["REDUCE_MIN int8"] == 1


class Normed(nn.Module):
    """A layer norm written out; with `root`, by a division by a square root, else by one of any value."""

    def __init__(self, root: bool) -> None:
        super().__init__()
        torch.manual_seed(7)
        self.first, self.root, self.classify = nn.Conv2d(3, 6, 3), root, nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(x))
        x = x - x.mean((1, 2, 3), keepdim=True)
        variance = (x * x).mean((1, 2, 3), keepdim=True) + 1e-5
        answer: Tensor = self.classify((x / torch.sqrt(variance) if self.root else x / variance).amax((2, 3)))
        return answer


def test_a_norm_written_out_is_right_on_every_picture_even_a_black_one(tmp_path: Path) -> None:
    deployed, files, images = quantized(Normed(root=True), "tflite-int8-floatio")
    (tmp_path / "model.tflite").write_bytes(files["model.tflite"])
    loaded = engines.load(tmp_path / "model.tflite", "tflite")
    with torch.inference_mode():
        expected = deployed(torch.from_numpy(images).permute(0, 3, 1, 2).float()).numpy()
    returned = np.concatenate([loaded.run(image[None].astype(np.float32)) for image in images])
    assert np.abs(returned - expected).max() < 0.05
    assert np.isfinite(loaded.run(np.zeros((1, 12, 12, 3), np.float32))).all()


def test_any_other_division_is_refused_in_int8() -> None:
    with pytest.raises(ExportFailed, match=r"\(DIV\), which TFLite's int8 can't"):
        quantized(Normed(root=False), "tflite-int8")
