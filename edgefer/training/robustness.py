"""The accuracy of a network, and of bundles made from it, under the conditions that a camera brings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import mean

import numpy as np
from numpy.typing import NDArray

from edgefer.arch import Arch
from edgefer.data.conditions import CONDITIONS, UNCHANGED, ChangedFaces
from edgefer.data.dataset import Dataset
from edgefer.runtime import verify
from edgefer.runtime.bundle import Bundle
from edgefer.runtime.errors import WrongOptions
from edgefer.runtime.progress import SILENT, Progress
from edgefer.training.evaluation import pixel_logits
from edgefer.training.weights import TrainedModel

FLOAT = "float"
REPORTED_ONLY = "PrivateTest is only reported: nothing is chosen by it."


@dataclass(frozen=True)
class ConditionRecord:
    """A condition by its name, and the parameters that it sets."""

    name: str
    parameters: dict[str, float]


@dataclass(frozen=True)
class ModelRobustness:
    """Accuracy of one model in percent, by condition; `mean` leaves the unchanged faces out.

    name is a bundle's, or FLOAT; sha256 is of the bundle's manifest.json, or of the weights file.
    """

    name: str
    sha256: str
    accuracy: dict[str, float]
    mean: float


@dataclass(frozen=True)
class RobustnessRecord:
    """What `edgefer eval --robustness` measured on one split; the first condition is the unchanged faces."""

    schema: str = field(default="edgefer/robustness/1", kw_only=True)
    arch: str
    split: str
    images: int
    side: int
    conditions: list[ConditionRecord]
    models: list[ModelRobustness]


def measure_robustness(
    model: TrainedModel, arch: Arch, test: Dataset, split: str, bundles: Sequence[Bundle], progress: Progress = SILENT
) -> RobustnessRecord:
    """Accuracy of the float network and of each bundle under every condition, on the centre crops.

    `test` is the split's faces at arch.resize. Raises WrongOptions if a bundle resizes faces to another size, BadData
    if it has other classes, and what `verify.run_faces` raises.
    """
    for bundle in bundles:
        _require_same_size(bundle, arch)
        verify.require_classes(bundle, test)

    def run_float(faces: ChangedFaces) -> NDArray[np.float32]:
        outputs: NDArray[np.float32] = pixel_logits(model.network, faces, arch).numpy()
        return outputs

    models = [_measure(FLOAT, model.sha256, run_float, test, progress)]
    for bundle in bundles:
        name, run_bundle = bundle.manifest.name, partial(verify.run_faces, bundle)
        models.append(_measure(name, bundle.sha256, run_bundle, test, progress))
    conditions = [ConditionRecord(each.name, each.parameters()) for each in (UNCHANGED, *CONDITIONS)]
    return RobustnessRecord(arch.name, split, len(test), arch.resize, conditions, models)


def _require_same_size(bundle: Bundle, arch: Arch) -> None:
    side = bundle.manifest.contract.resize
    if side != arch.resize:
        raise WrongOptions(
            f"{bundle.manifest.name} resizes faces to {side} pixels, {arch.name} to {arch.resize}: "
            "a condition is another one at another size; give bundles of the same size."
        )


def _measure(
    name: str,
    sha256: str,
    run: Callable[[ChangedFaces], NDArray[np.float32]],
    test: Dataset,
    progress: Progress,
) -> ModelRobustness:
    done = progress.counter(name, "conditions", 1 + len(CONDITIONS))
    accuracy = {}
    for condition in (UNCHANGED, *CONDITIONS):
        right = run(ChangedFaces(test.pixels, condition)).argmax(1) == test.labels
        accuracy[condition.name] = round(100 * float(right.mean()), 3)
        done()
    return ModelRobustness(name, sha256, accuracy, round(mean(accuracy[each.name] for each in CONDITIONS), 3))


def page(record: RobustnessRecord, table: Callable[[Sequence[str], Sequence[Sequence[str]]], str]) -> str:
    """What was measured, and a row for each condition; the last one is the mean without the unchanged faces."""
    headings = ["condition", *(heading for model in record.models for heading in (f"{model.name}, %", "points"))]
    unchanged, *changed = (condition.name for condition in record.conditions)
    rows = [[unchanged, *(cell for model in record.models for cell in (f"{model.accuracy[unchanged]:.2f}", ""))]]
    rows += [[name, *_cells(record, unchanged, [model.accuracy[name] for model in record.models])] for name in changed]
    means = _cells(record, unchanged, [model.mean for model in record.models])
    rows.append([f"mean of these {len(changed)} conditions", *means])
    return f"{_heading(record)}\n\n{table(headings, rows)}\n"


def _cells(record: RobustnessRecord, unchanged: str, values: Sequence[float]) -> list[str]:
    """Of each model, what it has and how far that is from what it has on unchanged faces."""
    pairs = zip(record.models, values, strict=True)
    return [cell for model, value in pairs for cell in (f"{value:.2f}", f"{value - model.accuracy[unchanged]:+.2f}")]


def _heading(record: RobustnessRecord) -> str:
    line = (
        f"{record.arch} on {record.split}, {record.images} images, centre crop: accuracy, and its difference from that "
        f"on unchanged faces. A condition acts on the faces at {record.side} x {record.side} pixels, before the crop."
    )
    return f"{line} {REPORTED_ONLY}" if record.split == "PrivateTest" else line
