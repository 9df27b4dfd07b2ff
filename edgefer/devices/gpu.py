"""This machine's GPU: every engine's provider that is installed, each tried before it is measured.

Signs of a GPU cost nothing to look for: no engine is imported, no driver loaded. `root` is / but in tests.
"""

from __future__ import annotations

import ctypes.util
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from edgefer.benchmark.instructions import Counted
from edgefer.benchmark.workload import TORCH_PROVIDERS, Task, Workload, ask
from edgefer.devices.device import Finding, Say
from edgefer.runtime import engines, shell
from edgefer.runtime.bench_record import Settings
from edgefer.runtime.bundle import Bundle
from edgefer.runtime.errors import EdgeferError, GoldenMismatch, MissingEngine, NoGpu, WorkerFailed
from edgefer.runtime.gpu_state import PATIENCE
from edgefer.runtime.protocol import Answer, Check
from edgefer.runtime.workload import require_batch

NAME = "gpu"
NVIDIA = ("proc/driver/nvidia/version", "dev/nvidiactl", "dev/nvhost-gpu")  # the last on a Jetson
ICDS = ("usr/share/vulkan/icd.d", "usr/local/share/vulkan/icd.d", "etc/vulkan/icd.d")
ICD_VARIABLES = ("VK_DRIVER_FILES", "VK_ADD_DRIVER_FILES", "VK_ICD_FILENAMES")
NEEDS_NVIDIA = ("cuda", "cuda-graph", "tensorrt")
MISSING = (NoGpu, MissingEngine)
REFUSALS = (*MISSING, GoldenMismatch, WorkerFailed)  # what ends one provider, but not the others


def has_nvidia(root: Path = Path("/")) -> bool:
    """Whether NVIDIA's driver is there."""
    return any((root / name).exists() for name in NVIDIA) or bool(shell.run_or_none(["nvidia-smi", "-L"], PATIENCE))


def has_render_node(root: Path = Path("/")) -> bool:
    """Whether the kernel has a GPU that programs may compute on."""
    return any(root.glob("dev/dri/renderD*"))


def has_vulkan(root: Path = Path("/")) -> bool:
    """Whether there are Vulkan's loader and a driver for it."""
    drivers = any(os.environ.get(name) for name in ICD_VARIABLES) or any(any(root.glob(f"{d}/*.json")) for d in ICDS)
    return drivers and ctypes.util.find_library("vulkan") is not None


def available() -> bool:
    """Whether the machine has a GPU, as far as that can be seen without asking a driver; software is none."""
    return has_nvidia() or has_render_node()


