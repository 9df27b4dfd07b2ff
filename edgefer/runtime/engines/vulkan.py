"""ncnn's way to a GPU of any vendor: what Vulkan finds, and which layers ncnn can't give it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import ncnn

from edgefer.runtime.bench_record import Gpu, RunWarning, WarningKind
from edgefer.runtime.errors import NoGpu
from edgefer.runtime.process import quiet

INSTALL = (
    "install the GPU's Vulkan driver and the loader (Debian and Raspberry Pi OS: "
    "apt install libvulkan1 mesa-vulkan-drivers)"
)
NVIDIA = 0x10DE  # as PCI numbers vendors
PROCESSOR = 3  # GpuInfo.type(): 0 discrete, 1 integrated, 2 virtual, 3 a driver that computes on the processor
SOFTWARE = ("llvmpipe", "lavapipe", "swiftshader")


def start(net: Any) -> Gpu:
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
    return describe(ncnn.get_gpu_info(index))


def describe(info: Any) -> Gpu:
    """A ncnn.GpuInfo in our words; Vulkan's heaps are no measure of an integrated GPU's memory, so it has none."""
    name = str(info.device_name())
    software = info.type() == PROCESSOR or any(word in name.lower() for word in SOFTWARE)
    return Gpu(name, _version(info.driver_version(), info.vendor_id()), None, software)


def _version(packed: int, vendor: int) -> str:
    """Vulkan packs 10, 10 and 12 bits, NVIDIA 10, 8, 8 and 6."""
    if vendor == NVIDIA:
        return f"{packed >> 22}.{packed >> 14 & 0xFF}.{packed >> 6 & 0xFF}"
    return f"{packed >> 22}.{packed >> 12 & 0x3FF}.{packed & 0xFFF}"


def told(net: Any, gpu: Gpu) -> tuple[str, list[RunWarning]]:
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
