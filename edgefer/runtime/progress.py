"""How a step that takes its time tells how far it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count


def _unheard(*_: object) -> None:
    pass


@dataclass(frozen=True)
class Progress:
    """Two functions that are called meanwhile.

    step  with a task (a bundle, a device, a file), what is being done, and how much of how much is done; the last
          number is None where it is not known
    note  with a line that the user should see
    """

    step: Callable[[str, str, int, int | None], None] = _unheard
    note: Callable[[str], None] = _unheard

    def counter(self, task: str, what: str, total: int) -> Callable[[], None]:
        """A function to call once for each of `total` things that is done."""
        numbers = count(1)
        self.step(task, what, 0, total)
        return lambda: self.step(task, what, next(numbers), total)


SILENT = Progress()
