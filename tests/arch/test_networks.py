"""Every row of the registry: shapes, gradients, folding, deployment. A new row needs no new test."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from edgefer.arch import ARCHS, get_arch
from edgefer.arch.architecture import grey_affine
from edgefer.arch.count import skeleton
from edgefer.pipeline.fold import DeployableModel, fold, fold_input
from edgefer.runtime.errors import ExportFailed, UnknownName
from edgefer.runtime.preprocess import LUMA
from tests.made import shake, untrained

HEAVY = 20_000_000  # parameters: of such a network only shapes are tested, or its tests would take minutes
every_arch = pytest.mark.parametrize("name", ARCHS)


def _parameters(name: str) -> int:
    return sum(p.numel() for p in skeleton(get_arch(name)).parameters())


LIGHT = tuple(name for name in ARCHS if _parameters(name) < HEAVY)
QUICK = tuple(name for name in LIGHT if get_arch(name).crop < 100)
ONE_EACH = tuple({get_arch(name).module: name for name in reversed(LIGHT)}.values())


def _shaken(name: str, seed: int = 0) -> nn.Module:
    """As tests.made.untrained, with batch norms over vectors shaken too."""
    network = untrained(name, seed)
    random = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.copy_(torch.randn(module.num_features, generator=random) * 0.5)
            module.running_var.copy_(torch.rand(module.num_features, generator=random) * 2 + 0.1)
    return network


def _faces(name: str, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """RGB pixels (N, 3, S, S), and the same as training has them."""
    arch = get_arch(name)
    random = torch.Generator().manual_seed(seed)
    rgb = torch.randint(0, 256, (count, 3, arch.crop, arch.crop), generator=random).float()
    grey = (rgb / 255 * torch.tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)
    return rgb, (arch.input_min + (1 - arch.input_min) * grey).expand(-1, arch.channels, -1, -1)


@every_arch
def test_folds_to_what_can_be_exported(name: str) -> None:
    arch = get_arch(name)
    deployed = DeployableModel(skeleton(arch, len(arch.labels)), arch.input_min)
    assert not [m for m in deployed.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    pixels = torch.zeros(1, 3, arch.crop, arch.crop, device="meta")
    assert deployed(pixels).shape == (1, len(arch.labels))


@pytest.mark.parametrize("name", LIGHT)
def test_folds_and_deploys(name: str) -> None:
    arch, network = get_arch(name), _shaken(name)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    rgb, grey = _faces(name, 1, 1)
    with torch.no_grad():
        logits = network(grey)
        found = DeployableModel(network, arch.input_min).eval()(rgb)
    assert found.shape == (1, len(arch.labels))
    assert logits.isfinite().all()
    assert torch.allclose(found, torch.softmax(logits, 1), atol=1e-4)
    assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from(QUICK))
def test_folded_equals_unfolded(seed: int, name: str) -> None:
    _folds(name, seed)


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([name for name in LIGHT if name not in QUICK]))
def test_large_folded_equals_unfolded(seed: int, name: str) -> None:
    _folds(name, seed)


def _folds(name: str, seed: int) -> None:
    network = _shaken(name, seed)
    folded = fold(network)
    assert not [m for m in folded.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    _, x = _faces(name, 1, seed)
    with torch.no_grad():
        expected, found = network(x), folded(x)
    assert (expected - found).abs().max() <= 1e-4 * max(1.0, float(expected.abs().max()))


@every_arch
def test_builds_with_other_classes(name: str) -> None:
    arch = get_arch(name)
    for classes in (7, 8):
        x = torch.zeros(1, arch.channels, arch.crop, arch.crop, device="meta")
        assert skeleton(arch, classes)(x).shape == (1, classes)


@every_arch
def test_rows_are_consistent(name: str) -> None:
    arch = get_arch(name)
    assert arch.name == name and "." not in name
    assert arch.resize >= arch.crop
    with torch.device("meta"):
        network = arch.build()
    assert network.training


@pytest.mark.parametrize("name", ONE_EACH)
def test_every_weight_learns(name: str) -> None:
    network, (_, x) = get_arch(name).build(seed=1), _faces(name, 2, 2)
    functional.cross_entropy(network(x), torch.arange(2)).backward()  # type: ignore[no-untyped-call]
    silent = [key for key, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum()]
    # A convolution's bias in front of batch norm has no effect in training.
    assert [key for key in silent if not key.endswith(".bias")] == []


def test_a_seed_repeats() -> None:
    one, two = get_arch("ean").build(seed=3).state_dict(), get_arch("ean").build(seed=3).state_dict()
    other = get_arch("ean").build(seed=4).state_dict()
    assert all(torch.equal(one[k], two[k]) for k in one)
    assert not torch.equal(one["stem.0.weight"], other["stem.0.weight"])


def test_registry_is_light() -> None:
    code = "import sys; import edgefer.arch; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_unknown_arch_names_the_near_ones() -> None:
    with pytest.raises(UnknownName, match="model_a") as failure:
        get_arch("model_aa")
    assert failure.value.exit_code == 3


def test_same_padding_is_tensorflows() -> None:
    from edgefer.arch.microexpnet import SameConv

    assert [type(m).__name__ for m in SameConv(1, 16, 8, 4, 84)] == ["Conv2d"]  # 2 on every side
    pad, _ = SameConv(16, 32, 4, 2, 21)
    assert isinstance(pad, nn.ZeroPad2d) and pad.padding == (1, 2, 1, 2)  # the odd one right and below


@pytest.mark.parametrize(("side", "half"), [(60, 30), (30, 15), (15, 8), (8, 4)])
def test_pooling_is_kerass(side: int, half: int) -> None:
    from edgefer.arch.lcnn import _same_pool

    x = torch.randn(1, 2, side, side, generator=torch.Generator().manual_seed(side))
    needed = (half - 1) * 2 + 3 - side
    before, after = needed // 2, needed - needed // 2
    padded = functional.pad(x, (before, after, before, after), value=-torch.inf)
    assert torch.equal(_same_pool(side, 2)(x), functional.max_pool2d(padded, 3, 2))


def test_attention_is_torchs() -> None:
    from edgefer.arch.mit import Attention

    torch.manual_seed(0)
    ours = Attention(64, 2, 1, 7).eval()
    theirs = nn.MultiheadAttention(64, 2, batch_first=True).eval()
    theirs.in_proj_weight.data = torch.cat((ours.query.weight, ours.key_value.weight)).detach()
    theirs.in_proj_bias.data = torch.cat((ours.query.bias, ours.key_value.bias)).detach()
    theirs.out_proj.load_state_dict(ours.out.state_dict())
    x = torch.randn(2, 49, 64)
    assert torch.allclose(ours(x), theirs(x, x, x)[0], atol=1e-5)


def test_modulator_joins_by_sum_or_product() -> None:
    by_sum, by_product = _shaken("efficientface"), _shaken("efficientface-product")
    by_product.load_state_dict(by_sum.state_dict())
    _, x = _faces("efficientface", 1, 0)
    with torch.no_grad():
        assert not torch.allclose(by_sum(x), by_product(x))


def test_a_batch_norm_over_a_vector_of_its_own_is_refused() -> None:
    with pytest.raises(ExportFailed, match="can't be folded away"):
        fold(nn.Sequential(nn.ReLU(), nn.BatchNorm1d(3)))


class _Shared(nn.Module):
    """Convolutions that something beside the batch norm behind them reads, or that run twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.again = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1)
        self.other = nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        z: Tensor = y + self.norm(y) + self.other(self.again(x)) + self.again(y)
        return z


