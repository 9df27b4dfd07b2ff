"""Whether there is a Vulkan device, and fakes of what engines tell of a GPU."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import pytest

COUNT = "import ncnn; print('devices', ncnn.get_gpu_count())"


@cache
def _devices() -> int:
    """In a process of its own: a driver may crash."""
    done = subprocess.run([sys.executable, "-P", "-c", COUNT], capture_output=True, text=True, check=False)
    words = done.stdout.split()
    return int(words[words.index("devices") + 1]) if "devices" in words else 0


def need_vulkan() -> None:
    """Skip the test where ncnn finds no Vulkan device."""
    if _devices() < 1:
        pytest.skip("needs a Vulkan device: apt install libvulkan1 mesa-vulkan-drivers has one in software")


@dataclass
class Info:
    """A ncnn.GpuInfo."""

    name: str
    kind: int
    packed: int
    vendor: int

    def device_name(self) -> str:
        return self.name

    def type(self) -> int:
        return self.kind

    def driver_version(self) -> int:
        return self.packed

    def vendor_id(self) -> int:
        return self.vendor


@dataclass
class Layer:
    """A ncnn.Layer."""

    type: str
    support_vulkan: bool


@dataclass
class Net:
    """A ncnn.Net."""

    held: list[Layer]

    def layers(self) -> list[Layer]:
        return self.held


@dataclass
class Node:
    """A node of ONNX Runtime's."""

    op_type: str


@dataclass
class Part:
    """A part of a graph, and the provider it went to."""

    ep_name: str
    nodes: Sequence[str]

    def get_nodes(self) -> list[Node]:
        return [Node(name) for name in self.nodes]


@dataclass
class Session:
    """An onnxruntime.InferenceSession."""

    providers: list[str] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)

    def get_providers(self) -> list[str]:
        return self.providers

    def get_provider_graph_assignment_info(self) -> list[Part]:
        return self.parts
