"""Muon: the update of a matrix is orthogonal, its norm is held, and the rest learns by SGD."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from edgefer.training.muon import SHARE, Muon, orthogonalize, parameter_groups


@given(st.integers(2, 24), st.integers(2, 24), st.integers(0, 99))
def test_orthogonalized_has_the_same_singular_vectors_and_values_near_one(rows: int, columns: int, seed: int) -> None:
    wide = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))
    left, _, right = torch.linalg.svd(wide, full_matrices=False)
    even = left @ torch.diag(torch.linspace(0.3, 1.0, min(rows, columns))) @ right  # no value is nearly 0
    core = left.T @ orthogonalize(even) @ right.T
    values = core.diagonal()
    assert torch.allclose(core, torch.diag(values), atol=1e-3)
    assert values.min() > 0.6 and values.max() < 1.3


def made_network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, bias=False),
        nn.BatchNorm2d(8),
        nn.Conv2d(8, 8, 3, groups=8, bias=False),
        nn.Conv2d(8, 4, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )


def weights(network: nn.Module, index: int) -> torch.Tensor:
    return network.get_parameter(f"{index}.weight").detach()


def test_dense_convolutions_are_matrices_and_depthwise_ones_and_vectors_are_not() -> None:
    network = made_network()
    matrices, kernels, vectors = parameter_groups(network, 0.1, 1e-4)
    assert [tuple(p.shape) for p in matrices["params"]] == [(8, 3, 3, 3), (4, 8, 1, 1)]
    assert [tuple(p.shape) for p in kernels["params"]] == [(8, 1, 3, 3)]
    assert [tuple(p.shape) for p in vectors["params"]] == [(8,), (8,), (4,)]
    assert matrices["lr"] == 0.1 * SHARE and kernels["weight_decay"] == 1e-4


def test_what_is_no_matrix_learns_as_by_sgd_and_a_matrix_moves_orthogonally() -> None:
    ours, theirs = made_network(), made_network()
    muon = Muon(parameter_groups(ours, 0.1, 0.0), 0.1, 0.9)
    sgd = torch.optim.SGD(theirs.parameters(), 0.1, momentum=0.9, nesterov=True)
    faces = torch.randn(4, 3, 8, 8)
    before = weights(ours, 0).clone()
    for network, optimizer in ((ours, muon), (theirs, sgd)):
        network(faces).square().sum().backward()
        optimizer.step()
    for index in (1, 2):
        assert torch.allclose(weights(ours, index), weights(theirs, index), atol=1e-6)
    held = before.reshape(8, -1) * 8**0.5 / before.norm()
    moved = (held - weights(ours, 0).reshape(8, -1)) / (0.1 * SHARE)
    values = torch.linalg.svdvals(moved)
    assert values.min() > 0.6 and values.max() < 1.3
