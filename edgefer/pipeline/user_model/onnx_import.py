"""An ONNX file's graph as a torch.fx graph.

From there on it goes the way of edgefer's own networks. An operator that no table holds is an error, never a guess.
Why edgefer has an importer of its own: ARCHITECTURE.md.
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

from edgefer.pipeline.user_model import onnx_batch, probe
from edgefer.pipeline.user_model.onnx_build import Builder, Op, Operand, Value
from edgefer.pipeline.user_model.onnx_constants import CONSTANTS, shifts_to_biases
from edgefer.pipeline.user_model.onnx_file import ONNX_DOMAINS, Source
from edgefer.pipeline.user_model.onnx_functions import FUNCTIONS
from edgefer.pipeline.user_model.onnx_layers import LAYERS
from edgefer.pipeline.user_model.onnx_moves import MOVES
from edgefer.pipeline.user_model.onnx_pool import POOLS
from edgefer.pipeline.user_model.onnx_reductions import REDUCTIONS
from edgefer.runtime.errors import BadNetwork, EdgeferError, ExportFailed

OPERATORS: dict[str, Callable[[Builder, Op], Value | list[Value]]] = {
    **CONSTANTS,
    **FUNCTIONS,
    **LAYERS,
    **MOVES,
    **POOLS,
    **REDUCTIONS,
}
TOLERANCE = 1e-4  # of the largest answer (at least 1), between ONNX Runtime and the imported graph


def convert(source: Source) -> fx.GraphModule:
    """The network, taking (N, C, H, W); raises ExportFailed, naming operators that edgefer doesn't know."""
    graph = source.simple.graph
    _require_known(source)
    build = Builder((1, *source.size))
    face = build.face if source.layout == "NCHW" else replace(build.face, axes=(0, 2, 3, 1))
    uses = Counter(name for node in graph.node for name in node.input)
    known: dict[str, Operand] = {i.name: _tensor(onnx.numpy_helper.to_array(i)) for i in graph.initializer}
    known[next(each.name for each in graph.input if each.name not in known)] = face
    opset = max(each.version for each in source.simple.opset_import if each.domain in ONNX_DOMAINS)
    for node in graph.node:
        try:
            results = _run(build, node, known, opset)
        except ExportFailed as error:
            if source.batch == 1:
                raise
            raise ExportFailed(f"{error} The file is for {source.batch} faces: {onnx_batch.ADVICE}.") from error
        for name, made in zip(node.output, results, strict=False):
            known[name] = replace(made, taken=max(made.taken, uses[name])) if isinstance(made, Value) else made
    return shifts_to_biases(build.finish(_answer(build, known[graph.output[0].name], source)))


_ADVICE = {  # what to do about operators of a domain
    "com.microsoft": "ONNX Runtime wrote them when it optimised the file: give the file from before that",
    "ai.onnx.ml": "they are of classical machine learning, not of a network",
}


def _require_known(source: Source) -> None:
    """Raise ExportFailed, naming each unknown operator and the first node that is one."""
    unknown: dict[str, str] = {}
    for node in source.simple.graph.node:
        kind = _kind(node)
        if kind not in OPERATORS and kind != "Constant":
            unknown.setdefault(kind, f"{kind} (node {node.name or node.output[0]})")
    if unknown:
        domains = {kind.rpartition(".")[0] for kind in unknown}
        advice = "; ".join(_ADVICE[each] for each in sorted(domains & _ADVICE.keys()))
        raise ExportFailed(
            f"{source.path} has operators that edgefer does not know: {', '.join(unknown[k] for k in sorted(unknown))}"
            f"{': ' + advice if advice else ''}."
        )


def _kind(node: onnx.NodeProto) -> str:
    return str(node.op_type) if node.domain in ONNX_DOMAINS else f"{node.domain}.{node.op_type}"


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
    near = difference <= TOLERANCE * max(1.0, float(np.abs(expected).max()))  # so that NaN fails too
    if not near and source.batch > 1:
        raise ExportFailed(
            f"one face alone in {source.path} is {difference:.3g} away from the same face among {source.batch}: "
            f"{onnx_batch.ADVICE}."
        )
    if not near:
        raise ExportFailed(
            f"the graph that edgefer makes of {source.path} is {difference:.3g} away from ONNX Runtime's answer: "
            "an operator in it works otherwise than edgefer takes it; please report it with the file."
        )
