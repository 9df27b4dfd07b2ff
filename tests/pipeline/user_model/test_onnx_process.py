"""A user's ONNX file is opened in a process of its own: what it does to native code ends in a line that names it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgefer.pipeline.user_model import load, onnx_process
from edgefer.pipeline.user_model.contract_file import ContractFile
from edgefer.pipeline.user_model.onnx_engine import InProcess
from edgefer.runtime import shell, tiny_network
from edgefer.runtime.errors import WorkerFailed

CONTRACT = ContractFile(input="3x8x8", labels=("sad", "happy"), output="probabilities")
(MODEL,) = tiny_network.files("onnx").values()
INPUT = onnx.load_model_from_string(MODEL).graph.input[0].name
# onnxsim as it would be if it did not come back from a file.
ONNXSIM = """
import os, signal, sys, time
def simplify(*_, **__):
    if os.environ["BREAKS"] == "dies":
        print("node 3 of 7", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGSEGV)
    time.sleep(600)
"""


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file from which onnxsim does not come back, in the way that the variable BREAKS says."""
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "onnxsim.py").write_text(ONNXSIM)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "engine"), prepend=os.pathsep)
    monkeypatch.setenv("BREAKS", "dies")
    (tmp_path / "mine.onnx").write_bytes(MODEL)
    return tmp_path / "mine.onnx"


def test_a_file_that_kills_its_engine(broken: Path) -> None:
    with pytest.raises(WorkerFailed) as failure:
        load.load_onnx_model(broken, CONTRACT)
    assert str(failure.value) == (
        f"{broken}: the process that opens it with ONNX Runtime ended with signal 11 (a segmentation fault in native "
        "code) and no answer (node 3 of 7): get or export it again; one that comes from elsewhere is not to be trusted."
    )


def test_build_ends_in_one_line_and_writes_nothing(broken: Path) -> None:
    (broken.parent / "mine.toml").write_text('labels = ["sad", "happy"]\ninput = "3x8x8"\n')
    line = [*shell.module_command("edgefer"), "build", "--onnx", "mine.onnx", "--contract", "mine.toml"]
    done = shell.run([*line, "--target", "onnx-fp32"], environment=shell.environment(), folder=broken.parent)
    assert (done.code, done.out) == (20, "") and done.err.count("\n") == 1
    assert done.err.startswith("edgefer: mine.onnx: the process that opens it with ONNX Runtime ended with signal 11")
    assert not (broken.parent / "dist").exists()


def test_a_file_that_never_comes_back(broken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BREAKS", "hangs")
    with onnx_process.start(broken) as engine:
        assert engine.check(MODEL) == MODEL
        monkeypatch.setattr(onnx_process, "LOAD_SECONDS", 0.5)
        with pytest.raises(WorkerFailed, match=r"mine\.onnx: .* gave no answer within 0\.5 s and was ended"):
            engine.simplify(MODEL, INPUT, (1, 3, 8, 8), 1)


def test_the_same_answers_as_in_this_process() -> None:
    here, faces = InProcess(), np.random.default_rng(0).random((2, 1, 3, 8, 8), np.float32)
    with onnx_process.start(Path("a.onnx")) as engine:
        assert engine.check(MODEL) == here.check(MODEL)
        simple = engine.simplify(MODEL, INPUT, (1, 3, 8, 8), 1)
        assert simple is not None and simple == here.simplify(MODEL, INPUT, (1, 3, 8, 8), 1)
        outputs = engine.run(MODEL, faces)
        assert outputs.shape == (2, 1, 2) and np.array_equal(outputs, here.run(MODEL, faces))
        with pytest.raises(onnx_process.EngineFailed):
            engine.check(b"no model")
        with pytest.raises(onnx_process.EngineFailed, match="INVALID_PROTOBUF"):
            engine.run(b"no model", faces)
        assert engine.check(MODEL) == MODEL
