"""ncnn's param and bin, on the CPU or, on a GPU of any vendor, through Vulkan."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import ncnn
import numpy as np
from numpy.typing import NDArray

from edgefer.runtime.bench_record import Gpu, RunWarning, WarningKind
from edgefer.runtime.contract import Layout, TensorSpec
from edgefer.runtime.errors import NoGpu
from edgefer.runtime.process import quiet

# By default ncnn stores and computes in half precision where the processor can: fast, but not what
# the file says. Int8 layers compute in int8 whatever these are.
EXACT = (
    "use_fp16_packed",
    "use_fp16_storage",
    "use_fp16_arithmetic",
    "use_bf16_packed",
    "use_bf16_storage",
    "use_vulkan_compute",
)
VULKAN = "vulkan"
INSTALL = (
    "install the GPU's Vulkan driver and the loader (Debian and Raspberry Pi OS: "
    "apt install libvulkan1 mesa-vulkan-drivers)"
)
NVIDIA = 0x10DE  # as PCI numbers vendors
PROCESSOR = 3  # GpuInfo.type(): 0 discrete, 1 integrated, 2 virtual, 3 a driver that computes on the processor
SOFTWARE = ("llvmpipe", "lavapipe", "swiftshader")


class NcnnModel:
    """See runtime.Model."""

    engine = f"ncnn {ncnn.__version__}"
    layout: Layout = "NCHW"

    def __init__(self, path: Path, threads: int, provider: str | None = None) -> None:
        self._net = ncnn.Net()
        self._net.opt.num_threads = threads
        for name in EXACT:
            # Older versions lack some; setting an option that is not there is an error.
            if hasattr(self._net.opt, name):
                setattr(self._net.opt, name, False)
        if provider == VULKAN:
            self.gpu = start_vulkan(self._net)
        if self._net.load_param(str(path)) or self._net.load_model(str(path.with_suffix(".bin"))):
            raise RuntimeError("not a model that this ncnn can load")
        shape = _input_shape(path)
        self.input = TensorSpec(self._net.input_names()[0], shape, "float32")
        self.output = TensorSpec(self._net.output_names()[0], (), "float32")
        # The files don't tell the output's shape.
        returned = self.run(np.zeros(shape, np.float32)).shape
        self.output = TensorSpec(self.output.name, tuple(int(n) for n in returned), "float32")
        if provider == VULKAN:
            self.provider, self.notes = layers_on_vulkan(self._net, self.gpu)

    def run(self, given: NDArray[Any]) -> NDArray[Any]:
        """One inference; ncnn has no batch dimension, the array that comes back has. The result is a copy."""
        extractor = self._net.create_extractor()
        # A copy: on the array itself ncnn may compute in place, and crashes where its channels aren't aligned.
        extractor.input(self.input.name, ncnn.Mat(given[0]).clone())
        code, returned = extractor.extract(self.output.name)
        if code:
            raise RuntimeError(f"ncnn's inference failed with {code}")
        result: NDArray[Any] = np.array(returned)[None]
        return result


def _input_shape(path: Path) -> tuple[int, int, int, int]:
    """(1, channels, height, width) as the Input line of a param file has them."""
    for line in path.read_text(encoding="utf-8").splitlines():
        kind, _, words = line.partition(" ")
        if kind == "Input":
            sizes = dict(word.split("=", 1) for word in words.split() if "=" in word)
            return 1, int(sizes["2"]), int(sizes["1"]), int(sizes["0"])
    raise ValueError("the param file has no Input line")


def load(path: Path, threads: int, provider: str | None = None) -> NcnnModel:
    """Open a .param file with the .bin beside it; raises NoGpu if Vulkan is asked for and finds none."""
    return NcnnModel(path, threads, provider)


def start_vulkan(net: Any) -> Gpu:
    """Make a net that is not loaded yet use Vulkan's first device; raises NoGpu."""
    if not hasattr(ncnn, "get_gpu_count"):
        raise NoGpu(f"this ncnn ({ncnn.__version__}) was built without Vulkan: pip install --upgrade ncnn.")
    with quiet():  # it prints every device
        count = ncnn.get_gpu_count()
    if count <= 0:
        raise NoGpu(f"ncnn finds no Vulkan device: {INSTALL}.")
    index = ncnn.get_default_gpu_index()
    net.opt.use_vulkan_compute = True
    net.set_vulkan_device(index)
    return describe_gpu(ncnn.get_gpu_info(index))


def describe_gpu(info: Any) -> Gpu:
    """A ncnn.GpuInfo in our words; Vulkan's heaps are no measure of an integrated GPU's memory, so it has none."""
    name = str(info.device_name())
    software = info.type() == PROCESSOR or any(word in name.lower() for word in SOFTWARE)
    return Gpu(name, _version(info.driver_version(), info.vendor_id()), None, software)


def _version(packed: int, vendor: int) -> str:
    """Vulkan packs 10, 10 and 12 bits, NVIDIA 10, 8, 8 and 6."""
    if vendor == NVIDIA:
        return f"{packed >> 22}.{packed >> 14 & 0xFF}.{packed >> 6 & 0xFF}"
    return f"{packed >> 22}.{packed >> 12 & 0x3FF}.{packed & 0xFFF}"


def layers_on_vulkan(net: Any, gpu: Gpu) -> tuple[str, list[RunWarning]]:
    """What runs a loaded net, and a warning of the layers that do not run on the GPU."""
    layers = [layer for layer in net.layers() if layer.type != "Input"]
    stayed = Counter(layer.type for layer in layers if not layer.support_vulkan)
    total = sum(stayed.values())
    if total == len(layers):
        raise NoGpu(
            f"ncnn {ncnn.__version__} gives none of this model's layers to {gpu.name}: it has no kernels for it."
        )
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(stayed.items()))
    values: dict[str, float | str] = {"layers": total, "total": len(layers), "kinds": kinds}
    fallback = RunWarning(WarningKind.FALLBACK, "{layers} of {total} layers run on the processor ({kinds})", values)
    return f"Vulkan, {len(layers) - total} of {len(layers)} layers", [fallback] if stayed else []
