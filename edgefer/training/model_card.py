"""The model card of a weights file, from its training record (Mitchell et al., Model Cards, FAT* 2019)."""

from __future__ import annotations

import itertools
from pathlib import Path

from edgefer.runtime import units
from edgefer.runtime.terminal_table import markdown
from edgefer.runtime.training_record import Epoch, Scores, TrainingRecord
from edgefer.training.figures import COLOURS, save

BLUE, ORANGE, *_ = COLOURS
_LIMITS = """\
- FER2013's labels are noisy (label noise): its faces were found by web search and sorted in a hurry, people agree with
  its labels on about two faces of three, and FER+'s ten annotators gave another majority on 37 % of them.
- Nobody recorded who is on the faces. Web search for English words brings mostly young and light-skinned adults,
  actors and stock photographs; children, old people and darker skin are under-represented, and accuracy for them is
  unknown.
- Posed or exaggerated expressions, one moment, no context, 48 x 48 grey pixels. Faces in profile, covered or in the
  dark are rare.
- Classes with few images are the worst: look at their recall above before you use one.
- The network always answers with one of its classes, also for what is no face."""

_USES = """\
Fit: research; measuring what a network of this size costs on a device; interfaces in which a wrong answer costs nothing
and which the person in front of them has agreed to.

It must not decide anything about a person: no hiring, grading, policing, credit, health or safety decision, no
watching of people who have not agreed. An expression on a face is not what a person feels or intends. (In the European
Union, regulation 2024/1689 forbids emotion recognition at work and in schools, with few exceptions.) FER2013's faces
are for research use; ask what that means for your product."""


def render(record: TrainingRecord, curves: bool = True) -> str:
    """The card, as Markdown; with `curves` it refers to the picture of the learning curves beside it."""
    test, name = record.private or record.public, "PrivateTest" if record.private else "PublicTest"
    lines = [
        f"# {record.arch}: model card",
        "",
        "Written by `edgefer train` from the record beside it; not edited by hand.",
        "",
        f"Weights `{record.arch}.safetensors`, SHA-256 {record.weights_sha256}. Trained with edgefer {record.edgefer}, "
        f"recipe {record.recipe['name']}, seed {record.seed}, on {_machine(record)}, "
        f"{record.seconds / 60:.0f} minutes:",
        "",
        f"    {record.command}",
        *_started(record),
        "",
        *([f"![learning curves]({record.arch}.png)", ""] if curves else []),
        "## Data",
        "",
        f"{_images(record)}. Training was trained on, {_choice(record)}, PrivateTest was scored once. "
        f"SHA-256 of pixels, labels and splits: {record.data['sha256']}.",
        "",
        f"## Accuracy on {name}",
        "",
        *_accuracy(test),
        "",
        *_classes(test, record.data["classes"]),
        "",
        "## Limits",
        "",
        _LIMITS,
        "",
        "## Uses",
        "",
        _USES,
    ]
    return "\n".join(lines) + "\n"


def _choice(record: TrainingRecord) -> str:
    """Which epoch's weights these are."""
    kept = next(epoch for epoch in record.curve if epoch.epoch == record.best_epoch)
    if record.recipe.get("choose") == "last":
        return f"the last of {len(record.curve)} epochs was kept ({kept.public_accuracy:.2f} % on PublicTest)"
    return f"PublicTest chose the epoch ({kept.epoch} of {len(record.curve)}, {kept.public_accuracy:.2f} %)"


def _started(record: TrainingRecord) -> list[str]:
    """The files that it began with and learned from; of a bank its teachers too."""
    files = [("Started from", record.pretrained), *(("Learned from", each) for each in record.teachers)]
    lines = [f"- {how} `{each['file']}`, SHA-256 {each['sha256']}." for how, each in files if each]
    return ["", *lines] if lines else []


def _machine(record: TrainingRecord) -> str:
    return record.gpu or f"{units.counted(record.environment.threads, 'thread')} of {record.environment.cpu}"


def _images(record: TrainingRecord) -> str:
    return ", ".join(f"{split} {count:,} images" for split, count in record.data["images"].items())


def _accuracy(test: Scores) -> list[str]:
    lines = [f"- centre crop: {test.accuracy:.2f} % of {test.images:,} images"]
    if test.ten_crop is not None:
        lines.append(f"- mean of ten crops: {test.ten_crop:.2f} %")
    if test.unseen is not None:
        lines.append(f"- centre crop, {test.unseen_images:,} images that Training does not hold: {test.unseen:.2f} %")
    if test.ferplus is not None:
        lines.append(f"- answers equal to FER+'s majority, which is another labelling: {test.ferplus:.2f} %")
    return lines


def _classes(test: Scores, names: list[str]) -> list[str]:
    """Recall, and the confusion matrix where it was recorded: rows are the labels, columns the answers."""
    matrix = test.confusion
    if matrix is None:
        return [markdown(("class", "recall"), [(n, f"{r:.2f} %") for n, r in test.recall.items()])]
    rows = [
        (name, f"{test.recall[name]:.2f} %" if name in test.recall else "-", *map(str, counts))
        for name, counts in zip(names, matrix, strict=True)
    ]
    return [markdown(("class", "recall", *(f"as {name}" for name in names)), rows)]


def draw_curves(path: Path, title: str, points: list[Epoch], best: int) -> None:
    """Accuracy (left) and loss (right) over epochs, as a PNG; `best` is the epoch that was chosen."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), dpi=120, layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = [p.epoch for p in points]
    left.plot(epochs, [p.train_accuracy for p in points], color=ORANGE, label="Training, augmented")
    left.plot(epochs, [p.public_accuracy for p in points], color=BLUE, label="PublicTest, centre crop")
    for first in (p.epoch for before, p in itertools.pairwise(points) if p.round != before.round):
        left.axvline(first - 0.5, color="0.85")  # another round began
    left.axvline(best, color="0.6", linestyle=":", label=f"chosen: epoch {best}")
    left.set(xlabel="epoch", ylabel="accuracy in %", title=title)
    left.legend(facecolor="white", edgecolor="none")
    right.plot(epochs, [p.loss for p in points], color=ORANGE)
    right.set(xlabel="epoch", ylabel="loss", title="training loss")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    save(figure, path)
