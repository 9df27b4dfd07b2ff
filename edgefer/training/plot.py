"""Learning curves as a picture."""

from __future__ import annotations

import io
import itertools
from pathlib import Path

from edgefer.runtime.files import write_atomic
from edgefer.runtime.records import Epoch

BLUE, ORANGE = "#0072b2", "#d55e00"  # Okabe and Ito's colour-blind safe set


def curves(path: Path, title: str, points: list[Epoch], best: int) -> None:
    """Accuracy (left) and loss (right) over epochs, as a PNG; `best` is the epoch that was chosen."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
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
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120)
    write_atomic(path, content.getvalue())
