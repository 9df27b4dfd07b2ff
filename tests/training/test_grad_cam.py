"""Which parts of a network are blocks, for every row of the registry, and that their maps are Grad-CAM's."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from edgefer.arch import ARCHS, get_arch
from edgefer.arch.count import skeleton
from edgefer.runtime.errors import BadNetwork, UnknownName
from edgefer.training.grad_cam import MOST, blocks, grad_cam
from tests.made import untrained

LAYERS = {"vgg"}  # modules of arch whose authors wrote layers only


def _blocks(name: str, *layers: str) -> dict[str, tuple[int, int, int]]:
    """The blocks of a network without weights, which costs nothing."""
    arch = get_arch(name)
    network = skeleton(arch).eval()
    inputs = torch.empty(1, arch.channels, arch.crop, arch.crop, device="meta")
    return {each.name: each.shape for each in blocks(network, network, inputs, layers)}


@pytest.mark.parametrize("name", ARCHS)
def test_every_network_has_blocks(name: str) -> None:
    found = _blocks(name)
    assert 2 <= len(found) <= MOST
    sides = [height for _, height, _ in found.values()]
    assert sides == sorted(sides, reverse=True), "from the first block to the last"
    network = skeleton(get_arch(name))
    own = [any(network.get_submodule(each).children()) for each in found]
    assert all(own) or get_arch(name).module in LAYERS


def test_the_blocks_of_ean_are_those_of_its_figures() -> None:
    assert _blocks("ean") == {
        "blocks.0": (8, 22, 22),
        "blocks.1": (16, 11, 11),
        "blocks.2": (16, 11, 11),
        "blocks.3": (32, 6, 6),
        "blocks.4": (32, 6, 6),
        "blocks.5": (64, 3, 3),
    }


def test_of_many_blocks_the_last_at_each_size() -> None:
    assert list(_blocks("resnet152")) == ["blocks.2", "blocks.10", "blocks.46", "blocks.49"]
    assert [height for _, height, _ in _blocks("vgg16-bn-44").values()] == [44, 22, 11, 5, 2]


def test_layers_by_name() -> None:
    assert _blocks("ean", "stem", "blocks.5.body") == {"stem": (16, 44, 44), "blocks.5.body": (64, 3, 3)}
    with pytest.raises(UnknownName, match=r"unknown layer 'blocks\.9'.*did you mean"):
        _blocks("ean", "blocks.9")


def test_a_network_inside_another_is_looked_into() -> None:
    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner: nn.Module = untrained("teacher")
            self.head: nn.Module = nn.Linear(7, 7)

        def forward(self, x: Tensor) -> Tensor:
            logits: Tensor = self.head(self.inner(x))
            return logits

    class Maps(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = cast(nn.Sequential, untrained("teacher").features)[:-1]

        def forward(self, x: Tensor) -> Tensor:
            found: Tensor = self.layers(x)
            return found

    class OfMaps(Outer):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.head = Maps(), nn.Conv2d(192, 7, 1)

    for network in (Outer(), OfMaps()):
        found = blocks(network, network, torch.rand(1, 3, 44, 44))
        assert [each.shape[1] for each in found] == [22, 11, 6]
        assert all(each.name.startswith("inner.") for each in found)


def test_a_network_without_a_map_is_refused() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    with pytest.raises(BadNetwork, match="no part of the network gives a map"):
        blocks(network, network, torch.rand(1, 3, 2, 2))


def test_maps_are_as_the_paper_defines_them() -> None:
    pytest.importorskip("captum", reason="needs captum, which the extra explain brings")
    network, faces, classes = untrained("ean"), torch.rand(3, 3, 44, 44), torch.tensor([0, 3, 6])
    parts = blocks(network, network, faces)
    maps = grad_cam(network, parts, faces, classes)
    assert maps.shape == (3, 6, 44, 44)
    for place, part in enumerate(parts):
        kept: list[Tensor] = []
        handle = part.module.register_forward_hook(lambda _module, _inputs, output, kept=kept: kept.append(output))
        score = network(faces).gather(1, classes[:, None]).sum()
        handle.remove()
        (gradient,) = torch.autograd.grad(score, kept[0])
        weights = gradient.mean((2, 3), keepdim=True)  # equation 1
        expected = torch.relu((weights * kept[0]).sum(1, keepdim=True))  # equation 2
        whole = nn.functional.interpolate(expected, size=(44, 44), mode="bilinear")[:, 0].detach().numpy()
        largest = whole.max((1, 2), keepdims=True)
        np.testing.assert_allclose(maps[:, place], whole / np.maximum(largest, 1e-30), atol=1e-5)


def test_a_block_that_speaks_against_its_class_has_a_map_of_zeros() -> None:
    pytest.importorskip("captum", reason="needs captum, which the extra explain brings")
    network = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(4, 2, bias=False))
    first, last = network.parameters()
    nn.init.ones_(first)
    nn.init.constant_(last[0], -1)
    nn.init.ones_(last[1])
    faces = torch.rand(1, 1, 2, 2)
    parts = blocks(network, network, faces)
    against, for_it = (grad_cam(network, parts, faces, torch.tensor([k])) for k in (0, 1))
    assert not against.any() and for_it.max() == 1 and np.isfinite(against).all()
