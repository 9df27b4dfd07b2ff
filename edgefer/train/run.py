"""A whole training: data in, weights (safetensors), record and learning curves out."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as to_safetensors

from edgefer import __version__, environment, records, scores
from edgefer.arch import Arch
from edgefer.data.dataset import Dataset, fingerprint
from edgefer.files import sha256, write_atomic
from edgefer.train import checkpoint, loop, plot
from edgefer.train.memory import keep_freed_pages
from edgefer.train.recipes import Plan

PACKAGES = ("torch", "numpy", "pillow", "safetensors")


@dataclass(frozen=True)
class Listener:
    """Who hears of progress: each finished epoch, and each batch's loss."""

    epoch: Callable[[records.Epoch], None]
    batch: Callable[[float], None]


def train(plan: Plan, data: Dataset, out: Path, listener: Listener) -> records.TrainingRecord:
    """Write <out>/<arch>.safetensors, .json and .png; resumes <out>/<arch>.checkpoint.

    Training is trained on, PublicTest chooses the epoch, PrivateTest (if there is one) is scored once.
    Raises EmptyData, BadCheckpoint, OutputFailed.
    """
    keep_freed_pages()
    torch.set_num_threads(plan.threads)
    torch.use_deterministic_algorithms(True)
    data = data.resized(plan.arch.resize)
    learn, public = data.split("Training"), data.split("PublicTest")
    learn.require_every_class()
    settings = _settings(plan, data)
    torch.manual_seed(plan.seed)
    state = loop.start(plan.arch, plan.recipe)
    saved = out / f"{plan.arch.name}.checkpoint"
    if saved.exists():
        checkpoint.resume(saved, state, settings)
    for epoch in state.curve:
        listener.epoch(epoch)
    for epoch in loop.epochs(state, plan, learn, public, listener.batch):
        checkpoint.save(saved, state, settings)
        listener.epoch(epoch)
    record = _finish(plan, data, state, out)
    saved.unlink()
    return record


def _settings(plan: Plan, data: Dataset) -> dict[str, Any]:
    """What must be the same for a checkpoint to be gone on with."""
    return {
        "arch": plan.arch.name,
        "recipe": asdict(plan.recipe),
        "seed": plan.seed,
        "data": fingerprint(data),
        "threads": plan.threads,
    }


def _finish(plan: Plan, data: Dataset, state: loop.State, out: Path) -> records.TrainingRecord:
    name = plan.arch.name
    state.network.load_state_dict(state.best)
    weights = out / f"{name}.safetensors"
    tensors = {key: value.contiguous() for key, value in state.best.items()}
    write_atomic(weights, to_safetensors(tensors, metadata={"arch": name}))
    best = max(state.curve, key=lambda e: (e.public_accuracy, -e.epoch)).epoch
    record = records.TrainingRecord(
        schema=records.TRAINING_SCHEMA,
        arch=name,
        command=command(plan, data),
        edgefer=__version__,
        recipe=asdict(plan.recipe),
        seed=plan.seed,
        data=fingerprint(data),
        weights_sha256=sha256(weights),
        best_epoch=best,
        public=_score(state, data, "PublicTest", plan.arch),
        private=_score(state, data, "PrivateTest", plan.arch) if data.has("PrivateTest") else None,
        seconds=round(sum(e.seconds for e in state.curve), 1),
        environment=environment.describe(PACKAGES, plan.threads),
        curve=state.curve,
    )
    records.write(out / f"{name}.json", record)
    plot.curves(out / f"{name}.png", f"{name}, recipe {plan.recipe.name}", state.curve, best)
    return record


def command(plan: Plan, data: Dataset) -> str:
    """The command line that trains these weights again."""
    source = shlex.quote(Path(data.source).name)
    return (
        f"edgefer train --arch {plan.arch.name} --data {source} --recipe {plan.recipe.name} "
        f"--epochs {plan.recipe.epochs} --seed {plan.seed} --threads {plan.threads}"
    )


def _score(state: loop.State, data: Dataset, split: str, row: Arch) -> records.Scores:
    test = data.split(split)
    unseen = scores.unseen_rows(test, data)
    return scores.score(loop.logits(state.network, test, row).numpy(), test, unseen)
