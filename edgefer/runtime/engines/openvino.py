"""OpenVINO IR on the CPU plugin, or on Intel's GPUs."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import openvino
from numpy.typing import NDArray

from edgefer.runtime.bench_record import Gpu
from edgefer.runtime.contract import Layout, TensorSpec
from edgefer.runtime.errors import NoGpu

# Without the hint the plugin computes an fp32 model in bf16 on processors that have it: fast, but
# not what the file says.
PRECISION = "f32"
DEVICES = {None: "CPU", "gpu": "GPU"}
INSTALL = "install Intel's compute runtime (Debian: apt install intel-opencl-icd) on a machine with an Intel GPU"


@cache
def process_core() -> Any:
    """The one `openvino.Core` of this process; it lives as long as the process.

    OpenVINO 2026.4.1 gives the thread that compiles its first network a signal stack (sigaltstack) and unmaps it when
    the last Core dies. In another thread, that left the first with an address of nothing: its next signal, Ctrl-C too,
    killed the process by a segmentation fault.
    """
    return openvino.Core()


class OpenVINOModel:
    """See runtime.Model."""

    engine = f"OpenVINO {openvino.get_version().split('-')[0]}"
    layout: Layout = "NCHW"

    def __init__(self, path: Path, threads: int, provider: str | None = None) -> None:
        core = process_core()
        settings: dict[str, str | int] = {"INFERENCE_PRECISION_HINT": PRECISION}
        if provider is None:
            settings["INFERENCE_NUM_THREADS"] = threads
        else:
            self.gpu = find_gpu(core)
        self._model = core.compile_model(path, DEVICES[provider], settings)
        self.provider = ", ".join(self._model.get_property("EXECUTION_DEVICES"))
        if provider is not None and not self.provider.startswith(DEVICES[provider]):
            raise NoGpu(f"{self.engine} runs this model on {self.provider}, not on its {DEVICES[provider]}.")
        self.input, self.output = _spec(self._model.input(0)), _spec(self._model.output(0))
        self._request: Any = self._model.create_infer_request()
        # The engine's own tensors, aligned as it likes them: handing over arrays costs a third of EAN's time.
        self._given, self._returned = self._request.get_input_tensor().data, self._request.get_output_tensor().data
        self._nothing: dict[str, Any] = {}
        # The compiled method: the Python one around it takes 6 % more to sort inputs that there are none of.
        self._infer = openvino.InferRequest.__mro__[1].infer

    def run(self, given: NDArray[Any]) -> NDArray[Any]:
        """One inference; the result is a copy."""
        if given.shape != self.input.shape:  # it would be repeated until it fits
            raise ValueError(f"an input of {given.shape}, the network takes {self.input.shape}")
        self._given[...] = given
        # No inputs to set, outputs shared, strings not decoded: by place, names take pybind a microsecond.
        self._infer(self._request, self._nothing, True, False)
        result: NDArray[Any] = self._returned.copy()
        return result


def _spec(port: Any) -> TensorSpec:
    return TensorSpec(port.get_any_name(), tuple(int(n) for n in port.shape), "float32")


def load(path: Path, threads: int, provider: str | None = None) -> OpenVINOModel:
    """Open an .xml file with the .bin beside it; raises NoGpu if a GPU is asked for and OpenVINO finds none."""
    return OpenVINOModel(path, threads, provider)


def find_gpu(core: Any) -> Gpu:
    """The first GPU; raises NoGpu."""
    there = list(core.available_devices)
    device = next((name for name in there if name.partition(".")[0] == "GPU"), None)
    if device is None:
        raise NoGpu(f"OpenVINO finds no GPU here, only {', '.join(there)}: {INSTALL}.")
    return Gpu(
        name=str(core.get_property(device, "FULL_DEVICE_NAME")),
        driver="not told",
        memory=_memory(core, device),
    )


def _memory(core: Any, device: str) -> int | None:
    """Bytes that the plugin may use; not every version tells."""
    try:
        return int(core.get_property(device, "GPU_DEVICE_TOTAL_MEM_SIZE"))
    except RuntimeError:
        return None
