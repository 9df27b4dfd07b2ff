"""Ten crops of EAN's Figure 8, and the figures that a record holds beside the accuracy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from edgefer.arch import get_arch
from edgefer.data.load import load
from edgefer.runtime import metrics
from edgefer.training import evaluation
from edgefer.training.augment import centre
from tests.made import untrained, write_csv, write_votes

EAN = get_arch("ean")


def test_ten_crops_are_corners_and_centre_and_their_mirrors() -> None:
    faces = torch.arange(48 * 48, dtype=torch.float32).view(1, 1, 48, 48)
    shown = list(evaluation.ten_crops(faces, 44))
    corners = [divmod(int(view[0, 0, 0, 0]), 48) for view in shown[::2]]
    assert corners == [(0, 0), (0, 4), (4, 0), (4, 4), (2, 2)]
    assert all(torch.equal(view.flip(3), mirror) for view, mirror in zip(shown[::2], shown[1::2], strict=True))
    assert {tuple(view.shape) for view in shown} == {(1, 1, 44, 44)}


def test_probabilities_are_the_mean_of_the_ten(tmp_path: Path) -> None:
    data = load(write_csv(tmp_path / "fer2013.csv", {"PublicTest": 2}))
    network = untrained("ean")
    probabilities = evaluation.ten_crop_probabilities(network, data, EAN)
    with torch.no_grad():
        shown = [torch.softmax(network(view), 1) for view in evaluation.ten_crops(whole(data.pixels[:]), 44)]
        alone = torch.softmax(network(centre(data.pixels[:], EAN)), 1)
    assert torch.allclose(probabilities, torch.stack(shown).mean(0), atol=1e-6)
    assert torch.allclose(shown[8], alone, atol=1e-6)


def whole(pixels: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div(255).expand(-1, 3, -1, -1)


def test_confusion_and_agreement_with_ferplus(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "fer2013.csv", {"PublicTest": 3})
    write_votes(path)
    data = load(path)
    answers = data.labels.copy()
    answers[:3] = 6  # three faces (angry, disgust, fear) taken for neutral
    scores = metrics.score(np.eye(7)[answers], data)
    assert scores.confusion is not None
    matrix = np.array(scores.confusion)
    assert matrix.sum() == 21 and matrix.sum(1).tolist() == [3] * 7
    assert matrix[[0, 1, 2], 6].tolist() == [1, 1, 1] and np.trace(matrix) == 18
    assert scores.accuracy == pytest.approx(100 * 18 / 21, abs=1e-3)
    assert scores.ferplus == pytest.approx(100 * 18 / 21, abs=1e-3)
    assert metrics.score(np.eye(7)[answers], replace(data, votes=None)).ferplus is None
