"""Channels of unequal size: made alike without a change of what the network gives; int8 is then as good as it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, fx, nn
from torch.nn import functional

from edgefer.arch import get_arch
from edgefer.data.load import load
from edgefer.pipeline import equalize
from edgefer.pipeline.build import BuildJob, CalibrationOptions, build_bundle
from edgefer.pipeline.channel_search import find_channels
from edgefer.pipeline.channels import FIXED, observe, rescaled
from edgefer.pipeline.float_model import FloatModel
from edgefer.pipeline.fold import fold
from edgefer.pipeline.targets import get_target
from edgefer.runtime import verify
from edgefer.runtime.bundle import CALIBRATION, Bundle
from edgefer.runtime.errors import BadCalibration
from edgefer.training import evaluation, weights
from edgefer.training.weights import TrainedModel
from tests.made import write_csv

Pixels = NDArray[np.uint8]
SIDE, CHANNELS = 12, 6


class Made(nn.Module):
    """A trunk of blocks as networks have them; (N, 3, 12, 12) -> (N, 4)."""

    def __init__(self, blocks: list[str]) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, CHANNELS, 3, 2, 1)
        self.kinds = blocks
        self.blocks = nn.ModuleList([self._block(kind) for kind in blocks])
        self.head = nn.Conv2d(CHANNELS, CHANNELS, 1)
        self.classify = nn.Linear(CHANNELS * 36, 4)

    def _block(self, kind: str) -> nn.Module:
        def conv(groups: int = 1, outputs: int = CHANNELS) -> nn.Module:
            return nn.Conv2d(CHANNELS, outputs, 3, padding=1, groups=groups)

        blocks: dict[str, list[nn.Module]] = {
            "plain": [conv(), nn.ReLU()],
            "grouped": [conv(2), nn.LeakyReLU(0.1)],
            "depthwise": [conv(CHANNELS), nn.PReLU(CHANNELS), nn.Conv2d(CHANNELS, CHANNELS, 1)],
            "residual": [conv(), nn.ReLU(), conv()],
            "fire": [conv(1, 3), nn.ReLU(), nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 3, padding=1)],
            "gate": [conv(), nn.ReLU(), nn.Conv2d(CHANNELS, CHANNELS, 1)],
            "relu6": [conv(), nn.ReLU6()],
            "pools": [nn.MaxPool2d(3, 1, 1), nn.AvgPool2d(3, 1, 1, count_include_pad=False)],
        }
        return nn.ModuleList(blocks[kind])

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        for kind, block in zip(self.kinds, self.blocks, strict=True):
            layers: Any = block
            if kind == "residual":
                x = functional.relu(x + layers[2](layers[1](layers[0](x))))
            elif kind == "fire":
                y = layers[1](layers[0](x))
                x = torch.cat([layers[2](y), layers[3](y)], 1)
            elif kind == "gate":
                y = layers[1](layers[0](x))
                x = y * torch.sigmoid(layers[2](functional.adaptive_avg_pool2d(y, 1)))
            else:
                for layer in layers:
                    x = layer(x)
        answer: Tensor = self.classify(functional.pad(self.head(x), (0, 0)).flatten(1))
        return answer


KINDS = ("plain", "grouped", "depthwise", "residual", "fire", "gate", "relu6", "pools")
blocks = st.lists(st.sampled_from(KINDS), min_size=1, max_size=4)


def made(kinds: list[str], seed: int) -> fx.GraphModule:
    torch.manual_seed(seed)
    network = Made(kinds).eval()
    return fx.symbolic_trace(network)


def faces(seed: int, count: int = 4) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (count, SIDE, SIDE, 3), np.uint8)


def answers(network: nn.Module, pixels: Pixels) -> Tensor:
    with torch.inference_mode():
        result: Tensor = network(torch.from_numpy(pixels).permute(0, 3, 1, 2).float())
    return result


def unequal(network: fx.GraphModule, seed: int, pixels: Pixels | None = None) -> fx.GraphModule:
    """The same function, with a random factor on every channel that may have one."""
    channels = find_channels(network, observe(network, faces(0, 1) if pixels is None else pixels).shapes)
    factors = 2.0 ** np.random.default_rng(seed).uniform(-5, 5, channels.count)
    factors[FIXED] = 1
    return rescaled(network, channels, factors)


def require_same(one: Tensor, other: Tensor) -> None:
    assert float((one - other).abs().max()) <= 2e-5 * max(1.0, float(one.abs().max()))


@settings(max_examples=20, deadline=None)
@given(blocks, st.integers(0, 999))
def test_rescaling_and_equalizing_change_rounding_only(kinds: list[str], seed: int) -> None:
    network = made(kinds, seed)
    before = answers(network, faces(seed))
    other = unequal(network, seed)
    require_same(before, answers(other, faces(seed)))
    planned = equalize.plan(other, faces(1))
    equal = equalize.apply(other, SIDE, planned)
    require_same(before, answers(equal, faces(seed)))
    assert equalize.apply(other, SIDE, planned).state_dict().keys() == other.state_dict().keys()
    for each in equalize.plan(equal, faces(1)):
        assert each.before < 1e3, "what was beyond a range of 1,000 is equalized"


def test_every_kind_of_block_lets_go_of_its_channels_but_relu6() -> None:
    for kind in KINDS:
        network = made([kind], 0)
        channels = find_channels(network, observe(network, faces(0, 1)).shapes)
        held = {name for name, numbers in channels.makers.items() if (numbers == FIXED).all()}
        expected = {"gate": {"classify", "blocks.0.2"}, "relu6": {"classify", "blocks.0.0"}}
        assert held == expected.get(kind, {"classify"}), kind


def test_balanced_networks_stay_as_they_are() -> None:
    network = made(["plain", "residual"], 3)
    assert equalize.plan(network, faces(1)) == []


def test_factors_of_another_network_are_refused() -> None:
    network = made(["plain", "relu6"], 3)
    planned = equalize.plan(unequal(network, 1), faces(1))
    assert planned
    (first, *_) = planned
    for wrong in (
        replace(first, layer="nowhere"),
        replace(first, factors=first.factors[1:]),
        replace(first, factors=[0.0, *first.factors[1:]]),
        replace(first, layer="blocks.1.0", factors=[2.0] * CHANNELS),
        replace(first, layer="classify", factors=[2.0] * 4),
    ):
        with pytest.raises(BadCalibration, match=f"layer {wrong.layer} would change what the network gives"):
            equalize.apply(network, SIDE, [wrong])


SMALL = get_arch("microexpnet-xxs")


def trained(network: nn.Module) -> FloatModel:
    return FloatModel(SMALL, TrainedModel(network, "0" * 64, None))


@pytest.mark.long
@pytest.mark.parametrize("target", ["tflite-int8", "onnx-int8", "openvino-int8"])
def test_int8_of_unequal_channels_is_as_good_as_of_equal_ones(
    target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shipped weights, and the same function with channels of up to 1,000 times another's size."""
    faces = load(write_csv(tmp_path / "fer2013.csv")).resized(SMALL.resize)
    balanced = fold(weights.load_trained_model(SMALL, None).network)
    other = unequal(balanced, 0, pixels=np.zeros((1, SMALL.crop, SMALL.crop, SMALL.channels), np.uint8))
    exact = torch.softmax(evaluation.logits(balanced, faces, SMALL), 1).numpy()

    def build(model: FloatModel, out: str) -> tuple[Bundle, float]:
        options = CalibrationOptions(faces=faces, count=40)
        job = BuildJob(SMALL, target, get_target(target), model.weights, options, accept_loss=True)  # of the worse one
        bundle = build_bundle(job, tmp_path / out, float_model=model)
        return bundle, float(np.sqrt(np.square(verify.run_faces(bundle, faces.pixels) - exact).mean()))

    _, twin = build(trained(balanced), "balanced")
    bundle, equal = build(trained(other), "equalized")
    recorded = CalibrationOptions(recorded=bundle.path(CALIBRATION))
    repeated = build_bundle(
        BuildJob(SMALL, target, get_target(target), trained(other).weights, recorded), tmp_path / "recorded"
    )
    model = bundle.manifest.model
    assert repeated.path(model).read_bytes() == bundle.path(model).read_bytes()
    monkeypatch.setattr(equalize, "TRIGGER", np.inf)
    _, worse = build(trained(other), "unequal")
    assert equal < 1.25 * twin
    assert worse > 2 * twin, "or there would be nothing to mend"
