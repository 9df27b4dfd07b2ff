"""Weights for a network that has none: how long it takes does not depend on them. For timing only."""

from __future__ import annotations

import hashlib

from torch import nn

from edgefer.arch import Arch
from edgefer.runtime.errors import MissingFile
from edgefer.training import weights
from edgefer.training.weights import TrainedModel

SEED = 0


def load(arch: Arch) -> tuple[TrainedModel, bool]:
    """The shipped weights, or random ones; and whether they are random. Raises BadWeights."""
    try:
        return weights.load_trained_model(arch, None), False
    except MissingFile:
        network = arch.build(seed=SEED).eval()
        return TrainedModel(network, _checksum(network), None), True


def note(arch: Arch) -> str:
    """What a reader of such times must know."""
    return f"weights: none are shipped for {arch.name}, random ones (seed {SEED}) take as long"


def _checksum(network: nn.Module) -> str:
    """Of all tensors, in their order."""
    digest = hashlib.sha256()
    for name, value in network.state_dict().items():
        digest.update(name.encode())
        digest.update(value.contiguous().numpy().tobytes())
    return digest.hexdigest()
