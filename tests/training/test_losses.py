"""Soft labels and losses, against what the papers' formulas say."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from edgefer.arch import get_arch
from edgefer.data.load import load
from edgefer.training import losses
from edgefer.training.recipes import RECIPES, Recipe
from tests.made import write_csv, write_votes

HARD = Recipe("hard", 1)
EAN = get_arch("ean")


def test_hard_labels_and_their_smoothing(tmp_path: Path) -> None:
    data = load(write_csv(tmp_path / "fer2013.csv"))
    hard = losses.soft_labels(data, HARD)
    assert hard.argmax(1).tolist() == data.labels.tolist() and set(hard.flatten().tolist()) == {0.0, 1.0}
    smooth = losses.soft_labels(data, replace(HARD, label_smoothing=0.1))
    assert smooth.max() == pytest.approx(0.9 + 0.1 / 7) and smooth.min() == pytest.approx(0.1 / 7)


def test_share_of_the_votes(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "fer2013.csv")
    write_votes(path)
    data = load(path)
    soft = losses.soft_labels(data, replace(HARD, labels="votes", label_share=0.5))
    angry = soft[data.labels == 0][0]
    assert angry.tolist() == pytest.approx([0.5 + 0.5 * 0.8, 0, 0, 0, 0, 0, 0.5 * 0.2])


def test_votes_without_one_for_these_classes_say_nothing() -> None:
    none = torch.tensor([[0, 0, 0, 0, 0, 0, 0, 4, 6, 0], [0, 9, 0, 0, 0, 0, 0, 1, 0, 0]])
    assert losses.vote_shares(none, torch.arange(7)).tolist() == [pytest.approx([1 / 7] * 7), [0, 1, 0, 0, 0, 0, 0]]


def made_votes(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Faces whose true class is k get nine votes for column (k + 1) % 7: another labelling, which can be learnt."""
    labels = torch.arange(7).repeat(count)
    votes = torch.zeros(len(labels), 10, dtype=torch.int64)
    votes[torch.arange(len(labels)), (labels + 1) % 7] = 9
    votes[:, 8] = 1
    return votes, labels


def test_calibrated_votes_speak_of_the_labels() -> None:
    votes, labels = made_votes(40)
    soft = losses.calibrated_votes(votes, labels, 7)
    assert torch.allclose(soft.sum(1), torch.ones(len(soft)), atol=1e-5)
    assert (soft.argmax(1) == labels).all() and soft.max(1).values.min() > 0.9
    assert torch.equal(soft, losses.calibrated_votes(votes, labels, 7))


def test_a_face_s_soft_label_is_fitted_without_its_own_label() -> None:
    """A label that is changed must not change its own face's row, though it changes others'."""
    votes, labels = made_votes(40)
    other = labels.clone()
    other[5] = (other[5] + 3) % 7
    before, after = losses.calibrated_votes(votes, labels, 7), losses.calibrated_votes(votes, other, 7)
    assert torch.equal(before[5], after[5])
    assert not torch.equal(before, after)


def kl(p: torch.Tensor, q: torch.Tensor) -> float:
    return float((p * (p.log() - q.log())).sum(1).mean())


def test_loss_is_equation_7_of_ean_and_equation_2_of_microexpnet() -> None:
    torch.manual_seed(0)
    out, labels = torch.randn(8, 7), torch.arange(8) % 7
    teachers = torch.softmax(torch.randn(8, 7), 1)
    hard = functional.one_hot(labels, 7).float()
    own = float(functional.cross_entropy(out, labels))
    recipe = replace(HARD, alpha=0.3, temperature=5.0)
    apart = kl(teachers, torch.softmax(out / 5, 1))
    assert float(losses.loss(out, hard, None, recipe)) == pytest.approx(own)
    assert float(losses.loss(out, hard, teachers, recipe)) == pytest.approx(0.3 * 25 * apart + 0.7 * own, rel=1e-5)
    plain = replace(recipe, squared=False)
    assert float(losses.loss(out, hard, teachers, plain)) == pytest.approx(0.3 * apart + 0.7 * own, rel=1e-5)


def test_label_distribution_has_the_gradient_of_the_cross_entropy_with_the_generator() -> None:
    torch.manual_seed(1)
    out, teachers = torch.randn(4, 7, requires_grad=True), torch.softmax(torch.randn(4, 7), 1)
    loss = losses.loss(out, torch.zeros(4, 7), teachers, RECIPES["label-distribution"])
    (mine,) = torch.autograd.grad(loss, out)
    (theirs,) = torch.autograd.grad(functional.cross_entropy(out, teachers), out)
    assert torch.allclose(mine, theirs, atol=1e-6)


class Says(nn.Module):
    """A network of constant logits, which keeps the shape of its last input."""

    def __init__(self, *logits: float) -> None:
        super().__init__()
        self.logits, self.seen = torch.tensor(logits), torch.Size()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen = x.shape
        return self.logits.expand(len(x), -1)


def test_teachers_are_softened_and_averaged_and_see_their_own_side() -> None:
    one, two = Says(0.0, math.log(3)), Says(math.log(81), 0.0)
    lcnn = get_arch("lcnn")
    teachers = [losses.Teacher(EAN, one), losses.Teacher(lcnn, two)]
    probabilities = losses.teacher_probabilities(teachers, torch.rand(2, 1, 44, 44), 2.0)
    root = math.sqrt(3)
    expected = ((1 / (1 + root) + 9 / 10) / 2, (root / (1 + root) + 1 / 10) / 2)
    assert probabilities.tolist() == [pytest.approx(expected)] * 2
    assert one.seen == (2, 3, 44, 44) and two.seen == (2, 1, 64, 64)
