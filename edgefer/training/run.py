"""A whole training: data in, weights (safetensors), record and learning curves out."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as to_safetensors

from edgefer.data.dataset import Dataset, fingerprint, unseen_rows
from edgefer.runtime import __version__, environment, metrics, records
from edgefer.runtime.errors import BadSetting, BadWeights
from edgefer.runtime.files import sha256, shipped_folder, write_atomic
from edgefer.training import (
    checkpoint,
    evaluation_crops,
    loop,
    losses,
    model_card,
    parallel,
    plot,
    recipes,
    schedule,
    weights,
)
from edgefer.training.allocator import keep_freed_pages
from edgefer.training.recipes import Plan
from edgefer.training.torch_threads import torch_threads

PACKAGES = ("torch", "numpy", "pillow", "safetensors")


@dataclass(frozen=True)
class Listener:
    """Who hears of progress: each finished epoch, and each batch's loss."""

    epoch: Callable[[records.Epoch], None]
    batch: Callable[[float], None]


def train(plan: Plan, data: Dataset, out: Path, listener: Listener) -> records.TrainingRecord:
    """Write <out>/<arch>.safetensors, .json, .png and .md (the model card); resumes <out>/<arch>.checkpoint.

    Under torchrun the processes share the work and the folder; the first of them writes (training.parallel).
    Training is trained on, PublicTest chooses the epoch, PrivateTest (if there is one) is scored once.
    On a GPU the weights are not the same each time. Raises EmptyData, BadSetting, BadWeights, BadCheckpoint,
    OutputFailed.
    """
    _require(plan.device)
    keep_freed_pages()
    exact = _deterministic() if plan.device == "cpu" else contextlib.nullcontext()
    with parallel.process_group(plan.device), torch_threads(plan.threads), exact:
        return _train(plan, data, out, listener)


def _require(device: str) -> None:
    """Raise BadSetting where torch has no such device."""
    if device == "cuda" and not torch.cuda.is_available():
        raise BadSetting(
            f"torch {torch.__version__} sees no CUDA GPU: install a CUDA build of torch on a machine with one, "
            "or train with --device cpu."
        )


