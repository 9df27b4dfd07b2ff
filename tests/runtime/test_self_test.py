"""Whether engines run: each that is here does; and how one that does not is told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edgefer.runtime import self_test, shell
from edgefer.runtime.engines import ENGINES
from tests.benchmark.made import write


@pytest.mark.parametrize("name", ENGINES)
def test_every_engine_runs_the_tiny_network(name: str) -> None:
    assert self_test.run(name).startswith(tuple(package.title for package in ENGINES[name].packages))


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("import os; os.kill(os.getpid(), 4)", r"ended with signal 4 \(an illegal instruction: a package is built for"),
        (
            "raise ImportError('libgomp.so.1: cannot open shared object file')",
            "ended with 1 .*libgomp.so.1: cannot open",
        ),
        (
            "raise ImportError('x.so: failed to map segment from shared object')",
            "can't be loaded for execution .*noexec does that",
        ),
    ],
)
def test_an_engine_that_is_installed_and_does_not_run(
    module: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"onnxruntime.py": module})
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    why = self_test.failure(self_test.start("onnx"))
    assert why is not None
    assert re.search(words, why)


def test_an_engine_that_runs_has_no_failure() -> None:
    assert self_test.failure(shell.Done(0, "ncnn 1", "")) is None
