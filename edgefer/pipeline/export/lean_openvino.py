"""OpenVINO IR without waste: each step writes the same network in fewer bytes.

Nearly all that can go is in the XML. The steps change no weight, so outputs stay equal to the bit. Names of the input
and the output stay, and notes that tell a plugin in which precision to compute.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import openvino
from numpy.typing import NDArray

from edgefer.pipeline.export import LeanStep, array_digest
from edgefer.runtime.process import quiet

_MOVES = ("Reshape", "Transpose", "Squeeze", "Unsqueeze")  # operations that change no value
_USERS = {"Convolution", "GroupConvolution", "Multiply", "Reshape", "Softmax"}
_ENDS = ("Parameter", "Result")
_NAMES_ONLY = "fused_names"  # a note of a layer about the layers that it was made of


def save(model: openvino.Model, file: str, fp16: bool = False) -> dict[str, bytes]:
    """The .xml and .bin of a model, the same in every process.

    Operations that OpenVINO named itself are numbered here: its own numbers count up over the whole process.
    """
    for number, op in enumerate(model.get_ordered_ops()):
        if not op.get_friendly_name().startswith("node_") and op.get_type_name() not in _ENDS:
            op.set_friendly_name(f"{op.get_type_name()}_{number}")
    with tempfile.TemporaryDirectory() as folder, quiet():
        path = Path(folder) / file
        openvino.save_model(model, path, compress_to_fp16=fp16)
        return {each.name: each.read_bytes() for each in (path, path.with_suffix(".bin"))}


def _graph_step(change: Callable[[openvino.Model], None]) -> LeanStep:
    """`change` of the graph as a step over a bundle's files."""

    def step(files: dict[str, bytes]) -> dict[str, bytes]:
        xml, weights = files
        model = openvino.Core().read_model(io.BytesIO(files[xml]), io.BytesIO(files[weights]))
        change(model)
        return save(model, xml)

    return step


def _xml_step(change: Callable[[ElementTree.Element], None]) -> LeanStep:
    """`change` of the XML as a step over a bundle's files."""

    def step(files: dict[str, bytes]) -> dict[str, bytes]:
        xml, weights = files
        net = ElementTree.fromstring(files[xml])
        change(net)
        return {xml: b'<?xml version="1.0"?>' + ElementTree.tostring(net), weights: files[weights]}

    return step


def _fold_biases(model: openvino.Model) -> None:
    """Write int32 biases, with their conversion and scale, as the float constants that OpenVINO makes of them."""
    for op in model.get_ordered_ops():
        for value in op.inputs() if op.get_type_name() == "Add" else ():
            node = value.get_source_output().get_node()
            folded = _folded(node) if node.get_type_name() != "Constant" else None
            if folded is not None:
                value.replace_source_output(openvino.opset13.constant(folded).output(0))


def _folded(node: Any) -> NDArray[np.float32] | None:
    """The value of an int32 constant behind a conversion, a scale and a reshaping; None if it is none."""
    kind = node.get_type_name()
    inputs = [node.input_value(index).get_node() for index in range(node.get_input_size())]
    if kind == "Convert" and inputs[0].get_type_name() == "Constant" and _type(inputs[0]) == "int32":
        return np.asarray(inputs[0].data, np.float32)
    if kind not in ("Multiply", "Reshape") or inputs[1].get_type_name() != "Constant":
        return None
    value = _folded(inputs[0])
    if value is None:
        return None
    return value * inputs[1].data if kind == "Multiply" else value.reshape(tuple(node.get_output_shape(0)))


def _type(node: Any) -> str:
    return str(node.get_element_type().to_dtype())


def _drop_repeated_rounding(model: openvino.Model) -> None:
    """Take out a FakeQuantize behind another one of the same range, with nothing but moves between them.

    Only where _USERS take what it puts out: in front of sums OpenVINO's CPU plugin (2026.4.1) fuses, and rounds,
    otherwise without one.
    """
    for op in model.get_ordered_ops():
        users = op.output(0).get_target_inputs() if op.get_type_name() == "FakeQuantize" else set()
        if not users or not {user.get_node().get_type_name() for user in users} <= _USERS:
            continue
        before = op.input_value(0).get_node()
        while before.get_type_name() in _MOVES:
            before = before.input_value(0).get_node()
        rounding = _rounding(op)
        if before.get_type_name() == "FakeQuantize" and rounding is not None and rounding == _rounding(before):
            for user in users:
                user.replace_source_output(op.input_value(0))


def _rounding(op: Any) -> tuple[int, list[float]] | None:
    """Steps and bounds of a FakeQuantize that gives the range it takes, the same for all channels; else None."""
    bounds = [op.input_value(index).get_node() for index in range(1, 5)]
    if any(each.get_type_name() != "Constant" or each.data.size != 1 for each in bounds):
        return None
    values = [float(each.data.item()) for each in bounds]
    return (op.get_attributes()["levels"], values) if values[:2] == values[2:] else None


def _share_constants(model: openvino.Model) -> None:
    """Keep one of equal constants, but for int8 weights."""
    first: dict[tuple[str, tuple[int, ...], str], Any] = {}
    for op in model.get_ordered_ops():
        for value in op.inputs():
            output = value.get_source_output()
            node = output.get_node()
            if node.get_type_name() == "Constant" and node.get_element_type() != openvino.Type.i8:
                key = (_type(node), tuple(node.get_output_shape(0)), array_digest(node.data))
                value.replace_source_output(first.setdefault(key, output))


def _drop_notes(net: ElementTree.Element) -> None:
    """Take out indentation, the converter's notes, and the names of all layers and tensors but input and output."""
    results = {layer.get("id") for layer in net.iter("layer") if layer.get("type") == "Result"}
    edges = [edge for edge in net.iter("edge") if edge.get("to-layer") in results]
    named = {(edge.get("from-layer"), edge.get("from-port")) for edge in edges}
    for notes in net.findall("rt_info"):
        net.remove(notes)
    for layer in net.iter("layer"):
        _drop_names(layer, named)
    for element in net.iter():
        element.text = (element.text or "").strip() or None
        element.tail = None


def _drop_names(layer: ElementTree.Element, named: set[tuple[str | None, str | None]]) -> None:
    identifier = layer.get("id", "")
    if layer.get("type") not in _ENDS:
        layer.set("name", identifier)
        for port in layer.iter("port"):
            if (identifier, port.get("id")) not in named:
                port.attrib.pop("names", None)
    for notes in layer.findall("rt_info"):
        for note in [each for each in notes if each.get("name", "").startswith(_NAMES_ONLY)]:
            notes.remove(note)
        if len(notes) == 0:
            layer.remove(notes)


def _drop_shapes(net: ElementTree.Element) -> None:
    """Take out the shapes of all tensors but the input: the reader infers them."""
    for layer in net.iter("layer"):
        for port in layer.iter("port") if layer.get("type") != "Parameter" else ():
            for size in port.findall("dim"):
                port.remove(size)


STEPS: dict[str, LeanStep] = {
    "int32 biases stored as float constants": _graph_step(_fold_biases),
    "rounding that repeats one before left out": _graph_step(_drop_repeated_rounding),
    "equal constants stored once": _graph_step(_share_constants),
    "indentation, notes and inner names left out": _xml_step(_drop_notes),
    "shapes that the reader infers left out": _xml_step(_drop_shapes),
}
