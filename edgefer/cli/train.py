"""edgefer train: data in, weights out."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgefer.cli.command import Command
from edgefer.cli.common import (
    COUNT,
    PATH,
    arch_option,
    data_option,
    faces_of_classes,
    json_option,
    load_torch,
    print_json,
    read_data,
    split_labels,
    teacher_option,
    weights_file,
)
from edgefer.cli.progress import display
from edgefer.cli.streams import say
from edgefer.cli.threads import torch_threads_option
from edgefer.runtime.labels import LABELS

if TYPE_CHECKING:
    from rich.console import Console

    from edgefer.arch import Arch
    from edgefer.data.dataset import Dataset
    from edgefer.data.listing import ReadOptions
    from edgefer.runtime.training_record import TrainingRecord
    from edgefer.training.recipes import Plan


OWN_CLASSES = ("data",)  # for --labels: one label is no choice, so this word is free
_ADVICE = "; --labels data trains for all classes of the data"


def pairs(settings: tuple[str, ...], option: str = "--set", epochs: int | None = None) -> dict[str, str]:
    """A recipe's settings, `KEY=VALUE` texts and the value of --epochs, as a dictionary.

    Raises click.BadParameter of the option: a text is no such pair, or a setting has two values.
    """
    from edgefer.training.recipes import RENAMED

    values: dict[str, str] = {}
    origins: dict[str, str] = {} if epochs is None else {"epochs": f"--epochs {epochs}"}
    first = os.environ.get("RANK", "0") == "0"  # of torchrun's processes one says it
    for text in settings:
        key, is_pair, value = text.partition("=")
        if not is_pair:
            raise click.BadParameter(f"{text!r} is not KEY=VALUE", param_hint=option)
        name = RENAMED.get(key, key)
        if name != key and first:
            click.echo(f"the setting {key} is called {name} now", err=True)
        origin = f"{option} {text}"
        if name in origins:
            raise click.BadParameter(
                f"{name!r} takes one value, and has two: {origins[name]!r} and {origin!r}. Give it once.",
                param_hint=option,
            )
        values[name], origins[name] = value, origin
    return values if epochs is None else values | {"epochs": str(epochs)}


@dataclass(frozen=True)
class Splits:
    """How --fold and --hold-out divide the faces; without them the data set's own splits stay."""

    fold: int | None
    folds: int
    by: str
    hold_out: int | None

    @property
    def words(self) -> tuple[str, ...]:
        """The options that make them again."""
        fold = () if self.fold is None else ("--fold", str(self.fold), "--folds", str(self.folds), "--by", self.by)
        return fold + (() if self.hold_out is None else ("--hold-out", str(self.hold_out)))

    def apply(self, faces: Dataset) -> Dataset:
        """The faces in these splits; raises BadData or UnknownName."""
        from edgefer.data import folds

        if self.fold is not None:
            faces = folds.as_splits(faces, folds.assign(faces, self.folds, self.by), self.fold)
        return faces if self.hold_out is None else folds.hold_out(faces, self.hold_out)


