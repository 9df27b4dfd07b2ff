"""What engines read of a processor in /proc and /sys, as a board has it, beside links to a userland.

qemu-user's -L looks for each absolute path below this folder first. Without these files engines read the host's:
LiteRT and ONNX Runtime crash on it, ncnn cuts its work by the size of the host's caches.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from edgefer.devices.registry import Board, Cache, Emulated
from edgefer.runtime.files import staged_folder

LINKED = ("bin", "lib", "sbin", "usr")
ARM = 0x41  # implementer in MIDR_EL1
ARMV8 = 0xF  # its architecture field: "see the ID registers"
CPU = "sys/devices/system/cpu"


def make(folder: Path, root: Path, device: Emulated, board: Board) -> None:
    """Write the folder anew, whole or not at all; the links to `root` are relative. Raises OutputFailed."""
    with staged_folder(folder) as stage:
        for name in LINKED:
            (stage / name).symlink_to(os.path.relpath(root / name, folder))
        for path, content in files(device, board).items():
            (stage / path).parent.mkdir(parents=True, exist_ok=True)
            (stage / path).write_text(content, encoding="utf-8")


def files(device: Emulated, board: Board) -> dict[str, str]:
    """Path and content of all that is not a link."""
    every = _upto(board.cores)
    found = {
        "etc/ld.so.cache": "",  # the host's lists its own libraries
        "proc/cpuinfo": cpuinfo(device, board.cores),
        "proc/device-tree/model": device.title,
        **{f"{CPU}/{name}": f"{every}\n" for name in ("possible", "present", "online")},
        f"{CPU}/kernel_max": "255\n",
    }
    for core in range(board.cores):
        found |= {f"{CPU}/cpu{core}/{name}": f"{content}\n" for name, content in _core(core, device, board.cores)}
    return found


def cpuinfo(device: Emulated, cores: int) -> str:
    """As arm64 kernels write it."""
    lines = {
        "BogoMIPS": "108.00",
        "Features": device.features,
        "CPU implementer": f"{ARM:#x}",
        "CPU architecture": "8",
        "CPU variant": device.variant,
        "CPU part": device.part,
        "CPU revision": device.revision,
    }
    shown = "".join(f"{name:<16}: {value}\n" for name, value in lines.items())
    return (
        "".join(f"processor       : {core}\n{shown}\n" for core in range(cores)) + f"Model           : {device.title}\n"
    )


def midr(device: Emulated) -> int:
    """MIDR_EL1, the processor's identification register."""
    return ARM << 24 | int(device.variant, 16) << 20 | ARMV8 << 16 | int(device.part, 16) << 4 | int(device.revision)


def _core(core: int, device: Emulated, cores: int) -> Iterator[tuple[str, str]]:
    """One core's files by their path below its folder."""
    yield "regs/identification/midr_el1", f"{midr(device):#018x}"
    for name in ("cpuinfo_max_freq", "cpuinfo_min_freq"):
        yield f"cpufreq/{name}", str(device.megahertz * 1000)
    yield "cpufreq/stats/time_in_state", f"{device.megahertz * 1000} 1"
    yield "topology/core_id", str(core)
    yield "topology/physical_package_id", "0"
    yield "topology/thread_siblings_list", str(core)
    yield "topology/core_cpus_list", str(core)
    for name in ("cluster_cpus_list", "core_siblings_list", "package_cpus_list"):
        yield f"topology/{name}", _upto(cores)
    for index, cache in enumerate(device.caches):
        yield from ((f"cache/index{index}/{name}", content) for name, content in _cache(cache, core))


def _cache(cache: Cache, core: int) -> Iterator[tuple[str, str]]:
    yield "level", str(cache.level)
    yield "type", cache.kind
    yield "size", f"{cache.kibibytes}K"
    yield "shared_cpu_list", str(core) if cache.cores == 1 else _upto(cache.cores)
    yield "shared_cpu_map", f"{1 << core if cache.cores == 1 else (1 << cache.cores) - 1:x}"


def _upto(cores: int) -> str:
    return f"0-{cores - 1}" if cores > 1 else "0"
