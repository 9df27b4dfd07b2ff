"""What is rewritten for the converters gives the same numbers."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from edgefer.pipeline.export.rewrite import rewrite_divisions, rewrite_pools
from edgefer.pipeline.fold import DeployableModel
from tests.pipeline.user_model.test_preprocess import OWN

CROP = 13
sizes = st.integers(1, CROP)


def plain(network: nn.Module) -> DeployableModel:
    return DeployableModel(network, user_model=OWN).eval()


def kinds(deployed: DeployableModel) -> set[str]:
    modules = dict(deployed.network.named_modules())
    nodes = deployed.network.graph.nodes
    return {type(modules[str(node.target)]).__name__ for node in nodes if node.op == "call_module"} | {
        getattr(node.target, "__name__", str(node.target)) for node in nodes if node.op != "call_module"
    }


class Pool(nn.Module):
    def __init__(self, pool: nn.Module | None, size: tuple[int, int]) -> None:
        super().__init__()
        self.pool, self.size = pool, size

    def forward(self, x: Tensor) -> Tensor:
        x = functional.adaptive_max_pool2d(x, self.size) if self.pool is None else self.pool(x)
        return x.flatten(1)[:, :3]


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from([nn.AdaptiveMaxPool2d, nn.AdaptiveAvgPool2d, None]), height=sizes, width=sizes)
def test_adaptive_pools_of_every_size_give_the_same_numbers(
    kind: type[nn.Module] | None, height: int, width: int
) -> None:
    deployed = plain(Pool(None if kind is None else kind((height, width)), (height, width)))
    rewritten, pixels = rewrite_pools(deployed, CROP), torch.rand(2, 3, CROP, CROP)
    assert (rewritten(pixels) - deployed(pixels)).abs().max() < 1e-6
    left = kinds(rewritten) & {"AdaptiveMaxPool2d", "AdaptiveAvgPool2d", "adaptive_max_pool2d"}
    assert left <= {"AdaptiveAvgPool2d"}
    assert not left or (CROP % height == CROP % width == 0)


@settings(max_examples=30, deadline=None)
@given(kernel=st.integers(2, 5), padding=st.integers(1, 2), stride=st.integers(1, 3), ceil=st.booleans())
def test_an_average_pool_without_its_padding_counts_nothing_at_run_time(
    kernel: int, padding: int, stride: int, ceil: bool
) -> None:
    pool = nn.AvgPool2d(kernel, stride, min(padding, kernel // 2), ceil, count_include_pad=False)
    deployed, pixels = plain(Pool(pool, (1, 1))), torch.rand(2, 3, CROP, CROP)
    rewritten = rewrite_divisions(deployed, CROP)
    assert (rewritten(pixels) - deployed(pixels)).abs().max() < 1e-6
    assert "mul" in kinds(rewritten)


class Divided(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        x = x - x.mean((1, 2, 3), keepdim=True)
        root = ((x * x).mean((1, 2, 3), keepdim=True) + 1e-5).sqrt()
        return (torch.div(x, root) + x / root + x * (root * root) ** -0.5 + x / (root * root).pow(0.5)).mean((2, 3))


def test_a_division_by_a_square_root_is_a_product_with_its_reciprocal() -> None:
    deployed = plain(Divided())
    rewritten, pixels = rewrite_divisions(deployed, CROP), torch.rand(2, 3, CROP, CROP) * 255
    assert (rewritten(pixels) - deployed(pixels)).abs().max() < 1e-6
    assert "rsqrt" in kinds(rewritten)
    assert not kinds(rewritten) & {"truediv", "div"}


class Lengths(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        x = functional.normalize(x - 0.5) + functional.normalize(x.relu(), dim=2, eps=1e-6)
        return (x + functional.normalize(x, p=1.0, dim=1)).mean((2, 3))


def test_a_norm_of_length_1_is_a_product_with_the_reciprocal_of_the_length() -> None:
    deployed = plain(Lengths())
    rewritten, pixels = rewrite_divisions(deployed, CROP), torch.rand(2, 3, CROP, CROP) * 255
    assert (rewritten(pixels) - deployed(pixels)).abs().max() < 1e-5
    nodes = [node for node in rewritten.network.graph.nodes if node.target is functional.normalize]
    assert [node.kwargs.get("p") for node in nodes] == [1.0]


@pytest.mark.parametrize("rewrite", [rewrite_pools, rewrite_divisions])
def test_a_network_without_any_stays_the_same_object(rewrite: object) -> None:
    deployed = plain(nn.Sequential(nn.Conv2d(3, 3, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    assert callable(rewrite)
    assert rewrite(deployed, CROP) is deployed
