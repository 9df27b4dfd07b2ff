"""Where the data that ships with edgefer lies, in the package (wheel) or beside it (clone); and its cache."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]


def folder(name: str) -> Path:
    """`targets`, `calibration`, `benchmarks` or `weights`: a wheel carries them inside, a clone at its top level."""
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / name


def cache() -> Path:
    """The user's folder for what edgefer can make again: compiled plugins, emulated boards."""
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches/edgefer"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgefer"
