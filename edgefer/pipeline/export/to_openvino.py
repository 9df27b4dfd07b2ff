"""OpenVINO IR, from the ONNX graph: fp32 and fp16 directly, int8 from its QDQ form."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import openvino
from openvino._offline_transformations import apply_moc_transformations

from edgefer.pipeline.export import Ranges, lean_openvino, to_onnx
from edgefer.pipeline.export.to_onnx import activations, convert, input_name, observe
from edgefer.pipeline.targets import Target
from edgefer.runtime.manifest import Dtypes
from edgefer.runtime.process import quiet

LEAN = lean_openvino.STEPS
__all__ = ["LEAN", "activations", "convert", "dtypes", "input_name", "observe", "quantize"]  # the float graph is ONNX
# What carries no arithmetic of its own, or belongs to the quantisation itself.
_PLUMBING = ("Parameter", "Result", "Constant", "Convert", "FakeQuantize", "Reshape", "Squeeze", "Unsqueeze")
# Between a FakeQuantize and these another one of the same range would change nothing: OpenVINO takes it out.
_SEEN_THROUGH = (
    "Reshape",
    "Squeeze",
    "Unsqueeze",
    "Transpose",
    "Slice",
    "StridedSlice",
    "Convert",
    "Multiply",
    "Subtract",
)
BIAS = np.float32(1e-30)
_COMPUTE = (
    "Convolution",
    "GroupConvolution",
    "ConvolutionBackpropData",
    "GroupConvolutionBackpropData",
    "MatMul",
)


def quantize(model: bytes, target: Target, ranges: Ranges | None, name: str) -> dict[str, bytes]:  # noqa: ARG001
    """IR (.xml and .bin) in the target's precision."""
    source = to_onnx.to_qdq(*cut(model, ranges or {})) if target.precision == "int8" else model
    with quiet():
        # What openvino.convert_model does, without the usage report that it sends home.
        read = openvino.Core().read_model(io.BytesIO(source))
        apply_moc_transformations(read, cf=True)
        if target.precision == "int8":
            _give_biases(read)
        return lean_openvino.save(read, target.file, fp16=target.precision == "fp16")


def _give_biases(model: openvino.Model) -> None:
    """Give every int8 linear layer without a bias, or with one that is all zeros, a bias of 0 and BIAS by turns.

    Without one, OpenVINO's CPU plugin (2026.4.1) makes the weights' scales part of the FakeQuantize behind, and at one
    thread such a layer over a vector returns what lay in its memory before. A bias whose values are not all the same
    keeps them apart.
    BIAS is far below the rounding of any value that int8 holds.
    """
    for op in model.get_ordered_ops():
        if op.get_type_name() != "MatMul" or _weights_type(op) != "int8":
            continue
        users = op.output(0).get_target_inputs()
        added = next((user.get_node() for user in users if _is_bias(user.get_node())), None)
        if added is not None and len(users) == 1 and np.any(_maker(added, 1).data):
            continue
        turns = np.arange(op.get_output_partial_shape(0)[-1].get_length()) % 2
        bias = openvino.opset13.constant(np.where(turns, BIAS, np.float32(0)))
        if added is not None and len(users) == 1:
            added.input(1).replace_source_output(bias.output(0))
            continue
        given = openvino.opset13.add(op, bias)
        for user in users:
            user.replace_source_output(given.output(0))


def dtypes(files: dict[str, bytes], target: Target) -> Dtypes:
    """Constants and operations by element type, read from the IR.

    IR keeps float element types and says int8 with FakeQuantize: a convolution counts as int8 when its
    weights are an int8 constant and its activations come from a FakeQuantize, any other operation
    when its inputs do. `float_inside` names the others of an int8 target.
    """
    xml, weights = files[target.file], files[Path(target.file).with_suffix(".bin").name]
    model = openvino.Core().read_model(io.BytesIO(xml), io.BytesIO(weights))
    constants = [op for op in model.get_ops() if op.get_type_name() == "Constant"]
    tensors = Counter(_type(op) for op in constants)
    operators: Counter[str] = Counter()
    inside = []
    for op in model.get_ordered_ops():
        kind = op.get_type_name()
        if kind == "FakeQuantize":
            operators[kind] += 1
        if kind in _PLUMBING or _origin(op, 0) == "Constant" or _is_bias(op) or _is_norms(op):
            continue
        whole = all(_origin(op, i) in ("FakeQuantize", "Constant") for i in range(op.get_input_size()))
        if kind in _COMPUTE:
            whole = whole and _weights_type(op) in (None, "int8")
        operators[f"{kind} {'int8' if whole else 'float32'}"] += 1
        if not whole:
            inside.append(kind)
    return Dtypes(dict(sorted(tensors.items())), dict(sorted(operators.items())), inside)


