"""What is measured: an opened bundle, or a float network in torch; how it is selected, and what a worker is asked.

A selector is what a person types: `ean.*`, `ean.tflite-int8`, a bundle's folder, `ean.torch-eager`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from edgefer.arch import ARCHS, Arch, get_arch
from edgefer.pipeline.targets import all_targets, get_target
from edgefer.runtime import protocol, shell
from edgefer.runtime.bench_record import Run, Settings
from edgefer.runtime.bundle import MANIFEST, Bundle, read_bundle
from edgefer.runtime.errors import MissingEngine, MissingFile
from edgefer.runtime.protocol import Answer, Blocks, Check, Request
from edgefer.runtime.signature import Trust
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
        return TORCH_WORKER if self.bundle is None else protocol.WORKER


def open_workload(folder: Path, trust: Trust | None = None) -> Workload:
    """The bundle in a folder, opened and checked; raises what read_bundle raises."""
    return Workload(read_bundle(folder, trust))


def select(selectors: Sequence[str], dist: Path, trust: Trust | None = None) -> list[Workload]:
    """Bundles in `dist` (all of them if there are no selectors) by name or glob, or by their folder; each is opened.

    <arch>.torch-eager is the baseline, which no glob matches. Raises MissingFile with the command that
    builds what is not there, UnknownName for a target or network that is none, what read_bundle raises.
    """
    folders = sorted(path.parent for path in dist.glob(f"*/{MANIFEST}") if not path.parent.name.startswith("."))
    if not selectors and not folders:
        raise MissingFile(f"no bundles in {dist}: `{_command(['ean'], ['tflite-int8'], dist)}` makes one.")
    chosen = dict.fromkeys(each for selector in selectors or ["*"] for each in _matching(selector, folders, dist))
    return [Workload(network=each) if isinstance(each, str) else open_workload(each, trust) for each in chosen]


def _matching(selector: str, folders: Sequence[Path], dist: Path) -> Sequence[Path | str]:
    """Folders of bundles, or the name of a network that is measured in torch."""
    network, _, target = selector.rpartition(".")
    if target == EAGER:
        return [get_arch(network).name]
    matching = [folder for folder in folders if fnmatchcase(folder.name, selector)]
    if not matching and (Path(selector) / MANIFEST).is_file():
        return [Path(selector)]
    if not matching:
        raise MissingFile(f"no bundle {selector} in {dist}: {_advice(selector, dist)}")
    return matching


def _advice(selector: str, dist: Path) -> str:
    network, _, target = selector.rpartition(".")
    if network in ARCHS and "*" not in target and "?" not in target and "[" not in target:
        get_target(target)  # says so if there is none of that name
    pairs = [(a, t) for a in ARCHS for t in all_targets() if fnmatchcase(f"{a}.{t}", selector)]
    if not pairs:
        return "give <arch>.<target>; `edgefer archs` and `edgefer targets` list them."
    return f"`{_command((a for a, _ in pairs[:1]), (t for a, t in pairs if a == pairs[0][0]), dist)}` makes it."


def _command(networks: Iterable[str], names: Iterable[str], dist: Path) -> str:
    options = " ".join(f"--target {name}" for name in names)
    out = "" if dist == Path("dist") else f" --out {dist}"
    return f"edgefer build --arch {next(iter(networks))} {options}{out}"


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
        bundle, settings = workload.bundle, self.settings
        if bundle is None:
            return Request(None, workload.network, settings, self.count, self.check, workload.provider)
        folder = str(bundle.folder.resolve())
        return Request(folder, None, settings, self.count, self.check, workload.provider, bundle.sha256)


def ask(task: Task, environment: Mapping[str, str] | None = None) -> Answer:
    """A fresh worker's answer, on this machine; `environment` is another one than shell.environment().

    Raises what protocol.ask raises, MissingEngine without torch.
    """
    workload = task.workload
    if workload.bundle is None and find_spec("torch") is None:
        raise MissingEngine.of("torch", "train")
    variables = dict(shell.environment() if environment is None else environment)
    if workload.provider is not None:  # torch may look at these when it is imported, before the worker could set them
        variables |= GPU_ENVIRONMENT
    return protocol.ask(task.request, shell.module_command(workload.worker), variables)


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
