"""An ONNX file as a torch.fx graph: read, checked, simplified for one face, and converted.

From there on it goes the way of edgefer's own networks.

Written here because the library for it, onnx2torch, had its last release in 2024, knows operators up to opset 13 to 16
and needs torchvision beside the pinned torch. An operator that no table holds is an error, never a guess.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import onnxsim
import torch
from numpy.typing import NDArray
from torch import Tensor, fx

from edgefer.pipeline.user_model import probe
from edgefer.pipeline.user_model.contract_file import ContractFile, Layout, Size, require_square
from edgefer.pipeline.user_model.onnx_build import Builder, Op, Operand, Value
from edgefer.pipeline.user_model.onnx_constants import CONSTANTS, shifts_to_biases
from edgefer.pipeline.user_model.onnx_functions import FUNCTIONS, MOVES
from edgefer.pipeline.user_model.onnx_layers import LAYERS, pad
from edgefer.runtime.errors import BadNetwork, EdgeferError, ExportFailed, MissingFile
from edgefer.runtime.process import quiet

_NEWEST = 23  # the newest opset whose operators onnx_layers and onnx_functions were written for


@dataclass(frozen=True)
class Source:
    """The graph of a file for one face, its input's size and layout."""

    path: Path
    whole: onnx.ModelProto
    simple: onnx.ModelProto
    size: Size
    layout: Layout

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the input, as the file has it."""
        return _shape(self.size, self.layout)

    def run(self, given: NDArray[np.float32]) -> NDArray[np.float32]:
        """What ONNX Runtime makes of (N, C, H, W), face by face, in the file as it was given."""
        with quiet():
            session = onnxruntime.InferenceSession(self.whole.SerializeToString(), providers=["CPUExecutionProvider"])
            name = session.get_inputs()[0].name
            faces = given if self.layout == "NCHW" else given.transpose(0, 2, 3, 1)
            return np.concatenate([session.run(None, {name: np.ascontiguousarray(face[None])})[0] for face in faces])


def read_onnx(path: Path, contract: ContractFile) -> Source:
    """Open the file; raises MissingFile, BadNetwork (no classifier of one face) or ExportFailed."""
    model = _open(path)
    constants = {each.name for each in model.graph.initializer}
    inputs = [each for each in model.graph.input if each.name not in constants]
    for what, found in (("input", inputs), ("output", list(model.graph.output))):
        if len(found) != 1:
            names = ", ".join(each.name for each in found) or "none"
            raise BadNetwork(f"{path} has {len(found)} {what}s ({names}): a classifier of one face has one {what}.")
    if inputs[0].type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
        raise BadNetwork(f"the input {inputs[0].name} of {path} is no float32 tensor: give the float network.")
    size, layout = _input(path, inputs[0], contract)
    return Source(path, model, _simplified(path, model, inputs[0].name, _shape(size, layout)), size, layout)


def _open(path: Path) -> onnx.ModelProto:
    if not path.is_file():
        raise MissingFile(f"no network at {path}: give an .onnx file.")
    try:
        model = onnx.load(path)
        newest = min(_NEWEST, onnx.defs.onnx_opset_version())
        opset = max((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), default=0)
        if opset > newest:
            raise BadNetwork(f"{path} is of opset {opset}, edgefer reads up to {newest}: export it with that one.")
        onnx.checker.check_model(model)
    except OSError as error:
        raise MissingFile(f"can't read {path} ({error.strerror or error}): check its permissions.") from error
    except BadNetwork:
        raise
    except Exception as error:  # protobuf's and the checker's have no base in common
        raise BadNetwork(f"{path} is not a whole ONNX file ({str(error)[:200]}): get or export it again.") from error
    return model


def _input(path: Path, given: onnx.ValueInfoProto, contract: ContractFile) -> tuple[Size, Layout]:
    """The size of a face and its layout, from the file and from what the contract says."""
    shape = [dim.dim_value or None for dim in given.type.tensor_type.shape.dim]
    if len(shape) != 4:
        raise BadNetwork(f"the input {given.name} of {path} has {len(shape)} dimensions: a face has 4, NCHW or NHWC.")
    layout: Layout = contract.layout or ("NHWC" if shape[3] in (1, 3) and shape[1] not in (1, 3) else "NCHW")
    known = [shape[axis] for axis in ((1, 2, 3) if layout == "NCHW" else (3, 1, 2))]
    wanted = list(contract.size or known)
    if any(have not in (None, want) for have, want in zip(known, wanted, strict=True)):
        raise BadNetwork(
            f"{path} takes {_written(known)} ({layout}), not {_written(wanted)}: correct --input, or the contract."
        )
    channels, height, width = wanted
    if channels is None or height is None or width is None:
        raise BadNetwork(
            f"{path} leaves the size of its input open ({_written(known)}): say it with --input, like --input 1x64x64."
        )
    return require_square((channels, height, width)), layout


def _written(size: list[int | None] | list[int]) -> str:
    return "x".join("?" if each is None else str(each) for each in size)


def _shape(size: Size, layout: Layout) -> tuple[int, ...]:
    channels, height, width = size
    return (1, channels, height, width) if layout == "NCHW" else (1, height, width, channels)


def _simplified(path: Path, model: onnx.ModelProto, name: str, shape: tuple[int, ...]) -> onnx.ModelProto:
    """Without what only computes constants. Batch norms stay: edgefer folds them itself, in double precision."""
    try:
        with quiet():
            simple, same = onnxsim.simplify(model, overwrite_input_shapes={name: list(shape)}, skip_fuse_bn=True)
    except Exception as error:  # onnxsim raises what ONNX Runtime and the checker raise
        reason = " ".join(str(error).split())[:300]
        raise ExportFailed(f"onnxsim can't simplify {path} for {'x'.join(map(str, shape))} ({reason}).") from error
    if not same:
        raise ExportFailed(f"onnxsim's simplified graph of {path} does not give the outputs of the file.")
    return simple


OPERATORS: dict[str, Callable[[Builder, Op], Value | list[Value]]] = {
    **CONSTANTS,
    **FUNCTIONS,
    **LAYERS,
    **MOVES,
    "Pad": pad,
}
TOLERANCE = 1e-4  # of the largest answer (at least 1), between ONNX Runtime and the imported graph


def convert(source: Source) -> fx.GraphModule:
    """The network, taking (N, C, H, W); raises ExportFailed, naming operators that edgefer doesn't know."""
    graph = source.simple.graph
    unknown = sorted({_kind(node) for node in graph.node} - OPERATORS.keys() - {"Constant"})
    if unknown:
        raise ExportFailed(f"{source.path} has operators that edgefer does not know: {', '.join(unknown)}.")
    build = Builder((1, *source.size))
    face = build.face if source.layout == "NCHW" else replace(build.face, axes=(0, 2, 3, 1))
    uses = Counter(name for node in graph.node for name in node.input)
    known: dict[str, Operand] = {i.name: _tensor(onnx.numpy_helper.to_array(i)) for i in graph.initializer}
    known[next(each.name for each in graph.input if each.name not in known)] = face
    opset = max(each.version for each in source.simple.opset_import if each.domain in ("", "ai.onnx"))
    for node in graph.node:
        for name, made in zip(node.output, _run(build, node, known, opset), strict=False):
            known[name] = replace(made, taken=max(made.taken, uses[name])) if isinstance(made, Value) else made
    return shifts_to_biases(build.finish(_answer(build, known[graph.output[0].name], source)))


