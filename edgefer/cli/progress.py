"""What moves on the terminal while a command works; nothing does where standard error is no terminal."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from edgefer.cli.streams import PLAIN
from edgefer.runtime.errors import one_line, without_controls
from edgefer.runtime.progress import Progress

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import TaskID
    from rich.status import Status
    from rich.text import Text

    from edgefer.runtime.training_record import Epoch
    from edgefer.training.run import Listener


def console() -> Console:
    """A console on a copy of standard error: what converters print is silenced, progress is not."""
    from rich.console import Console

    copy = os.fdopen(os.dup(2), "w", encoding=sys.stderr.encoding, errors=PLAIN)
    return Console(file=copy, highlight=False, markup=False, emoji=False)


def status(shown: Console, text: str) -> Status:
    """A line that moves while the block lasts; rich would read the names in it as markup."""
    return shown.status(line(text))


def line(text: str) -> Text:
    """One line of text as it is: what a file or a device is called is no markup."""
    from rich.text import Text

    return Text(one_line(text))


class Display:
    """A line for the task that is being done, or with `together` one for each; `print` writes results between."""

    def __init__(self, together: bool = False) -> None:
        self.console = console()
        self._together = together
        self._bars: Bars | None = None
        self._tasks: dict[str, TaskID] = {}

    @property
    def progress(self) -> Progress:
        """What the library calls."""
        return Progress(self._step, self._note)

    def print(self, line: str) -> None:
        """Write a line of the result to standard output."""
        self.hide()
        click.echo(line)

    def hide(self) -> None:
        """Take everything that moves off the terminal, until the next step."""
        if self._bars is not None:
            self._bars.stop()
        self._bars, self._tasks = None, {}

    def _note(self, line: str) -> None:
        self.console.print(without_controls(line), soft_wrap=True)

    def _step(self, task: str, what: str, done: int, total: int | None) -> None:
        if not self.console.is_terminal:
            return
        if task not in self._tasks and not self._together:
            self.hide()
        if self._bars is None:
            self._bars = _bars(self.console)
            self._bars.start()
        if task not in self._tasks:
            self._tasks[task] = self._bars.add_task("", total=None)
        count = "" if total is None else f"{done:,} of {total:,}"
        words = " ".join(word for word in (f"{task}:" if task and what else task, what, count) if word)
        self._bars.update(self._tasks[task], description=words, completed=done, total=total)


def _bars(console: Console) -> Bars:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True)


@contextlib.contextmanager
def display(together: bool = False) -> Iterator[Display]:
    """A display that is gone when the block ends, however it ends."""
    made = Display(together)
    try:
        yield made
    finally:
        made.hide()


@contextlib.contextmanager
def training(console: Console, name: str, epochs: int, batches: int) -> Iterator[Listener]:
    """Hand out a listener that draws on `console` until the block ends."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    from edgefer.training.run import Listener

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
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

        yield Listener(epoch, lambda _loss: bar.advance(task), console.print)
