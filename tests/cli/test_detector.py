"""edgefer detector: what is listed, and what a setup says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgefer.cli import cli
from edgefer.runtime.detectors import DETECTORS, POLICIES
from edgefer.runtime.errors import MissingFile, WrongOptions


@pytest.fixture(autouse=True)
def nothing_set_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "300")


def test_the_list_says_of_each_what_to_run() -> None:
    shown = CliRunner().invoke(cli, ["detector", "list"], catch_exceptions=False).output
    for row in DETECTORS.values():
        assert row.name in shown and row.set_up_by in shown
    assert all(name in shown for name in POLICIES)
    rows = json.loads(CliRunner().invoke(cli, ["detector", "list", "--json"], catch_exceptions=False).output)
    assert rows["mtcnn"]["missing"] == "edgefer detector setup mtcnn"
    assert rows["none"]["missing"] == ""


def test_setup_refuses_with_one_line() -> None:
    for words, failure in ((["mtcnn", "--wheel", "nowhere.whl"], MissingFile),):
        with pytest.raises(failure):
            CliRunner().invoke(cli, ["detector", "setup", *words], catch_exceptions=False)
    result = CliRunner().invoke(cli, ["detector", "setup", "haar"])
    assert result.exit_code == WrongOptions.exit_code
    assert "no weights to set up" in result.output
