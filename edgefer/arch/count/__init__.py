"""Parameters, operations and activation memory of a network, each by the convention of the papers that print it.

macs                   multiply-accumulates: convolutions, linear layers and attention's products
macs_without_attention the same without products of two activations
ptflops                Kong et al. Table 1: convolutions with biases, linear layers, 2 x what norms give
ptflops_modules        Kong et al. Table 5: and what activations give, what poolings take, where they are modules
thop                   Zhao et al., Safavi et al.: convolutions with biases, linear layers, 2 x what norms give,
                       average pooling where it is a module
torchsummary           bytes, an estimate: (input + 2 x what layers and norms give + parameters) x 4
torchsummary_modules   the same, and what activations and poolings give
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from torch import nn

from edgefer.arch.architecture import Arch
from edgefer.arch.count import rules
from edgefer.arch.count.trace import Op, Shape, elements, operations

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
    layers, attention = rules.total(ops, rules.LAYERS), rules.total(ops, rules.ATTENTION)

    def kept(convention: rules.Convention) -> int:
        return FLOAT32 * (elements(shape) + 2 * rules.total(ops, convention) + parameters)

    return Count(
        parameters=parameters,
        parameters_and_statistics=parameters + statistics,
        macs=layers + attention,
        macs_without_attention=layers,
        ptflops=rules.total(ops, rules.PTFLOPS),
        ptflops_modules=rules.total(ops, rules.PTFLOPS_MODULES),
        thop=rules.total(ops, rules.THOP),
        torchsummary=kept(rules.TORCHSUMMARY),
        torchsummary_modules=kept(rules.TORCHSUMMARY_MODULES),
        unknown=rules.unknown(ops),
    )


def skeleton(arch: Arch, classes: int | None = None) -> nn.Module:
    """The network without values, for counting: as many classes as the paper's figures by default."""
    with torch.device("meta"):
        return arch.build(classes or arch.classes).eval()


@cache
def count_arch(arch: Arch, classes: int | None = None) -> Count:
    """Count a network, with as many classes as the paper's figures by default."""
    return count(skeleton(arch, classes), arch.crop, arch.channels)
