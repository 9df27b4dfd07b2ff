"""The worker in fresh processes, on real bundles of every engine."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from edgefer.benchmark.workload import Task, Workload, measure, open_workload
from edgefer.runtime import protocol, records, shell, worker, workload
from edgefer.runtime.bench_record import Settings
from edgefer.runtime.errors import BadRecord, BrokenBundle, MissingFile, NoGpu, NotSetUp, UnknownName, WorkerFailed
from edgefer.runtime.protocol import Check, Request
from tests.runtime.made import need_vulkan

FEW = Settings(samples=5, warmup=2)
TARGETS = ["tflite-int8", "tflite-fp32", "onnx-int8", "openvino-int8", "ncnn-fp32"]
# The modules that engines are imported by; of OpenVINO only the C library is loaded.
ENGINES = {"tflite": {"ai_edge_litert"}, "onnx": {"onnxruntime"}, "openvino": set(), "ncnn": {"ncnn"}}
FOREIGN = ("torch", "openvino", "click", "rich", "onnx", "tensorflow", "matplotlib")
OF_GPUS = {
    "edgefer.benchmark.torch_worker",
    *(f"edgefer.runtime.{name}" for name in ("gpu_state", "nvidia")),
    "edgefer.runtime.engines.onnx_gpu",
}
SIGNALLED = """
import gc, signal, sys, threading
from pathlib import Path
from edgefer.runtime import engines
from edgefer.runtime.bundle import read_bundle
bundle = read_bundle(Path(sys.argv[1]))
models = [engines.load(bundle.path(bundle.manifest.model), bundle.manifest.format)]
thread = threading.Thread(target=lambda: (models.clear(), gc.collect()))
thread.start()
thread.join()
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("interrupted")
"""
LOADED = """
import json, sys
from pathlib import Path
from edgefer.runtime import worker
from edgefer.runtime.protocol import Check, Request
from edgefer.runtime.bench_record import Settings
answer = worker.answer(Request(sys.argv[1], None, Settings(samples=2, warmup=1)))
assert answer.failure is None, answer.failure
print(json.dumps(sorted(sys.modules)))
"""


def bundle_of(dist: Path, target: str) -> Workload:
    folder = dist / f"ean.{target}"
    if not folder.is_dir():
        pytest.skip(f"{target} is no target here")
    return open_workload(folder)


@pytest.mark.parametrize("target", TARGETS)
def test_a_run_tells_what_it_did(dist: Path, target: str) -> None:
    found = measure(bundle_of(dist, target), FEW)
    assert len(found.samples) == 5
    assert all(sample > 0 for sample in found.samples)
    assert found.loops >= 1
    assert found.load_seconds and found.load_seconds > 0
    assert found.first_seconds and found.first_seconds > 0
    assert found.engine in {"LiteRT", "tflite-runtime", "ONNX Runtime", "OpenVINO", "ncnn"}
    assert found.engine_version[0].isdigit()
    assert found.provider
    assert found.threads == 1
    memory = found.memory
    if sys.platform == "linux":
        assert memory.before_load
        assert memory.after_load
        assert memory.peak
        assert memory.before_load < memory.after_load <= memory.peak
        assert found.memory_percent
    assert found.after.clock > found.before.clock


def run_script(script: str, dist: Path, target: str) -> subprocess.CompletedProcess[str]:
    """The script in a fresh process, given the folder of the target's bundle."""
    bundle = bundle_of(dist, target).bundle
    assert bundle is not None
    return subprocess.run(
        [sys.executable, "-P", "-c", script, str(bundle.folder)],
        capture_output=True,
        text=True,
        check=False,
        env=shell.environment(),
    )


@pytest.mark.parametrize("target", ["tflite-int8", "onnx-fp32", "openvino-fp32", "ncnn-fp32"])
def test_a_worker_imports_one_engine_and_nothing_heavy(dist: Path, target: str) -> None:
    done = run_script(LOADED, dist, target)
    assert done.returncode == 0, done.stderr
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout.strip().splitlines()[-1])}
    assert not loaded & set(FOREIGN)
    assert loaded & set().union(*ENGINES.values()) == ENGINES[target.partition("-")[0]]
    assert not {name for name in json.loads(done.stdout.strip().splitlines()[-1]) if name in OF_GPUS}


@pytest.mark.parametrize("target", ["tflite-int8", "onnx-fp32", "openvino-fp32", "ncnn-fp32"])
def test_a_signal_is_survived_after_a_model_died_in_another_thread(dist: Path, target: str) -> None:
    done = run_script(SIGNALLED, dist, target)
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["interrupted"]), done.stderr


