"""Random weights, for measuring what a network costs where nobody has trained it; the one kind that edgefer has."""

from __future__ import annotations

import torch
from torch import nn

from edgefer.arch import Arch
from edgefer.data.dataset import synthetic_faces
from edgefer.runtime.bench_record import RunWarning, WarningKind
from edgefer.runtime.errors import MissingFile
from edgefer.runtime.files import digest
from edgefer.training import weights
from edgefer.training.augment import centre
from edgefer.training.weights import TrainedModel

SEED = 0  # where nobody asks for another
_Norm = nn.modules.batchnorm._BatchNorm
_DROPOUT = (nn.Dropout, nn.Dropout2d)


def make(arch: Arch, seed: int = SEED) -> TrainedModel:
    """The network with weights from `seed`, in evaluation mode; its batch norms have seen synthetic faces."""
    network = arch.build(seed=seed)
    if not any(isinstance(module, _Norm | nn.LayerNorm) for module in network.modules()):
        _spread(network, seed)
    _settle(network, arch)
    return TrainedModel(network.eval(), _checksum(network), None, seed)


def shipped_or_random(arch: Arch) -> TrainedModel:
    """The shipped weights; where there are none random ones, whose `untrained` is SEED. Raises BadWeights."""
    try:
        return weights.load_trained_model(arch, None)
    except MissingFile:
        return make(arch)


def note(arch: Arch) -> RunWarning:
    """What a reader of times of random weights must know."""
    message = "none are shipped for {arch}, random ones (seed {seed}) take as long"
    return RunWarning(WarningKind.WEIGHTS, message, {"arch": arch.name, "seed": SEED})


def _spread(network: nn.Module, seed: int) -> None:
    """Weights that keep the size of activations: torch's own halve it at every layer, and no norm makes up for it."""
    torch.manual_seed(seed)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")


def _settle(network: nn.Module, arch: Arch) -> None:
    """Give batch norms the statistics of synthetic faces: those of a fresh network let activations vanish or explode.

    Rounded, so that they, and the weights' checksum, are the same on processors that add up in another order.
    """
    norms = [module for module in network.modules() if isinstance(module, _Norm)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = None  # the plain mean: of one batch, its own statistics
    network.train()
    for module in network.modules():
        if isinstance(module, _DROPOUT):
            module.eval()
    data = synthetic_faces().resized(arch.resize)
    with torch.no_grad():
        network(centre(data.pixels[:], arch))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        for statistic in (norm.running_mean, norm.running_var):
            assert statistic is not None
            statistic.copy_(statistic.bfloat16().float())


def _checksum(network: nn.Module) -> str:
    """Of all tensors, by their names."""
    tensors = sorted(network.state_dict().items())
    return digest(part for name, value in tensors for part in (name.encode(), value.contiguous().numpy().tobytes()))
