"""ONNX files as they are found: for a fixed batch, in training mode, quantised, without their weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from edgefer.pipeline.user_model import load, onnx_file, onnx_import
from edgefer.runtime.errors import BadNetwork, ExportFailed, MissingFile
from tests.pipeline.user_model.graphs import Graph, chain, floats, ints, real
from tests.pipeline.user_model.test_onnx import CONTRACT, save


def _reshaped(batch: int, *shape: int) -> onnx.ModelProto:
    graph = Graph(shape=(batch, 3, 8, 8))
    flat = graph.add("Reshape", graph.add("Relu", "x"), ints(*shape))
    return graph.finish(graph.add("Gemm", flat, floats(192, 5)))


def _attention(batch: int) -> onnx.ModelProto:
    """With a class token that is held for each face, and heads that are merged into the batch."""
    graph = Graph(shape=(batch, 3, 8, 8))
    tokens = graph.add("Transpose", graph.add("Reshape", "x", ints(batch, 3, 64)), perm=[0, 2, 1])
    token = np.repeat(floats(1, 1, 3), batch, 0)
    both = graph.add("MatMul", graph.add("Concat", token, tokens, axis=1), floats(3, 4))
    heads = graph.add("Transpose", graph.add("Reshape", both, ints(batch, 65, 2, 2)), perm=[0, 2, 1, 3])
    merged = graph.add("Reshape", heads, ints(batch * 2, 65, 2))
    scores = graph.add("Softmax", graph.add("MatMul", merged, graph.add("Transpose", merged, perm=[0, 2, 1])))
    seen = graph.add("Reshape", graph.add("MatMul", scores, merged), ints(batch, 2, 65, 2))
    first = graph.add("Gather", seen, np.array(0), axis=2)
    return graph.finish(graph.add("Gemm", graph.add("Reshape", first, ints(batch, 4)), floats(4, 5)))


@pytest.mark.parametrize(
    "model", [_reshaped(8, 8, 192), _reshaped(8, -1, 192), _reshaped(8, 8, -1), _attention(8), _attention(2)]
)
def test_a_fixed_batch_becomes_one_face(tmp_path: Path, model: onnx.ModelProto) -> None:
    source = onnx_file.read_onnx(save(model, tmp_path), CONTRACT)
    assert source.batch == model.graph.input[0].type.tensor_type.shape.dim[0].dim_value
    network = onnx_import.convert(source).eval()
    onnx_import.require_same(source, network, torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(0)))
    assert network(torch.zeros(1, 3, 8, 8)).shape == (1, 5)


def test_a_batch_whose_faces_matter_to_each_other(tmp_path: Path) -> None:
    graph = Graph(shape=(4, 3, 8, 8))
    mean = graph.add("ReduceMean", "x", ints(0))
    model = graph.finish(graph.add("Sub", "x", mean), 5)
    with pytest.raises(ExportFailed, match=r"away from the same face among 4: export it for one face"):
        load.from_onnx(save(model, tmp_path), CONTRACT)


def test_a_batch_that_is_lost(tmp_path: Path) -> None:
    graph = Graph(shape=(4, 3, 8, 8))
    flat = graph.add("Reshape", "x", ints(1, 768))
    with pytest.raises(ExportFailed, match=r"export it for one face"):
        load.from_onnx(save(graph.finish(graph.add("Gemm", flat, floats(768, 5))), tmp_path), CONTRACT)


def _training(kind: str) -> onnx.ModelProto:
    graph = Graph(opset=14)
    if kind == "Dropout":
        return graph.finish(graph.add("Dropout", "x", real(0.5), np.array(True)), 5)
    norm = (floats(3), floats(3), floats(3), abs(floats(3)))
    return graph.finish(graph.add(kind, "x", *norm, count=3, training_mode=1), 5)


def _quantised() -> onnx.ModelProto:
    graph = Graph()
    whole = graph.add("QuantizeLinear", "x", real(0.1), np.array(0, np.int8))
    return graph.finish(graph.add("DequantizeLinear", whole, real(0.1), np.array(0, np.int8)), 5)


def _optimised() -> onnx.ModelProto:
    model = chain([("Relu", (), {})])
    model.graph.node[0].domain, model.graph.node[0].op_type = "com.microsoft", "FusedConv"
    model.opset_import.append(onnx.helper.make_opsetid("com.microsoft", 1))
    return model


@pytest.mark.parametrize(
    ("model", "error", "said"),
    [
        (_training("Dropout"), BadNetwork, r"in training mode \(Dropout v0\): call eval\(\)"),
        (_training("BatchNormalization"), BadNetwork, r"in training mode \(BatchNormalization v0\): call eval\(\)"),
        (_quantised(), BadNetwork, r"quantised already \(QuantizeLinear v0\): give the float network"),
        (_optimised(), ExportFailed, r"com.microsoft.FusedConv \(node FusedConv_0\): ONNX Runtime wrote them"),
        (chain([("Relu", (), {})], opset=6), BadNetwork, r"opset 6, edgefer reads 7 to 23: .*convert_version"),
    ],
)
def test_what_to_give_instead(tmp_path: Path, model: onnx.ModelProto, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        load.from_onnx(save(model, tmp_path), CONTRACT)


def test_weights_in_a_file_beside_it(tmp_path: Path) -> None:
    def written(scale: float) -> tuple[Any, Any]:
        weights = scale * np.ones((3, 3, 1, 1), np.float32)
        model, path = chain([("Conv", (weights,), {})]), tmp_path / "theirs.onnx"
        onnx.save(model, path, save_as_external_data=True, location="theirs.data", size_threshold=0)
        return load.from_onnx(path, CONTRACT)

    (first, one), (second, two) = written(1.0), written(2.0)
    assert first.user_model is not None and second.user_model is not None
    assert first.user_model.sha256 != second.user_model.sha256 and one.sha256 != two.sha256
    (tmp_path / "theirs.data").unlink()
    with pytest.raises(MissingFile, match=r"lie in theirs.data, which is not beside it: copy that file"):
        load.from_onnx(tmp_path / "theirs.onnx", CONTRACT)


@pytest.mark.parametrize(
    ("begins", "said"),
    [
        (b"\x89HDF\r\n\x1a\n", "a Keras or HDF5 file"),
        (b"PK\x03\x04", "a torch checkpoint"),
        (b"\x1c\0\0\0TFL3", "a TFLite file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        (b"<!DOCTYPE html>", "a web page"),
    ],
)
def test_a_file_of_another_kind(tmp_path: Path, begins: bytes, said: str) -> None:
    (tmp_path / "x.onnx").write_bytes(begins + bytes(100))
    with pytest.raises(BadNetwork, match=f"is {said}.*, no ONNX file"):
        load.from_onnx(tmp_path / "x.onnx", CONTRACT)
