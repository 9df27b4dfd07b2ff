"""Training of one network on hard labels: seeded, one checkpoint an epoch, resumable.

An epoch depends only on (seed, epoch, weights, optimiser state), so a run that was killed and
resumed gives the weights of one that was not.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgefer.arch import Arch
from edgefer.data.dataset import Dataset
from edgefer.records import Epoch
from edgefer.train.augment import augment, centre, grey, spread
from edgefer.train.recipes import Plan, Recipe

EVAL_PIXELS = 256 * 48 * 48  # of the faces that are shown at once in evaluation
EPOCH_SEEDS = 1_000_003  # spreads (seed, epoch) pairs so that no two runs share a stream


@dataclass
class State:
    """Everything that changes while training; what a checkpoint holds."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    curve: list[Epoch]
    best: dict[str, Tensor]


def layout(row: Arch) -> torch.memory_format:
    """How tensors lie in memory: channels last is faster (benchmarks/tables/training.md).

    But not with one channel: there torch 2.13 writes past the end of LCNN's gradients.
    """
    return torch.channels_last if row.channels > 1 else torch.contiguous_format


def start(row: Arch, recipe: Recipe) -> State:
    """A fresh network of `row` before the first epoch."""
    network = row.build()
    network.to(memory_format=layout(row))  # type: ignore[call-overload]
    optimizer = torch.optim.SGD(
        network.parameters(),
        recipe.lr,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
        nesterov=True,
    )
    return State(network, optimizer, [], {})


def rate(recipe: Recipe, step: int, steps_per_epoch: int) -> float:
    """The learning rate at a step: linear warm-up, then a half cosine to zero."""
    warm, total = recipe.warmup * steps_per_epoch, recipe.epochs * steps_per_epoch
    if step < warm:
        return recipe.lr * (step + 1) / warm
    return recipe.lr * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, total - warm)))


def logits(network: nn.Module, data: Dataset, row: Arch) -> Tensor:
    """float32 (N, classes) of the network of `row` on the centre crops; it is put into evaluation mode."""
    network.eval()
    batch = max(1, EVAL_PIXELS // row.resize**2)
    with torch.inference_mode():
        parts = [network(centre(data.pixels[i : i + batch], row)) for i in range(0, len(data), batch)]
    return torch.cat(parts)


def epochs(state: State, plan: Plan, train: Dataset, public: Dataset, tick: Callable[[float], None]) -> Iterator[Epoch]:
    """Run the epochs that are left, one per step of the iterator; `tick` hears the loss of each batch."""
    for number in range(len(state.curve), plan.recipe.epochs):
        began = time.perf_counter()
        lr, loss, right = _one_epoch(state, plan, number, train, tick)
        hits = (logits(state.network, public, plan.arch).argmax(1).numpy() == public.labels).mean()
        epoch = Epoch(number + 1, lr, loss, 100 * right, 100 * float(hits), time.perf_counter() - began)
        if all(epoch.public_accuracy > earlier.public_accuracy for earlier in state.curve):
            state.best = {name: value.detach().clone() for name, value in state.network.state_dict().items()}
        state.curve.append(epoch)
        yield epoch


def _one_epoch(
    state: State, plan: Plan, number: int, train: Dataset, tick: Callable[[float], None]
) -> tuple[float, float, float]:
    """Learning rate at the start, mean loss and accuracy of one pass over the training faces."""
    recipe = plan.recipe
    seed = plan.seed * EPOCH_SEEDS + number
    torch.manual_seed(seed)  # dropout
    generator = torch.Generator().manual_seed(seed)  # order and augmentation
    order = torch.randperm(len(train), generator=generator)
    steps = math.ceil(len(order) / recipe.batch)
    state.network.train()
    total, right = 0.0, 0
    for step in range(steps):
        index = order[step * recipe.batch : (step + 1) * recipe.batch].numpy()
        group: dict[str, Any] = state.optimizer.param_groups[0]
        group["lr"] = rate(recipe, number * steps + step, steps)
        x = augment(grey(train.pixels[index]), plan.arch.crop, recipe.turn, recipe.zoom, generator)
        y = torch.from_numpy(train.labels[index])
        out = state.network(spread(x, plan.arch).contiguous(memory_format=layout(plan.arch)))
        loss = functional.cross_entropy(out, y, label_smoothing=recipe.label_smoothing)
        state.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        state.optimizer.step()
        total += loss.item() * len(y)
        right += int((out.argmax(1) == y).sum())
        tick(loss.item())
    return rate(recipe, number * steps, steps), total / len(order), right / len(order)
