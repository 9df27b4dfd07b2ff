"""OpenVINO IR, from the ONNX graph: fp32 and fp16 directly, int8 from its QDQ form."""

from __future__ import annotations

import io
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import openvino
from openvino._offline_transformations import apply_moc_transformations

from edgefer.pipeline.export import Ranges, to_onnx
from edgefer.pipeline.export.openvino_patches import cut
from edgefer.pipeline.export.to_onnx import activations, convert, input_name, observe
from edgefer.pipeline.targets import Target
from edgefer.runtime.process import quiet
from edgefer.runtime.records import Dtypes

__all__ = ["activations", "convert", "dtypes", "input_name", "observe", "quantize"]  # the float graph is ONNX
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
_COMPUTE = ("Convolution", "GroupConvolution", "MatMul")


def quantize(model: bytes, target: Target, ranges: Ranges | None) -> dict[str, bytes]:
    """IR (.xml and .bin) in the target's precision."""
    source = to_onnx.to_qdq(*cut(model, ranges or {})) if target.precision == "int8" else model
    with tempfile.TemporaryDirectory() as folder, quiet():
        path = Path(folder) / target.file
        # What openvino.convert_model does, without the usage report that it sends home.
        read = openvino.Core().read_model(io.BytesIO(source))
        apply_moc_transformations(read, cf=True)
        _name_evenly(read)
        openvino.save_model(read, path, compress_to_fp16=target.precision == "fp16")
        weights = path.with_suffix(".bin")
        return {path.name: path.read_bytes(), weights.name: weights.read_bytes()}


def _name_evenly(model: openvino.Model) -> None:
    """Number the operations that OpenVINO named itself: its own numbers count up over the whole process."""
    for number, op in enumerate(model.get_ordered_ops()):
        if not op.get_friendly_name().startswith("node_") and op.get_type_name() not in ("Parameter", "Result"):
            op.set_friendly_name(f"{op.get_type_name()}_{number}")


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
