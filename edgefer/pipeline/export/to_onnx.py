"""ONNX: torch.onnx exports, onnxsim simplifies, ONNX Runtime's quantiser writes QDQ."""

from __future__ import annotations

import io
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import onnxsim
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.calibrate import TensorsData, save_tensors_data

from edgefer.pipeline.export import Activations, Ranges, lean_onnx
from edgefer.pipeline.export.rewrite import rewrite_pools
from edgefer.pipeline.fold import DeployableModel
from edgefer.pipeline.targets import Target
from edgefer.runtime.errors import ExportFailed
from edgefer.runtime.manifest import Dtypes
from edgefer.runtime.process import quiet

OPSET = 18  # the lowest that torch's exporter implements
INPUT, OUTPUT = "pixels", "probabilities"
PROBABILITY = (0.0, 255 / 256)  # as int8: scale 1/256, zero point -128, as every engine has a softmax's
LEAN = lean_onnx.STEPS
_QDQ = ("QuantizeLinear", "DequantizeLinear")


def convert(network: DeployableModel, crop: int) -> bytes:
    """A float .onnx with NCHW input (1, 3, crop, crop), simplified and checked."""
    with quiet():
        program = torch.onnx.export(
            rewrite_pools(network, crop),
            (torch.zeros(1, 3, crop, crop),),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
        )
        assert program is not None
        simple, same = onnxsim.simplify(_plain(program.model_proto))
    if not same:
        raise ExportFailed("onnxsim's simplified graph does not give the outputs of the graph before it.")
    simple.ir_version = _ir_version(simple)
    onnx.checker.check_model(simple, full_check=True)
    return bytes(simple.SerializeToString(deterministic=True))


def _ir_version(model: onnx.ModelProto) -> int:
    """The oldest file version that has the model's opset: ONNX Runtime refuses a newer one than it knows."""
    return int(onnx.helper.find_min_ir_version_for(model.opset_import))


def _plain(model: onnx.ModelProto) -> onnx.ModelProto:
    """Without the exporter's notes (source paths and stack traces of this machine)."""
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    return model


def observe(model: bytes, images: Iterable[NDArray[np.uint8]]) -> Iterator[Activations]:
    """Run uint8 (H, W, 3) images one by one; yield the input and what every node put out."""
    graph = onnx.load(io.BytesIO(model))
    names = _activations(graph)
    del graph.graph.output[:]
    graph.graph.output.extend(onnx.helper.make_empty_tensor_value_info(n) for n in names if n != INPUT)
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    for image in images:
        pixels = image.transpose(2, 0, 1)[None].astype(np.float32)
        values = session.run([n for n in names if n != INPUT], {INPUT: pixels})
        yield {INPUT: pixels} | dict(zip(names[1:], values, strict=True))


def _activations(graph: onnx.ModelProto) -> list[str]:
    """The input, then the float outputs of the nodes, in the graph's order."""
    inferred = onnx.shape_inference.infer_shapes(graph)
    known = {v.name: v.type.tensor_type.elem_type for v in (*inferred.graph.value_info, *inferred.graph.output)}
    outputs = [name for node in graph.graph.node for name in node.output]
    return [INPUT, *(n for n in outputs if known.get(n) == onnx.TensorProto.FLOAT)]


def activations(model: bytes) -> set[str]:
    """Names of the tensors that int8 needs a range for."""
    return set(_activations(onnx.load(io.BytesIO(model))))


def input_name(model: bytes) -> str:
    """Name of the input tensor."""
    return str(onnx.load(io.BytesIO(model)).graph.input[0].name)


def quantize(model: bytes, target: Target, ranges: Ranges | None, name: str) -> dict[str, bytes]:  # noqa: ARG001
    """The model in the target's precision."""
    return {target.file: model if target.precision == "fp32" else to_qdq(model, ranges or {})}


def to_qdq(model: bytes, ranges: Ranges) -> bytes:
    """Int8 activations per tensor, int8 weights per channel, as QuantizeLinear / DequantizeLinear pairs."""
    graph = onnx.load(io.BytesIO(model))
    _require_norms_of_rows(graph.graph)
    fixed = {**ranges, OUTPUT: PROBABILITY}
    pairs = {name: (np.array(low, np.float32), np.array(high, np.float32)) for name, (low, high) in fixed.items()}
    with tempfile.TemporaryDirectory() as folder, quiet():
        cache, path = Path(folder) / "ranges.json", Path(folder) / "model.onnx"
        save_tensors_data(TensorsData(CalibrationMethod.MinMax, pairs), cache)
        quantize_static(
            graph,
            path,
            quant_format=QuantFormat.QDQ,
            # All of them: by default the quantiser leaves ReduceMean, and the Reshape behind it, in float.
            op_types_to_quantize=sorted({node.op_type for node in graph.graph.node}),
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            calibration_cache_path=cache,
        )
        quantised = onnx.load(path)
    quantised.ir_version = _ir_version(quantised)
    onnx.checker.check_model(quantised, full_check=True)
    return bytes(quantised.SerializeToString(deterministic=True))


def _require_norms_of_rows(graph: onnx.GraphProto) -> None:
    """Raise ExportFailed for a layer norm over several dimensions, which ONNX Runtime's quantiser can't take."""
    ranks = {each.name: len(each.dims) for each in graph.initializer}
    for node in graph.node:
        if node.op_type == "LayerNormalization" and ranks.get(node.input[1], 1) > 1:
            raise ExportFailed(
                f"the layer norm {node.name or node.output[0]} is over {ranks[node.input[1]]} dimensions, and ONNX "
                "Runtime's quantiser takes those over one: take an fp32 or tflite target, or write it out."
            )


def dtypes(files: dict[str, bytes], target: Target) -> Dtypes:
    """Initialisers and nodes by element type, read from the file.

    A node counts as int8 when each float input of it comes from a DequantizeLinear and each output goes
    to QuantizeLinear only: that is how QDQ says it. `float_inside` names the others of an int8 target.
    """
    graph = onnx.load(io.BytesIO(files[target.file])).graph
    tensors = Counter(onnx.TensorProto.DataType.Name(i.data_type).lower() for i in graph.initializer)
    producer = {name: node for node in graph.node for name in node.output}
    constants = {i.name for i in graph.initializer}
    users: dict[str, list[str]] = {}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node.op_type)
    operators: Counter[str] = Counter()
    inside = []
    for node in graph.node:
        if node.op_type in _QDQ:
            operators[node.op_type] += 1
            continue
        fed = all(n in constants or (n in producer and producer[n].op_type == _QDQ[1]) for n in node.input if n)
        drained = all(set(users.get(n, [])) == {_QDQ[0]} for n in node.output)
        operators[f"{node.op_type} {'int8' if fed and drained else 'float32'}"] += 1
        if not (fed and drained):
            inside.append(node.op_type)
    return Dtypes(dict(sorted(tensors.items())), dict(sorted(operators.items())), inside)
