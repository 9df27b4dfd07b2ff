"""What a network is taught: the soft label of each training face, and the loss against it and against teachers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgefer.arch import Arch
from edgefer.data.dataset import Dataset
from edgefer.runtime.errors import EmptyData
from edgefer.runtime.labels import ferplus_columns
from edgefer.training import ferplus_votes
from edgefer.training.augment import spread
from edgefer.training.recipes import Recipe


def soft_labels(data: Dataset, recipe: Recipe) -> Tensor:
    """float32 (N, classes), each row adds up to 1; raises EmptyData if the recipe needs votes and there are none."""
    classes = len(data.names)
    labels = torch.from_numpy(data.labels)
    hard = functional.one_hot(labels, classes).float()
    hard = hard * (1 - recipe.label_smoothing) + recipe.label_smoothing / classes
    if recipe.labels == "hard":
        return hard
    columns = ferplus_columns(data.names)
    if data.votes is None or columns is None:
        raise EmptyData(
            f"{data.source} has no FER+ votes for its classes, which labels={recipe.labels} of recipe {recipe.name} "
            "needs: put fer2013new.csv beside fer2013.csv, or say --set labels=hard."
        )
    found = torch.from_numpy(data.votes)
    if recipe.labels == "votes":
        soft = ferplus_votes.plain(found, torch.tensor(columns))
    else:
        soft = ferplus_votes.calibrated(found, labels, classes)
    return (1 - recipe.label_share) * hard + recipe.label_share * soft


@dataclass(frozen=True)
class Teacher:
    """A network that is listened to, in evaluation mode."""

    arch: Arch
    network: nn.Module


def hear(teachers: Sequence[Teacher], views: Tensor, temperature: float) -> Tensor:
    """The teachers' mean softened distribution (EAN, equation 1) of grey views (N, 1, S, S) in [0, 1]: (N, classes)."""
    with torch.no_grad():
        total = sum(torch.softmax(each.network(_shown(views, each.arch)).float() / temperature, 1) for each in teachers)
        return torch.as_tensor(total) / len(teachers)


def _shown(views: Tensor, arch: Arch) -> Tensor:
    """The views as the network of `arch` takes them, which may be of another side."""
    if views.shape[-1] != arch.crop:
        views = functional.interpolate(views, size=(arch.crop, arch.crop), mode="bilinear", align_corners=False)
    return spread(views, arch).contiguous(memory_format=torch.channels_last)


def loss(out: Tensor, target: Tensor, heard: Tensor | None, recipe: Recipe) -> Tensor:
    """Cross-entropy of logits (N, classes) against soft labels; with teachers, alpha of it the divergence from them.

    EAN, equation 7: alpha T^2 KL + (1 - alpha) CE. MicroExpNet, equation 2, has no T^2 (`squared` is off).
    """
    own = functional.cross_entropy(out, target)
    if heard is None:
        return own
    softened = functional.log_softmax(out / recipe.temperature, 1)
    apart = functional.kl_div(softened, heard, reduction="batchmean")
    scale = recipe.temperature**2 if recipe.squared else 1.0
    return recipe.alpha * scale * apart + (1 - recipe.alpha) * own
