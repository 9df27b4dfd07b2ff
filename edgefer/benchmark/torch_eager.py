"""The naive baseline: the unfolded float network in torch, as a training script would run it.

This and torch_gpu are the only parts of a worker that import torch.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from edgefer.arch import Arch, get_arch
from edgefer.runtime import camera_frame, contract, golden
from edgefer.runtime.bench_record import Settings
from edgefer.runtime.contract import Contract, TensorSpec
from edgefer.runtime.sampling import Step
from edgefer.runtime.workload import Loaded
from edgefer.training.augment import to_network
from edgefer.training.weights import load as load_weights

Infer = Callable[[torch.Tensor], torch.Tensor]


def load(name: str, settings: Settings) -> Loaded:
    """The network called `name` with its shipped weights; raises UnknownName, MissingFile or BadWeights."""
    torch.set_num_threads(settings.threads)
    arch = get_arch(name)
    step = make_step(load_weights(arch, None).network, arch, settings)
    return Loaded(f"torch {torch.__version__}", "eager, CPU", None, step, [])


def make_step(infer: Infer, arch: Arch, settings: Settings) -> Step:
    """One inference of the settings by `infer`, which takes a float32 tensor (N, channels, crop, crop)."""
    agreed = promise(arch)
    if settings.scope == "end-to-end":
        return _end_to_end(infer, arch, agreed)
    return torch.inference_mode()(partial(infer, face(arch).repeat(settings.batch, 1, 1, 1)))


def promise(arch: Arch) -> Contract:
    """The contract of the network in torch."""
    given = TensorSpec("x", (1, arch.channels, arch.crop, arch.crop), "float32")
    return arch.contract("NCHW", given, TensorSpec("logits", (1, len(arch.labels)), "float32"))


def face(arch: Arch) -> torch.Tensor:
    """The golden picture as the network takes it: one face."""
    return to_network(contract.to_pixels(golden.picture()[None], promise(arch)), arch)


def _end_to_end(infer: Infer, arch: Arch, agreed: Contract) -> Step:
    camera = camera_frame.frame()

    @torch.inference_mode()
    def step() -> str:
        answer = infer(to_network(camera_frame.pixels(camera, camera_frame.BOX, agreed), arch))
        return agreed.labels[int(answer.argmax())]

    return step
