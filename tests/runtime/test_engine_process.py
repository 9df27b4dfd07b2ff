"""Models in a process of their own: what a broken file does to an engine is told of its bundle."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgefer.devices.verification import VerifyOptions, verify_bundles
from edgefer.runtime import child_process, engine_process, shell, tiny_network, verify
from edgefer.runtime.bundle import read_bundle
from edgefer.runtime.errors import BrokenBundle, EdgeferError, MissingEngine, WorkerFailed
from edgefer.runtime.golden import golden_png
from tests.runtime.test_bundle_damage import edit, renew

NAME, NCNN = "ean.onnx-fp32", "ean.ncnn-int8"
# ONNX Runtime as it is, but for models in a folder called "broken".
ENGINE = """
import os, signal, sys, time
from pathlib import Path
sys.path.remove(os.path.dirname(__file__))
del sys.modules["onnxruntime"]
import onnxruntime as real
Real = real.InferenceSession

class Session:
    def __init__(self, path, *words, **more):
        self.real, self.broken = Real(path, *words, **more), Path(path).parent.name == "broken"
        self.do("load")

    def do(self, moment):
        if self.broken and os.environ["BREAKS"].startswith(moment):
            print("node 3 of 7", file=sys.stderr, flush=True)
            EFFECT[os.environ["BREAKS"].split()[1]]()

    def run_with_iobinding(self, *words):
        self.do("run")
        return self.real.run_with_iobinding(*words)

    def __getattr__(self, name):
        return getattr(self.real, name)

def fail():
    raise RuntimeError("node 3\\nof 7")

EFFECT = {
    "dies": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "exits": lambda: os._exit(3),
    "fails": fail,
    "prints": lambda: os.write(1, b"=" + bytes(99)),
    "hangs": lambda: time.sleep(600),
}
real.InferenceSession = Session
"""


@pytest.fixture
def broken(dist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle at whose model ONNX Runtime breaks as the variable BREAKS says."""
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "onnxruntime.py").write_text(ENGINE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "engine"), prepend=os.pathsep)
    shutil.copytree(dist / NAME, tmp_path / "broken")
    return tmp_path / "broken"


@pytest.mark.parametrize(
    ("breaks", "kind", "words"),
    [
        ("load dies", WorkerFailed, "ended with signal 11 (a segmentation fault in native code) and no answer"),
        ("run dies", WorkerFailed, "ended with signal 11 (a segmentation fault in native code) and no answer"),
        ("run exits", WorkerFailed, "ended with 3 and no answer (node 3 of 7)"),
        ("load fails", BrokenBundle, "the onnx engine can't load it (RuntimeError: node 3 of 7): it needs"),
        ("run fails", BrokenBundle, "stopped while it ran the model (RuntimeError: node 3 of 7): it needs"),
    ],
)
def test_the_bundle_is_named_and_the_next_one_looked_at(
    dist: Path, broken: Path, monkeypatch: pytest.MonkeyPatch, breaks: str, kind: type[EdgeferError], words: str
) -> None:
    monkeypatch.setenv("BREAKS", breaks)
    verification = verify_bundles(VerifyOptions((broken, dist / NAME)))
    (failure,) = verification.failures
    assert type(failure) is kind and str(failure).startswith(f"{NAME}: ") and words in str(failure)
    assert verification.checks[1].golden is not None and verification.checks[1].failure is None


