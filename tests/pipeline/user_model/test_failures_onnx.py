"""What can be wrong with an ONNX file of the user's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest

from tests.pipeline.user_model.conftest import Run
from tests.pipeline.user_model.graphs import Graph, floats


def _graph(**how: Any) -> onnx.ModelProto:
    graph = Graph(**how)
    return graph.finish(graph.add("Relu", "x"), 5)


def _unknown() -> onnx.ModelProto:
    graph = Graph()
    return graph.finish(graph.add("Sinh", graph.add("Cosh", "x")), 5)


def _foreign() -> onnx.ModelProto:
    model = _graph()
    model.graph.node[0].domain = "com.example"
    model.opset_import.append(onnx.helper.make_opsetid("com.example", 1))
    return model


def _two(what: str) -> onnx.ModelProto:
    model = _graph()
    if what == "inputs":
        model.graph.input.append(onnx.helper.make_tensor_value_info("second", onnx.TensorProto.FLOAT, [1]))
    else:
        made = model.graph.node[0].output[0]
        model.graph.output.append(onnx.helper.make_tensor_value_info(made, onnx.TensorProto.FLOAT, [None] * 4))
    return model


def _integers() -> onnx.ModelProto:
    model = _graph()
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.UINT8
    return model


def _constant() -> onnx.ModelProto:
    graph = Graph()
    graph.add("Relu", "x")
    return graph.finish(graph.add("Identity", floats(1, 5)))


@pytest.mark.parametrize(
    ("model", "code", "said"),
    [
        (_unknown(), 9, ("operators that edgefer does not know: Cosh (node Cosh_0), Sinh (node Sinh_1)",)),
        (_foreign(), 9, ("com.example.Relu",)),
        (_two("inputs"), 26, ("has 2 inputs (x, second)",)),
        (_two("outputs"), 26, ("has 2 outputs",)),
        (_integers(), 26, ("no float32 tensor",)),
        (_graph(shape=(1, 3, "h", "w")), 26, ("leaves the size of its input open (3x?x?)", "--input")),
        (_graph(shape=(1, 3, 8, 6)), 16, ("8 x 6 pixels",)),
        (_graph(opset=26), 26, ("opset 26", "reads up to")),
        (_constant(), 26, ("does not depend on the face",)),
    ],
)
def test_onnx(build: Run, tmp_path: Path, model: onnx.ModelProto, code: int, said: tuple[str, ...]) -> None:
    onnx.save(model, tmp_path / "x.onnx")
    build("--onnx", tmp_path / "x.onnx").fails(code, *said)


def test_onnx_of_another_size_or_none(build: Run, tmp_path: Path) -> None:
    path = tmp_path / "x.onnx"
    build("--onnx", path).fails(4, "no network at")
    onnx.save(_graph(), path)
    build("--onnx", path, "--input", "1x8x8").fails(26, "takes 3x8x8 (NCHW), not 1x8x8")
    build("--onnx", path, "--labels", "a,b,c").fails(26, "5 outputs, 3 labels")
    whole = path.read_bytes()
    for broken in (b"", b"no model", whole[: len(whole) // 2]):
        path.write_bytes(broken)
        build("--onnx", path).fails(26, "not a whole ONNX file")


def test_probabilities_stated_as_logits(build: Run, tmp_path: Path) -> None:
    graph = Graph()
    flat = graph.add("Flatten", graph.add("GlobalAveragePool", "x"))
    model = graph.finish(graph.add("Softmax", graph.add("Gemm", flat, floats(3, 5))))
    onnx.save(model, tmp_path / "x.onnx")
    (tmp_path / "c.toml").write_text("output = 'logits'\n")
    build("--onnx", tmp_path / "x.onnx", "--contract", tmp_path / "c.toml").fails(26, "a second softmax")
