"""A worker for the float network in torch: `python -m edgefer.benchmark.torch_worker`, the protocol of runtime.worker.

On the processor it is the naive baseline: the unfolded network, as a training script would run it. On an NVIDIA GPU it
runs call by call, or as one CUDA graph; a sample is then what an app waits for: from a tensor in the computer's memory
to the answer there, copies included.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import torch

from edgefer.arch import Arch, get_arch
from edgefer.benchmark.workload import TORCH_PROVIDERS
from edgefer.runtime import contract, worker, workload
from edgefer.runtime.bench_record import Settings
from edgefer.runtime.contract import Contract, TensorSpec
from edgefer.runtime.errors import BadRecord, GoldenMismatch, NoGpu, UnknownName, WorkerFailed, one_line
from edgefer.runtime.golden import golden_picture
from edgefer.runtime.protocol import Check, Request
from edgefer.runtime.sampling import Step
from edgefer.runtime.verify import GoldenCheck
from edgefer.runtime.workload import FACE, WARM_SECONDS, Load, LoadedWorkload
from edgefer.training import random_init, weights
from edgefer.training.augment import to_network

Infer = Callable[[torch.Tensor], torch.Tensor]
TOLERANCE = 1e-3  # as of a float bundle, in probability
EVENTS = 100  # inferences for the device's own time


def prepare(request: Request) -> Load:
    """What loads the request's network; raises UnknownName for a provider that torch has not."""
    name = _network_of(request)
    if request.provider is None:
        return partial(load_on_cpu, name, request.settings)
    if request.provider not in TORCH_PROVIDERS:
        raise UnknownName.of("way of torch to a GPU", request.provider, TORCH_PROVIDERS)
    return partial(load_on_gpu, name, request.settings, request.provider)


def _network_of(request: Request) -> str:
    if request.eager is None:
        raise BadRecord(f"the request names no network but {request.folder}: runtime.worker measures bundles.")
    return request.eager


def check_request(request: Request, check: Check) -> worker.Checked:
    """The golden picture on the GPU beside the processor; raises what `check_on_gpu` raises."""
    if request.provider is None or check.faces is not None:
        raise BadRecord("the network in torch is checked with the golden picture on a GPU, and with nothing else.")
    return check_on_gpu(_network_of(request), request.provider), None


def load_on_cpu(name: str, settings: Settings) -> LoadedWorkload:
    """The network called `name` with its shipped weights; raises UnknownName, MissingFile or BadWeights."""
    torch.set_num_threads(settings.threads)
    arch = get_arch(name)
    step = make_step(weights.load_trained_model(arch, None).network, arch, settings)
    return LoadedWorkload(f"torch {torch.__version__}", "eager, CPU", None, step, [])


def make_step(infer: Infer, arch: Arch, settings: Settings) -> Step:
    """One inference of the settings by `infer`, which takes a float32 tensor (N, channels, crop, crop)."""
    agreed = torch_contract(arch)
    if settings.scope == "end-to-end":
        return _end_to_end(infer, arch, agreed)
    return torch.inference_mode()(partial(infer, golden_face(arch).repeat(settings.batch, 1, 1, 1)))


def torch_contract(arch: Arch) -> Contract:
    """The contract of the network in torch."""
    faces = TensorSpec("x", (1, arch.channels, arch.crop, arch.crop), "float32")
    return arch.contract("NCHW", faces, TensorSpec("logits", (1, len(arch.labels)), "float32"))


def golden_face(arch: Arch) -> torch.Tensor:
    """The golden picture as the network takes it: one face."""
    return to_network(contract.to_pixels(golden_picture()[None], torch_contract(arch)), arch)