def _is_bias(op: Any) -> bool:
    """Whether this is the addition that belongs to the convolution before it (done on its int32 sums)."""
    return op.get_type_name() == "Add" and _origin(op, 0) in _COMPUTE and _origin(op, 1) == "Constant"


def _is_norms(op: Any) -> bool:
    """Whether this is the scale or the shift of a layer norm: the reader makes three operations of one."""
    if op.get_type_name() not in ("Multiply", "Add") or _origin(op, 1) != "Constant":
        return False
    before = _source(op, 0)
    return before.get_type_name() == "MVN" or (op.get_type_name() == "Add" and _is_norms(before))


def _type(op: Any) -> str:
    return str(op.get_element_type().to_dtype())


def _source(op: Any, index: int) -> Any:
    return op.input_value(index).get_node()


def _origin(op: Any, index: int) -> str:
    """The kind of operation that made an input, seen through what only moves or rescales it."""
    return "" if op.get_input_size() <= index else str(_maker(op, index).get_type_name())


def _maker(op: Any, index: int) -> Any:
    node = _source(op, index)
    while node.get_type_name() in _SEEN_THROUGH:
        if node.get_type_name() in ("Multiply", "Subtract") and _origin(node, 0) != "Constant":
            break
        node = _source(node, 0)
    return node


def _weights_type(op: Any) -> str | None:
    """The element type of the weights; None where both inputs are activations, as in attention."""
    node = _maker(op, 1)
    return _type(node) if node.get_type_name() == "Constant" else None


LONG = 4  # the smallest stride that is rewritten


def cut(model: bytes, ranges: Ranges) -> tuple[bytes, dict[str, tuple[float, float]]]:
    """The model with such convolutions rewritten, and the ranges with those of the patches: the same values, moved."""
    graph, known = onnx.load(io.BytesIO(model)), dict(ranges)
    shapes = _shapes(graph)
    constants = {i.name: i for i in graph.graph.initializer}
    nodes: list[onnx.NodeProto] = []
    for node in graph.graph.node:
        if not _patches(node, constants):
            nodes.append(node)
            continue
        taken = node.input[0]
        before, moved = _cut(node, constants[node.input[1]], shapes[taken], graph)
        known |= dict.fromkeys(moved, known[taken])
        nodes += [*before, node]
    if len(nodes) == len(graph.graph.node):
        return model, known
    kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.graph.node[:], graph.graph.value_info[:]
    graph.graph.node.extend(kept)
    onnx.checker.check_model(graph, full_check=True)
    return bytes(graph.SerializeToString(deterministic=True)), known


def _shapes(graph: onnx.ModelProto) -> dict[str, list[int]]:
    inferred = onnx.shape_inference.infer_shapes(graph).graph
    tensors = (*inferred.input, *inferred.value_info)
    return {t.name: [d.dim_value for d in t.type.tensor_type.shape.dim] for t in tensors}


def _patches(node: onnx.NodeProto, constants: dict[str, onnx.TensorProto]) -> bool:
    """Whether this is a convolution whose stride is its kernel and LONG or more, without padding and groups."""
    if node.op_type != "Conv" or node.input[1] not in constants:
        return False
    given = {a.name: list(a.ints) or a.i for a in node.attribute}
    kernel = list(constants[node.input[1]].dims[2:])
    plain = given.get("group", 1) == 1 and not any(given.get("pads") or []) and set(given.get("dilations", [1])) == {1}
    return plain and given.get("strides") == kernel and len(kernel) == 2 and min(kernel) >= LONG


def _cut(
    node: onnx.NodeProto, weights: onnx.TensorProto, shape: list[int], graph: onnx.ModelProto
) -> tuple[list[onnx.NodeProto], list[str]]:
    """Make `node` 1x1, and the nodes that cut its input into patches, with the names of what those put out."""
    outputs, channels, high, wide = weights.dims
    rows, columns = shape[2] // high, shape[3] // wide
    name = node.output[0]
    split, turned, flat = (f"{name}_{step}" for step in ("patches", "patches_first", "patches_flat"))
    sizes = {f"{split}_shape": [1, channels, rows, high, columns, wide], f"{flat}_shape": [1, -1, rows, columns]}
    for key, value in sizes.items():
        graph.graph.initializer.append(onnx.numpy_helper.from_array(np.array(value), key))
    nodes = [
        onnx.helper.make_node("Reshape", [node.input[0], f"{split}_shape"], [split]),
        onnx.helper.make_node("Transpose", [split], [turned], perm=[0, 1, 3, 5, 2, 4]),
        onnx.helper.make_node("Reshape", [turned, f"{flat}_shape"], [flat]),
    ]
    weights.dims[:] = [outputs, channels * high * wide, 1, 1]
    node.input[0] = flat
    for attribute in node.attribute:
        if attribute.name in ("kernel_shape", "strides"):
            attribute.ints[:] = [1, 1]
    return nodes, [split, turned, flat]
