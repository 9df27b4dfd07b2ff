"""What a network learns from: the soft label of each training face, and the loss against it and against teachers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgefer.arch import Arch
from edgefer.data.dataset import Dataset
from edgefer.runtime.errors import BadWeights, EmptyData
from edgefer.runtime.labels import ferplus_columns
from edgefer.training.augment import to_channels
from edgefer.training.recipes import Recipe
from edgefer.training.weights import arch_of_weights, load_trained_model

VOTE_FOLDS, VOTE_RIDGE, VOTE_STEPS = 5, 1e-5, 150  # of the fits in calibrated_votes


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
    votes = torch.from_numpy(data.votes)
    if recipe.labels == "votes":
        soft = vote_shares(votes, torch.tensor(columns))
    else:
        soft = calibrated_votes(votes, labels, classes)
    return (1 - recipe.label_share) * hard + recipe.label_share * soft


def calibrated_votes(votes: Tensor, labels: Tensor, classes: int) -> Tensor:
    """FER+'s votes as soft labels of FER2013: int (N, 10), int64 (N,) labels -> float32 (N, classes).

    FER+ labels the same faces anew, and its majority is FER2013's label on 63 % of them only, so its votes alone would
    teach another labelling. This is a multinomial logistic regression from the votes to FER2013's labels. A face's row
    comes from a fit on the other folds, so that its own label is not in it.
    """
    x = _vote_features(votes)
    fold = torch.randperm(len(x), generator=torch.Generator().manual_seed(0)) % VOTE_FOLDS
    out = torch.empty(len(x), classes)
    for number in range(VOTE_FOLDS):
        others, held_out = fold != number, fold == number
        weight, bias = _logistic_regression(x[others], labels[others], classes)
        out[held_out] = torch.softmax(x[held_out] @ weight + bias, 1)
    return out


def vote_shares(votes: Tensor, columns: Tensor) -> Tensor:
    """FER+'s own distribution: float32 (N, classes), the share of the votes for the class of column `columns[k]`.

    Votes for contempt, unknown and no face are left out; a face that has no others gets the same share of every class.
    """
    counts = votes[:, columns].float()
    total = counts.sum(1, keepdim=True)
    return torch.where(total > 0, counts / total.clamp_min(1), 1 / len(columns))


def _vote_features(votes: Tensor) -> Tensor:
    """Shares, their roots and squares: a logistic regression is linear, and the tenth vote says less than the first."""
    share = votes.float() / votes.sum(1, keepdim=True).clamp_min(1)
    return torch.cat([share, share.sqrt(), share**2], 1)


def _logistic_regression(x: Tensor, labels: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    weight = torch.zeros(x.shape[1], classes, requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=VOTE_STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = functional.cross_entropy(x @ weight + bias, labels) + VOTE_RIDGE * (weight**2).sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call, unused-ignore]
    return weight.detach(), bias.detach()


@dataclass(frozen=True)
class Teacher:
    """A network whose answers another one learns, in evaluation mode."""

    arch: Arch
    network: nn.Module


def load_teachers(paths: Sequence[Path], arch: Arch, device: str) -> list[Teacher]:
    """The teachers of a network of `arch` from their weights files; raises BadWeights where labels differ."""
    teachers = []
    for path in paths:
        of = arch_of_weights(path)
        if of.labels != arch.labels:
            raise BadWeights(
                f"the teacher {path} tells {len(of.labels)} classes ({', '.join(of.labels)}), the student {arch.name} "
                f"{len(arch.labels)} ({', '.join(arch.labels)}): give a teacher of the student's classes."
            )
        network = load_trained_model(of, path).network
        network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        teachers.append(Teacher(of, network))
    return teachers


def teacher_probabilities(teachers: Sequence[Teacher], faces: Tensor, temperature: float) -> Tensor:
    """The teachers' mean softened distribution (EAN, equation 1) of grey faces (N, 1, S, S) in [0, 1]: (N, classes)."""
    return mean_probabilities([teacher_logits(each, faces) for each in teachers], temperature)


def teacher_logits(teacher: Teacher, faces: Tensor) -> Tensor:
    """float32 (N, classes) of grey faces (N, 1, S, S) in [0, 1]."""
    with torch.no_grad():
        logits: Tensor = teacher.network(_teacher_input(faces, teacher.arch)).float()
        return logits


def mean_probabilities(logits: Sequence[Tensor] | Tensor, temperature: float) -> Tensor:
    """The mean softened distribution of several teachers' logits, (N, classes) each: (N, classes)."""
    return torch.as_tensor(sum(torch.softmax(each / temperature, 1) for each in logits)) / len(logits)


def _teacher_input(faces: Tensor, arch: Arch) -> Tensor:
    """The faces as the network of `arch` takes them, which may be of another side."""
    if faces.shape[-1] != arch.crop:
        faces = functional.interpolate(faces, size=(arch.crop, arch.crop), mode="bilinear", align_corners=False)
    return to_channels(faces, arch).contiguous(memory_format=torch.channels_last)


def loss(logits: Tensor, soft_labels: Tensor, teacher_probabilities: Tensor | None, recipe: Recipe) -> Tensor:
    """Cross-entropy of logits (N, classes) against soft labels; with teachers, alpha of it the divergence from them.

    EAN, equation 7: alpha T^2 KL + (1 - alpha) CE. MicroExpNet, equation 2, has no T^2 (`squared` is off).
    """
    cross_entropy = functional.cross_entropy(logits, soft_labels)
    if teacher_probabilities is None:
        return cross_entropy
    softened = functional.log_softmax(logits / recipe.temperature, 1)
    divergence = functional.kl_div(softened, teacher_probabilities, reduction="batchmean")
    scale = recipe.temperature**2 if recipe.squared else 1.0
    return recipe.alpha * scale * divergence + (1 - recipe.alpha) * cross_entropy
