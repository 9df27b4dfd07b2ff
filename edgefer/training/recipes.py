"""Recipes: named frozen parameter sets with their source above each. Light: no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from edgefer.arch import Arch
from edgefer.runtime.errors import BadSetting, UnknownName

T = TypeVar("T")
SCHEDULES = ("cosine", "linear", "plateau")
OPTIMIZERS = ("sgd", "adam", "muon")
LABELS = ("hard", "votes", "calibrated-votes")
PRECISIONS = ("float32", "bfloat16")
CHOICES = ("best", "nll", "last")
ALLOWED = {
    "schedule": SCHEDULES,
    "optimizer": OPTIMIZERS,
    "labels": LABELS,
    "precision": PRECISIONS,
    "teacher_precision": PRECISIONS,
    "choose": CHOICES,
}
SHARES = (
    "momentum", "label_smoothing", "label_share", "alpha", "scale", "contrast", "erase", "average", "dropout_scale",
)  # fmt: skip
RENAMED = {"turn": "rotation", "zoom": "scale"}  # settings in older records and checkpoints, and on the command line


@dataclass(frozen=True)
class Augmentation:
    """How a face is varied at random: the settings of a recipe by these names."""

    rotation: float = 0.0
    scale: float = 0.0
    contrast: float = 0.0
    brightness: float = 0.0
    erase: float = 0.0
    blur: float = 0.0


@dataclass(frozen=True)
class Recipe:
    """What a training does, in any of its rounds.

    Round 0 learns from the labels (and from teachers, where there are any) for `epochs` epochs at most. Then come up
    to `rounds` more of `round_epochs` each, in which the best student so far is the teacher (EAN, section 3.3): with
    `hand_over` the next student starts from its weights. A round ends early when `patience` epochs brought nothing
    better on PublicTest (0: never); the rounds end when one was not better than those before.

    optimizer      sgd (Nesterov `momentum`), adam, or muon for weight matrices and sgd for the rest (training.muon);
                   weight decay spares biases and norms
    schedule       after `warmup` epochs, linear or half a cosine to zero; plateau: x 0.9 where the loss didn't fall
    labels         hard; votes, FER+'s as they are; calibrated-votes, what they say of FER2013's labels
                   (training.losses.calibrated_votes)
    label_share    share of those in the target, the rest is the hard label
    alpha          share of the teachers in the loss; squared: times temperature^2
    rotation       in degrees, scale: a fraction of the image; uniform in +-. 0 and 0: whole-pixel crops and flips
    contrast       a face's contrast is scaled by 1 +- contrast, brightness: its grey in [0, 1] is shifted by +-
                   brightness; uniform (training.augment.relight)
    erase          share of the faces in which a square is hidden (training.augment.erase)
    blur           half of the faces are blurred by a Gaussian whose standard deviation is uniform up to it, in pixels
    mixup          images are mixed in pairs, and so are their labels, with a share from Beta(mixup, mixup) (Zhang et
                   al., "mixup", ICLR 2018; 0: none)
    precision      of the convolutions and products while training; teacher_precision: of the teachers'. bfloat16 pays
                   for dense convolutions on processors that have it (benchmarks/tables/training.md)
    dropout_scale  what the probabilities of the network's own dropout are multiplied by (0: none)
    balanced       classes are drawn equally often (EfficientFace's oversampling, training.schedule)
    choose         the epoch that is kept: the best on PublicTest (nll: by its NLL), or the last one
    average        decay of the running average of the weights, which is what is evaluated and kept (0: none); less in
                   the first steps
    """

    name: str
    epochs: int
    batch: int = 128
    optimizer: str = "sgd"
    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 1e-4
    schedule: str = "cosine"
    warmup: int = 2
    label_smoothing: float = 0.0
    labels: str = "hard"
    label_share: float = 1.0
    alpha: float = 0.0
    temperature: float = 1.0
    squared: bool = True
    rotation: float = 0.0
    scale: float = 0.0
    contrast: float = 0.0
    brightness: float = 0.0
    erase: float = 0.0
    blur: float = 0.0
    mixup: float = 0.0
    precision: str = "float32"
    teacher_precision: str = "float32"
    average: float = 0.0
    patience: int = 0
    rounds: int = 0
    round_epochs: int = 0
    round_lr: float = 0.1
    hand_over: bool = True
    balanced: bool = False
    dropout_scale: float = 1.0
    choose: str = "best"

    @property
    def augmentation(self) -> Augmentation:
        """How faces are varied."""
        return Augmentation(self.rotation, self.scale, self.contrast, self.brightness, self.erase, self.blur)

    @property
    def most_epochs(self) -> int:
        """Epochs if no round ends early."""
        return self.epochs + self.rounds * self.round_epochs


@dataclass(frozen=True)
class Plan:
    """A training as it was asked for: everything but the data.

    teachers are weights files of any networks; pretrained are the network's own to start from (None: random ones);
    split_options are the words of the command line that made the splits; device is cpu or cuda. bank has the logits of
    teachers, and how faces are varied, which then goes before the recipe (training.bank).
    """

    arch: Arch
    recipe: Recipe
    seed: int
    threads: int
    teachers: tuple[Path, ...] = ()
    split_options: tuple[str, ...] = ()
    device: str = "cpu"
    pretrained: Path | None = None
    bank: Path | None = None


def check_teachers(plan: Plan) -> None:
    """Raise BadSetting where a recipe lacks the teacher that it learns from, or has one that it doesn't use."""
    recipe = plan.recipe
    if plan.bank is not None:
        _check_bank(plan)
        return
    if recipe.alpha and not recipe.rounds and not plan.teachers:
        raise BadSetting(f"recipe {recipe.name} learns from a teacher: give one with --teacher WEIGHTS.safetensors.")
    if plan.teachers and not recipe.alpha:
        raise BadSetting(f"recipe {recipe.name} hears no teacher (alpha is 0): leave --teacher out or --set alpha=0.5.")


def _check_bank(plan: Plan) -> None:
    recipe = plan.recipe
    if plan.teachers:
        raise BadSetting("a bank has the logits of its teachers: leave --teacher out, or --bank.")
    if not recipe.alpha:
        raise BadSetting(f"recipe {recipe.name} learns from no teacher (alpha is 0): leave --bank out or set alpha.")
    if recipe.mixup or recipe.rounds:
        raise BadSetting("the logits of a bank are of single faces and of one round: --set mixup=0 --set rounds=0.")


_ALL = (
    # Ours: batch 128 and 44-pixel crops as in Kong et al. section 4.2, schedule by common practice.
    Recipe("plain", 40, lr=0.2, label_smoothing=0.1, rotation=10.0, scale=0.1),
    # Cugu et al., MicroExpNet, equation 2 and "Vanilla & Student Networks": Adam, 1e-4, batch 64, lambda 0.5. T: their
    # grid is 2 to 128 (section 4.4), and it should be tuned. 3000 epochs of CK+'s 1,308 faces are 137 of FER2013's.
    Recipe(
        "distill", 137, 64, "adam", lr=1e-4, weight_decay=0.0, schedule="plateau", warmup=0, alpha=0.5, temperature=8.0,
        squared=False,
    ),
    # Kong et al., EAN, sections 3.2, 3.3 and 4.2: 0.01, then 0.1, x 0.9 on plateau, batch 128, five crops and flips,
    # equation 7 with the best of Table 2 (alpha 0.5, T 5). Lengths are not printed: ours.
    Recipe(
        "iterative", 60, lr=0.01, schedule="plateau", warmup=0, alpha=0.5, temperature=5.0, patience=12, rounds=4,
        round_epochs=40, round_lr=0.1,
    ),
    # Zhao et al., EfficientFace, equation 6: cross-entropy against a fixed generator network's distribution.
    Recipe("label-distribution", 60, alpha=1.0, temperature=1.0, rotation=10.0, scale=0.1),
    # The same, with FER+'s ten annotators as the generator (Barsoum et al., ICMI 2016, section 3.4).
    Recipe("label-distribution-ferplus", 60, labels="votes", rotation=10.0, scale=0.1),
    # Ours, for the network `teacher`: mixed images and no smoothed labels, so that its answers are soft
    # where it is unsure, not because its labels were. What was tried: benchmarks/tables/recipes.md.
    Recipe(
        "teacher", 60, weight_decay=5e-4, schedule="linear", rotation=12.0, scale=0.12, mixup=0.2, average=0.999,
        precision="bfloat16",
    ),
    # Ours, for teachers of the next student: other light, hidden squares, more rotation, and longer. The recipe above
    # memorises part of its labels: 82 % of Training are right and 70 % of PublicTest.
    Recipe(
        "teacher-strong", 100, weight_decay=5e-4, schedule="linear", rotation=15.0, scale=0.2, contrast=0.4,
        brightness=0.15, erase=0.5, mixup=0.2, average=0.999, precision="bfloat16",
    ),
    # The same for what a camera does to a face: any roll up to 30 degrees, other sizes, blur and more light.
    Recipe(
        "teacher-camera", 100, weight_decay=5e-4, schedule="linear", rotation=30.0, scale=0.25, contrast=0.4,
        brightness=0.25, erase=0.25, blur=1.5, mixup=0.2, average=0.999, precision="bfloat16",
    ),
    # Ours, and of the shipped weights: the teacher sees the augmented faces that the student sees, in a long training
    # (Beyer et al., "Knowledge distillation: a good teacher is patient and consistent", CVPR 2022).
    Recipe(
        "edgefer", 96, weight_decay=1e-4, schedule="linear", rotation=10.0, scale=0.1, average=0.999, alpha=0.7,
        temperature=2.0, teacher_precision="bfloat16",
    ),
    # Ours, on a bank of several teachers' logits: no hard labels, and long, since a step costs no teacher.
    Recipe(
        "edgefer-bank", 300, schedule="linear", rotation=10.0, scale=0.1, average=0.999, alpha=1.0, temperature=2.0,
        choose="last",
    ),
    # Ours, without a larger network: EAN's iteration with a higher rate, a running average, softer labels.
    Recipe(
        "edgefer-alone", 70, weight_decay=2e-4, schedule="linear", label_smoothing=0.1, average=0.999, alpha=0.5,
        temperature=2.0, rounds=2, round_epochs=35, round_lr=0.05,
    ),
    # The same on what FER+'s votes say of the labels.
    Recipe(
        "edgefer-ferplus", 70, weight_decay=2e-4, schedule="linear", labels="calibrated-votes", label_share=0.6,
        average=0.999, alpha=0.5, temperature=2.0, rounds=2, round_epochs=35, round_lr=0.05,
    ),
)  # fmt: skip
RECIPES = {recipe.name: recipe for recipe in _ALL}


def get_recipe(name: str) -> Recipe:
    """The recipe called `name`; raises UnknownName with the nearest names."""
    if name not in RECIPES:
        raise UnknownName.of("recipe", name, RECIPES)
    return RECIPES[name]


def current_names(settings: Mapping[str, T]) -> dict[str, T]:
    """A recipe's settings, those of an older record too, by the names that they have now."""
    return {RENAMED.get(key, key): value for key, value in settings.items()}


def older_names(settings: Mapping[str, T]) -> dict[str, T]:
    """The opposite of current_names."""
    older = {new: old for old, new in RENAMED.items()}
    return {older.get(key, key): value for key, value in settings.items()}


def recorded_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of an older record or checkpoint as they would be recorded now: later ones had their defaults."""
    defaults = {f.name: f.default for f in fields(Recipe) if f.default is not MISSING}
    return defaults | current_names(settings)


def change(recipe: Recipe, settings: Mapping[str, str]) -> Recipe:
    """The recipe with other values, given as text (`alpha`: `0.3`, `hand_over`: `false`); raises BadSetting."""
    values: dict[str, Any] = {key: _value(recipe, key, text) for key, text in current_names(settings).items()}
    changed = replace(recipe, **values)
    for key, allowed in ALLOWED.items():
        if getattr(changed, key) not in allowed:
            raise BadSetting(f"{key}={getattr(changed, key)}: it must be one of {', '.join(allowed)}.")
    return changed


def _value(recipe: Recipe, key: str, text: str) -> object:
    settings = [field.name for field in fields(Recipe) if field.name != "name"]
    if key not in settings:
        raise BadSetting(f"a recipe has no setting {key!r}: known are {', '.join(settings)}.")
    kind = type(getattr(recipe, key))
    try:
        value: object = {"true": True, "false": False}[text.lower()] if kind is bool else kind(text)
    except (ValueError, KeyError) as error:
        must_be = "true or false" if kind is bool else {int: "a whole number", float: "a number"}[kind]
        raise BadSetting(f"{key}={text}: it must be {must_be}.") from error
    if isinstance(value, int | float) and not (value >= 0 and value != float("inf")):
        raise BadSetting(f"{key}={text}: it must be 0 or more.")
    if key in SHARES and isinstance(value, int | float) and value > 1:
        raise BadSetting(f"{key}={text}: it must be from 0 to 1.")
    return value


def differences(recipe: Recipe) -> dict[str, str]:
    """The settings in which `recipe` differs from the one of its name, as `change` takes them."""
    base = RECIPES[recipe.name]
    pairs = ((f.name, getattr(recipe, f.name)) for f in fields(Recipe))
    return {name: str(value).lower() for name, value in pairs if value != getattr(base, name)}
