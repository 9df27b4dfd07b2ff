"""The naive baseline: the unfolded float network in torch, as a training script would run it.

This and torch_gpu are the only parts of a worker that import torch.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from edgefer import arch, contract, golden
from edgefer.arch import Arch
from edgefer.bench import frame
from edgefer.bench.record import Settings
from edgefer.bench.sampling import Step
from edgefer.bench.subject import Loaded
from edgefer.contract import Contract, TensorSpec
from edgefer.train.augment import to_network
from edgefer.train.weights import load as load_weights

Infer = Callable[[torch.Tensor], torch.Tensor]


def load(name: str, settings: Settings) -> Loaded:
    """The network called `name` with its shipped weights; raises UnknownName, MissingFile or BadWeights."""
    torch.set_num_threads(settings.threads)
    row = arch.get(name)
    step = make_step(load_weights(row, None).network, row, settings)
    return Loaded(f"torch {torch.__version__}", "eager, CPU", None, step, [])


def make_step(infer: Infer, row: Arch, settings: Settings) -> Step:
    """One inference of the settings by `infer`, which takes a float32 tensor (N, channels, crop, crop)."""
    agreed = promise(row)
    if settings.scope == "end-to-end":
        return _end_to_end(infer, row, agreed)
    return torch.inference_mode()(partial(infer, face(row).repeat(settings.batch, 1, 1, 1)))


def promise(row: Arch) -> Contract:
    """The contract of the network in torch."""
    given = TensorSpec("x", (1, row.channels, row.crop, row.crop), "float32")
    return contract.make(row, "NCHW", given, TensorSpec("logits", (1, len(row.labels)), "float32"))


def face(row: Arch) -> torch.Tensor:
    """The golden picture as the network takes it: one face."""
    return to_network(contract.to_pixels(golden.picture()[None], promise(row)), row)


def _end_to_end(infer: Infer, row: Arch, agreed: Contract) -> Step:
    camera = frame.frame()

    @torch.inference_mode()
    def step() -> str:
        answer = infer(to_network(frame.pixels(camera, frame.BOX, agreed), row))
        return agreed.labels[int(answer.argmax())]

    return step
