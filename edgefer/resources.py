"""Where the data that ships with edgefer lies: in the package (wheel) or beside it (clone)."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent


def folder(name: str) -> Path:
    """`targets`, `calibration`, `benchmarks` or `weights`: a wheel carries them inside, a clone at its top level."""
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / name
