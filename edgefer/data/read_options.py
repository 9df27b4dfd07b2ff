"""How a data set is to be read: what the user says of it, and who hears how far it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from edgefer.runtime.progress import Progress


def _unheard(*_: object) -> None:
    pass


@dataclass(frozen=True)
class Reading:
    """What goes with a path.

    layout  a name of edgefer.data.layouts.LAYOUTS; None: whatever lies there for certain
    cache   folder for the decoded faces of large sets; None: EDGEFER_CACHE, else the user's cache folder
    say     hears a line that the user should see
    tick    hears (images decoded, images in all) now and then
    """

    layout: str | None = None
    cache: Path | None = None
    say: Callable[[str], None] = _unheard
    tick: Callable[[int, int], None] = _unheard


PLAINLY = Reading()


def with_progress(how: Reading, path: Path, progress: Progress) -> Reading:
    """The same, and `progress` hears how far the reading of `path` is."""
    task = f"reading {path}"
    progress.step(task, "", 0, None)
    return replace(how, say=progress.note, tick=lambda done, total: progress.step(task, "images", done, total))