def test_end_to_end_paced_and_batch(dist: Path) -> None:
    bundle = bundle_of(dist, "tflite-int8")
    assert len(measure(bundle, Settings(scope="end-to-end", samples=3, warmup=1)).samples) == 3
    paced = measure(bundle, Settings(mode="paced", fps=200.0, samples=3, warmup=1))
    assert (len(paced.samples), paced.loops) == (3, 1)
    batch = measure(bundle, Settings(mode="batch", batch=4, samples=3, warmup=1))
    assert "batch: the model takes one frame at a time, a batch is 4 in a row" in map(str, batch.warnings)


def test_the_baseline_is_torch() -> None:
    found = measure(Workload(network="ean"), FEW)
    assert (found.engine, found.provider) == ("torch", "eager, CPU")


def test_failures_come_back_as_they_were(dist: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match="no bundle at"):
        protocol.ask(Request(str(tmp_path / "gone"), None, FEW))
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(BrokenBundle, match="schema"):
        protocol.ask(Request(str(tmp_path), None, FEW))
    with pytest.raises(BadRecord, match="this worker measures bundles only"):
        protocol.ask(Request(None, "ean", FEW))
    with pytest.raises(UnknownName, match="eam"):
        measure(Workload(network="eam"), FEW)


def test_a_gpu_that_is_not_there_is_one_clear_line(dist: Path) -> None:
    with pytest.raises(UnknownName, match="way of tflite to a GPU"):
        measure(replace(bundle_of(dist, "tflite-int8"), provider="cuda"), FEW)
    with pytest.raises(UnknownName, match="way of torch to a GPU 'vulkan': known: cuda, cuda-graph"):
        measure(Workload(network="ean", provider="vulkan"), FEW)
    if not torch.cuda.is_available():
        with pytest.raises(NoGpu, match=r"torch .* install NVIDIA's driver and a torch with CUDA"):
            measure(Workload(network="ean", provider="cuda"), FEW)


def test_a_batch_on_a_gpu_is_one_inference_or_refused(dist: Path) -> None:
    need_vulkan()
    bundle = replace(bundle_of(dist, "ncnn-fp32"), provider="vulkan")
    with pytest.raises(NotSetUp, match=r"ean.ncnn-fp32: the bundle's batch is 1"):
        measure(bundle, replace(FEW, mode="batch", batch=4))
    assert len(measure(bundle, replace(FEW, mode="batch", batch=1)).samples) == 5


def test_a_bundle_that_is_exchanged_after_it_was_opened_is_not_run(dist: Path, tmp_path: Path) -> None:
    shutil.copytree(dist / "ean.onnx-fp32", tmp_path / "bundle")
    opened = open_workload(tmp_path / "bundle")
    shutil.rmtree(tmp_path / "bundle")
    shutil.copytree(dist / "ean.onnx-int8", tmp_path / "bundle")
    for request in (Task(opened, FEW).request, Task(opened, FEW, check=Check()).request):
        failure = worker.answer(request).failure
        assert (
            failure is not None and failure.kind == "BrokenBundle" and "changed after it was opened" in failure.message
        )


def test_whatever_an_engine_raises_is_one_clear_line(capfd: pytest.CaptureFixture[str]) -> None:
    def load() -> workload.LoadedWorkload:
        def step() -> None:
            raise RuntimeError("kernel 7\nrefused")

        return workload.LoadedWorkload("Engine 1.0", "CPU", None, step, [])

    failure = worker.answer(Request("somewhere", None, FEW), lambda _: load).failure
    assert failure is not None and failure.kind == "WorkerFailed"
    assert failure.message.startswith("somewhere failed while it ran (RuntimeError: kernel 7 refused): ")
    assert "Traceback" in capfd.readouterr().err  # what a board's log keeps


def test_a_dead_worker_is_one_clear_line() -> None:
    line = [sys.executable, "-c", "import sys; print('noise'); sys.exit('Segmentation fault')"]
    with pytest.raises(WorkerFailed, match=r"ended with 1 and no answer \(Segmentation fault\)"):
        protocol.ask(Request("somewhere", None, FEW), line)


def test_standard_output_is_the_answer_alone(dist: Path) -> None:
    wanted = records.dumps(Task(bundle_of(dist, "tflite-fp32"), FEW).request)
    done = subprocess.run(
        shell.module_command(protocol.WORKER),
        input=wanted,
        capture_output=True,
        text=True,
        check=True,
        env=shell.environment(),
    )
    assert json.loads(done.stdout)["failure"] is None
    bad = subprocess.run(
        shell.module_command(protocol.WORKER),
        input="?",
        capture_output=True,
        text=True,
        check=True,
        env=shell.environment(),
    )
    assert json.loads(bad.stdout)["failure"]["kind"] == "BadRecord"


def test_the_camera_frame_holds_the_face() -> None:
    made = workload.camera_frame()
    assert (made.shape, made.dtype.name) == ((480, 640, 3), "uint8")
    box = workload.FACE
    face = made[box.top : box.top + box.side : 2, box.left : box.left + box.side : 2]
    from edgefer.runtime.golden import golden_picture

    assert (face == golden_picture()).all()
