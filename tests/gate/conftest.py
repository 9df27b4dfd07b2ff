"""`edgefer gate` on a machine that is made."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from edgefer.benchmark import instructions, workload
from edgefer.benchmark.instructions import Counted
from edgefer.cli import main
from tests.gate.made import Machine


class Ran(NamedTuple):
    code: int
    out: str
    err: str


Gate = Callable[..., Ran]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setattr(workload, "measure", made)
    return made


@pytest.fixture
def gate(machine: Machine, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Gate:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(instructions, "count", lambda *_: Counted(1000, 0, None))

    def run(*words: str | Path) -> Ran:
        monkeypatch.setattr(sys, "argv", ["edgefer", "gate", *map(str, words)])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        assert not list((tmp_path / "temporary").iterdir())
        return Ran(code, *capfd.readouterr())

    return run
