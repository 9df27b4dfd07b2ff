"""The naive baseline: the unfolded float network in torch, as a training script would run it.

The only part of a worker that imports torch.
"""

from __future__ import annotations

from functools import partial

import torch

from edgefer import arch, contract, golden
from edgefer.bench import frame
from edgefer.bench.record import Settings
from edgefer.bench.sampling import Step
from edgefer.bench.subject import Loaded
from edgefer.contract import Contract, TensorSpec
from edgefer.train.augment import to_network
from edgefer.train.weights import load as load_weights


def load(name: str, settings: Settings) -> Loaded:
    """The network called `name` with its shipped weights; raises UnknownName, MissingFile or BadWeights."""
    torch.set_num_threads(settings.threads)
    row = arch.get(name)
    network = load_weights(row, None).network
    given = TensorSpec("x", (1, 3, row.crop, row.crop), "float32")
    agreed = contract.make(row, "NCHW", given, TensorSpec("logits", (1, len(row.labels)), "float32"))
    step = _end_to_end(network, agreed) if settings.scope == "end-to-end" else _alone(network, agreed, settings)
    return Loaded(f"torch {torch.__version__}", "eager, CPU", None, step, [])


def _alone(network: torch.nn.Module, agreed: Contract, settings: Settings) -> Step:
    face = to_network(contract.to_pixels(golden.picture()[None], agreed))
    return torch.inference_mode()(partial(network, face.repeat(settings.batch, 1, 1, 1)))


def _end_to_end(network: torch.nn.Module, agreed: Contract) -> Step:
    camera = frame.frame()

    @torch.inference_mode()
    def step() -> str:
        answer = network(to_network(frame.pixels(camera, frame.BOX, agreed)))
        return agreed.labels[int(answer.argmax())]

    return step