def _end_to_end(infer: Infer, arch: Arch, agreed: Contract) -> Step:
    frame = workload.camera_frame()

    @torch.inference_mode()
    def step() -> str:
        answer = infer(to_network(workload.face_pixels(frame, FACE, agreed), arch))
        return agreed.labels[int(answer.argmax())]

    return step


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
        self._faces = torch.zeros(shape, device=device)
        self._forward: Callable[[], torch.Tensor] = partial(self._network, self._faces)
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
    def run(self, faces: torch.Tensor) -> torch.Tensor:
        """One inference; the answer is a copy in the computer's memory."""
        self._sent.copy_(faces)
        self._faces.copy_(self._sent, non_blocking=True)
        self._received.copy_(self._forward(), non_blocking=True)
        self._cuda.synchronize()
        return self._received.clone()

    @torch.inference_mode()
    def device_seconds(self, count: int = EVENTS) -> list[float]:
        """Seconds of the GPU's own clock from the first kernel of an inference to the last, without the copies."""
        seconds = []
        for _ in range(count):
            began, over = self._cuda.Event(enable_timing=True), self._cuda.Event(enable_timing=True)
            began.record()
            self._forward()
            over.record()
            over.synchronize()
            seconds.append(began.elapsed_time(over) / 1e3)
        return seconds


def load_on_gpu(name: str, settings: Settings, provider: str) -> LoadedWorkload:
    """The network called `name` on the GPU; raises NoGpu, UnknownName, BadWeights, WorkerFailed.

    One without shipped weights gets random ones: how long it takes does not depend on them.
    """
    require_gpu(torch)
    arch = get_arch(name)
    loaded = random_init.shipped_or_random(arch)
    shape = (settings.batch, *golden_face(arch).shape[1:])
    on_gpu = _placed(name, loaded.network, shape, provider)
    step = make_step(on_gpu.run, arch, settings)
    used = "CUDA graph" if provider == "cuda-graph" else "eager, CUDA"
    notes = [] if loaded.untrained is None else [random_init.note(arch)]
    return LoadedWorkload(
        engine=f"torch {torch.__version__}",
        provider=used,
        arena=None,
        step=step,
        notes=notes,
        warm_seconds=WARM_SECONDS,
        on_device=on_gpu.device_seconds,
    )


def require_gpu(torch_module: ModuleType) -> None:
    """Raise NoGpu if this torch can't use a GPU."""
    if torch_module.cuda.is_available():
        return
    why = "was built without CUDA" if torch_module.version.cuda is None else "finds no GPU that its CUDA can use"
    raise NoGpu(
        f"torch {torch_module.__version__} {why}: install NVIDIA's driver and a torch with CUDA "
        "(pip install --upgrade torch, without the index for CPUs)."
    )


def _placed(name: str, network: torch.nn.Module, shape: tuple[int, ...], provider: str) -> OnGpu:
    try:
        return OnGpu(network, shape, provider == "cuda-graph")
    except RuntimeError as error:  # no memory left, or an operator that can't be captured
        raise WorkerFailed(f"{name}: torch can't run it as {provider} ({one_line(error)[:200]}).") from error


def check_on_gpu(name: str, provider: str) -> GoldenCheck:
    """The golden picture on the GPU beside the processor; raises GoldenMismatch and what `load_on_gpu` raises."""
    require_gpu(torch)
    arch = get_arch(name)
    network, faces = random_init.shipped_or_random(arch).network, golden_face(arch)
    with torch.inference_mode():
        expected = network(faces).softmax(1)
    returned = _placed(name, network, tuple(faces.shape), provider).run(faces).softmax(1)
    difference = float((returned - expected).abs().max())
    if not difference <= TOLERANCE:  # so that NaN fails too
        raise GoldenMismatch(
            f"{name}: torch's answer on the GPU ({provider}) is {difference:.4f} off its answer on the processor, "
            f"{TOLERANCE} is allowed: update torch and the driver."
        )
    return GoldenCheck(f"torch {torch.__version__}", round(difference, 6), TOLERANCE)


if __name__ == "__main__":
    worker.main(prepare, check_request)
