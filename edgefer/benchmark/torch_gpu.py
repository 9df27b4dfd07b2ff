"""The float network in torch on an NVIDIA GPU: call by call, or as one CUDA graph.

A sample is what an app waits for: from a tensor in the computer's memory to the answer there, copies included.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import torch

from edgefer.arch import get_arch
from edgefer.benchmark import torch_eager
from edgefer.runtime.bench_record import Settings
from edgefer.runtime.errors import GoldenMismatch, NoGpu, WorkerFailed, one_line
from edgefer.runtime.verify import GoldenCheck
from edgefer.runtime.workload import WARM_SECONDS, Loaded
from edgefer.training import stand_in

TOLERANCE = 1e-3  # as of a float bundle, in probability
EVENTS = 100  # inferences for the device's own time


class OnGpu:
    """A network on a device that works by itself, with fixed shapes: `run` copies in, computes, copies out, waits.

    `cuda` is torch.cuda, or what has its functions; `device` is what torch calls the device.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        shape: tuple[int, ...],
        graph: bool,
        cuda: Any = torch.cuda,
        device: str = "cuda",
    ) -> None:
        self._network, self._cuda = network.to(device), cuda
        self._sent = self._pinned(shape)
        self._given = torch.zeros(shape, device=device)
        self._forward: Callable[[], torch.Tensor] = partial(self._network, self._given)
        with torch.inference_mode():
            if graph:
                self._forward = self._captured()
            self._received = self._pinned(tuple(self._forward().shape))
        cuda.synchronize()

    def _pinned(self, shape: tuple[int, ...]) -> torch.Tensor:
        """Memory of the computer that the GPU copies from and to by itself."""
        return torch.zeros(shape, pin_memory=self._cuda is torch.cuda)

    def _captured(self) -> Callable[[], torch.Tensor]:
        """What replays one forward pass. It runs before it is recorded: libraries set themselves up the first time."""
        side = self._cuda.Stream()
        side.wait_stream(self._cuda.current_stream())
        with self._cuda.stream(side):
            for _ in range(3):
                self._forward()
        self._cuda.current_stream().wait_stream(side)
        graph = self._cuda.CUDAGraph()
        with self._cuda.graph(graph):
            answer = self._forward()

        def replay() -> torch.Tensor:
            graph.replay()
            return answer

        return replay

    @torch.inference_mode()
    def run(self, given: torch.Tensor) -> torch.Tensor:
        """One inference; the answer is a copy in the computer's memory."""
        self._sent.copy_(given)
        self._given.copy_(self._sent, non_blocking=True)
        self._received.copy_(self._forward(), non_blocking=True)
        self._cuda.synchronize()
        return self._received.clone()

    @torch.inference_mode()
    def device_seconds(self, count: int = EVENTS) -> list[float]:
        """Seconds of the GPU's own clock from the first kernel of an inference to the last, without the copies."""
        taken = []
        for _ in range(count):
            began, over = self._cuda.Event(enable_timing=True), self._cuda.Event(enable_timing=True)
            began.record()
            self._forward()
            over.record()
            over.synchronize()
            taken.append(began.elapsed_time(over) / 1e3)
        return taken


def load(name: str, settings: Settings, provider: str) -> Loaded:
    """The network called `name` on the GPU; raises NoGpu, UnknownName, BadWeights, WorkerFailed.

    One without shipped weights gets random ones: how long it takes does not depend on them.
    """
    require(torch)
    arch = get_arch(name)
    loaded, random = stand_in.load(arch)
    shape = (settings.batch, *torch_eager.face(arch).shape[1:])
    on_gpu = _placed(name, loaded.network, shape, provider)
    step = torch_eager.make_step(on_gpu.run, arch, settings)
    told = "CUDA graph" if provider == "cuda-graph" else "eager, CUDA"
    notes = [stand_in.note(arch)] if random else []
    return Loaded(f"torch {torch.__version__}", told, None, step, notes, None, WARM_SECONDS, on_gpu.device_seconds)


def require(found: ModuleType) -> None:
    """Raise NoGpu if this torch can't use a GPU."""
    if found.cuda.is_available():
        return
    why = "was built without CUDA" if found.version.cuda is None else "finds no GPU that its CUDA can use"
    raise NoGpu(
        f"torch {found.__version__} {why}: install NVIDIA's driver and a torch with CUDA "
        "(pip install --upgrade torch, without the index for CPUs)."
    )


def _placed(name: str, network: torch.nn.Module, shape: tuple[int, ...], provider: str) -> OnGpu:
    try:
        return OnGpu(network, shape, provider == "cuda-graph")
    except RuntimeError as error:  # no memory left, or an operator that can't be captured
        raise WorkerFailed(f"{name}: torch can't run it as {provider} ({one_line(error)[:200]}).") from error


def check(name: str, provider: str) -> GoldenCheck:
    """The golden picture on the GPU beside the processor; raises GoldenMismatch and what `load` raises."""
    require(torch)
    arch = get_arch(name)
    network, face = stand_in.load(arch)[0].network, torch_eager.face(arch)
    with torch.inference_mode():
        expected = network(face).softmax(1)
    returned = _placed(name, network, tuple(face.shape), provider).run(face).softmax(1)
    difference = float((returned - expected).abs().max())
    if not difference <= TOLERANCE:  # so that NaN fails too
        raise GoldenMismatch(
            f"{name}: torch's answer on the GPU ({provider}) is {difference:.4f} off its answer on the processor, "
            f"{TOLERANCE} is allowed: update torch and the driver."
        )
    return GoldenCheck(f"torch {torch.__version__}", round(difference, 6), TOLERANCE)
