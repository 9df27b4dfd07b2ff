"""A format that only the tests have: a convolution and a linear layer in an .npz file, run by numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgefer.runtime.engines import ENGINES, Engine, Package

if TYPE_CHECKING:
    from torch import nn

ROW = Engine(
    name="made",
    suffixes=(".npz",),
    packages=(Package("numpy", "numpy", "numpy"),),
    runner="tests.pipeline.made_format.run",
    exporter="tests.pipeline.made_format.export",
    converters=("torch", "numpy"),
    ranges="made",
    same_host=1e-4,
    other_host=1e-3,
)


def register() -> None:
    """Put the row into the table of this process."""
    ENGINES[ROW.name] = ROW


def network() -> nn.Module:
    """For --model: grey 1x8x8 -> three logits."""
    from torch import nn

    return nn.Sequential(nn.Conv2d(1, 4, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(36, 3))
