"""ncnn's files are read and written here: what else they could hold, and what int8 must not leave out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from torch import nn

from edgefer.arch import get_arch
from edgefer.benchmark.workload import Task, ask, open_workload
from edgefer.pipeline.build import BuildJob, CalibrationOptions, build_bundle
from edgefer.pipeline.built_file import GOLDEN_TOLERANCE
from edgefer.pipeline.export import ncnn_file, ncnn_int8, to_ncnn
from edgefer.pipeline.fold import DeployableModel
from edgefer.pipeline.ranges import estimate
from edgefer.pipeline.targets import all_targets, get_target
from edgefer.runtime import engines
from edgefer.runtime.bench_record import Settings
from edgefer.runtime.bundle import read_bundle
from edgefer.runtime.errors import BrokenBundle, ExportFailed, NotInteger
from edgefer.runtime.protocol import Check
from edgefer.training import weights
from tests.runtime.made import need_vulkan

EAN = get_arch("ean")
NAMES = [name for name, target in all_targets().items() if target.format == "ncnn"]
LINE = "Convolution c 1 1 in0 out0 0=2 1=1 5=1 6=6"


def content(dist: Path, name: str) -> tuple[bytes, bytes]:
    folder = dist / f"ean.{name}"
    return (folder / "model.param").read_bytes(), (folder / "model.bin").read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_what_is_read_is_written_again(dist: Path, name: str) -> None:
    assert ncnn_file.write(ncnn_file.read(*content(dist, name))) == content(dist, name)


def test_weights_have_the_type_of_the_target(dist: Path) -> None:
    for name, dtype in (("ncnn-fp32", "float32"), ("ncnn-fp16", "float16"), ("ncnn-int8", "int8")):
        layers = [layer for layer in ncnn_file.read(*content(dist, name)) if layer.kind in ncnn_int8.INTEGER]
        assert len(layers) >= 20
        assert {layer.arrays[0].dtype.name for layer in layers} == {dtype}


def test_int8_says_what_is_float_and_is_small(dist: Path) -> None:
    manifest = read_bundle(dist / "ean.ncnn-int8").manifest
    kinds = {name.split()[0] for name in manifest.dtypes.operators if name.endswith("float32")}
    assert set(manifest.dtypes.float_only) == kinds
    assert manifest.dtypes.operators["Convolution int8"] + manifest.dtypes.operators["ConvolutionDepthWise int8"] == 26
    assert manifest.model_bytes < 0.5 * read_bundle(dist / "ean.ncnn-fp32").manifest.model_bytes


def test_no_target_excuses_what_its_engine_has_in_int8() -> None:
    excused = {name: target.float_only for name, target in all_targets().items() if target.float_only}
    assert set(excused) == {"ncnn-int8"}
    assert not ncnn_int8.INTEGER.keys() & set(excused["ncnn-int8"])


def test_a_convolution_left_in_float_fails_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(ncnn_int8.INTEGER, "ConvolutionDepthWise")
    row = BuildJob(
        EAN, "ncnn-int8", get_target("ncnn-int8"), weights.load_trained_model(EAN, None), CalibrationOptions()
    )
    with pytest.raises(NotInteger, match="ConvolutionDepthWise"):
        build_bundle(row, tmp_path)
    assert list(tmp_path.iterdir()) == []


class Small(nn.Module):
    """Convolutions, one over one dimension, linear layers over a row and over rows; layer norm and maxima in float."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1, groups=8))
        self.line = nn.Conv1d(1, 1, 3, padding=1)
        self.norm, self.rows = nn.LayerNorm(8), nn.Linear(8, 8)
        self.last = nn.Linear(8, 4)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        x = self.body(pixels / 255)
        x = x * x.amax(1, keepdim=True)
        pooled = x.mean((2, 3)) + x.amax((2, 3)) + self.rows(self.norm(x.flatten(2).transpose(1, 2))).mean(1)
        return torch.softmax(self.last(self.line(pooled[:, None]).flatten(1)) * 10, 1)


