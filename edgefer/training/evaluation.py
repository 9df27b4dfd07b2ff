"""The accuracy of a network on faces: of centre crops, of ten crops (Kong et al., EAN), and as a camera shows them.

The ten crops are those of EAN's Figure 8. What a camera brings are the conditions of data.conditions, under which
bundles are measured beside their float network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from statistics import mean

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from edgefer.arch import Arch
from edgefer.data.conditions import CONDITIONS, UNCHANGED, ChangedFaces
from edgefer.data.dataset import Dataset, unseen_rows
from edgefer.runtime import metrics, verify
from edgefer.runtime.bundle import Bundle
from edgefer.runtime.errors import WrongOptions
from edgefer.runtime.preprocess import PixelRows
from edgefer.runtime.progress import SILENT, Progress
from edgefer.runtime.training_record import Scores
from edgefer.training.augment import centre, grey, to_channels
from edgefer.training.weights import TrainedModel

CENTRE_PIXELS = 256 * 48 * 48  # of the faces that are shown at once
TEN_CROP_BATCH = 256
FLOAT = "float"
REPORTED_ONLY = "PrivateTest is only reported: nothing is chosen by it."


def logits(network: nn.Module, data: Dataset, arch: Arch) -> Tensor:
    """float32 (N, classes) of the network of `arch` on the centre crops; it is put into evaluation mode."""
    return pixel_logits(network, data.pixels, arch)


def pixel_logits(network: nn.Module, pixels: PixelRows, arch: Arch) -> Tensor:
    """The same of faces without labels: uint8 (N, resize, resize, 1 or 3)."""
    network.eval()
    batch, device = max(1, CENTRE_PIXELS // arch.resize**2), next(network.parameters()).device
    with torch.inference_mode():
        parts = [network(centre(pixels[i : i + batch], arch, device)) for i in range(0, len(pixels), batch)]
    return torch.cat(parts).cpu()


def accuracy_and_nll(network: nn.Module, data: Dataset, arch: Arch) -> tuple[float, float]:
    """The share of the centre crops, 0 to 1, whose label has the highest logit, and the labels' mean NLL in nats."""
    outputs, labels = logits(network, data, arch), torch.from_numpy(data.labels)
    return float((outputs.argmax(1) == labels).double().mean()), float(functional.cross_entropy(outputs, labels))


def ten_crops(faces: Tensor, crop: int) -> Iterator[Tensor]:
    """The four corners and the centre of faces (N, C, H, W), each also mirrored: ten times (N, C, crop, crop)."""
    room_y, room_x = faces.shape[2] - crop, faces.shape[3] - crop
    for top, left in ((0, 0), (0, room_x), (room_y, 0), (room_y, room_x), (room_y // 2, room_x // 2)):
        cropped = faces[:, :, top : top + crop, left : left + crop]
        yield cropped
        yield cropped.flip(3)


def ten_crop_probabilities(network: nn.Module, data: Dataset, arch: Arch) -> Tensor:
    """float32 (N, classes): the mean of the ten crops' softmax; the network is put into evaluation mode."""
    network.eval()
    parts = []
    with torch.inference_mode():
        for start in range(0, len(data), TEN_CROP_BATCH):
            faces = grey(data.pixels[start : start + TEN_CROP_BATCH])
            crops = [torch.softmax(network(to_channels(crop, arch)), 1) for crop in ten_crops(faces, arch.crop)]
            parts.append(torch.stack(crops).mean(0))
    return torch.cat(parts)


def scores(network: nn.Module, arch: Arch, data: Dataset, split: str, ten_crop: bool = True) -> Scores:
    """The scores of the centre crops of a split, and the accuracy of ten crops; raises EmptyData."""
    faces = data.split(split)
    result = metrics.score(logits(network, faces, arch).numpy(), faces, unseen_rows(faces, data))
    if not ten_crop:
        return result
    ten = metrics.score(ten_crop_probabilities(network, faces, arch).numpy(), faces)
    return replace(result, ten_crop=ten.accuracy)


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


def robustness_page(record: RobustnessRecord, table: Callable[[Sequence[str], Sequence[Sequence[str]]], str]) -> str:
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
