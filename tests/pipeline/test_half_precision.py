"""Weights beyond 65,504: the layers around take the difference, or the tensor is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import fx, nn

from edgefer.arch import get_arch
from edgefer.data.dataset import synthetic_faces
from edgefer.pipeline.build import BuildJob, CalibrationOptions, build_bundle
from edgefer.pipeline.fold import fold
from edgefer.pipeline.half_precision import LARGEST, fit_half
from edgefer.pipeline.targets import all_targets, get_target
from edgefer.runtime import verify
from edgefer.runtime.errors import ExportFailed
from edgefer.training import evaluation, weights
from edgefer.training.weights import TrainedModel

SMALL = get_arch("microexpnet-xxs")
HALF = [name for name, target in all_targets().items() if target.precision == "fp16"]
SIDE = 8


def made(factors: tuple[float, float, float], seed: int) -> fx.GraphModule:
    """Three layers that were multiplied; `factors` multiply to 1 if the answers are to be of the usual size."""
    torch.manual_seed(seed)
    layers = [nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 6, 3, groups=2), nn.ReLU(), nn.Flatten(), nn.Linear(96, 4)]
    for layer, factor in zip((layers[0], layers[2], layers[5]), factors, strict=True):
        scale(layer, "weight", factor)
    return fx.symbolic_trace(nn.Sequential(*layers).eval())


def scale(layer: nn.Module, name: str, factor: float) -> None:
    values = getattr(layer, name)
    assert isinstance(values, nn.Parameter)
    values.data = (values.data.double() * factor).float()


def largest(network: nn.Module) -> float:
    return max(float(values.abs().max()) for values in network.parameters())


@settings(max_examples=40, deadline=None)
@given(st.tuples(*[st.floats(-30, 30)] * 2), st.integers(0, 99))
def test_powers_of_two_change_nothing(octaves: tuple[float, float], seed: int) -> None:
    network = made((2.0 ** octaves[0], 2.0 ** octaves[1], 2.0 ** -sum(octaves)), seed)
    inputs = torch.randint(0, 256, (2, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(seed)).float()
    try:
        fitted = fit_half(network, SIDE)
    except ExportFailed:  # what was moved on may meet biases that were not
        assert largest(network) > LARGEST
        return
    assert largest(fitted) <= LARGEST
    assert (fitted is network) == (largest(network) <= LARGEST)
    with torch.inference_mode():
        assert torch.allclose(fitted(inputs), network(inputs), rtol=1e-5, atol=0)


def test_a_tensor_that_nothing_can_help_is_named() -> None:
    network = made((1.0, 1.0, 1.0), 0)
    first, last = network.get_parameter("0.weight"), network.get_parameter("5.weight")
    first.data[0, 0, 0, 0], last.data[:] = 2e30, 4e4
    with pytest.raises(ExportFailed, match=r"the tensor 0\.weight holds 2e\+30: half precision ends at 65,504"):
        fit_half(network, SIDE)


@pytest.mark.parametrize(
    "target", [pytest.param(name, marks=pytest.mark.long if name.startswith("tflite") else ()) for name in HALF]
)
def test_fp16_targets_are_right_beyond_half_precision(target: str, tmp_path: Path) -> None:
    """A trained network whose third layer is a million times as large, and the layer behind it as much smaller."""
    network = fold(weights.load_trained_model(SMALL, None).network)
    names = [name for name, layer in network.named_modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    second, third = (network.get_submodule(name) for name in names[1:3])
    scale(second, "weight", 1e6)
    scale(second, "bias", 1e6)
    scale(third, "weight", 1e-6)
    assert largest(network) > LARGEST
    job = BuildJob(SMALL, target, get_target(target), TrainedModel(network, "0" * 64, None), CalibrationOptions())
    bundle = build_bundle(job, tmp_path)
    faces = synthetic_faces().resized(SMALL.resize)
    exact = torch.softmax(evaluation.logits(network, faces, SMALL), 1).numpy()
    assert np.abs(verify.run_faces(bundle, faces.pixels) - exact).max() < 2e-3
