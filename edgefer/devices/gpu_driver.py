"""Signs of a GPU that cost nothing to look for: no engine is imported, no driver loaded. `root` is / but in tests."""

from __future__ import annotations

import ctypes.util
import os
from pathlib import Path

from edgefer.runtime import shell
from edgefer.runtime.nvidia import PATIENCE

NVIDIA = ("proc/driver/nvidia/version", "dev/nvidiactl", "dev/nvhost-gpu")  # the last on a Jetson
ICDS = ("usr/share/vulkan/icd.d", "usr/local/share/vulkan/icd.d", "etc/vulkan/icd.d")
ICD_VARIABLES = ("VK_DRIVER_FILES", "VK_ADD_DRIVER_FILES", "VK_ICD_FILENAMES")


def nvidia(root: Path = Path("/")) -> bool:
    """Whether NVIDIA's driver is there."""
    return any((root / name).exists() for name in NVIDIA) or bool(shell.run_or_none(["nvidia-smi", "-L"], PATIENCE))


def render_node(root: Path = Path("/")) -> bool:
    """Whether the kernel has a GPU that programs may compute on."""
    return any(root.glob("dev/dri/renderD*"))


def vulkan(root: Path = Path("/")) -> bool:
    """Whether there are Vulkan's loader and a driver for it."""
    drivers = any(os.environ.get(name) for name in ICD_VARIABLES) or any(any(root.glob(f"{d}/*.json")) for d in ICDS)
    return drivers and ctypes.util.find_library("vulkan") is not None
