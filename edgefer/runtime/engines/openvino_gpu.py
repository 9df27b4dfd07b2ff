"""OpenVINO's GPU plugin: what it finds."""

from __future__ import annotations

from typing import Any

from edgefer.runtime.bench_record import Gpu
from edgefer.runtime.errors import NoGpu

INSTALL = "install Intel's compute runtime (Debian: apt install intel-opencl-icd) on a machine with an Intel GPU"


def find(core: Any) -> Gpu:
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
