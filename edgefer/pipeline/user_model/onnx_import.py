"""An ONNX graph as a torch.fx graph: from there on it goes the way of edgefer's own networks.

Written here because the library for it, onnx2torch, had its last release in 2024, knows operators up to opset 13 to 16
and needs torchvision beside the pinned torch. An operator that no table holds is an error, never a guess.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, fx

from edgefer.pipeline.user_model import probe
from edgefer.pipeline.user_model.onnx_build import Builder, Given, Op, Value
from edgefer.pipeline.user_model.onnx_constants import CONSTANTS, shifts_to_biases
from edgefer.pipeline.user_model.onnx_functions import FUNCTIONS
from edgefer.pipeline.user_model.onnx_layers import LAYERS
from edgefer.pipeline.user_model.onnx_moves import MOVES
from edgefer.pipeline.user_model.onnx_pad import pad
from edgefer.pipeline.user_model.onnx_read import Source
from edgefer.runtime.errors import BadNetwork, EdgeferError, ExportFailed

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
    known: dict[str, Given] = {i.name: _tensor(onnx.numpy_helper.to_array(i)) for i in graph.initializer}
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


def _run(build: Builder, node: onnx.NodeProto, known: dict[str, Given], opset: int) -> list[Given]:
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


def _answer(build: Builder, found: Given, source: Source) -> Value:
    """The output as (1, classes)."""
    if not isinstance(found, Value):
        raise BadNetwork(f"the output of {source.path} does not depend on the face.")
    long = [n for n in found.shape[1:] if n > 1]
    return build.reshape(found, (1, *long)) if len(found.shape) > 2 and len(long) == 1 else found


def require_same(source: Source, network: fx.GraphModule, given: Tensor) -> None:
    """Raise ExportFailed if the network's answers are not ONNX Runtime's, for inputs (N, C, H, W) as the file takes."""
    found = probe.run(network, given).numpy()
    wanted = source.run(given.numpy()).reshape(found.shape)
    difference = float(np.abs(found - wanted).max())
    if not difference <= TOLERANCE * max(1.0, float(np.abs(wanted).max())):  # so that NaN fails too
        raise ExportFailed(
            f"the graph that edgefer makes of {source.path} is {difference:.3g} away from ONNX Runtime's answer: "
            "an operator in it works otherwise than edgefer takes it; please report it with the file."
        )