class LocalGpu:
    """This machine's GPU; see devices.device.Device.

    left_out says, after expand, what does not run here and why.
    """

    timed = True
    name = NAME

    def __init__(self, root: Path = Path("/")) -> None:
        self.left_out: list[str] = []
        self._nvidia, self._render_node, self._vulkan = has_nvidia(root), has_render_node(root), has_vulkan(root)

    def require_ready(self) -> None:
        """Raise NoGpu where nothing of a GPU is to be seen."""
        if not (self._nvidia or self._render_node or self._vulkan or sys.platform != "linux"):
            raise NoGpu(
                "no GPU here: looked for NVIDIA's driver (for torch.cuda and ONNX Runtime's CUDA and TensorRT), for a "
                "render node in /dev/dri (for OpenVINO's GPU) and for a Vulkan driver (for ncnn); install the GPU's "
                "driver, or leave --device gpu out to measure the processor."
            )

    def refusal(self, format: str) -> str | None:
        """For formats without a way to a GPU."""
        return None if engines.ENGINES[format].providers else no_provider(format)

    def setup(self, offline: bool, say: Say) -> str:
        """Nothing."""
        del offline, say
        return f"{self.name} is this machine's GPU: nothing to set up, its driver and engines are installed by hand"

    def doctor(self) -> list[Finding]:
        """Which drivers are to be seen; one of them is needed."""
        none = not (self._nvidia or self._render_node or self._vulkan or sys.platform != "linux")
        signs = {
            "NVIDIA": (self._nvidia, "its driver, for torch.cuda and ONNX Runtime's CUDA and TensorRT"),
            "render node": (self._render_node, "one in /dev/dri, for OpenVINO's GPU"),
            "Vulkan": (self._vulkan, "a driver and its loader, for ncnn"),
        }
        return [
            Finding(subject, there, text if there else f"missing: {text}", needed=none)
            for subject, (there, text) in signs.items()
        ]

    def answers(self, tasks: Sequence[Task], say: Say) -> Iterator[Answer]:
        """Each from a fresh process, when it is asked for; raises NotSetUp for batches that can't be had."""
        for task in tasks:
            require_batch(task.request.folder, task.settings)
        return (self._answer(task, say) for task in tasks)

    def _answer(self, task: Task, say: Say) -> Answer:
        if task.workload.provider is not None:
            return ask(task)
        if task.check is None or task.workload.bundle is None:
            raise ValueError("only a bundle's check may leave the provider open")
        return self._check_by_all(task, task.workload.bundle, say)

    def _check_by_all(self, task: Task, bundle: Bundle, say: Say) -> Answer:
        """A check by all providers; the answer of the one that is furthest off."""
        answers, refused = [], []
        for workload in by_provider(task.workload):
            say(workload.name)
            try:
                self._require_driver(workload)
                answers.append(ask(replace(task, workload=workload)))
            except MISSING as error:
                refused.append(f"{workload.provider}: {error}")
        if not answers:
            raise NoGpu(
                f"{task.workload.name} runs on no GPU here: {' '.join(refused) or no_provider(bundle.manifest.format)}"
            )
        return max(answers, key=lambda answer: answer.golden.difference if answer.golden else 0.0)

    def count(self, workload: Workload) -> Counted:
        """None: an emulator of the processor sees nothing of a GPU."""
        del workload
        return Counted(None, 0, "not counted: a GPU's instructions are not the processor's")

    def expand(self, workloads: Sequence[Workload]) -> list[Workload]:
        """Each workload by every provider that runs it and gives the golden answer; raises NoGpu if there is none."""
        running: list[Workload] = []
        refused: dict[str, list[str]] = {}  # reason -> names
        for workload in workloads:
            variants = by_provider(workload)
            if not variants and workload.bundle is not None:
                refused.setdefault(no_provider(workload.bundle.manifest.format), []).append(workload.name)
            for variant in variants:
                error = self._refusal(variant)
                if error is None:
                    running.append(variant)
                else:
                    refused.setdefault(str(error), []).append(variant.name)
        self.left_out = [f"{', '.join(names)}: {reason}" for reason, names in refused.items()]
        if not running:
            raise NoGpu(f"nothing that was asked for runs on a GPU here: {' '.join(self.left_out)}")
        return running

    def _refusal(self, workload: Workload) -> EdgeferError | None:
        """Why it can't be measured, from a try: the golden pair in a fresh process."""
        try:
            self._require_driver(workload)
            ask(Task(workload, Settings(), check=Check()))
        except REFUSALS as error:
            return error
        return None

    def _require_driver(self, workload: Workload) -> None:
        if workload.provider in NEEDS_NVIDIA and not self._nvidia:
            raise NoGpu("no NVIDIA driver is here (nvidia-smi, /proc/driver/nvidia): install it.")


def by_provider(workload: Workload) -> list[Workload]:
    """The workload by each provider of its format: ean.onnx-fp32:cuda, ean.torch-cuda."""
    bundle = workload.bundle
    providers = TORCH_PROVIDERS if bundle is None else engines.ENGINES[bundle.manifest.format].providers
    return [replace(workload, provider=provider) for provider in providers]


def no_provider(format: str) -> str:
    """Why a bundle of a format without providers runs on no GPU."""
    return f"edgefer has no GPU provider for {format}; measure another format of the network."
