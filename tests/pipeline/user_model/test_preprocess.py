"""Pixels in, the user's answer out: for any contract, the network with its preprocessing inside is the user's."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from edgefer.arch.architecture import Color, ModelContract, Output
from edgefer.pipeline.export import import_exporter
from edgefer.pipeline.fold import FOLDED, DeployableModel
from edgefer.runtime.engines import load
from tests.made import shake
from tests.pipeline.user_model.preprocessing import preprocess

SIDE = 16
OWN = ModelContract("net", "0" * 64, "rgb", (0.0, 1.0), (0.5, 0.4, 0.3), (0.2, 0.3, 0.4), "logits")
numbers = st.floats(-1, 1).map(lambda x: round(x, 3))


@st.composite
def owns(draw: st.DrawFn) -> ModelContract:
    color: Color = draw(st.sampled_from(["grey", "rgb", "bgr"]))
    channels = draw(st.sampled_from([1, 3])) if color == "grey" else 3
    low, width = draw(st.sampled_from([(0.0, 1.0), (-1.0, 2.0), (0.0, 255.0), (-0.3, 0.7)]))
    mean = [low + width * draw(st.floats(0, 1)) * draw(st.booleans()) for _ in range(channels)]
    std = [width * draw(st.floats(0.2, 1)) for _ in range(channels)]
    output: Output = draw(st.sampled_from(["logits", "probabilities"]))
    return ModelContract("net", "0" * 64, color, (low, low + width), tuple(mean), tuple(std), output)


def network(channels: int, first: str, own: ModelContract, seed: int) -> nn.Module:
    """A small network that begins with what `first` says."""
    torch.manual_seed(seed)
    starts: dict[str, list[nn.Module]] = {
        "padded": [nn.Conv2d(channels, 6, 3, padding=1)],
        "bare": [nn.Conv2d(channels, 6, 3, bias=False)],
        "norm": [nn.BatchNorm2d(channels), nn.Conv2d(channels, 6, 3, padding=1)],
        "apart": [nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(channels, 6, 3, stride=2, bias=False)],
        "depthwise": [nn.Conv2d(channels, channels, 3, groups=channels), nn.Conv2d(channels, 6, 1)],
        "reflected": [nn.Conv2d(channels, 6, 3, padding=1, padding_mode="reflect")],
        "pooled": [nn.AvgPool2d(2), nn.Conv2d(channels, 6, 3)],
    }
    rest = [nn.BatchNorm2d(6), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4)]
    ends = [nn.Softmax(1)] if own.output == "probabilities" else []
    return shake(nn.Sequential(*starts[first], *rest, *ends), seed).eval()


FIRST = ("padded", "bare", "norm", "apart", "depthwise", "reflected", "pooled")


@settings(deadline=None, max_examples=80)
@given(own=owns(), first=st.sampled_from(FIRST), seed=st.integers(0, 99))
def test_any_contract(own: ModelContract, first: str, seed: int) -> None:
    net = network(len(own.mean), first, own, seed)
    faces = np.random.default_rng(seed).integers(0, 256, (3, SIDE, SIDE, 3), dtype=np.uint8)
    with torch.inference_mode():
        answer = net(preprocess(faces, SIDE, own.color, own.value_range, own.mean, own.std))
        wanted = torch.softmax(answer, 1) if own.output == "logits" else answer
        found = DeployableModel(net, user_model=own).eval()(torch.from_numpy(faces).permute(0, 3, 1, 2).float())
    assert float((found - wanted).abs().max()) < 1e-4


@pytest.mark.parametrize(
    ("first", "shifted", "how"),
    [
        ("padded", False, FOLDED),
        ("padded", True, "zeros, which are not black"),
        ("apart", True, "zeros, which are not black"),
        ("apart", False, FOLDED),
        ("bare", True, FOLDED),
        ("depthwise", False, "no convolution over all channels"),
        ("reflected", False, "no convolution over all channels"),
        ("pooled", True, "no convolution over all channels"),
    ],
)
def test_rule_for_where_it_goes(first: str, shifted: bool, how: str) -> None:
    own = OWN if shifted else dataclasses.replace(OWN, mean=(0.0, 0.0, 0.0))
    deployed = DeployableModel(network(3, first, own, 0), user_model=own)
    assert how in deployed.preprocessing
    layers = [type(m) for m in deployed.modules() if isinstance(m, nn.Conv2d)]
    plain = [type(m) for m in network(3, first, own, 0).modules() if isinstance(m, nn.Conv2d)]
    assert len(layers) - len(plain) == (0 if how == FOLDED else 1)


def test_a_norm_at_the_input_is_absorbed() -> None:
    own = dataclasses.replace(OWN, mean=(0.0, 0.0, 0.0))
    deployed = DeployableModel(network(3, "norm", own, 0), user_model=own)
    assert len([m for m in deployed.modules() if isinstance(m, nn.Conv2d)]) >= 2  # its shift is not black: in front
    assert "zeros, which are not black" in deployed.preprocessing
    calls = [node for node in deployed.network.graph.nodes if node.op == "call_module"]
    assert [node.target for node in calls][:2] == ["preprocessing", "1"]


@pytest.mark.parametrize("first", ["padded", "bare"])
def test_exported_graph_is_the_same(first: str, tmp_path: object) -> None:
    from pathlib import Path

    net = network(3, first, OWN, 1)
    path = Path(str(tmp_path)) / "model.onnx"
    path.write_bytes(import_exporter("onnx").convert(DeployableModel(net, user_model=OWN).eval(), SIDE))
    face = np.random.default_rng(0).integers(0, 256, (1, SIDE, SIDE, 3), dtype=np.uint8)
    found = load(path, "onnx").run(np.ascontiguousarray(face.transpose(0, 3, 1, 2), dtype=np.float32))
    with torch.inference_mode():
        wanted = torch.softmax(net(preprocess(face, SIDE, "rgb", (0, 1), OWN.mean, OWN.std)), 1).numpy()
    assert np.abs(found - wanted).max() < 1e-4
