"""Pages of a bundle with stand-ins for the engines, which are large and come from the npm registry."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgefer.app import web


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> None:
    """No engine needs to be set up: each is one small file."""
    monkeypatch.setattr(web, "package_files", lambda name: {f"{name}/engine.js": b"export {};"})


@pytest.fixture
def floatio(dist: Path) -> Path:
    return dist / "ean.tflite-int8-floatio"
