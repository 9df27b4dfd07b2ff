"""--device gpu: what is looked for, what is tried, what is left out; and for real where there is a Vulkan device."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgefer.benchmark.workload import Task, Workload, open_workload
from edgefer.cli.bench import bench
from edgefer.devices import gpu
from edgefer.devices.gpu import LocalGpu
from edgefer.runtime import protocol, records, shell
from edgefer.runtime.bench_record import BenchRecord, Gpu, Settings
from edgefer.runtime.errors import BrokenBundle, GoldenMismatch, NoGpu, NotSetUp
from edgefer.runtime.protocol import Answer, Check, Request
from edgefer.runtime.verify import GoldenCheck
from tests.benchmark.made import record, result, run, write
from tests.runtime.made import need_vulkan
from tests.test_benchmarks import BENCHMARKS, script


def ignore(text: str) -> None:
    pass


EAGER = Workload(network="ean")
NVIDIA = {"proc/driver/nvidia/version": "NVRM version: 580"}


@pytest.fixture(autouse=True)
def no_commands(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """No nvidia-smi, and no variable that names a Vulkan driver."""
    if "real" in request.node.name:
        return
    monkeypatch.setattr(shell, "run_or_none", lambda line, timeout=5: None)
    for name in gpu.ICD_VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_no_gpu_is_one_line_that_says_what_was_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    with pytest.raises(NoGpu) as caught:
        LocalGpu(tmp_path).require_ready()
    assert caught.value.exit_code == 25
    for word in ("torch.cuda", "CUDA", "TensorRT", "/dev/dri", "OpenVINO", "Vulkan", "ncnn", "install"):
        assert word in str(caught.value)


def test_signs_of_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not gpu.has_nvidia(tmp_path)
    assert not gpu.has_render_node(tmp_path)
    assert not gpu.has_vulkan(tmp_path)
    write(tmp_path, {**NVIDIA, "dev/dri/renderD128": "", "usr/share/vulkan/icd.d/lvp_icd.json": "{}"})
    assert gpu.has_nvidia(tmp_path)
    assert gpu.has_render_node(tmp_path)
    monkeypatch.setattr("ctypes.util.find_library", lambda name: "libvulkan.so.1")
    assert gpu.has_vulkan(tmp_path)
    monkeypatch.setattr("ctypes.util.find_library", lambda name: None)
    assert not gpu.has_vulkan(tmp_path)  # a driver that nothing can load


def test_nvidia_smi_is_a_sign_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "run_or_none", lambda line, timeout=5: "GPU 0: NVIDIA H200 (UUID: GPU-0a1b)")
    assert gpu.has_nvidia(tmp_path)
    assert gpu.available()


def test_a_workload_by_each_provider(dist: Path) -> None:
    assert [each.name for each in gpu.by_provider(EAGER)] == ["ean.torch-cuda", "ean.torch-cuda-graph"]
    variants = gpu.by_provider(open_workload(dist / "ean.onnx-fp32"))
    assert [(each.name, each.provider) for each in variants] == [
        ("ean.onnx-fp32:cuda", "cuda"),
        ("ean.onnx-fp32:tensorrt", "tensorrt"),
    ]
    assert gpu.by_provider(open_workload(dist / "ean.tflite-int8")) == []


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """Workers that hold the golden pair, but TensorRT's are wrong and Vulkan's have no device."""
    heard: list[Request] = []

    def ask(wanted: Request, *_: object) -> Answer:
        heard.append(wanted)
        if wanted.provider == "tensorrt":
            raise GoldenMismatch("the golden output is off")
        if wanted.provider == "vulkan":
            raise NoGpu("ncnn finds no Vulkan device: install one.")
        difference = 0.5 if wanted.provider == "gpu" else 0.25
        return Answer(None, record([]).machine, {}, None, GoldenCheck("engine", difference, 1.0))

    monkeypatch.setattr(protocol, "ask", ask)
    return heard


def local_gpu(tmp_path: Path) -> LocalGpu:
    return LocalGpu(write(tmp_path, {**NVIDIA, "dev/dri/renderD128": ""}))


def test_each_way_is_tried_by_its_golden_pair(tmp_path: Path, dist: Path, asked: list[Request]) -> None:
    names = ("onnx-fp32", "onnx-int8", "openvino-fp32", "ncnn-fp32", "ncnn-fp16", "tflite-int8", "tflite-fp32")
    tried = local_gpu(tmp_path)
    found = tried.expand([*(open_workload(dist / f"ean.{name}") for name in names), EAGER])
    assert [workload.name for workload in found] == [
        "ean.onnx-fp32:cuda",
        "ean.onnx-int8:cuda",
        "ean.openvino-fp32:gpu",
        "ean.torch-cuda",
        "ean.torch-cuda-graph",
    ]
    assert all(request.check == Check() and request.provider for request in asked)
    assert tried.left_out == [
        "ean.onnx-fp32:tensorrt, ean.onnx-int8:tensorrt: the golden output is off",
        "ean.ncnn-fp32:vulkan, ean.ncnn-fp16:vulkan: ncnn finds no Vulkan device: install one.",
        "ean.tflite-int8, ean.tflite-fp32: edgefer has no GPU provider for tflite; "
        "measure another format of the network.",
    ]


def test_without_nvidia_s_driver_no_worker_is_started(tmp_path: Path, dist: Path, asked: list[Request]) -> None:
    bare = LocalGpu(write(tmp_path, {"dev/dri/renderD128": ""}))
    with pytest.raises(NoGpu, match=r"nothing that was asked for runs.*onnx-fp32:tensorrt, ean.torch-cuda.*no NVIDIA"):
        bare.expand([open_workload(dist / "ean.onnx-fp32"), EAGER])
    assert asked == []


def test_a_broken_bundle_is_no_matter_of_the_gpu(tmp_path: Path, asked: list[Request]) -> None:
    folder = write(tmp_path / "ean.x", {"manifest.json": "{}"})
    with pytest.raises(BrokenBundle):
        local_gpu(tmp_path).expand([open_workload(folder)])


def test_batches_of_a_fixed_bundle_are_refused_before_anything_runs(
    tmp_path: Path, dist: Path, asked: list[Request]
) -> None:
    batch = Settings(mode="batch", batch=8)
    tasks = [Task(gpu.by_provider(workload)[0], batch) for workload in (EAGER, open_workload(dist / "ean.onnx-fp32"))]
    with pytest.raises(NotSetUp, match=r"ean.onnx-fp32: the bundle's batch is 1"):
        local_gpu(tmp_path).answers(tasks, ignore)
    assert asked == []
    assert len(list(local_gpu(tmp_path).answers(tasks[:1], ignore))) == 1
    one = Task(gpu.by_provider(open_workload(dist / "ean.onnx-fp32"))[0], Settings(mode="batch", batch=1))
    assert len(list(local_gpu(tmp_path).answers([one], ignore))) == 1


def test_a_check_that_names_no_provider_takes_all(tmp_path: Path, dist: Path, asked: list[Request]) -> None:
    wanted = Task(open_workload(dist / "ean.openvino-fp32"), Settings(), check=Check())
    (answer,) = local_gpu(tmp_path).answers([wanted], ignore)
    assert answer.golden == GoldenCheck("engine", 0.5, 1.0)
    with pytest.raises(GoldenMismatch):
        list(
            local_gpu(tmp_path).answers(
                [Task(open_workload(dist / "ean.onnx-fp32"), Settings(), check=Check())], ignore
            )
        )
    with pytest.raises(NoGpu, match=r"ean.ncnn-fp32 runs on no GPU here: vulkan: ncnn finds no"):
        list(
            local_gpu(tmp_path).answers(
                [Task(open_workload(dist / "ean.ncnn-fp32"), Settings(), check=Check())], ignore
            )
        )
    with pytest.raises(NoGpu, match=r"ean.tflite-int8 runs on no GPU here: edgefer has no GPU provider"):
        list(
            local_gpu(tmp_path).answers(
                [Task(open_workload(dist / "ean.tflite-int8"), Settings(), check=Check())], ignore
            )
        )


def test_a_time_is_never_the_processor_s(tmp_path: Path, dist: Path, asked: list[Request]) -> None:
    wanted = Task(open_workload(dist / "ean.onnx-fp32"), Settings())
    with pytest.raises(ValueError, match="leave the provider open"):
        list(local_gpu(tmp_path).answers([wanted], ignore))
    assert local_gpu(tmp_path).count(EAGER).instructions is None


def on_card(name: str, software: bool, bundle: str, batch: int) -> BenchRecord:
    found = replace(result(bundle, [run()]), settings=Settings(mode="batch", batch=batch))
    made = record([found])
    told = [f"{bundle}:tensorrt, other.x:tensorrt: no TensorRT: install it."]
    return replace(made, machine=replace(made.machine, gpu=Gpu(name, "1", None, software)), left_out=told)


def test_the_benchmark_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    gpu_script, path = script("gpu"), tmp_path / "gpu.json"
    settings = Settings(mode="batch", batch=8)
    assert not gpu_script.done(path, "a.torch-cuda", settings)
    gpu_script.add(path, on_card("A card", False, "a.torch-cuda", 8))
    gpu_script.add(path, on_card("A card", False, "b.torch-cuda", 8))
    assert gpu_script.done(path, "a.torch-cuda", settings)
    assert not gpu_script.done(path, "a.torch-cuda", Settings(mode="batch", batch=64))
    found = records.read(BenchRecord, path)
    assert [each.bundle for each in found.results] == ["a.torch-cuda", "b.torch-cuda"]
    text = gpu_script.page(found)
    assert text.startswith("# Networks on A card\n")
    assert "- not measured: a.torch-cuda:tensorrt and 3 more: no TensorRT: install it." in text
    with pytest.raises(NoGpu, match="move it away"):
        gpu_script.add(path, on_card("Another card", False, "a.torch-cuda", 8))


def test_software_does_not_get_into_the_record_of_a_gpu(tmp_path: Path) -> None:
    gpu_script, made = script("gpu"), on_card("llvmpipe", True, "a.ncnn-fp32:vulkan", 1)
    with pytest.raises(NoGpu, match="give another --name"):
        gpu_script.add(tmp_path / "gpu.json", made)
    gpu_script.add(tmp_path / "software.json", made)
    assert gpu_script.page(made).startswith("# Networks on llvmpipe (software: says nothing of a GPU)\n")


def test_software_s_table_is_rendered_from_its_record() -> None:
    found = records.read(BenchRecord, BENCHMARKS / "results" / "ean-vulkan-software.json")
    assert found.machine.gpu is not None
    assert found.machine.gpu.software
    assert (BENCHMARKS / "tables" / "ean-vulkan-software.md").read_text() == script("gpu").page(found)


def test_a_real_bench_through_vulkan(tmp_path: Path, dist: Path) -> None:
    need_vulkan()
    out = tmp_path / "gpu.json"
    words = ["ean.ncnn-fp32", "ean.ncnn-fp16", "ean.ncnn-int8", "ean.tflite-int8", "--dist", str(dist), "--device"]
    options = ["gpu", "--samples", "3", "--processes", "1", "--out", str(out)]
    done = CliRunner().invoke(bench, [*words, *options])
    assert done.exit_code == 0, done.output
    found = records.read(BenchRecord, out)
    assert [each.bundle for each in found.results] == [f"ean.ncnn-{p}:vulkan" for p in ("fp32", "fp16", "int8")]
    assert found.machine.gpu is not None
    assert found.machine.gpu.name in done.output
    for each in found.results:
        (taken,) = each.runs
        assert len(taken.samples) == 3
        assert taken.provider.startswith("Vulkan, ")
        assert ("software" in {warning.kind for warning in taken.warnings}) == found.machine.gpu.software
    assert any(line.startswith("ean.tflite-int8: edgefer has no GPU provider") for line in found.left_out)
    assert json.loads(out.read_text())["left_out"] == found.left_out
