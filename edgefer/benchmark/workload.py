"""What is measured: an opened bundle, or a float network in torch; what a worker is asked about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from edgefer.arch import Arch, get_arch
from edgefer.runtime import client
from edgefer.runtime.bench_record import Run, Settings
from edgefer.runtime.bundle import Bundle, read_bundle
from edgefer.runtime.errors import MissingEngine
from edgefer.runtime.protocol import Answer, Blocks, Check, Request
from edgefer.runtime.workload import GPU_ENVIRONMENT

if TYPE_CHECKING:
    from edgefer.training.weights import TrainedModel

TORCH_PROVIDERS = ("cuda", "cuda-graph")  # the ways of torch_worker to a GPU
EAGER = "torch-eager"  # the target of a network in torch, where bundles have tflite-int8
TORCH_WORKER = "edgefer.benchmark.torch_worker"


@dataclass(frozen=True)
class Workload:
    """What is measured: `bundle`, or (None) the float network `network` in torch.

    provider is the way to the hardware, see protocol.Request. A bundle that is opened once is not read again.
    """

    bundle: Bundle | None = None
    network: str | None = None
    provider: str | None = None

    @property
    def name(self) -> str:
        """ean.tflite-int8, ean.onnx-fp32:cuda, ean.torch-eager, ean.torch-cuda."""
        if self.bundle is None:
            return f"{self.network}.{EAGER if self.provider is None else f'torch-{self.provider}'}"
        name = self.bundle.folder.resolve().name
        return name if self.provider is None else f"{name}:{self.provider}"

    @property
    def worker(self) -> str:
        """The module that measures it."""
        return TORCH_WORKER if self.bundle is None else client.WORKER


def open_workload(folder: Path) -> Workload:
    """The bundle in a folder, opened and checked; raises what read_bundle raises."""
    return Workload(read_bundle(folder))


@dataclass(frozen=True)
class Task:
    """What a worker is to do with a workload: to time it, or what `count` or `check` say."""

    workload: Workload
    settings: Settings
    count: Blocks | None = None
    check: Check | None = None

    @property
    def request(self) -> Request:
        """What is said to the worker."""
        workload = self.workload
        folder = None if workload.bundle is None else str(workload.bundle.folder.resolve())
        return Request(folder, workload.network, self.settings, self.count, self.check, workload.provider)


def ask(task: Task, environment: Mapping[str, str] | None = None) -> Answer:
    """A fresh worker's answer, on this machine; `environment` is another one than client.environment().

    Raises what client.ask raises, MissingEngine without torch.
    """
    workload = task.workload
    if workload.bundle is None and find_spec("torch") is None:
        raise MissingEngine.of("torch", "train")
    variables = dict(client.environment() if environment is None else environment)
    if workload.provider is not None:  # torch may look at these when it is imported, before the worker could set them
        variables |= GPU_ENVIRONMENT
    return client.ask(task.request, client.command(workload.worker), variables)


def measure(workload: Workload, settings: Settings) -> Run:
    """One run in a fresh process; raises what `ask` raises."""
    run = ask(Task(workload, settings)).run
    assert run is not None  # it was not asked to count
    return run


@dataclass(frozen=True)
class StaticMetrics:
    """What is known of a workload without running it; see bench_record.Result, whose fields these are."""

    bundle_sha256: str
    files: dict[str, int]
    model_bytes: int
    parameters: int
    macs: int
    operators: dict[str, int]
    tensors: dict[str, int]


def static_metrics(workload: Workload) -> StaticMetrics:
    """The figures of a bundle from its manifest, those of a network in torch from its modules and weights.

    Raises MissingFile for a network without shipped weights; on a GPU it gets random ones.
    """
    if workload.bundle is None:
        on_gpu = workload.provider is not None
        return _of_random_network(workload.network or "") if on_gpu else _of_shipped_network(workload.network or "")
    manifest = workload.bundle.manifest
    return StaticMetrics(
        bundle_sha256=workload.bundle.sha256,
        files={name: entry.bytes for name, entry in manifest.files.items()},
        model_bytes=manifest.model_bytes,
        parameters=manifest.parameters,
        macs=manifest.macs,
        operators=manifest.dtypes.operators,
        tensors=manifest.dtypes.tensors,
    )


def _of_shipped_network(name: str) -> StaticMetrics:
    from edgefer.training import weights

    arch = get_arch(name)
    path = weights.weights_path(arch, None)
    return _of_network(arch, weights.load_trained_model(arch, None), {path.name: path.stat().st_size})


def _of_random_network(name: str) -> StaticMetrics:
    """With random weights, whose bytes are no file's, where none are shipped."""
    from edgefer.training import random_init

    arch = get_arch(name)
    loaded = random_init.shipped_or_random(arch)
    if loaded.untrained is None:
        return _of_shipped_network(name)
    held = sum(tensor.numel() * tensor.element_size() for tensor in loaded.network.state_dict().values())
    return _of_network(arch, loaded, {f"random weights, seed {loaded.untrained}": held})


def _of_network(arch: Arch, loaded: TrainedModel, files: dict[str, int]) -> StaticMetrics:
    """Its modules for operators, its weights for a file."""
    from edgefer.arch.count import count

    counted = count(loaded.network, arch.crop, arch.channels)
    leaves = [m for m in loaded.network.modules() if not list(m.children())]
    return StaticMetrics(
        bundle_sha256=loaded.sha256,
        files=files,
        model_bytes=sum(files.values()),
        parameters=counted.parameters,
        macs=counted.macs,
        operators=dict(sorted(Counter(f"{type(m).__name__} float32" for m in leaves).items())),
        tensors=dict(Counter(str(t.dtype).removeprefix("torch.") for t in loaded.network.state_dict().values())),
    )
