"""What a network counts as. That this is what the papers print, tests/papers/test_printed_figures.py says."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from edgefer.arch import ARCHS, get_arch
from edgefer.arch.count import PTFLOPS_MODULES, count, count_arch, total
from edgefer.arch.count.memory import peak
from edgefer.arch.count.trace import operations
from edgefer.arch.ean import EAN, VARIANTS, Variant
from edgefer.pipeline.fold import DeployableModel, fold

every_arch = pytest.mark.parametrize("name", ARCHS)


@every_arch
def test_every_operation_has_its_rule(name: str) -> None:
    assert count_arch(get_arch(name)).unknown == ()


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("ean", 43_840),
        ("ean-noatt", 43_822),
        ("efficientface", 1_275_293),
        ("efficientface-product", 1_275_293),
        ("efficientface-local", 1_271_767),
        ("efficientface-modulator", 1_265_085),
        ("shufflenetv2", 1_260_779),
        ("mit-fusion", 3_452_519),
        ("vgg16-bn-44", 33_634_375),
        ("resnet18-44", 11_172_423),
        ("mobilenetv2-44", 2_232_839),
    ],
)
def test_parameters_to_the_last_one(name: str, parameters: int) -> None:
    assert count_arch(get_arch(name)).parameters == parameters


def test_attention_products_are_counted_and_can_be_left_out() -> None:
    counted = count_arch(get_arch("mit-fusion"))
    assert round(counted.macs / 1e6, 1) == 458.6
    # Per block: L x L / reduction^2 x channels for the scores, as many for the mixture; two blocks a stage.
    lengths = ((3136, 49, 32), (784, 49, 64), (196, 49, 160), (49, 49, 256))
    assert counted.macs - counted.macs_without_attention == sum(4 * q * k * c for q, k, c in lengths)


def test_model_b_flops_are_those_of_expansion_six() -> None:
    blocks = tuple((channels, 6) for channels, _ in VARIANTS["model_b"].blocks)
    assert round(count(EAN(Variant(32, blocks)), 44).ptflops / 1e6, 3) == 24.834


def test_classes_are_counted() -> None:
    eight, seven = count_arch(get_arch("microexpnet-xxs")), count_arch(get_arch("microexpnet-xxs"), 7)
    assert eight.parameters - seven.parameters == 16 + 1


def test_counting_leaves_the_network_alone() -> None:
    network = get_arch("ean").build()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    count(network, 44)
    assert network.training
    assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())


class _Strange(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cumsum(self.conv(x), 1)


def test_operations_without_a_rule_are_named() -> None:
    counted = count(_Strange(), 8)
    assert counted.unknown == ("cumsum",)
    assert counted.macs == 4 * 6 * 6 * 27


def test_modules_are_counted_and_functions_are_not() -> None:
    as_modules = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.MaxPool2d(2))
    counted = count(as_modules, 8)
    assert counted.ptflops_modules - counted.ptflops == 4 * 64 + 4 * 64  # what ReLU gives, what pooling takes
    assert counted.torchsummary_modules - counted.torchsummary == 4 * 2 * (4 * 64 + 4 * 16)
    functions = [op for op in operations(get_arch("resnet18-44").build(), (1, 3, 44, 44)) if op.kind == "relu"]
    assert len(functions) == 8
    assert total(functions, PTFLOPS_MODULES) == 0


def test_peak_of_a_chain_is_its_widest_step() -> None:
    chain = nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Conv2d(8, 2, 1), nn.Flatten())
    found = peak(fold(chain), (1, 3, 10, 10))
    assert (found.int8, found.float32) == (100 * (3 + 8), 4 * 100 * (3 + 8))  # ReLU in place


def test_peak_keeps_what_a_shortcut_needs() -> None:
    block = fold(get_arch("resnet18-44").build())
    # The first block: its input, the first convolution's result, and the second's.
    assert peak(block, (1, 3, 44, 44)).int8 == 3 * 64 * 44 * 44


@every_arch
def test_peak_is_within_bounds(name: str) -> None:
    from edgefer.arch.count import skeleton

    arch = get_arch(name)
    network = skeleton(arch)
    found = peak(DeployableModel(network, arch.input_min), (1, 3, arch.crop, arch.crop))
    largest = max(
        max(map(_size, (*op.inputs, op.output))) for op in operations(network, (1, arch.channels, arch.crop, arch.crop))
    )
    assert largest <= found.int8 < count_arch(arch).torchsummary_modules
    assert found.float32 == 4 * found.int8


def _size(shape: tuple[int, ...]) -> int:
    return torch.Size(shape).numel()