class Weighted(nn.Module):
    """Weights besides those of convolutions and linear layers: slopes, norms, a constant, a transposed convolution."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3),
            nn.PReLU(8),
            nn.GroupNorm(2, 8),
            nn.ConvTranspose2d(8, 8, 2),
            nn.InstanceNorm2d(8, affine=True),
        )
        self.body.append(nn.InstanceNorm2d(8, affine=True))
        for parameter in self.body.parameters():
            parameter.data.add_(0.1 * torch.rand_like(parameter))
        self.constant, self.last = nn.Parameter(torch.rand(1, 8, 1, 8)), nn.Linear(8, 4)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        x = self.body(pixels / 255) * self.constant
        return torch.softmax(self.last(x.amax((2, 3))) * 4, 1)


@pytest.mark.parametrize("made", [Small, Weighted])
@pytest.mark.parametrize("name", NAMES)
def test_every_layer_with_weights_agrees_with_torch(tmp_path: Path, name: str, made: type[nn.Module]) -> None:
    network = made().eval()
    model = to_ncnn.convert(cast(DeployableModel, network), 9)
    images = np.random.default_rng(1).integers(0, 256, (20, 9, 9, 3), np.uint8)
    ranges = estimate(to_ncnn.observe(model, images), len(images), "min-max")
    files = to_ncnn.quantize(model, get_target(name), ranges, "network")
    for file, data in files.items():
        (tmp_path / file).write_bytes(data)
    loaded = engines.load(tmp_path / "model.param", "ncnn")
    assert (loaded.input.shape, loaded.output.shape) == ((1, 3, 9, 9), (1, 4))
    given = np.ascontiguousarray(images.transpose(0, 3, 1, 2), np.float32)
    with torch.inference_mode():
        expected = network(torch.from_numpy(given)).numpy()
    returned = np.concatenate([loaded.run(one[None]) for one in given])
    assert np.abs(returned - expected).max() < GOLDEN_TOLERANCE[get_target(name).precision]
    if name == "ncnn-int8":
        dtypes = to_ncnn.dtypes(files, get_target(name))
        assert dtypes.operators["InnerProduct int8"] == (2 if made is Small else 1)
        assert dtypes.float_inside == []


@pytest.mark.parametrize("name", NAMES)
def test_vulkan_gives_the_golden_answer(dist: Path, name: str) -> None:
    need_vulkan()
    workload = replace(open_workload(dist / f"ean.{name}"), provider="vulkan")
    found = ask(Task(workload, Settings(), check=Check())).golden
    assert found is not None
    assert found.difference <= found.tolerance


@pytest.mark.parametrize(
    ("param", "data", "why"),
    [
        ("1\n0 0", b"", "not an ncnn param file"),
        (f"7767517\n1 1\n{LINE}", bytes(4), "weights of the layer c"),
        (f"7767517\n1 1\n{LINE}", b"\1\2\3\4" + bytes(32), "weights of the layer c"),
        ("7767517\n1 1\nPReLU p 1 1 in0 out0 0=2", bytes(4), "weights of the layer p"),
        ("7767517\n1 1\nPReLU p 1 1 in0 out0 0=1", bytes(8), "have 4 bytes of weights, the file has 8"),
        ("7767517\n1 1\nFolded f 1 1 in0 out0", bytes(4), "no ncnn layer for Folded"),
        ("7767517\n1 1\nLayerNorm n 1 1 in0 out0 0=2 2=1", bytes(8), "weights of the layer n"),
    ],
)
def test_files_that_hold_something_else_are_refused(param: str, data: bytes, why: str) -> None:
    with pytest.raises(ExportFailed, match=why):
        ncnn_file.read(param.encode(), data)


def test_weights_that_pnnx_changed_are_refused(dist: Path) -> None:
    layers = ncnn_file.read(*content(dist, "ncnn-fp32"))
    with pytest.raises(ExportFailed, match="pnnx changed the weights of convrelu_0"):
        ncnn_int8.quantise(layers, {}, {})


def test_a_cut_file_is_not_loaded(dist: Path, tmp_path: Path) -> None:
    param, data = content(dist, "ncnn-fp32")
    for name, cut in (("param", (param[:300], data)), ("bin", (param, data[:500]))):
        path = tmp_path / name / "model.param"
        path.parent.mkdir()
        path.write_bytes(cut[0])
        path.with_suffix(".bin").write_bytes(cut[1])
        with pytest.raises(BrokenBundle, match=r"the ncnn engine can.t load it"):
            engines.load(path, "ncnn")


def test_half_precision_keeps_the_smallest_weights(dist: Path) -> None:
    exact, half = (ncnn_file.read(*content(dist, name))[1].arrays[0] for name in ("ncnn-fp32", "ncnn-fp16"))
    assert np.abs(exact).min() < np.finfo(np.float16).tiny
    assert np.abs(half.astype(np.float32) - exact).max() <= np.spacing(np.float16(np.abs(exact).max())) / 2
