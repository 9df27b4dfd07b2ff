"""Every row of the registry: counts as printed, shapes, folding, export. A new row needs no new test."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from edgefer import arch
from edgefer.arch import ARCHS
from edgefer.arch.count import count
from edgefer.data.preprocess import LUMA
from edgefer.errors import ExportFailed, UnknownName
from edgefer.fold import Deployed, fold
from tests.made import untrained

# What nothing explains, or only an other network: (column, network) -> what is counted instead.
DIFFERS = {
    ("parameters", "model_b"): "0.077 M",
    ("flops", "model_b"): "12.909",
    ("flops", "model_e"): "5.703",
}
every_arch = pytest.mark.parametrize("name", ARCHS)


def _like(printed: str, value: int) -> str:
    """`value` with as many digits as the paper prints."""
    if printed.endswith(" M"):
        return f"{value / 1e6:.3f} M"
    return f"{value / 1e6:.3f}" if "." in printed else f"{value:,}"


@every_arch
def test_counts_are_the_printed_ones(name: str) -> None:
    row = arch.get(name)
    counted = count(row.build(), row.crop)
    for column, printed, value in (
        ("parameters", row.printed_parameters, counted.parameters),
        ("flops", row.printed_mflops, counted.flops),
    ):
        if printed:
            assert _like(printed, value) == DIFFERS.get((column, name), printed)


def test_attention_costs_eighteen_parameters() -> None:
    assert count(arch.get("ean").build(), 44).parameters == 43_840
    assert count(arch.get("ean-noatt").build(), 44).parameters == 43_822


def test_model_b_flops_are_those_of_expansion_six() -> None:
    from edgefer.arch.ean import EAN, VARIANTS, Variant

    blocks = tuple((channels, 6) for channels, _ in VARIANTS["model_b"].blocks)
    assert round(count(EAN(Variant(32, blocks)), 44).flops / 1e6, 3) == 24.834


def test_counting_leaves_the_network_alone() -> None:
    network = arch.get("ean").build()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    count(network, 44)
    assert network.training
    assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())


@every_arch
def test_folds_and_deploys(name: str) -> None:
    row, network = arch.get(name), untrained(name)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    rgb = torch.randint(0, 256, (3, 3, row.crop, row.crop), generator=torch.Generator().manual_seed(1)).float()
    grey = (rgb / 255 * torch.tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True).expand(-1, 3, -1, -1)
    with torch.no_grad():
        expected = torch.softmax(network(grey), 1)
        found = Deployed(network).eval()(rgb)
    assert found.shape == (3, len(row.labels))
    assert torch.allclose(found, expected, atol=1e-5)
    assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from(sorted(ARCHS)))
def test_folded_equals_unfolded(seed: int, name: str) -> None:
    network = untrained(name, seed)
    folded = fold(network)
    assert not [m for m in folded.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    size = arch.get(name).crop
    x = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        expected, found = network(x), folded(x)
    assert (expected - found).abs().max() <= 1e-4 * expected.abs().max()


def test_a_batch_norm_of_its_own_is_refused() -> None:
    with pytest.raises(ExportFailed, match="can't be folded away"):
        fold(torch.nn.Sequential(torch.nn.ReLU(), torch.nn.BatchNorm2d(3)))


def test_unknown_arch_names_the_near_ones() -> None:
    with pytest.raises(UnknownName, match="model_a") as failure:
        arch.get("model_aa")
    assert failure.value.exit_code == 3
