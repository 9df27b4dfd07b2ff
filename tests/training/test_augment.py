"""What training shows of a face: crops and mirrors, rotation and scale, light, hidden squares."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from edgefer.arch import get_arch
from edgefer.training.augment import augment, blur, centre, draw, erase, grey, relight
from edgefer.training.recipes import Augmentation


def test_augmentation_keeps_within_the_face() -> None:
    """With a rotation and a scale too small to see, the samples lie on whole pixels or between two, never outside."""
    faces = grey(load_ramp())
    out = augment(faces, 44, Augmentation(rotation=1e-6, scale=1e-6), torch.Generator().manual_seed(0))
    assert out.shape == (4, 1, 44, 44)
    assert out.min() >= faces.min() and out.max() <= faces.max()
    steps = (out[:, :, 1:] - out[:, :, :-1]) * 255
    assert torch.allclose(steps, torch.full_like(steps, 5.0), atol=0.05)


def test_augmentation_without_rotation_and_scale_is_a_crop_or_its_mirror() -> None:
    faces = torch.arange(48 * 48, dtype=torch.float32).view(1, 1, 48, 48).repeat(64, 1, 1, 1)
    out = augment(faces, 44, Augmentation(), torch.Generator().manual_seed(0))
    assert out.shape == (64, 1, 44, 44)
    corners, mirrored = set(), 0
    for view in out[:, 0]:
        mirror = bool(view[0, 0] > view[0, 1])
        upright = view.flip(1) if mirror else view
        top, left = divmod(int(upright[0, 0]), 48)
        assert torch.equal(upright, faces[0, 0, top : top + 44, left : left + 44])
        corners.add((top, left))
        mirrored += mirror
    assert {top for top, _ in corners} == {left for _, left in corners} == set(range(5))
    assert 16 <= mirrored <= 48


def test_other_light_scales_around_the_mean_and_shifts_it() -> None:
    views = torch.rand(200, 1, 44, 44, generator=torch.Generator().manual_seed(1)) * 0.2 + 0.4
    how = Augmentation(contrast=0.4, brightness=0.15)
    out = relight(views, how, draw(how, 200, torch.Generator().manual_seed(0))[5:7])
    scales, shifts = out.std((2, 3)) / views.std((2, 3)), out.mean((2, 3)) - views.mean((2, 3))
    assert 0.6 <= scales.min() < 0.65 and 1.35 < scales.max() <= 1.4
    assert -0.15 <= shifts.min() < -0.13 and 0.13 < shifts.max() <= 0.15
    bright = Augmentation(contrast=0.4, brightness=0.9)
    draws = draw(bright, 9, torch.Generator().manual_seed(0))[5:7]
    assert relight(torch.ones(9, 1, 4, 4), bright, draws).max() == 1.0
    assert relight(views, Augmentation(), draws) is views


def test_a_square_of_one_grey_hides_part_of_some_views() -> None:
    views = torch.rand(400, 1, 44, 44, generator=torch.Generator().manual_seed(1))
    how = Augmentation(erase=0.5)
    draws = draw(how, 400, torch.Generator().manual_seed(0))[7:12]
    out = erase(views, how, draws)
    hidden = (out != views)[:, 0]
    sides = set()
    for view, where in zip(out[:, 0], hidden, strict=True):
        if where.any():
            side = int(where.any(1).sum())
            assert int(where.sum()) == side**2 and len(view[where].unique()) == 1
            sides.add(side)
    assert sides == set(range(8, 17))
    assert 160 <= int(hidden.any((1, 2)).sum()) <= 240
    assert erase(views, Augmentation(), draws) is views


def load_ramp() -> NDArray[np.uint8]:
    """Four faces whose value grows by five a row."""
    return np.broadcast_to((np.arange(48) * 5).astype(np.uint8)[None, :, None, None], (4, 48, 48, 1)).copy()


def test_centre_is_the_middle_of_the_face() -> None:
    x = centre(load_ramp(), get_arch("ean"))
    assert x.shape == (4, 3, 44, 44)
    assert x[0, 0, 0, 0] * 255 == pytest.approx(10)


def test_half_of_the_views_are_blurred_and_a_flat_face_stays_flat() -> None:
    views = torch.rand(400, 1, 44, 44, generator=torch.Generator().manual_seed(1))
    how = Augmentation(blur=1.5)
    draws = draw(how, 400, torch.Generator().manual_seed(0))[12]
    out = blur(views, how, draws)
    assert out.shape == views.shape
    sharpness = out.std((2, 3)).squeeze() / views.std((2, 3)).squeeze()
    untouched = draws < 0.5
    assert torch.allclose(out[untouched], views[untouched], atol=1e-6)
    assert sharpness[draws > 0.9].max() < 0.35  # 1.2 pixels and more on noise: 1 / (2 sqrt(pi) 1.2) = 0.24
    assert torch.allclose(blur(torch.full((9, 1, 8, 8), 0.4), how, draws[:9]), torch.full((9, 1, 8, 8), 0.4))
    assert blur(views, Augmentation(), draws) is views
