"""What an engine raises while it loads or runs a model, and outputs that can't be used, are failures of edgefer's."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import edgefer
from edgefer.arch import get_arch
from edgefer.data.dataset import synthetic_faces
from edgefer.pipeline.build import BuildJob, CalibrationOptions, build_bundle
from edgefer.pipeline.targets import get_target
from edgefer.runtime import engines, verify, worker
from edgefer.runtime.bench_record import Settings
from edgefer.runtime.bundle import read_bundle
from edgefer.runtime.contract import Layout
from edgefer.runtime.errors import BrokenBundle, EdgeferError, ExportFailed, NoGpu
from edgefer.runtime.protocol import Check, Request
from edgefer.training import weights

NAME = "ean.onnx-fp32"
ENGINE = "Made 1.0 stopped while it ran the model (RuntimeError: node 3 of 7)"
Answer = Callable[[NDArray[Any]], NDArray[Any]]


def stopping(given: NDArray[Any]) -> NDArray[Any]:
    raise RuntimeError("node 3\nof 7")


CASES: list[tuple[Answer, str]] = [
    (stopping, ENGINE),
    (lambda _: np.full((1, 7), np.nan, np.float32), "Made 1.0 gave values that are nan or infinite"),
    (lambda _: np.zeros((1, 8), np.float32), "Made 1.0 gave an output of (1, 8), the file says (1, 7)"),
]


@dataclass
class Made:
    """An engine's model with the contract of the bundle, and any answer."""

    real: engines.CheckedModel
    answer: Answer
    engine: str = "Made 1.0"
    layout: Layout = "NCHW"

    def __post_init__(self) -> None:
        self.input, self.output = self.real.input, self.real.output

    def run(self, given: NDArray[Any]) -> NDArray[Any]:
        return self.answer(given)


@pytest.fixture
def answering(dist: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Answer], None]:
    """Put an engine that answers so in the place of ONNX Runtime."""
    real = verify.open_model(read_bundle(dist / NAME))

    def put(answer: Answer) -> None:
        module = SimpleNamespace(load=lambda path, threads: Made(real, answer))
        monkeypatch.setattr(engines, "import_runner", lambda name: module)
        monkeypatch.setattr(verify, "open_apart", lambda bundle: nullcontext(verify.open_model(bundle)))

    return put


@pytest.mark.parametrize(("answer", "words"), CASES)
def test_every_caller_is_told_in_one_line(
    dist: Path, tmp_path: Path, answering: Callable[[Answer], None], answer: Answer, words: str
) -> None:
    bundle = read_bundle(dist / NAME)
    answering(answer)
    ean = get_arch("ean")
    trained = weights.load_trained_model(ean, None)
    job = BuildJob(ean, "onnx-fp32", get_target("onnx-fp32"), trained, CalibrationOptions())
    face = synthetic_faces().pixels[0]
    calls: list[tuple[type[EdgeferError], Callable[[], object]]] = [
        (ExportFailed, lambda: build_bundle(job, tmp_path / "dist")),
        (BrokenBundle, lambda: verify.check_golden(bundle)),
        (BrokenBundle, lambda: verify.run_faces(bundle, synthetic_faces().pixels)),
        (BrokenBundle, lambda: edgefer.load(dist / NAME).classify(face)),
    ]
    for kind, call in calls:
        with pytest.raises(kind) as failure:
            call()
        assert f"{NAME}: {words}" in str(failure.value)
    assert not (tmp_path / "dist").exists()


def test_a_worker_answers_with_what_the_engine_raised(dist: Path, answering: Callable[[Answer], None]) -> None:
    answering(stopping)
    settings = Settings(threads=1)
    checked = worker.answer(Request(str(dist / NAME), None, settings, check=Check()))
    assert checked.failure is not None
    assert (checked.failure.kind, ENGINE in checked.failure.message) == ("BrokenBundle", True)
    benched = worker.answer(Request(str(dist / NAME), None, settings))
    assert benched.failure is not None
    assert (benched.failure.kind, "RuntimeError: node 3 of 7" in benched.failure.message) == ("WorkerFailed", True)


def test_an_engine_that_can_not_load(dist: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(path: Path, threads: int) -> None:
        raise failure

    monkeypatch.setattr(engines, "import_runner", lambda name: SimpleNamespace(load=load))
    failure: Exception = KeyError("an old\nfile" + "x" * 999)
    with pytest.raises(BrokenBundle, match=r"the onnx engine can't load it \(KeyError: .*x\.\.\.\): it needs") as told:
        verify.open_model(read_bundle(dist / NAME))
    assert len(str(told.value)) < 500
    failure = NoGpu("none here.")
    with pytest.raises(NoGpu, match=r"^none here\.$"):
        verify.open_model(read_bundle(dist / NAME))