@contextlib.contextmanager
def _deterministic() -> Iterator[None]:
    """torch's deterministic algorithms in the block; then as before. A GPU has none for the gradient of pooling."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def _train(plan: Plan, data: Dataset, out: Path, listener: Listener) -> records.TrainingRecord:
    data = data.resized(plan.arch.resize)
    lesson = _lesson(plan, data)
    given = None if plan.pretrained is None else weights.load(plan.arch, plan.pretrained)
    settings = _settings(plan, data)
    torch.manual_seed(plan.seed)
    state = loop.start(plan.arch, plan.recipe, plan.device)
    if given is not None:
        loop.take(state, given.network.state_dict())
    saved = out / f"{plan.arch.name}.checkpoint"
    if saved.exists():
        checkpoint.resume(saved, state, settings)
    for epoch in state.curve:
        listener.epoch(epoch)
    for epoch in loop.epochs(state, plan, lesson, listener.batch):
        if parallel.is_main_process():
            checkpoint.save(saved, state, settings)
        listener.epoch(epoch)
    record = parallel.of_main_process(lambda: _finish(plan, data, state, out))
    if parallel.is_main_process():
        saved.unlink()
    return record


def _lesson(plan: Plan, data: Dataset) -> loop.Lesson:
    recipes.check_teachers(plan)
    learn, public = data.split("Training"), data.split("PublicTest")
    learn.require_every_class()
    return loop.Lesson(learn, losses.soft_labels(learn, plan.recipe), public, _teachers(plan))


def _teachers(plan: Plan) -> list[losses.Teacher]:
    found = []
    for path in plan.teachers:
        arch = weights.arch_of(path)
        if arch.labels != plan.arch.labels:
            raise BadWeights(
                f"the teacher {path} knows {', '.join(arch.labels)}; it must know {plan.arch.name}'s labels."
            )
        found.append(losses.Teacher(arch, _placed(weights.load(arch, path).network, plan.device)))
    return found


def _placed(network: torch.nn.Module, device: str) -> torch.nn.Module:
    return network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def _settings(plan: Plan, data: Dataset) -> dict[str, Any]:
    """What must be the same for a checkpoint to be gone on with."""
    return {
        "arch": plan.arch.name,
        "recipe": asdict(plan.recipe),
        "teachers": [sha256(path) for path in plan.teachers],
        "seed": plan.seed,
        "data": fingerprint(data),
        "threads": plan.threads,
        "device": plan.device,
        **({"processes": parallel.world_size()} if parallel.world_size() > 1 else {}),
        **({"pretrained": sha256(plan.pretrained)} if plan.pretrained else {}),
    }


def _finish(plan: Plan, data: Dataset, state: loop.State, out: Path) -> records.TrainingRecord:
    name = plan.arch.name
    network = plan.arch.build()
    network.load_state_dict(state.best)
    path = out / f"{name}.safetensors"
    tensors = {key: value.contiguous() for key, value in state.best.items()}
    write_atomic(path, to_safetensors(tensors, metadata={"arch": name}))
    best = schedule.best(state.curve).epoch
    private = evaluate(network, plan, data, "PrivateTest") if data.has("PrivateTest") else None
    record = records.TrainingRecord(
        arch=name,
        command=command(plan, data),
        edgefer=__version__,
        recipe=asdict(plan.recipe),
        seed=plan.seed,
        data=fingerprint(data),
        weights_sha256=sha256(path),
        best_epoch=best,
        public=evaluate(network, plan, data, "PublicTest"),
        private=private,
        seconds=round(sum(e.seconds for e in state.curve), 1),
        environment=environment.describe(PACKAGES, plan.threads),
        gpu=torch.cuda.get_device_name() if plan.device == "cuda" else None,
        curve=state.curve,
        teachers=[_named(path) for path in plan.teachers],
        pretrained=None if plan.pretrained is None else _named(plan.pretrained),
    )
    records.write(out / f"{name}.json", record)
    write_atomic(out / f"{name}.md", model_card.render(record).encode())
    plot.curves(out / f"{name}.png", f"{name}, recipe {plan.recipe.name}", state.curve, best)
    return record


def _named(path: Path) -> dict[str, str]:
    return {"file": path.name, "sha256": sha256(path)}


def command(plan: Plan, data: Dataset) -> str:
    """The command line that trains these weights again."""
    several = ["torchrun", "--nproc-per-node", str(parallel.world_size()), "-m"] if parallel.world_size() > 1 else []
    line = [*several, "edgefer", "train", "--arch", plan.arch.name, "--data", Path(data.source).name]
    line += ["--recipe", plan.recipe.name, "--epochs", str(plan.recipe.epochs)]
    changed = recipes.differences(replace(plan.recipe, epochs=recipes.get(plan.recipe.name).epochs))
    line += [word for key, value in changed.items() for word in ("--set", f"{key}={value}")]
    line += [word for path in plan.teachers for word in ("--teacher", _word(path))]
    line += [] if plan.pretrained is None else ["--pretrained", _word(plan.pretrained)]
    line += plan.chosen
    line += [] if plan.device == "cpu" else ["--device", plan.device]
    return shlex.join([*line, "--seed", str(plan.seed), "--threads", str(plan.threads)])


def _word(path: Path) -> str:
    """A weights file as the command line takes it: the network's name where it ships."""
    return path.stem if path.parent == shipped_folder("weights") else path.name


def evaluate(network: torch.nn.Module, plan: Plan, data: Dataset, split: str) -> records.Scores:
    """Centre crop, with what ten crops give and the confusion matrix beside it."""
    test = data.split(split)
    found = metrics.score(loop.logits(network, test, plan.arch).numpy(), test, unseen_rows(test, data))
    ten = metrics.score(evaluation_crops.ten_crop_probabilities(network, test, plan.arch).numpy(), test)
    return replace(found, ten_crop=ten.accuracy)
