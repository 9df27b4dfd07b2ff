"""docs/python.md: its examples run as they stand, in order."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

import edgefer
from edgefer.runtime.golden import golden_png
from tests.made import write_sure_csv

PAGE = Path(__file__).parents[2] / "docs" / "python.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def test_examples_run(dist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(dist / "ean.tflite-int8", tmp_path / "dist" / "ean.tflite-int8")
    (tmp_path / "face.png").write_bytes(golden_png())
    write_sure_csv(tmp_path / "fer2013.csv")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    assert len(BLOCKS) >= 8
    for number, block in enumerate(BLOCKS):
        exec(compile(block, f"{PAGE.name}, example {number + 1}", "exec"), names)


def test_every_function_is_on_the_page() -> None:
    for name in edgefer.__all__:
        if name.islower() and name != "__version__":
            assert f"edgefer.{name}(" in PAGE.read_text(), name
