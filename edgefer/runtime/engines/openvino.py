"""OpenVINO IR on the CPU plugin, or on Intel's GPUs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgefer.runtime.bench_record import Gpu
from edgefer.runtime.contract import Layout, TensorSpec
from edgefer.runtime.engines.openvino_library import Core, infer, process_core, raise_error, version
from edgefer.runtime.errors import NoGpu

# Without the hint the plugin computes an fp32 model in bf16 on processors that have it: fast, but
# not what the file says.
PRECISION = "f32"
DEVICES = {None: "CPU", "gpu": "GPU"}
INSTALL = "install Intel's compute runtime (Debian: apt install intel-opencl-icd) on a machine with an Intel GPU"


class OpenVINOModel:
    """See runtime.Model."""

    engine = f"OpenVINO {version()}"
    layout: Layout = "NCHW"

    def __init__(self, path: Path, threads: int, provider: str | None = None) -> None:
        core = process_core()
        settings = {"INFERENCE_PRECISION_HINT": PRECISION}
        if provider is None:
            settings["INFERENCE_NUM_THREADS"] = str(threads)
        else:
            self.gpu = find_gpu(core)
        self._model = core.compile(path, DEVICES[provider], settings)
        self.provider = self._model.get_property("EXECUTION_DEVICES")
        if provider is not None and not self.provider.startswith(DEVICES[provider]):
            raise NoGpu(f"{self.engine} runs this model on {self.provider}, not on its {DEVICES[provider]}.")
        (given, shape), (returned, classes) = self._model.port("input"), self._model.port("output")
        self.input, self.output = TensorSpec(given, shape, "float32"), TensorSpec(returned, classes, "float32")
        # The engine's own tensors, aligned as it likes them: handing over arrays costs a third of EAN's time.
        self._given, self._returned = self._model.tensor("input", shape), self._model.tensor("output", classes)
        self._request = self._model.request

    def run(self, given: NDArray[Any]) -> NDArray[Any]:
        """One inference; the result is a copy."""
        if given.shape != self.input.shape:  # it would be repeated until it fits
            raise ValueError(f"an input of {given.shape}, the network takes {self.input.shape}")
        self._given[...] = given
        if infer(self._request):
            raise_error()
        return self._returned.copy()


def load(path: Path, threads: int, provider: str | None = None) -> OpenVINOModel:
    """Open an .xml file with the .bin beside it; raises NoGpu if a GPU is asked for and OpenVINO finds none."""
    return OpenVINOModel(path, threads, provider)


def find_gpu(core: Core) -> Gpu:
    """The first GPU; raises NoGpu."""
    there = list(core.available_devices)
    device = next((name for name in there if name.partition(".")[0] == "GPU"), None)
    if device is None:
        raise NoGpu(f"OpenVINO finds no GPU here, only {', '.join(there)}: {INSTALL}.")
    return Gpu(
        name=core.get_property(device, "FULL_DEVICE_NAME"),
        driver="not told",
        memory=_memory(core, device),
    )


def _memory(core: Core, device: str) -> int | None:
    """Bytes that the plugin may use; not every version tells."""
    try:
        return int(core.get_property(device, "GPU_DEVICE_TOTAL_MEM_SIZE"))
    except RuntimeError:
        return None
