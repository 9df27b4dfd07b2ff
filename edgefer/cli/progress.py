"""The training progress bar: one bar for the epoch, one line for each finished epoch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from edgefer.runtime.records import Epoch

if TYPE_CHECKING:
    from rich.console import Console

    from edgefer.training.run import Listener


@contextlib.contextmanager
def training(console: Console, name: str, epochs: int, batches: int) -> Iterator[Listener]:
    """Hand out a listener that draws on `console` until the block ends."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    from edgefer.training.run import Listener

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(f"{name} 1/{epochs}", total=epochs * batches)

        def epoch(done: Epoch) -> None:
            bar.update(task, completed=done.epoch * batches)
            console.print(
                f"epoch {done.epoch:3d}  loss {done.loss:.3f}  Training {done.train_accuracy:5.2f} %  "
                f"PublicTest {done.public_accuracy:5.2f} %  {done.seconds:.0f} s"
            )
            if done.epoch < epochs:
                bar.update(task, description=f"{name} {done.epoch + 1}/{epochs}")

        yield Listener(epoch, lambda _loss: bar.advance(task))
