"""What an operation counts as, by convention: tables from kind of operation to a pure function.

A tool of the papers sees nn modules and no functions. So a network's own form decides what is counted,
and there are two conventions of a tool where the papers' forms differ: without and with the activations and
poolings that one author writes as functions and another as modules. Which of them a printed figure is of, its
row says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edgefer.arch.count.trace import Op, elements

Rule = Callable[[Op], int]
Convention = Mapping[str, Rule]


def products(op: Op) -> int:
    """Multiply-accumulates of a convolution or linear layer."""
    assert op.weight is not None
    return elements(op.output) * elements(op.weight[1:])


def products_and_biases(op: Op) -> int:
    """The same, and an addition for each output that has a bias."""
    return products(op) + (elements(op.output) if op.bias else 0)


def matrix_products(op: Op) -> int:
    """Multiply-accumulates of a product of two activations."""
    return elements(op.output) * op.inputs[0][-1]


def outputs(op: Op) -> int:
    """One for each value that comes out."""
    return elements(op.output)


def twice_outputs(op: Op) -> int:
    """A scaling and a shift for each value."""
    return 2 * elements(op.output)


def inputs(op: Op) -> int:
    """One for each value that goes in."""
    return elements(op.inputs[0])


def inputs_and_outputs(op: Op) -> int:
    """An addition for each value that goes in, a division for each that comes out."""
    return elements(op.inputs[0]) + elements(op.output)


def _each(kinds: tuple[str, ...], rule: Rule) -> dict[str, Rule]:
    return dict.fromkeys(kinds, rule)


CONVOLUTIONS = ("Conv1d", "Conv2d")
NORMS = ("BatchNorm1d", "BatchNorm2d", "LayerNorm")
ACTIVATIONS = ("ReLU", "ReLU6", "GELU", "Hardswish", "Hardsigmoid")
POOLS = ("MaxPool2d", "AvgPool2d", "AdaptiveAvgPool2d")

# Products of activations with weights: convolutions and linear layers.
LAYERS: Convention = _each((*CONVOLUTIONS, "Linear"), products)
# Products of activations with activations, which the papers' tools leave out.
ATTENTION: Convention = _each(("matmul",), matrix_products)
# ptflops, as in Kong et al. Tables 1 and 5. 1-d convolutions are not in it, nor the biases of linear layers.
PTFLOPS: Convention = {"Conv2d": products_and_biases, "Linear": products} | _each(NORMS, twice_outputs)
PTFLOPS_MODULES: Convention = {**PTFLOPS} | _each(ACTIVATIONS, outputs) | _each(POOLS, inputs)
# thop, as in Zhao et al. Tables 1 to 7 and Safavi et al. Table II.
THOP: Convention = (
    _each(CONVOLUTIONS, products_and_biases)
    | {"Linear": products}
    | _each(NORMS, twice_outputs)
    | {"AvgPool2d": outputs, "AdaptiveAvgPool2d": inputs_and_outputs}
)
# torchsummary's values that are kept twice (forward and backward), as in Kong et al. Table 5. Attention's 1-d
# convolution, dropout and modules that hold others are not in the printed figures, so they are not here.
TORCHSUMMARY: Convention = _each(("Conv2d", "Linear", *NORMS), outputs)
TORCHSUMMARY_MODULES: Convention = {**TORCHSUMMARY} | _each((*ACTIVATIONS, *POOLS), outputs)

# Known, and counted by no convention: they move values, or work on each value once.
UNCOUNTED = frozenset(
    (
        *("Dropout", "Identity", "ZeroPad2d", "flatten", "unflatten", "transpose", "unsqueeze", "chunk", "getitem"),
        *("cat", "channel_shuffle", "add", "mul", "sigmoid", "softmax", "relu", "mean", "amax"),
        *("adaptive_avg_pool2d", "adaptive_max_pool2d", "contiguous"),
    )
)


def total(ops: list[Op], convention: Convention) -> int:
    """What a network counts as."""
    return sum(convention[op.kind](op) for op in ops if op.kind in convention)


def unknown(ops: list[Op]) -> tuple[str, ...]:
    """The kinds of operations that no rule here knows."""
    known = UNCOUNTED.union(LAYERS, ATTENTION, PTFLOPS_MODULES, THOP)
    return tuple(sorted({op.kind for op in ops} - known))
