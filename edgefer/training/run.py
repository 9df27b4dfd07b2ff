"""A whole training: data in, weights (safetensors), record and learning curves out."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from edgefer.arch import get_arch
from edgefer.data.dataset import Dataset, fingerprint
from edgefer.runtime import __version__, machine, records
from edgefer.runtime.errors import BadData, BadSetting, Diverged, EmptyData, OutputFailed
from edgefer.runtime.files import sha256, shipped_folder, write_atomic
from edgefer.runtime.progress import Progress
from edgefer.runtime.training_record import Epoch, TrainingRecord
from edgefer.training import (
    bank,
    checkpoint,
    evaluation,
    loop,
    losses,
    model_card,
    parallel,
    recipes,
    schedule,
    weights,
)
from edgefer.training.recipes import Plan
from edgefer.training.torch_settings import deterministic, keep_freed_pages, torch_threads

PACKAGES = ("torch", "numpy", "pillow", "safetensors")


@dataclass(frozen=True)
class Listener:
    """What is called while training: with each finished epoch, each batch's loss, each line that a user should see."""

    epoch: Callable[[Epoch], None]
    batch: Callable[[float], None]
    note: Callable[[str], None] = lambda _: None


def train(plan: Plan, data: Dataset, out: Path, listener: Listener) -> TrainingRecord:
    """Write <out>/<arch>.safetensors, .json, .png and .md (the model card); resume <out>/<arch>.checkpoint.

    Under torchrun the processes share the work and the folder; the main process writes (training.parallel).
    The network learns from Training, PublicTest chooses the epoch, PrivateTest (if there is one) is scored once.
    On a GPU the weights are not the same each time. A training that is finished there is not repeated, and another one
    not overwritten. Raises EmptyData, BadSetting, BadWeights, BadCheckpoint, BadRecord, OutputFailed, Diverged.
    """
    _require_device(plan.device)
    keep_freed_pages()
    with parallel.process_group(plan.device), torch_threads(plan.threads), deterministic(plan.device == "cpu"):
        return _train(plan, data, out, listener)


def _require_device(device: str) -> None:
    """Raise BadSetting where torch has no such device."""
    if device == "cuda" and not torch.cuda.is_available():
        raise BadSetting(
            f"torch {torch.__version__} sees no CUDA GPU: install a CUDA build of torch on a machine with one, "
            "or train with --device cpu."
        )


def _train(plan: Plan, data: Dataset, out: Path, listener: Listener) -> TrainingRecord:
    data = data.resized(plan.arch.resize)
    training_data = _training_data(plan, data)
    pretrained = None
    if plan.pretrained is not None:
        pretrained = weights.load_trained_model(plan.arch, plan.pretrained, Progress(note=listener.note))
    settings = _settings(plan, data)
    saved = out / f"{plan.arch.name}.checkpoint"
    if not saved.exists() and (finished := _finished(plan, data, out)) is not None:
        listener.note(f"{out / plan.arch.name}.json is of this training, which is finished: nothing was trained.")
        return finished
    torch.manual_seed(plan.seed)
    state = loop.start(plan.arch, plan.recipe, plan.device)
    if pretrained is not None:
        loop.start_from(state, pretrained.network.state_dict())
    if saved.exists():
        checkpoint.load_checkpoint(saved, state, settings, listener.note)
    for epoch in state.curve:
        listener.epoch(epoch)
    try:
        for epoch in loop.epochs(state, plan, training_data, listener.batch):
            if parallel.is_main_process():
                checkpoint.save_checkpoint(saved, state, settings)
            listener.epoch(epoch)
    except Diverged as error:
        raise Diverged(f"{error}: {_kept(plan, state, out)}") from error
    record = parallel.of_main_process(lambda: _finish(plan, data, state, out))
    if parallel.is_main_process():
        saved.unlink()
        _best_so_far(plan, out).unlink(missing_ok=True)
    return record


def _finished(plan: Plan, data: Dataset, out: Path) -> TrainingRecord | None:
    """The record of this training, if the folder has its weights; raises OutputFailed if it has those of another."""
    path, written = out / f"{plan.arch.name}.json", out / f"{plan.arch.name}.safetensors"
    if not path.exists() or not written.exists():
        return None
    record = records.read(TrainingRecord, path)
    how = (record.edgefer, record.command, record.recipe) == (__version__, command(plan, data), asdict(plan.recipe))
    shown = (record.data, record.teachers, record.pretrained) == (fingerprint(data), *_started_from(plan))
    if how and shown and record.weights_sha256 == sha256(written):
        return record
    raise OutputFailed(
        f"{path} is of another training, which is finished (`{record.command}`): choose another folder with --out, or "
        "move these files away."
    )


def _best_so_far(plan: Plan, out: Path) -> Path:
    """The best weights of a training that diverged."""
    return out / f"{plan.arch.name}.best.safetensors"


def _kept(plan: Plan, state: loop.State, out: Path) -> str:
    """Keep the best weights of a training that diverged; what there is now, and what helps."""
    lower = "give a lower rate (--set lr=...), clean labels or another precision"
    if not state.best:
        return f"nothing was written; {lower}."
    if parallel.is_main_process():
        _write_weights(plan, state, _best_so_far(plan, out))
    good, best = len(state.curve), schedule.chosen_epoch(plan.recipe, state.curve).epoch
    return (
        f"{plan.arch.name}.checkpoint has epoch {good}, {_best_so_far(plan, out)} the weights of epoch {best}; "
        f"{lower}, with another --out or without the checkpoint."
    )


