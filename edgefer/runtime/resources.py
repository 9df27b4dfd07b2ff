"""Where the data that ships with edgefer lies, in the package (wheel) or beside it (clone); and its cache."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]


def folder(name: str) -> Path:
    """`targets`, `calibration`, `benchmarks` or `weights`: a wheel carries them inside, a clone at its top level."""
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / name


def cache() -> Path:
    """The user's folder for what edgefer can make again: compiled plugins, emulated boards, decoded faces."""
    from platformdirs import user_cache_path  # boards don't have it, and keep nothing

    return user_cache_path("edgefer", appauthor=False)
