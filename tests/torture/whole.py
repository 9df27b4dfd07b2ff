"""What a command left behind: which files of it are not whole."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

from edgefer.runtime.bundle import MANIFEST, read_bundle
from edgefer.training import checkpoint, weights


def broken(folder: Path) -> list[str]:
    """The bundles, records, weights, pictures and tables in a folder that are not whole."""
    wrong = []
    for path in sorted(folder.rglob("*")):
        if any(part.startswith(".") for part in path.relative_to(folder).parts) or not path.is_file():
            continue
        try:
            _read_whole(path)
        except Exception as error:
            wrong.append(f"{path.relative_to(folder)} is not whole ({type(error).__name__}: {error!s:.200})")
    return wrong


def _read_whole(path: Path) -> None:
    if path.name == MANIFEST:
        read_bundle(path.parent)
    elif path.suffix == ".json":
        json.loads(path.read_text())
    elif path.suffix == ".safetensors":
        weights.read_tensors(path)
    elif path.suffix == ".checkpoint":
        checkpoint._content(path, lambda said: None)
    elif path.suffix == ".png":
        with Image.open(path) as image:
            image.load()
    elif path.suffix in (".md", ".csv", ".kt", ".kts") and not path.read_bytes().endswith(b"\n"):
        raise ValueError("it is cut off")
