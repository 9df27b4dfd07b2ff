"""This machine's GPU: every way to it that is installed, each tried before it is measured."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from edgefer.benchmark.instructions import Counted
from edgefer.benchmark.selection import EAGER, Subject
from edgefer.devices import gpu_driver
from edgefer.devices.device import Say
from edgefer.runtime import client, engines
from edgefer.runtime.bench_record import Settings
from edgefer.runtime.bundle import read_bundle
from edgefer.runtime.errors import EdgeferError, GoldenMismatch, MissingEngine, NoGpu, WorkerFailed
from edgefer.runtime.protocol import Answer, Check, Request
from edgefer.runtime.workload import EAGER_PROVIDERS, require_batch

NEEDS_NVIDIA = ("cuda", "cuda-graph", "tensorrt")
MISSING = (NoGpu, MissingEngine)
REFUSALS = (*MISSING, GoldenMismatch, WorkerFailed)  # what ends one way to the GPU, but not the others


def available() -> bool:
    """Whether the machine has a GPU, as far as that can be seen without asking a driver; software is none."""
    return gpu_driver.nvidia() or gpu_driver.render_node()


class GpuPlace:
    """See devices.device.Place; raises NoGpu where nothing of a GPU is to be seen.

    left_out says, after expand, what does not run here and why.
    """

    timed = True

    def __init__(self, name: str, root: Path = Path("/")) -> None:
        self.name = name
        self.left_out: list[str] = []
        self._nvidia = gpu_driver.nvidia(root)
        if not (self._nvidia or gpu_driver.render_node(root) or gpu_driver.vulkan(root) or sys.platform != "linux"):
            raise NoGpu(
                "no GPU here: looked for NVIDIA's driver (for torch.cuda and ONNX Runtime's CUDA and TensorRT), for a "
                "render node in /dev/dri (for OpenVINO's GPU) and for a Vulkan driver (for ncnn); install the GPU's "
                "driver, or leave --device gpu out to measure the processor."
            )

    def answers(self, requests: Sequence[Request], say: Say) -> Iterator[Answer]:
        """Each from a fresh process, when it is asked for; raises NotSetUp for batches that can't be had."""
        for request in requests:
            require_batch(request.folder, request.settings)
        return (self._answer(request, say) for request in requests)

    def _answer(self, request: Request, say: Say) -> Answer:
        if request.provider is not None:
            return client.ask(request)
        if request.check is None or request.folder is None:
            raise ValueError("only a bundle's check may leave the way to the GPU open")
        return self._every_way(request, Path(request.folder), say)

    def _every_way(self, request: Request, folder: Path, say: Say) -> Answer:
        """A check by all providers; the answer of the one that is furthest off."""
        answers, refused = [], []
        for way in ways(Subject(folder.name, folder)):
            say(way.name)
            try:
                self._require_driver(way)
                answers.append(client.ask(replace(request, provider=way.provider)))
            except MISSING as error:
                refused.append(f"{way.provider}: {error}")
        if not answers:
            raise NoGpu(f"{folder.name} runs on no GPU here: {' '.join(refused) or no_way(folder)}")
        return max(answers, key=lambda answer: answer.golden.difference if answer.golden else 0.0)

    def count(self, subject: Subject) -> Counted:
        """None: an emulator of the processor sees nothing of a GPU."""
        del subject
        return Counted(None, 0, "not counted: a GPU's instructions are not the processor's")

    def expand(self, subjects: Sequence[Subject]) -> list[Subject]:
        """Each subject by every provider that runs it and gives the golden answer; raises NoGpu if there is none."""
        found: list[Subject] = []
        refused: dict[str, list[str]] = {}  # reason -> names
        for subject in subjects:
            possible = ways(subject)
            if not possible and subject.folder is not None:
                refused.setdefault(no_way(subject.folder), []).append(subject.name)
            for way in possible:
                error = self._refusal(way)
                if error is None:
                    found.append(way)
                else:
                    refused.setdefault(str(error), []).append(way.name)
        self.left_out = [f"{', '.join(names)}: {reason}" for reason, names in refused.items()]
        if not found:
            raise NoGpu(f"nothing that was asked for runs on a GPU here: {' '.join(self.left_out)}")
        return found

    def _refusal(self, way: Subject) -> EdgeferError | None:
        """Why it can't be measured, from a try: the golden pair in a fresh process."""
        try:
            self._require_driver(way)
            client.ask(client.request(way, Settings(), check=Check()))
        except REFUSALS as error:
            return error
        return None

    def _require_driver(self, way: Subject) -> None:
        if way.provider in NEEDS_NVIDIA and not self._nvidia:
            raise NoGpu("no NVIDIA driver is here (nvidia-smi, /proc/driver/nvidia): install it.")


def ways(subject: Subject) -> list[Subject]:
    """The subject by each provider of its format: ean.onnx-fp32:cuda, ean.torch-cuda."""
    if subject.folder is None:
        network = subject.name.removesuffix(EAGER)
        return [replace(subject, name=f"{network}torch-{p}", provider=p) for p in EAGER_PROVIDERS]
    providers = engines.ENGINES[read_bundle(subject.folder).manifest.format].providers
    return [replace(subject, name=f"{subject.name}:{p}", provider=p) for p in providers]


def no_way(folder: Path) -> str:
    """Why a bundle has no way at all."""
    kind = read_bundle(folder).manifest.format
    return f"edgefer knows no way of {kind}'s engine to a GPU; measure another format of the network."
