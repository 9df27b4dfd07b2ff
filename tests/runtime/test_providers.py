"""The ways to a GPU: each is refused in one clear line where it can't be had, and none is replaced by the processor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ncnn
import onnxruntime
import pytest

from edgefer.runtime import engines, verify
from edgefer.runtime.bench_record import Gpu
from edgefer.runtime.bundle import read_bundle
from edgefer.runtime.engines import ncnn as ncnn_engine
from edgefer.runtime.engines import onnx_gpu, openvino, openvino_library
from edgefer.runtime.errors import NoGpu, UnknownName
from tests.runtime.made import Info, Layer, Net, Part, Session, need_vulkan

ROWS = [(kind, provider) for kind, engine in engines.ENGINES.items() for provider in engine.providers]
TARGETS = {"onnx": "onnx-fp32", "openvino": "openvino-fp32", "ncnn": "ncnn-fp32"}
CARD = Gpu("A card", "1.2.3", None)
CUDA, TENSORRT, CPU = "CUDAExecutionProvider", "TensorrtExecutionProvider", "CPUExecutionProvider"


@pytest.mark.parametrize(("kind", "provider"), ROWS)
def test_a_provider_runs_the_golden_pair_or_says_what_it_lacks(dist: Path, kind: str, provider: str) -> None:
    if provider == "vulkan":
        need_vulkan()
    bundle = read_bundle(dist / f"ean.{TARGETS[kind]}")
    try:
        check = verify.check_golden(bundle, provider=provider)
    except NoGpu as error:
        assert "install" in str(error)
        assert "\n" not in str(error)
    else:
        assert check.difference <= check.tolerance


@pytest.mark.parametrize("kind", engines.ENGINES)
def test_an_unknown_provider_is_refused_before_anything_is_loaded(kind: str) -> None:
    with pytest.raises(UnknownName, match=f"way of {kind} to a GPU 'metal'"):
        engines.load(Path("nowhere"), kind, 1, "metal")


@pytest.mark.parametrize("provider", onnx_gpu.NAMES)
def test_onnx_runtime_without_the_provider(monkeypatch: pytest.MonkeyPatch, provider: str) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CPU])
    with pytest.raises(NoGpu, match=rf"has no {onnx_gpu.NAMES[provider]} here, only {CPU}: pip install"):
        onnx_gpu.session(Path("model.onnx"), onnxruntime.SessionOptions(), provider)


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """An ONNX Runtime with both providers, whose sessions fall back to the processor; what they were asked for."""
    asked: list[dict[str, Any]] = []

    def session(path: str, options: object, **given: Any) -> Session:
        asked.append(given)
        if "broken" in path:
            raise RuntimeError("/src/some.cc:729 void f(const Options&) Please install TensorRT libraries")
        return Session([CPU])

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [TENSORRT, CUDA, CPU])
    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    return asked


def test_a_session_that_fell_back_to_the_processor_is_an_error(sessions: list[dict[str, Any]], tmp_path: Path) -> None:
    with pytest.raises(NoGpu, match=f"can't start its {CUDA} and would run on {CPU} instead"):
        onnx_gpu.session(tmp_path / "model.onnx", onnxruntime.SessionOptions(), "cuda")
    assert sessions[0]["enable_fallback"] == 0
    assert [name for name, _ in sessions[0]["providers"]] == [CUDA]


def test_a_session_that_can_not_be_made_tells_the_reason(sessions: list[dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"... DequantizeLinear ...")
    with pytest.raises(NoGpu, match=rf"can't start its {TENSORRT} \(Please install TensorRT libraries\)"):
        onnx_gpu.session(tmp_path / "broken.onnx", onnxruntime.SessionOptions(), "tensorrt")
    names, options = zip(*sessions[0]["providers"], strict=True)
    assert names == (TENSORRT, CUDA)
    assert options[0]["trt_int8_enable"] == "1"


def test_nodes_that_run_elsewhere_are_told() -> None:
    parts = [Part(TENSORRT, ["Conv", "Relu", "Conv"]), Part(CUDA, ["Softmax"]), Part(CPU, ["Shape", "Gather", "Shape"])]
    provider, notes = onnx_gpu.provider_and_notes(Session(parts=parts), "tensorrt")
    assert provider == f"{TENSORRT}, 3 of 7 nodes"
    assert list(map(str, notes)) == [
        f"fallback: 1 of 7 nodes run on {CUDA} (Softmax)",
        f"fallback: 3 of 7 nodes run on {CPU} (Gather, Shape)",
    ]
    assert onnx_gpu.provider_and_notes(Session(parts=[Part(CUDA, ["Conv"])]), "cuda") == (f"{CUDA}, 1 of 1 nodes", [])


def test_a_model_that_the_provider_takes_nothing_of_is_an_error() -> None:
    with pytest.raises(NoGpu, match=f"no node of this model to its {CUDA}, all to {CPU}"):
        onnx_gpu.provider_and_notes(Session(parts=[Part(CPU, ["Conv"])]), "cuda")


def test_an_onnx_runtime_that_does_not_tell_is_a_warning() -> None:
    ((note,), provider) = onnx_gpu.provider_and_notes(object(), "cuda")[::-1]
    assert provider == CUDA
    assert str(note).startswith("fallback: ONNX Runtime")


def test_onnx_runtime_really_tells_where_nodes_run(dist: Path) -> None:
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry(onnx_gpu.RECORD, "1")
    made = onnxruntime.InferenceSession(str(dist / "ean.onnx-fp32" / "model.onnx"), options, providers=[CPU])
    with pytest.raises(NoGpu, match=f"all to {CPU}"):
        onnx_gpu.provider_and_notes(made, "cuda")


class Core(openvino_library.Core):
    """OpenVINO with other devices."""

    def __init__(self, *devices: str, memory: bool = True) -> None:
        self._devices, self._memory = list(devices), memory

    @property
    def available_devices(self) -> list[str]:
        return self._devices

    def get_property(self, device: str, name: str) -> str:
        if name == "GPU_DEVICE_TOTAL_MEM_SIZE" and not self._memory:
            raise RuntimeError("not supported")
        return {"FULL_DEVICE_NAME": f"A {device}", "GPU_DEVICE_TOTAL_MEM_SIZE": f"{2**30}"}[name]


def test_openvino_names_the_gpu_or_what_there_is() -> None:
    assert openvino.find_gpu(Core("CPU", "GPU.1")) == Gpu("A GPU.1", "not told", 2**30)
    assert openvino.find_gpu(Core("GPU", memory=False)).memory is None
    with pytest.raises(NoGpu, match="finds no GPU here, only CPU, NPU"):
        openvino.find_gpu(Core("CPU", "NPU"))


@pytest.mark.parametrize(
    ("info", "gpu"),
    [
        (Info("NVIDIA H200", 0, 580 << 22 | 159 << 14 | 3 << 6, 0x10DE), Gpu("NVIDIA H200", "580.159.3", None)),
        (Info("V3D 7.1.7", 1, 25 << 22 | 1 << 12 | 4, 0x14E4), Gpu("V3D 7.1.7", "25.1.4", None)),
        (Info("llvmpipe (LLVM 15)", 3, 1, 0x10005), Gpu("llvmpipe (LLVM 15)", "0.0.1", None, software=True)),
        (Info("SwiftShader Device", 2, 1, 0x1AE0), Gpu("SwiftShader Device", "0.0.1", None, software=True)),
    ],
)
def test_a_vulkan_device_in_our_words(info: Info, gpu: Gpu) -> None:
    assert ncnn_engine.describe_gpu(info) == gpu


def test_layers_that_stay_on_the_processor_are_told() -> None:
    layers = [Layer("Input", False), Layer("Convolution", True), Layer("ExpandDims", False), Layer("Squeeze", False)]
    provider, notes = ncnn_engine.layers_on_vulkan(Net([*layers, layers[2]]), CARD)
    assert provider == "Vulkan, 1 of 4 layers"
    assert list(map(str, notes)) == ["fallback: 3 of 4 layers run on the processor (2 ExpandDims, 1 Squeeze)"]
    assert ncnn_engine.layers_on_vulkan(Net(layers[:2]), CARD) == ("Vulkan, 1 of 1 layers", [])
    with pytest.raises(NoGpu, match="none of this model's layers to A card"):
        ncnn_engine.layers_on_vulkan(Net([layers[0], layers[2]]), CARD)


def test_ncnn_without_a_device_or_without_vulkan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ncnn, "get_gpu_count", lambda: 0)
    with pytest.raises(NoGpu, match="finds no Vulkan device: install"):
        ncnn_engine.start_vulkan(ncnn.Net())
    monkeypatch.delattr(ncnn, "get_gpu_count")
    with pytest.raises(NoGpu, match="built without Vulkan"):
        ncnn_engine.start_vulkan(ncnn.Net())


def test_without_a_provider_nothing_of_a_gpu_is_told(dist: Path) -> None:
    for kind, target in TARGETS.items():
        bundle = read_bundle(dist / f"ean.{target}")
        model = engines.load(bundle.path(bundle.manifest.model), kind)
        assert not hasattr(model, "gpu")
        assert not hasattr(model, "notes")
