"""ncnn, from the ONNX graph: pnnx converts to fp32; fp16 and int8 are written here, from fp32 (and the ranges).

ncnn computes an int8 model's convolutions in int8 and everything between them in float32, by design;
`Target.float_only` holds what that is.
"""

from __future__ import annotations

import io
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pnnx

from edgefer.pipeline.export import LeanStep, Ranges, ncnn_file, ncnn_int8, to_onnx
from edgefer.pipeline.export.ncnn_file import SCALES, Layer
from edgefer.pipeline.export.to_onnx import activations, convert, input_name, observe
from edgefer.pipeline.targets import Target
from edgefer.runtime import ending
from edgefer.runtime.errors import ExportFailed
from edgefer.runtime.manifest import Dtypes

LEAN: dict[str, LeanStep] = {}
__all__ = ["LEAN", "activations", "convert", "dtypes", "input_name", "observe", "quantize"]  # the float graph is ONNX
SECONDS = 600  # that pnnx may take
SUM, MAXIMUM = 0, "4"  # a Reduction's operation
AXES = "-23303"  # and its key for them
_PLUMBING = ("Input", "Split")


def quantize(model: bytes, target: Target, ranges: Ranges | None, name: str) -> dict[str, bytes]:  # noqa: ARG001
    """model.param and model.bin in the target's precision."""
    graph, integer = onnx.load(io.BytesIO(model)), target.precision == "int8"
    sources = _sources(graph)
    if integer:
        _lift(graph)
    largest = _as_sums(graph)
    layers = ncnn_file.read(*_pnnx(graph))
    _correct_reductions(layers, largest)
    if integer:
        ncnn_int8.quantise(layers, sources, ranges or {})
    elif target.precision == "fp16":
        _halve(layers)
    _name(layers, graph)
    param, weights = ncnn_file.write(layers)
    return {target.file: param, Path(target.file).with_suffix(".bin").name: weights}


def _sources(graph: onnx.ModelProto) -> dict[bytes, list[str]]:
    """The weights of every convolution and linear layer -> the names of the tensors that it takes.

    Weights, because pnnx names its layers and blobs itself but leaves these bytes as they are.
    """
    constants = {i.name: i for i in graph.graph.initializer}
    sources: dict[bytes, list[str]] = {}
    for node in graph.graph.node:
        if node.op_type in ("Conv", "Gemm") and node.input[1] in constants:
            weights = onnx.numpy_helper.to_array(constants[node.input[1]])
            if node.op_type == "Gemm" and not any(a.name == "transB" and a.i for a in node.attribute):
                weights = weights.T  # a row an output, as ncnn has them
            sources.setdefault(weights.tobytes(), []).append(node.input[0])
    return sources


def _lift(graph: onnx.ModelProto) -> None:
    """Make every convolution over one dimension one over two, of height 1: ncnn has only the latter in int8."""
    constants = {i.name: i for i in graph.graph.initializer}
    nodes = []
    for node in graph.graph.node:
        weights = constants.get(node.input[1]) if node.op_type == "Conv" else None
        nodes += [node] if weights is None or len(weights.dims) != 3 else _lifted(node, weights)
    axis = onnx.numpy_helper.from_array(np.array([2]), "lifted_axis")
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.graph.node[:], graph.graph.value_info[:]
    graph.graph.node.extend(copies)
    graph.graph.initializer.append(axis)
    onnx.checker.check_model(graph, full_check=True)


def _lifted(node: onnx.NodeProto, weights: onnx.TensorProto) -> list[onnx.NodeProto]:
    taken, made = node.input[0], node.output[0]
    weights.dims[:] = [*weights.dims[:2], 1, weights.dims[2]]
    for attribute in node.attribute:
        if attribute.name in ("kernel_shape", "strides", "dilations"):
            attribute.ints[:] = [1, *attribute.ints]
        elif attribute.name == "pads":
            attribute.ints[:] = [0, attribute.ints[0], 0, attribute.ints[1]]
    node.input[0], node.output[0] = f"{taken}_lifted", f"{made}_lifted"
    before = onnx.helper.make_node("Unsqueeze", [taken, "lifted_axis"], [node.input[0]])
    return [before, node, onnx.helper.make_node("Squeeze", [node.output[0], "lifted_axis"], [made])]