def _kind(node: onnx.NodeProto) -> str:
    return str(node.op_type) if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"


def _tensor(array: Any) -> Tensor:
    return torch.from_numpy(np.array(array))


def _run(build: Builder, node: onnx.NodeProto, known: dict[str, Operand], opset: int) -> list[Operand]:
    attributes = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
    if node.op_type == "Constant":
        return [_tensor(onnx.numpy_helper.to_array(attributes["value"]))]
    inputs = tuple(known[name] if name else None for name in node.input)
    op = Op(node.op_type, node.name or node.output[0], inputs, attributes | {"opset": opset}, len(node.output))
    try:
        made = OPERATORS[node.op_type](build, op)
    except EdgeferError:
        raise
    except Exception as error:  # whatever a form of the operator provokes that nobody foresaw
        raise op.refused(f"{type(error).__name__}: {str(error)[:200]}") from error
    return list(made) if isinstance(made, list) else [made]


def _answer(build: Builder, output: Operand, source: Source) -> Value:
    """The output as (1, classes)."""
    if not isinstance(output, Value):
        raise BadNetwork(f"the output of {source.path} does not depend on the face.")
    long = [n for n in output.shape[1:] if n > 1]
    return build.reshape(output, (1, *long)) if len(output.shape) > 2 and len(long) == 1 else output


def require_same(source: Source, network: fx.GraphModule, inputs: Tensor) -> None:
    """Raise ExportFailed if the network's answers are not ONNX Runtime's, for inputs (N, C, H, W) as the file takes."""
    outputs = probe.run(network, inputs).numpy()
    expected = source.run(inputs.numpy()).reshape(outputs.shape)
    difference = float(np.abs(outputs - expected).max())
    if not difference <= TOLERANCE * max(1.0, float(np.abs(expected).max())):  # so that NaN fails too
        raise ExportFailed(
            f"the graph that edgefer makes of {source.path} is {difference:.3g} away from ONNX Runtime's answer: "
            "an operator in it works otherwise than edgefer takes it; please report it with the file."
        )
