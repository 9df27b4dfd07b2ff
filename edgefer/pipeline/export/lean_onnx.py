"""ONNX files without waste: each step writes the same graph in fewer bytes.

The steps change no weight and no operator, so outputs stay equal to the bit. Names of the input and output stay.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count, product
from string import ascii_letters

import numpy as np
import onnx
from onnx import defs, helper, numpy_helper

from edgefer.pipeline.export import LeanStep, array_digest

_CONVOLUTIONS = ("Conv", "ConvTranspose")
_WINDOWS = (*_CONVOLUTIONS, "MaxPool", "AveragePool", "LpPool")


def _step(change: Callable[[onnx.ModelProto], None]) -> LeanStep:
    """`change` as a step over a bundle's files; the graph must still be valid behind it."""

    def step(files: dict[str, bytes]) -> dict[str, bytes]:
        ((name, content),) = files.items()
        model = onnx.load(io.BytesIO(content))
        change(model)
        onnx.checker.check_model(model, full_check=True)
        return {name: bytes(model.SerializeToString(deterministic=True))}

    return step


def _drop_notes(model: onnx.ModelProto) -> None:
    """Take out what only people read: shapes of inner tensors, names of nodes, documentation, the producer's name."""
    graph = model.graph
    for field in ("producer_name", "producer_version", "doc_string", "metadata_props", "domain", "model_version"):
        model.ClearField(field)
    for field in ("value_info", "doc_string", "metadata_props", "quantization_annotation"):
        graph.ClearField(field)
    graph.name = "g"  # a graph must have a name
    for node in graph.node:
        for field in ("name", "doc_string", "metadata_props"):
            node.ClearField(field)
    for tensor in (*graph.input, *graph.output, *graph.initializer):
        for field in ("doc_string", "metadata_props"):
            tensor.ClearField(field)
    domains = {node.domain for node in graph.node}
    opsets = [opset for opset in model.opset_import if opset.domain in domains]
    del model.opset_import[:]
    model.opset_import.extend(opsets)


def _drop_zero_points(model: onnx.ModelProto) -> None:
    """Leave out the zero points of biases and of convolutions' weights that are all zero: that is the default.

    QuantizeLinear keeps its own, which says the type of its output. So do the weights of matrix products: ONNX Runtime
    (1.32) computes those otherwise without one.
    """
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    users: dict[str, set[tuple[str, int]]] = {}
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            users.setdefault(name, set()).add((node.op_type, place))
    for node in (node for node in model.graph.node if node.op_type == "DequantizeLinear" and len(node.input) == 3):
        constant, zero_point = (values.get(node.input[place]) for place in (0, 2))
        if constant is None or zero_point is None or zero_point.any():
            continue
        if constant.dtype == np.int32 or users[node.output[0]] == {("Conv", 1)}:
            del node.input[2:]
    _drop_unused(model.graph)


def _drop_unused(graph: onnx.GraphProto) -> None:
    used = {name for node in graph.node for name in node.input} | {output.name for output in graph.output}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _drop_defaults(model: onnx.ModelProto) -> None:
    """Leave out attributes that say what their operator's schema says."""
    (opset,) = (entry.version for entry in model.opset_import if not entry.domain)
    ranks = {tensor.name: len(tensor.dims) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.domain:
            continue
        kept = [each for each in node.attribute if not _is_default(node, each, opset, ranks)]
        del node.attribute[:]
        node.attribute.extend(kept)


def _is_default(node: onnx.NodeProto, attribute: onnx.AttributeProto, opset: int, ranks: dict[str, int]) -> bool:
    value = helper.get_attribute_value(attribute)
    if attribute.name == "kernel_shape":  # of a convolution it is that of the weights
        return node.op_type in _CONVOLUTIONS and node.input[1] in ranks
    if attribute.name == "axis" and node.op_type == "DequantizeLinear":  # one scale for all has no axis
        return value == 1 or ranks.get(node.input[1]) == 0
    if node.op_type in _WINDOWS and attribute.name in ("strides", "dilations", "pads"):  # their text says so, no value
        return set(value) <= {0 if attribute.name == "pads" else 1}
    default = defs.get_schema(node.op_type, opset).attributes[attribute.name].default_value
    return default.type != onnx.AttributeProto.UNDEFINED and bool(helper.get_attribute_value(default) == value)


def _share_constants(model: onnx.ModelProto) -> None:
    """Keep one of equal initialisers, as raw bytes where that is shorter than a list of numbers."""
    first: dict[tuple[int, tuple[int, ...], str], str] = {}
    renamed: dict[str, str] = {}
    kept = []
    for tensor in model.graph.initializer:
        value = numpy_helper.to_array(tensor)
        name = first.setdefault((tensor.data_type, tuple(tensor.dims), array_digest(value)), tensor.name)
        renamed[tensor.name] = name
        if name == tensor.name:
            kept.append(min(tensor, numpy_helper.from_array(value, name), key=onnx.TensorProto.ByteSize))
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    _rename(model.graph, renamed)


def _shorten_names(model: onnx.ModelProto) -> None:
    """Give every inner tensor a name of one or two letters, the most used first."""
    graph = model.graph
    ends = {tensor.name for tensor in (*graph.input, *graph.output)}
    uses = Counter(name for node in graph.node for name in (*node.output, *node.input) if name and name not in ends)
    names = (name for name in _short_names() if name not in ends)
    _rename(graph, dict(zip((name for name, _ in uses.most_common()), names, strict=False)))


def _short_names() -> Iterator[str]:
    for length in count(1):
        yield from map("".join, product(ascii_letters, repeat=length))


def _rename(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for tensor in graph.initializer:
        tensor.name = names.get(tensor.name, tensor.name)


STEPS: dict[str, LeanStep] = {
    "shapes, node names and notes left out": _step(_drop_notes),
    "zero points that are zero left out": _step(_drop_zero_points),
    "default attributes left out": _step(_drop_defaults),
    "equal initialisers stored once": _step(_share_constants),
    "inner names of one or two letters": _step(_shorten_names),
}
