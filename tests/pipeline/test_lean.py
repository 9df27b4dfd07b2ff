"""Shortened model files: smaller, and equal to what the converter wrote in every output, to the bit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import torch
from ai_edge_litert import schema_py_generated as schema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn

from edgefer.pipeline.export import import_exporter, shorten, to_tflite
from edgefer.pipeline.fold import DeployableModel
from edgefer.pipeline.ranges import estimate
from edgefer.pipeline.targets import Target, all_targets, get_target
from edgefer.runtime import engines
from edgefer.runtime.bundle import read_bundle
from tests.made import shake
from tests.pipeline.user_model.test_preprocess import OWN

SIDE = 8
CEILINGS = {  # bytes of the shipped EAN
    "onnx-fp32": 176_000,
    "onnx-int8": 72_000,
    "openvino-fp32": 214_000,
    "openvino-int8": 170_000,
    "tflite-fp32": 179_000,
    "tflite-int8": 73_000,
    "tflite-int8-floatio": 73_000,
}


@dataclass(frozen=True)
class Plan:
    """What a made network is of: widths, kernel sizes, what follows each convolution, and whether blocks are added."""

    widths: tuple[int, ...]
    kernels: tuple[int, ...]
    activations: tuple[str, ...]
    gate: bool
    pool: bool
    seed: int


class Made(nn.Module):
    """Convolutions, some depthwise, added or gated as in residual and attention blocks, pooled or flattened."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        torch.manual_seed(plan.seed)
        self.plan, before = plan, 3
        self.blocks = nn.ModuleList()
        for width, kernel, activation in zip(plan.widths, plan.kernels, plan.activations, strict=True):
            groups = before if width % before == 0 else 1
            conv = nn.Conv2d(before, width, kernel, padding=kernel // 2, groups=groups, bias=plan.seed % 2 == 0)
            self.blocks.append(nn.Sequential(conv, nn.BatchNorm2d(width), getattr(nn, activation)()))
            before = width
        self.gate = nn.Linear(before, before) if plan.gate else None
        self.classify = nn.Linear(before if plan.pool else before * (SIDE // 2) ** 2, 4)

    def forward(self, x: Tensor) -> Tensor:
        for block, before, width in zip(self.blocks, (3, *self.plan.widths), self.plan.widths, strict=False):
            x = block(x) + x if before == width else block(x)
        if self.gate is not None:
            x = x * torch.sigmoid(self.gate(x.mean((2, 3))))[:, :, None, None]
        x = x.mean((2, 3)) if self.plan.pool else nn.functional.max_pool2d(x, 2).flatten(1)
        answer: Tensor = torch.softmax(self.classify(x), 1)
        return answer


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    depth = draw(st.integers(1, 3))

    def some(choices: list[Any]) -> tuple[Any, ...]:
        return tuple(draw(st.lists(st.sampled_from(choices), min_size=depth, max_size=depth)))

    widths, kernels, kinds = some([3, 4, 6, 8]), some([1, 3]), some(["ReLU", "Identity", "Sigmoid"])
    return Plan(widths, kernels, kinds, draw(st.booleans()), draw(st.booleans()), draw(st.integers(0, 99)))


def outputs(files: dict[str, bytes], target: Target, images: NDArray[np.uint8]) -> NDArray[Any]:
    """What the engine gives for each image, as the model stores it."""
    with TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        model = engines.load(Path(folder) / target.file, target.format)
        inputs = images if model.layout == "NHWC" else images.transpose(0, 3, 1, 2)
        shift = 128 if target.io == "int8" else 0
        stored = (inputs.astype(np.int64) - shift).astype(target.io)
        return np.concatenate([model.run(np.ascontiguousarray(one[None])) for one in stored])


def stock_files(plan: Plan, kind: str, images: NDArray[np.uint8]) -> Iterator[tuple[Target, dict[str, bytes]]]:
    """The made network for every target of a format, as its converter writes it."""
    network = DeployableModel(shake(Made(plan)).eval(), user_model=OWN).eval()
    exporter = import_exporter(kind)
    model = exporter.convert(network, SIDE)
    ranges = estimate(exporter.observe(model, images), len(images), "min-max")
    for target in all_targets().values():
        if target.format == kind:
            yield target, exporter.quantize(model, target, ranges if target.precision == "int8" else None, "made")


def sizes(files: dict[str, bytes]) -> int:
    return sum(map(len, files.values()))


@pytest.mark.parametrize("kind", ["onnx", "tflite", "openvino"])
@given(plan=plans())
@settings(max_examples=4, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_lean_and_stock_files_give_equal_outputs(kind: str, plan: Plan) -> None:
    images = np.random.default_rng(plan.seed).integers(0, 256, (8, SIDE, SIDE, 3), np.uint8)
    exporter = import_exporter(kind)
    for target, files in stock_files(plan, kind, images):
        lean = shorten(files, exporter.LEAN)
        assert sizes(lean) < sizes(files)
        np.testing.assert_array_equal(outputs(lean, target, images), outputs(files, target, images))
        assert exporter.dtypes(lean, target).float_inside == exporter.dtypes(files, target).float_inside
        assert shorten(files, exporter.LEAN) == lean
        assert sizes(shorten(lean, exporter.LEAN)) <= sizes(lean)


def test_constants_that_the_quantiser_puts_behind_the_flatbuffer_come_back_into_it() -> None:
    images = np.random.default_rng(0).integers(0, 256, (8, SIDE, SIDE, 3), np.uint8)
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 8000), nn.ReLU(), nn.Linear(8000, 4))
    model = to_tflite.convert(DeployableModel(network.eval(), user_model=OWN).eval(), SIDE)
    for target in (get_target("tflite-dynamic"), get_target("tflite-fp16")):
        files = to_tflite.quantize(model, target, None, "made")
        stock = schema.Model.GetRootAs(files[target.file])
        assert any(stock.Buffers(index).Offset() > 1 for index in range(stock.BuffersLength())), "none is behind it"
        lean = shorten(files, to_tflite.LEAN)
        assert 0.99 * sizes(files) < sizes(lean) < sizes(files)
        np.testing.assert_array_equal(outputs(lean, target, images), outputs(files, target, images))


@pytest.mark.parametrize("name", [name for name, target in all_targets().items() if target.format == "tflite"])
def test_tflite_keeps_what_apps_and_readers_ask_for(name: str, dist: Path) -> None:
    content = (dist / f"ean.{name}" / "model.tflite").read_bytes()
    model = schema.Model.GetRootAs(content)
    main = model.Subgraphs(0)
    signature = model.SignatureDefs(0)
    for ends, named in ((main.InputsAsNumpy(), signature.Inputs), (main.OutputsAsNumpy(), signature.Outputs)):
        assert [main.Tensors(int(end)).Name() for end in ends] != [None]
        assert [named(0).TensorIndex()] == list(ends)
    for index in range(1, model.BuffersLength()):
        data = model.Buffers(index).DataAsNumpy()
        assert (data.ctypes.data - np.frombuffer(content, np.uint8).ctypes.data) % 16 == 0
    for tensor in map(main.Tensors, range(main.TensorsLength())):
        quantization = tensor.Quantization()
        if quantization is not None:
            assert quantization.ZeroPointLength() == quantization.ScaleLength()


@pytest.mark.parametrize("name", CEILINGS)
def test_shipped_ean_is_no_larger_than_this(name: str, dist: Path) -> None:
    assert read_bundle(dist / f"ean.{name}").manifest.model_bytes <= CEILINGS[name]