def _as_sums(graph: onnx.ModelProto) -> bool:
    """Write maxima over axes as sums, because pnnx knows only those of the two; return whether there are any."""
    found = {node.op_type for node in graph.graph.node}
    if "ReduceMax" in found and "ReduceSum" in found:
        raise ExportFailed(
            "pnnx has no ncnn layer for ReduceMax, and edgefer's way around it takes no ReduceSum beside."
        )
    for node in graph.graph.node:
        if node.op_type == "ReduceMax":
            node.op_type = "ReduceSum"
    return "ReduceMax" in found


def _correct_reductions(layers: list[Layer], largest: bool) -> None:
    """Make sums the maxima that they stand for, and lists of one axis lists: pnnx writes the axis without a count."""
    for layer in layers:
        if layer.kind != "Reduction":
            continue
        if largest and layer.number("0") == SUM:
            layer.params["0"] = MAXIMUM
        axes = layer.params.get(AXES, ",")
        if "," not in axes:
            layer.params[AXES] = f"1,{axes}"


def _halve(layers: list[Layer]) -> None:
    """Weights in half precision, biases as they are.

    Not by pnnx's fp16=1: it makes every number below half precision's normal ones 0, and a first convolution that
    takes pixels 0 to 255 has many.
    """
    for layer, asked in zip(layers, ncnn_file.weights_asked(layers), strict=True):
        tagged = [place for place, (_, typed) in enumerate(asked) if typed]
        for place in tagged[:1] if layer.kind == "Gemm" else tagged:  # Gemm's second is its bias
            layer.arrays[place] = layer.arrays[place].astype(np.float16)


def _pnnx(graph: onnx.ModelProto) -> tuple[bytes, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "model.onnx").write_bytes(graph.SerializeToString(deterministic=True))
        command = [pnnx.EXEC_PATH, "model.onnx", "fp16=0"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)
        made = [Path(folder) / f"model.ncnn.{end}" for end in ("param", "bin")]
        if done.returncode or not all(path.is_file() for path in made):
            raise ExportFailed(f"pnnx {ending.words_here(done.returncode)}: {(done.stdout + done.stderr)[-300:]}")
        return made[0].read_bytes(), made[1].read_bytes()


def _name(layers: list[Layer], graph: onnx.ModelProto) -> None:
    """Give input and output the names they have elsewhere, and the input its size, which pnnx leaves out."""
    names = {"in0": to_onnx.INPUT, "out0": to_onnx.OUTPUT}
    for layer in layers:
        layer.inputs = [names.get(n, n) for n in layer.inputs]
        layer.outputs = [names.get(n, n) for n in layer.outputs]
    first = next(layer for layer in layers if layer.kind == "Input")
    _, channels, height, width = (d.dim_value for d in graph.graph.input[0].type.tensor_type.shape.dim)
    first.name = to_onnx.INPUT
    first.params = {"0": str(width), "1": str(height), "2": str(channels)}


def dtypes(files: dict[str, bytes], target: Target) -> Dtypes:
    """Arrays and layers by element type, read from the files.

    A layer counts as int8 when its weights are and it has the scales to compute with them. What
    `target.float_only` names is no `float_inside`: the engine has no int8 for it.
    """
    layers = ncnn_file.read(files[target.file], files[Path(target.file).with_suffix(".bin").name])
    tensors = Counter(array.dtype.name for layer in layers for array in layer.arrays)
    operators: Counter[str] = Counter()
    floats = []
    for layer in layers:
        whole = bool(layer.arrays) and layer.arrays[0].dtype == np.int8 and layer.number(SCALES) > 0
        if layer.kind not in _PLUMBING:
            operators[f"{layer.kind} {'int8' if whole else 'float32'}"] += 1
            floats += [layer.kind] * (not whole)
    inside = [kind for kind in floats if kind not in target.float_only]
    only = sorted({kind for kind in floats if kind in target.float_only})
    return Dtypes(dict(sorted(tensors.items())), dict(sorted(operators.items())), inside, only)
