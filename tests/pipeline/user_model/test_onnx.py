"""An ONNX file of the user's own: every operator that edgefer takes, NCHW and NHWC, logits and probabilities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from edgefer.arch.count import count
from edgefer.data.load import load as load_data
from edgefer.pipeline.fold import fold
from edgefer.pipeline.user_model import contract_file, load, onnx_file, onnx_import
from edgefer.pipeline.user_model.onnx_import import OPERATORS
from edgefer.runtime import tiny_network, verify
from edgefer.runtime.bundle import read_bundle
from edgefer.runtime.errors import BadNetwork, ExportFailed
from tests.pipeline.user_model import nets
from tests.pipeline.user_model.branches import branches
from tests.pipeline.user_model.conftest import MEAN, STD, Run
from tests.pipeline.user_model.graphs import CHAINS, SIDE, Array, Graph, begin_anew, chain, floats, ints, real
from tests.pipeline.user_model.operators import operators
from tests.pipeline.user_model.preprocessing import preprocess

LABELS = ("a", "b", "c", "d", "e")
CONTRACT = contract_file.ContractFile(labels=LABELS)
begin_anew()
MODELS = {name: chain(steps) for name, steps in CHAINS.items()} | branches() | operators()


def save(model: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "theirs.onnx"
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("name", MODELS)
def test_operator_is_what_onnx_runtime_makes_of_it(tmp_path: Path, name: str) -> None:
    source = onnx_file.read_onnx(save(MODELS[name], tmp_path), CONTRACT)
    network = onnx_import.convert(source).eval()
    given = torch.randn(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    onnx_import.require_same(source, network, given)
    found = torch.cat([fold(network)(face[None]) for face in given])
    assert found.shape == (3, 5)
    assert np.allclose(found.detach().numpy(), source.run(given.numpy()).reshape(3, 5), atol=2e-4)


def test_every_operator_has_a_case() -> None:
    tried = {node.op_type for model in MODELS.values() for node in model.graph.node}
    assert OPERATORS.keys() - tried == set()


def test_a_wrong_operator_would_be_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OPERATORS, "Tanh", OPERATORS["Sigmoid"])
    with pytest.raises(ExportFailed, match="away from ONNX Runtime's answer"):
        load.from_onnx(save(MODELS["Tanh"], tmp_path), CONTRACT)


def test_transposes_that_cancel_leave_no_node(tmp_path: Path) -> None:
    network = onnx_import.convert(onnx_file.read_onnx(save(MODELS["Transpose forth and back"], tmp_path), CONTRACT))
    assert not [node for node in network.graph.nodes if node.target in (torch.permute, torch.reshape)]


def test_norms_written_as_constants_are_folded_away(tmp_path: Path) -> None:
    graph = Graph()
    scaled = graph.add("Mul", graph.add("Conv", "x", floats(3, 3, 3, 3)), floats(3, 1, 1))
    model = graph.finish(graph.add("Relu", graph.add("Add", scaled, floats(3, 1, 1))), 5)
    found = onnx_import.convert(onnx_file.read_onnx(save(model, tmp_path), CONTRACT))
    network = fold(found)
    kinds = [type(m).__name__ for m in network.modules() if not list(m.children())]
    assert kinds == ["Conv2d", "ReLU", "AdaptiveAvgPool2d", "Linear"]


class Last(nn.Module):
    """A network that takes NHWC, as those from Keras do, and gives probabilities."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return torch.softmax(self.network(x.permute(0, 3, 1, 2)), 1)


