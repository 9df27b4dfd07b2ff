"""Convolutions over patches that don't overlap, for OpenVINO's int8: cut into patches, then 1x1.

OpenVINO 2026.4's AMX kernel gives wrong numbers for some int8 convolutions of stride 4 and more (found with MiT's
8x8 of stride 8: 0.15 off in probability; its AVX-512 kernel is right). Cut into patches they are 1x1 convolutions of
stride 1, which are right on both.
"""

from __future__ import annotations

import io

import numpy as np
import onnx

from edgefer.pipeline.export import Ranges

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
