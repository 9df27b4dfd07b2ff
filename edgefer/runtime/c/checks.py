"""What must hold of a graph before C is generated from it: the file may come from anywhere, and its C runs here.

Every tensor is written once and before it is read, shapes follow from the operators, scales are numbers, and the
network stays within limits. The generator and the kernels rely on all of that, and check nothing of it again.
"""

from __future__ import annotations

import math

from edgefer.runtime.c.shapes import RULES, check_scales, check_sides, options_of
from edgefer.runtime.c.steps import refuse, shape_of
from edgefer.runtime.c.tflite_file import Graph, Operator, Tensor

OPERATORS = 1000
ACTIVATIONS = 2**25  # values of all tensors together
CONSTANTS = 2**23  # bytes of weights, as the kernels store them
MACS = 2**34  # of one inference
LAYERS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


def check(graph: Graph) -> None:
    """Raise ExportFailed for what no C is generated from, with the operator and what it must be."""
    if len(graph.operators) > OPERATORS:
        raise refuse(f"{len(graph.operators):,} operators", f" (at most {OPERATORS:,})")
    written = {graph.input}
    _check_tensor(graph.tensors[graph.input], "the input")
    for operator in graph.operators:
        _check_operator(graph, operator, written)
        written.add(operator.output)
    if graph.output not in written:
        raise refuse("the output", ", which no operator writes")
    _check_limits(graph)


def _check_tensor(tensor: Tensor, of: str) -> None:
    if tensor.dtype != "int8" or len(tensor.scales) != 1:
        raise refuse(of, " of other tensors than int8 with one scale")
    if tensor.data is not None:
        raise refuse(of, " that is to be computed and is a constant")
    check_sides(tensor, of)
    check_scales(tensor, of)
    shape_of(tensor)


def _check_operator(graph: Graph, operator: Operator, written: set[int]) -> None:
    name, rule = f"the operator {operator.name}", RULES.get(operator.name)
    if rule is None:
        raise refuse(name, f" (known: {', '.join(RULES)})")
    computed = len(operator.inputs) if rule.computed is None else rule.computed
    least = computed + rule.constants
    if not max(1, least) <= len(operator.inputs) <= least + rule.optional:
        raise refuse(name, f" with {len(operator.inputs)} inputs")
    for index in operator.inputs[:computed]:
        if index not in written:
            raise refuse(name, " with a constant, or with a tensor that is written after it is read")
    for index in operator.inputs[computed:least]:
        if index < 0 or graph.tensors[index].data is None:
            raise refuse(name, " with weights, axes or amounts that are computed or left out")
    if operator.output in written:
        raise refuse(name, " that writes what is written already")
    inputs, output = [graph.tensors[index] for index in operator.inputs[:computed]], graph.tensors[operator.output]
    _check_tensor(output, name)
    wanted = rule.output(graph, operator)
    if shape_of(output) != wanted:
        raise refuse(name, f" from the shape {inputs[0].shape} to {output.shape}, where {wanted} follows")
    quantizations = {(each.scales[0], each.zero_point) for each in (output, *inputs)}
    if rule.same_scale and len(quantizations) > 1:
        raise refuse(name, " that changes its scale")


def _check_limits(graph: Graph) -> None:
    values = sum(math.prod(graph.tensors[i].shape) for i in (graph.input, *(each.output for each in graph.operators)))
    constants = sum(_stored(graph, each) for each in graph.operators)
    macs = sum(_macs(graph, each) for each in graph.operators)
    for what, size, most in (
        ("values in its tensors", values, ACTIVATIONS),
        ("bytes of weights", constants, CONSTANTS),
        ("multiplications", macs, MACS),
    ):
        if size > most:
            raise refuse(f"{size:,} {what}", f" (at most {most:,})")


def _weights(graph: Graph, operator: Operator) -> Tensor | None:
    return graph.tensors[operator.inputs[1]] if operator.name in LAYERS else None


def _stored(graph: Graph, operator: Operator) -> int:
    """At most the bytes of an operator's weights once outputs and inputs are rounded up."""
    weights = _weights(graph, operator)
    if weights is None:
        return 0
    outputs, *window, inputs = weights.shape
    return math.prod((*window, *(-(-n // 16) * 16 for n in (outputs, inputs))))


def _macs(graph: Graph, operator: Operator) -> int:
    height, width, channels = shape_of(graph.tensors[operator.output])
    weights = _weights(graph, operator)
    if weights is not None:
        return height * width * math.prod(weights.shape)
    if operator.name == "MAX_POOL_2D":
        window = options_of(operator)
        return height * width * channels * window.number(3) * window.number(4)
    return height * width * channels