def _write_weights(plan: Plan, state: loop.State, path: Path) -> None:
    tensors = {key: value.contiguous() for key, value in state.best.items()}
    write_atomic(path, weights.serialize(tensors, {"arch": plan.arch.name}))


def _training_data(plan: Plan, data: Dataset) -> loop.TrainingData:
    recipes.check_teachers(plan)
    _require_classes(plan, data)
    faces = data.split("Training")
    if not data.has("PublicTest"):
        raise EmptyData(
            f"{data.source} has no PublicTest image, and that split chooses the epoch: `edgefer train --hold-out 10` "
            "takes one in ten Training images for it."
        )
    public = data.split("PublicTest")
    faces.require_every_class()
    teachers = losses.load_teachers(plan.teachers, plan.arch, plan.device)
    opened = None if plan.bank is None else bank.open_bank(plan.bank, faces, plan.arch)
    return loop.TrainingData(faces, losses.soft_labels(faces, plan.recipe), public, teachers, opened)


def _require_classes(plan: Plan, data: Dataset) -> None:
    if data.names != plan.arch.labels:
        raise BadData(
            f"{data.source} has the classes {', '.join(data.names)}, {plan.arch.name} is to learn "
            f"{', '.join(plan.arch.labels)}: give data of those, or the classes of the data with --labels."
        )


def _settings(plan: Plan, data: Dataset) -> dict[str, Any]:
    """What must be the same for a training to go on from a checkpoint."""
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
        **({"bank": sha256(plan.bank)} if plan.bank else {}),
    }


def _finish(plan: Plan, data: Dataset, state: loop.State, out: Path) -> TrainingRecord:
    name = plan.arch.name
    network = plan.arch.build()
    network.load_state_dict(state.best)
    path = out / f"{name}.safetensors"
    _write_weights(plan, state, path)
    best = schedule.chosen_epoch(plan.recipe, state.curve).epoch
    private = evaluation.scores(network, plan.arch, data, "PrivateTest") if data.has("PrivateTest") else None
    teachers, pretrained = _started_from(plan)
    record = TrainingRecord(
        arch=name,
        command=command(plan, data),
        edgefer=__version__,
        recipe=asdict(plan.recipe),
        seed=plan.seed,
        data=fingerprint(data),
        weights_sha256=sha256(path),
        best_epoch=best,
        public=evaluation.scores(network, plan.arch, data, "PublicTest"),
        private=private,
        seconds=round(sum(e.seconds for e in state.curve), 1),
        environment=machine.describe_environment(PACKAGES, plan.threads),
        gpu=torch.cuda.get_device_name() if plan.device == "cuda" else None,
        curve=state.curve,
        teachers=teachers,
        pretrained=pretrained,
    )
    records.write(out / f"{name}.json", record)
    write_atomic(out / f"{name}.md", model_card.render(record).encode())
    model_card.draw_curves(out / f"{name}.png", f"{name}, recipe {plan.recipe.name}", state.curve, best)
    return record


def _started_from(plan: Plan) -> tuple[list[dict[str, str]], dict[str, str] | None]:
    """The files of the teachers (of a bank itself, and those whose logits it holds), and of the first weights."""
    pretrained = None if plan.pretrained is None else _file_and_checksum(plan.pretrained)
    if plan.bank is None:
        return [_file_and_checksum(path) for path in plan.teachers], pretrained
    return [_file_and_checksum(plan.bank), *bank.read_settings(plan.bank).teachers], pretrained


def _file_and_checksum(path: Path) -> dict[str, str]:
    return {"file": path.name, "sha256": sha256(path)}


def command(plan: Plan, data: Dataset) -> str:
    """The command line that trains these weights again."""
    processes = parallel.world_size()
    torchrun = ["torchrun", "--nproc-per-node", str(processes), "-m"] if processes > 1 else []
    line = [*torchrun, "edgefer", "train", "--arch", plan.arch.name, "--data", Path(data.source).name]
    if plan.arch.labels != get_arch(plan.arch.name).labels:
        line += ["--labels", ",".join(plan.arch.labels)]
    line += ["--recipe", plan.recipe.name, "--epochs", str(plan.recipe.epochs)]
    changed = recipes.differences(replace(plan.recipe, epochs=recipes.get_recipe(plan.recipe.name).epochs))
    line += [word for key, value in changed.items() for word in ("--set", f"{key}={value}")]
    line += [word for path in plan.teachers for word in ("--teacher", _command_line_name(path))]
    line += [] if plan.bank is None else ["--bank", plan.bank.name]
    line += [] if plan.pretrained is None else ["--pretrained", _command_line_name(plan.pretrained)]
    line += plan.split_options
    line += [] if plan.device == "cpu" else ["--device", plan.device]
    return shlex.join([*line, "--seed", str(plan.seed), "--threads", str(plan.threads)])


def _command_line_name(path: Path) -> str:
    """A weights file as the command line takes it: the network's name where it ships."""
    return path.stem if path.parent == shipped_folder("weights") else path.name
