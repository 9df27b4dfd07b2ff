"""Parameters, operations and activation memory of a network, each by the convention of the papers that print it.

macs                   multiply-accumulates: convolutions, linear layers and attention's products
macs_without_attention the same without products of two activations
ptflops                Kong et al. Table 1: convolutions with biases, linear layers, 2 x what norms give
ptflops_modules        Kong et al. Table 5: and what activations give, what poolings take, where they are modules
thop                   Zhao et al., Safavi et al.: convolutions with biases, linear layers, 2 x what norms give,
                       average pooling where it is a module
torchsummary           bytes, an estimate: (input + 2 x what layers and norms give + parameters) x 4
torchsummary_modules   the same, and what activations and poolings give

A convention is a table from kind of operation to what one counts as. A tool of the papers sees nn modules and no
functions. So a network's own form decides what is counted, and there are two conventions of a tool where the papers'
forms differ: without and with the activations and poolings that one author writes as functions and another as modules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import torch
from torch import nn

from edgefer.arch.architecture import Arch
from edgefer.arch.count.trace import Op, Shape, elements, operations

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


FLOAT32 = 4


@dataclass(frozen=True)
class Count:
    """Figures of one image; see the module for what each one means.

    parameters_and_statistics  with the running means and variances of batch norms
    unknown                    kinds of operations that are in no figure because no rule knows them
    """

    parameters: int
    parameters_and_statistics: int
    macs: int
    macs_without_attention: int
    ptflops: int
    ptflops_modules: int
    thop: int
    torchsummary: int
    torchsummary_modules: int
    unknown: tuple[str, ...]


def count(network: nn.Module, size: int, channels: int = 3) -> Count:
    """Count one image of size x size; the network is left as it was."""
    shape = (1, channels, size, size)
    return summarise(network, operations(network, shape), shape)


def summarise(network: nn.Module, ops: list[Op], shape: Shape) -> Count:
    """The figures of a network whose operations are known."""
    parameters = sum(p.numel() for p in network.parameters() if p.requires_grad)
    statistics = sum(b.numel() for b in network.buffers() if b.is_floating_point())
    layers, attention = total(ops, LAYERS), total(ops, ATTENTION)

    def kept(convention: Convention) -> int:
        return FLOAT32 * (elements(shape) + 2 * total(ops, convention) + parameters)

    return Count(
        parameters=parameters,
        parameters_and_statistics=parameters + statistics,
        macs=layers + attention,
        macs_without_attention=layers,
        ptflops=total(ops, PTFLOPS),
        ptflops_modules=total(ops, PTFLOPS_MODULES),
        thop=total(ops, THOP),
        torchsummary=kept(TORCHSUMMARY),
        torchsummary_modules=kept(TORCHSUMMARY_MODULES),
        unknown=unknown(ops),
    )


def skeleton(arch: Arch, classes: int | None = None) -> nn.Module:
    """The network without values, for counting: as many classes as the paper's figures by default."""
    with torch.device("meta"):
        return arch.build(classes or arch.classes).eval()


@cache
def count_arch(arch: Arch, classes: int | None = None) -> Count:
    """Count a network, with as many classes as the paper's figures by default."""
    return count(skeleton(arch, classes), arch.crop, arch.channels)