@pytest.mark.parametrize("moment", ["load", "run"])
def test_a_model_that_never_answers_is_ended(
    dist: Path, broken: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    monkeypatch.setenv("BREAKS", f"{moment} hangs")
    monkeypatch.setattr(engine_process, f"{moment.upper()}_SECONDS", 1.5)
    with pytest.raises(WorkerFailed) as failure, verify.open_apart(read_bundle(broken)) as model:
        model.run(np.zeros(model.input.shape))
    assert str(failure.value).startswith(f"{NAME}: the process that runs its model gave no answer within 1.5 s and was")
    monkeypatch.undo()
    assert verify_bundles(VerifyOptions((dist / NAME,))).checks[0].golden is not None


def test_time_in_which_both_processes_are_stopped_does_not_count(tmp_path: Path) -> None:
    """Ctrl-Z stops both for as long as one likes: the wait of that moment comes to its end then, and others follow."""
    (tmp_path / "x.onnx").write_bytes(tiny_network.files("onnx")["model.onnx"])
    waits: list[float] = []
    with engine_process.load(tmp_path / "x.onnx", "onnx", 1, BrokenBundle, "x") as model:
        answers = model._process._answers

        class Stopped:
            def select(self, seconds: float) -> object:
                waits.append(seconds)
                return answers.select(9) if len(waits) > 7 else []

        model._process._answers = Stopped()  # type: ignore[assignment]
        assert model.run(np.zeros(model.input.shape)).shape == (1, 2)
    assert waits == [1.0] * 8


def test_what_an_engine_prints_is_no_answer(broken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BREAKS", "run prints")
    (check,) = verify_bundles(VerifyOptions((broken,))).checks
    assert check.golden is not None


def test_predict_ends_in_one_line(broken: Path, tmp_path: Path) -> None:
    (tmp_path / "face.png").write_bytes(golden_png())
    line = [*shell.module_command("edgefer"), "predict", "face.png", "--bundle", "broken", "--detector", "none"]
    done = shell.run(line, environment={**shell.environment(), "BREAKS": "run dies"}, folder=tmp_path)
    assert (done.code, done.out) == (20, "")
    assert done.err.startswith(f"edgefer: {NAME}: the process that runs its model ended with signal 11")
    assert done.err.count("\n") == 1


def test_the_same_outputs_as_in_this_process(dist: Path) -> None:
    for folder in sorted(dist.iterdir()):
        bundle = read_bundle(folder)
        if bundle.manifest.unrun is not None:
            continue
        here = verify.open_model(bundle)
        given = np.random.default_rng(0).integers(0, 100, here.input.shape).astype(here.input.dtype)
        with verify.open_apart(bundle) as apart:
            assert (apart.engine, apart.layout, apart.input, apart.output) == (
                here.engine,
                here.layout,
                here.input,
                here.output,
            )
            np.testing.assert_array_equal(apart.run(given), here.run(given))


def test_no_process_is_left(dist: Path) -> None:
    with pytest.raises(KeyboardInterrupt), verify.open_apart(read_bundle(dist / NAME)) as model:
        raise KeyboardInterrupt
    assert model._process._process.returncode is not None


def test_an_engine_that_is_not_installed(dist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "onnxruntime.py").write_text("raise ModuleNotFoundError('no', name='onnxruntime')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(MissingEngine, match=r"onnxruntime is not installed: run pip install 'edgefer\[onnx\]'"):
        verify_bundles(VerifyOptions((dist / NAME,))).require()


def test_a_file_that_crashes_ncnn(dist: Path, tmp_path: Path) -> None:
    folder = tmp_path / NCNN
    shutil.copytree(dist / NCNN, folder)
    path = folder / "model.param"
    start, found, rest = path.read_text().partition("Convolution conv_35 ")
    line, _, rest = rest.partition("\n")
    assert found and line.endswith(" 8=2")  # int8 weights, which the line does not tell of any more
    path.write_text(f"{start}{found}{line.replace(' 8=2', ' 4=2')}\n{rest}")
    edit(folder, lambda content: renew(content, folder, path.name))
    dead, alive = verify_bundles(VerifyOptions((folder, dist / NAME))).checks
    assert dead.failure is not None and dead.failure.exit_code in (11, 20), dead.failure
    assert f"{NCNN}: " in str(dead.failure) and alive.golden is not None


def test_an_order_that_is_none(tmp_path: Path) -> None:
    order = json.dumps({"path": str(tmp_path / "model.onnx"), "format": "onnx"}).encode()
    done = subprocess.run(
        [sys.executable, "-P", "-m", engine_process.MODULE],
        input=child_process._HEADER.pack(b"=", len(order)) + order,
        capture_output=True,
        env=shell.environment(),
        check=True,
    )
    assert done.stdout.startswith(b"!") and b"required field missing" in done.stdout and done.stderr == b""
