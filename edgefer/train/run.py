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
from edgefer.train.recipes import Recipe

PACKAGES = ("torch", "numpy", "pillow", "safetensors")


@dataclass(frozen=True)
class Listener:
    """Who hears of progress: each finished epoch, and each batch's loss."""

    epoch: Callable[[records.Epoch], None]
    batch: Callable[[float], None]


def train(
    arch: Arch, recipe: Recipe, data: Dataset, seed: int, threads: int, out: Path, listener: Listener
) -> records.TrainingRecord:
    """Train `arch` and write <out>/<arch>.safetensors, .json and .png; resumes <out>/<arch>.checkpoint.

    Training is trained on, PublicTest chooses the epoch, PrivateTest (if there is one) is scored once.
    Raises EmptyData, BadCheckpoint, OutputFailed.
    """
    keep_freed_pages()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    data = data.resized(arch.resize)
    learn, public = data.split("Training"), data.split("PublicTest")
    learn.require_every_class()
    settings: dict[str, Any] = {
        "arch": arch.name,
        "recipe": asdict(recipe),
        "seed": seed,
        "data": fingerprint(data),
        "threads": threads,
    }
    torch.manual_seed(seed)
    state = loop.start(arch.build(), recipe)
    saved = out / f"{arch.name}.checkpoint"
    if saved.exists():
        checkpoint.resume(saved, state, settings)
    for epoch in state.curve:
        listener.epoch(epoch)
    for epoch in loop.epochs(state, recipe, seed, learn, public, arch.crop, listener.batch):
        checkpoint.save(saved, state, settings)
        listener.epoch(epoch)
    record = _finish(arch, recipe, data, state, settings, out)
    saved.unlink()
    return record


def _finish(
    arch: Arch, recipe: Recipe, data: Dataset, state: loop.State, settings: dict[str, Any], out: Path
) -> records.TrainingRecord:
    state.network.load_state_dict(state.best)
    weights = out / f"{arch.name}.safetensors"
    tensors = {name: value.contiguous() for name, value in state.best.items()}
    write_atomic(weights, to_safetensors(tensors, metadata={"arch": arch.name}))
    best = max(state.curve, key=lambda e: (e.public_accuracy, -e.epoch)).epoch
    record = records.TrainingRecord(
        schema=records.TRAINING_SCHEMA,
        arch=arch.name,
        command=command(arch, recipe, data, settings["seed"], settings["threads"]),
        edgefer=__version__,
        recipe=asdict(recipe),
        seed=settings["seed"],
        data=settings["data"],
        weights_sha256=sha256(weights),
        best_epoch=best,
        public=_score(state, data, "PublicTest", arch.crop),
        private=_score(state, data, "PrivateTest", arch.crop) if data.has("PrivateTest") else None,
        seconds=round(sum(e.seconds for e in state.curve), 1),
        environment=environment.describe(PACKAGES, settings["threads"]),
        curve=state.curve,
    )
    records.write(out / f"{arch.name}.json", record)
    plot.curves(out / f"{arch.name}.png", f"{arch.name}, recipe {recipe.name}", state.curve, best)
    return record


def command(arch: Arch, recipe: Recipe, data: Dataset, seed: int, threads: int) -> str:
    """The command line that trains these weights again."""
    source = shlex.quote(Path(data.source).name)
    return (
        f"edgefer train --arch {arch.name} --data {source} --recipe {recipe.name} "
        f"--epochs {recipe.epochs} --seed {seed} --threads {threads}"
    )


def _score(state: loop.State, data: Dataset, split: str, crop: int) -> records.Scores:
    test = data.split(split)
    unseen = scores.unseen_rows(test, data)
    return scores.score(loop.logits(state.network, test, crop).numpy(), test, unseen)