@pytest.fixture(scope="module")
def exported(trained: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The trained network as ONNX: NCHW with an open batch, and NHWC with probabilities."""
    folder = tmp_path_factory.mktemp("exported")
    face = torch.zeros(2, 3, nets.SIDE, nets.SIDE)
    batch = torch.export.Dim("batch")
    for name, network, given in (("nchw", trained, face), ("nhwc", Last(trained).eval(), face.permute(0, 2, 3, 1))):
        program = torch.onnx.export(network, (given,), dynamo=True, opset_version=18, dynamic_shapes=({0: batch},))
        assert program is not None
        program.save(str(folder / f"{name}.onnx"))
    return {name: folder / f"{name}.onnx" for name in ("nchw", "nhwc")}


@pytest.mark.parametrize(("layout", "target"), [("nchw", "tflite-int8"), ("nhwc", "onnx-int8")])
def test_the_road_of_an_onnx_file(
    run: Run, exported: dict[str, Path], trained: nn.Module, data: Path, tmp_path: Path, layout: str, target: str
) -> None:
    contract = tmp_path / "c.toml"
    contract.write_text(
        f'name = "theirs"\nlabels = {list(nets.LABELS)}\nresize = 44\ncolor = "bgr"\n'
        f"mean = {list(MEAN)}\nstd = {list(STD)}\n"
    )
    words = ("build", "--onnx", exported[layout], "--contract", contract, "--out", tmp_path, "--calibration", data)
    run(*words, "--target", "onnx-fp32", "--target", target).fine()
    test = load_data(data, 44).split("PrivateTest")
    with torch.inference_mode():
        answers = trained(preprocess(test.pixels[:], nets.SIDE, "bgr", (0, 1), MEAN, STD))
    wanted = torch.softmax(answers, 1).numpy()
    exact, integer = (read_bundle(tmp_path / f"theirs.{name}") for name in ("onnx-fp32", target))
    assert np.abs(verify.run_faces(exact, test.pixels) - wanted).max() < 1e-4
    assert (verify.run_faces(integer, test.pixels).argmax(1) == wanted.argmax(1)).mean() > 0.97
    assert exact.manifest.own is not None
    assert exact.manifest.own["output"] == ("logits" if layout == "nchw" else "probabilities")
    assert exact.manifest.own["source"] == f"{layout}.onnx"
    assert exact.manifest.parameters == 1057  # torch folds batch norms when it exports
    run("verify", integer.folder, "--data", data, "--float", exact.folder).fine()


def test_a_shift_becomes_the_bias_and_a_norm_is_one_norm(tmp_path: Path) -> None:
    graph = Graph()
    plain = graph.add("Add", graph.add("Conv", "x", floats(3, 3, 3, 3)), floats(3, 1, 1))
    last = graph.add("Sub", graph.add("Conv", plain, floats(3, 3, 3, 3)), floats(3, 1, 1))
    last = graph.add("Add", graph.add("Mul", last, floats(3, 1, 1)), floats(3, 1, 1))
    network = onnx_import.convert(onnx_file.read_onnx(save(graph.finish(last, 5), tmp_path), CONTRACT))
    kinds = [type(m).__name__ for m in network.modules() if not list(m.children())]
    assert kinds == ["Conv2d", "Conv2d", "BatchNorm2d", "AdaptiveAvgPool2d", "Linear"]
    assert count(network, SIDE).parameters == (81 + 3) + (81 + 6) + 20


def test_a_stated_size_closes_open_ones(tmp_path: Path) -> None:
    graph = Graph(shape=("n", 3, "h", "w"))
    path = save(graph.finish(graph.add("Relu", "x"), 5), tmp_path)
    arch, _ = load.from_onnx(path, contract_file.ContractFile(labels=LABELS, input="3x12x12"))
    assert (arch.crop, arch.name, arch.channels) == (12, "theirs", 3)
    with pytest.raises(BadNetwork, match=r"leaves the size of its input open \(3x\?x\?\)"):
        load.from_onnx(path, CONTRACT)


@pytest.mark.parametrize("opset", [9, 11, 13])
def test_older_opsets(tmp_path: Path, opset: int) -> None:
    graph = Graph(opset=opset)
    axes: dict[str, Any] = {} if opset >= 13 else {"axes": [2, 3]}
    late: list[Array] = [ints(2, 3)] if opset >= 13 else []
    limits: dict[str, Any] = {"min": 0.0, "max": 6.0} if opset < 11 else {}
    clipped = graph.add("Clip", "x", *(() if limits else (real(0), real(6))), **limits)
    flat = graph.add("Squeeze", graph.add("GlobalAveragePool", clipped), *late, **axes)
    last = graph.add("Softmax", graph.add("Gemm", flat, floats(3, 5), floats(5)), axis=1)
    arch, _ = load.from_onnx(save(graph.finish(last), tmp_path), CONTRACT)
    assert arch.user_model is not None and arch.user_model.output == "probabilities"


@pytest.mark.parametrize(("name", "value"), [("strides", [1, 0]), ("dilations", [0, 1]), ("group", 0), ("group", -1)])
def test_a_size_of_zero_does_not_end_the_process(tmp_path: Path, name: str, value: list[int] | int) -> None:
    """onnxsim divides by a stride of 0: the whole command died of signal 8."""
    (content,) = tiny_network.files("onnx").values()
    model = onnx.load_from_string(content)
    convolution = next(node for node in model.graph.node if node.op_type == "Conv")
    kept = [each for each in convolution.attribute if each.name != name]
    del convolution.attribute[:]
    convolution.attribute.extend([*kept, onnx.helper.make_attribute(name, value)])
    onnx.save(model, tmp_path / "x.onnx")
    with pytest.raises(BadNetwork, match=rf"x\.onnx: {name} of Conv .* is (0|-1), must be at least 1"):
        onnx_file.read_onnx(tmp_path / "x.onnx", contract_file.ContractFile(input="3x8x8"))