def test_a_batch_norm_behind_a_shared_layer_stays_apart() -> None:
    network = shake(_Shared()).eval()
    x = torch.rand(2, 3, 5, 5)
    folded = fold(network)
    assert [type(m).__name__ for m in folded.children()].count("BatchNorm2d") == 0
    assert torch.allclose(folded(x), network(x), atol=1e-5)


class _Padded(nn.Module):
    def __init__(self, value: float) -> None:
        super().__init__()
        self.value, self.conv = value, nn.Conv2d(1, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(functional.pad(x, (0, 1, 0, 1), value=self.value))
        return y


def test_input_folds_through_padding_with_black_only() -> None:
    rgb, luma = torch.rand(1, 3, 6, 6) * 255, torch.tensor(LUMA).view(1, 3, 1, 1)
    network = fold(_Padded(0.0))
    grey = (rgb * luma).sum(1, keepdim=True) / 255
    assert torch.allclose(fold_input(network, grey_affine())[0](rgb), network(grey), atol=1e-5)
    with pytest.raises(ExportFailed, match="not black"):
        fold_input(network, grey_affine(-1.0))
    with pytest.raises(ExportFailed, match="does not begin"):
        fold_input(fold(_Padded(0.5)), grey_affine())


def test_input_shift_needs_a_convolution_without_padding() -> None:
    with pytest.raises(ExportFailed, match="not black"):
        fold_input(fold(nn.Sequential(nn.Conv2d(1, 2, 3, padding=1))), grey_affine(-1.0))