def splits_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--fold, --folds, --by and --hold-out, which the command gets as one `splits`."""

    @functools.wraps(command)
    def with_splits(*, fold: int | None, folds: int, by: str, hold_out: int | None, **options: Any) -> Any:
        return command(splits=Splits(fold, folds, by, hold_out), **options)

    for option in reversed(_SPLITS):
        with_splits = option(with_splits)
    return with_splits


_SPLITS = (
    click.option(
        "--fold",
        type=click.IntRange(0),
        metavar="N",
        help="Cross-validation: test on this fold, choose on the next one.",
    ),
    click.option("--folds", type=click.IntRange(3), default=10, show_default=True, metavar="N", help="How many folds."),
    click.option(
        "--by",
        metavar="WAY",
        default="subject",
        show_default=True,
        help="Folds of persons (subject) or of images (image).",
    ),
    click.option(
        "--hold-out", type=click.IntRange(2), metavar="N", help="Without PublicTest: one in so many to choose by."
    ),
)


@click.command(cls=Command)
@arch_option
@data_option
@click.option(
    "--recipe", default="plain", show_default=True, metavar="NAME", help="How to train; `edgefer recipes` lists them."
)
@click.option(
    "--epochs", type=COUNT, metavar="N", help="Train for another length than the recipe's (in its first round)."
)
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a setting of the recipe; may be repeated."
)
@teacher_option("Several of them are an ensemble.")
@click.option("--bank", type=PATH, metavar="FILE", help="Instead of --teacher: logits that `edgefer bank` stored.")
@click.option(
    "--pretrained",
    type=PATH,
    metavar="WEIGHTS",
    callback=lambda _context, _option, path: path and weights_file(path),
    help="Weights to start from: a file, or the network's name for the shipped ones; default: random ones.",
)
@click.option(
    "--labels",
    metavar="A,B,...",
    callback=split_labels,
    help="The classes to learn, in the order of the outputs, or the word data for those of the data set; default: the "
    f"{len(LABELS)} of FER2013 (faces of other classes are left out).",
)
@splits_options
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, metavar="N", help="Seed of all that is random."
)
@torch_threads_option
@click.option(
    "--device",
    type=click.Choice(("cpu", "cuda")),
    default="cpu",
    show_default=True,
    help="cuda: on a GPU, under torchrun on one GPU per process (not tested on a GPU).",
)
@click.option(
    "--out",
    type=PATH,
    default=Path("weights"),
    show_default=True,
    help="The folder to write weights, record, curves and model card into.",
)
@json_option
def train(
    arch: str,
    data: Path,
    reading: ReadOptions,
    recipe: str,
    epochs: int | None,
    settings: tuple[str, ...],
    labels: tuple[str, ...] | None,
    splits: Splits,
    out: Path,
    as_json: bool,
    **options: Any,
) -> None:
    """Train a network and write its weights, record and learning curves.

    Training is trained on, PublicTest chooses the epoch, PrivateTest is scored once at the end. You may stop it at any
    time: the same command goes on after the last finished epoch.

    \b
    Example: edgefer train --arch ean --data fer2013.csv
             torchrun --nproc-per-node 2 -m edgefer train --arch ean --data fer2013.csv --threads 4

    \b
    Example: edgefer train --arch lcnn --recipe distill --teacher weights/ean.safetensors --set temperature=4 \\
                 --data fer2013.csv
    """
    from edgefer.arch import get_arch
    from edgefer.runtime.files import require_folder
    from edgefer.training import recipes

    require_folder(out)
    named, changed = get_arch(arch), recipes.change(recipes.get_recipe(recipe), pairs(settings, epochs=epochs))
    plan = recipes.Plan(arch=named, recipe=changed, split_options=(*reading.words, *splits.words), **options)
    recipes.check_teachers(plan)
    with display() as shown:
        faces = read_data(shown, data, named.resize, reading)
        plan = replace(plan, arch=_network(named, labels, faces))
        faces = splits.apply(faces_of_classes(shown, faces, plan.arch, _ADVICE if labels is None else ""))
        load_torch(shown)
    record = _run(shown.console, plan, faces, out)
    if record is None:
        return
    if as_json:
        print_json(record)
    else:
        _print_scores(record, out / named.name)


def _network(arch: Arch, labels: tuple[str, ...] | None, faces: Dataset) -> Arch:
    """The network for the classes that are asked for: by default its own."""
    if labels is None:
        return arch
    return arch.with_labels(faces.names if labels == OWN_CLASSES else labels)


def _run(screen: Console, plan: Plan, faces: Dataset, out: Path) -> TrainingRecord | None:
    """Train with a progress bar; of torchrun's processes all but the first are silent and have no record."""
    from edgefer.cli.progress import training
    from edgefer.training import parallel
    from edgefer.training.run import Listener
    from edgefer.training.run import train as run

    if not parallel.is_main_process():
        run(plan, faces, out, Listener(lambda _epoch: None, lambda _loss: None))
        return None
    batches = -(-len(faces.split("Training")) // plan.recipe.batch)
    with training(screen, plan.arch.name, plan.recipe.most_epochs, batches) as listener:
        return run(plan, faces, out, listener)


def _print_scores(record: TrainingRecord, stem: Path) -> None:
    """What the training reached, and the files, which are called `stem` with a suffix."""
    which = "the last" if record.recipe.get("choose") == "last" else "the best on PublicTest"
    say(f"epoch {record.best_epoch} was {which}: {record.public.accuracy:.2f} % on PublicTest")
    private = record.private
    if private is not None:
        click.echo(f"PrivateTest: {private.accuracy:.2f} % centre crop, {private.ten_crop:.2f} % ten crops")
        if private.unseen is not None:
            click.echo(f"on the {private.unseen_images} images that Training does not hold: {private.unseen:.2f} %")
    say(f"{stem}.safetensors has the weights, .json the record, .png the curves, .md the model card")
