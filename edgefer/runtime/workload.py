"""What a worker measures: a bundle in its engine, or the naive baseline."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from itertools import repeat
from pathlib import Path
from types import ModuleType

from edgefer.runtime import camera_frame, contract, engines, golden, verify
from edgefer.runtime.bench_record import Gpu, Settings
from edgefer.runtime.bundle import Bundle, read_bundle
from edgefer.runtime.errors import MissingEngine, NotSetUp, UnknownName
from edgefer.runtime.protocol import Request
from edgefer.runtime.sampling import Step

Load = Callable[[], "Loaded"]
EAGER_PROVIDERS = ("cuda", "cuda-graph")
WARM_SECONDS = 2.0  # of warming up on a GPU, whose clock takes its time to rise
# NVIDIA's libraries may compute float32 with 10 bits of fraction: fast, but not what the file says. The
# order of the bus is nvidia-smi's.
EXACT = {"NVIDIA_TF32_OVERRIDE": "0", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


@dataclass(frozen=True)
class Loaded:
    """A model that is ready; `step` is one inference of the settings (a whole batch in batch mode).

    engine is its name and version, arena bytes (None: it does not tell), notes what a reader must know. On a GPU:
    gpu, what the engine calls it; how many seconds at least to warm up; on_device, what takes samples of the GPU's own
    time for one step.
    """

    engine: str
    provider: str
    arena: int | None
    step: Step
    notes: list[str]
    gpu: Gpu | None = None
    warm_seconds: float = 0.0
    on_device: Callable[[], list[float]] | None = None


def prepare(request: Request) -> Load:
    """Import the engine and read what it needs; what this returns loads the model.

    Raises what read_bundle, open_model and engines.load raise.
    """
    if request.provider is not None:
        return _prepare_gpu(request, request.provider)
    if request.folder is None:
        from edgefer.benchmark import torch_eager

        return partial(torch_eager.load, request.eager or "", request.settings)
    bundle = read_bundle(Path(request.folder))
    with suppress(MissingEngine, KeyError):  # engines.load explains a package that is missing
        engines.import_runner(bundle.manifest.format)
    return partial(_load, bundle, request.settings)


def _prepare_gpu(request: Request, provider: str) -> Load:
    os.environ.update(EXACT)
    require_batch(request.folder, request.settings)
    if request.folder is None:
        if provider not in EAGER_PROVIDERS:
            raise UnknownName.of("way of torch to a GPU", provider, EAGER_PROVIDERS)
        return partial(on_torch().load, request.eager or "", request.settings, provider)
    return partial(_load, read_bundle(Path(request.folder)), request.settings, provider)


def on_torch() -> ModuleType:
    """The module torch_gpu; raises MissingEngine."""
    try:
        return import_module("edgefer.benchmark.torch_gpu")
    except ModuleNotFoundError as error:
        raise MissingEngine.of(error.name or str(error), "train") from error


def _load(bundle: Bundle, settings: Settings, provider: str | None = None) -> Loaded:
    model = verify.open_model(bundle, settings.threads, provider)
    agreed = bundle.manifest.contract
    if settings.scope == "end-to-end":
        once: Step = partial(camera_frame.label, camera_frame.frame(), camera_frame.BOX, agreed, model)
    else:
        pixels = contract.to_pixels(golden.picture()[None], agreed)
        once = partial(model.run, contract.to_input(pixels, agreed))
    if provider is not None:
        return _on_gpu(model, once)
    step, notes = (once, []) if settings.mode != "batch" else (_in_a_row(once, settings.batch), [_note(settings.batch)])
    # Engines that can't tell have neither attribute.
    told, arena = getattr(model, "provider", "CPU"), getattr(model, "arena", None)
    return Loaded(model.engine, told, arena, step, notes)


def _on_gpu(model: engines.Model, once: Step) -> Loaded:
    notes, gpu = getattr(model, "notes", []), getattr(model, "gpu", None)
    return Loaded(model.engine, getattr(model, "provider", "not told"), None, once, notes, gpu, WARM_SECONDS)


def require_batch(folder: str | None, settings: Settings) -> None:
    """Raise NotSetUp for a bundle and batches on a GPU: there a batch is one inference, and its shapes are fixed.

    Also in OpenVINO, which could change the input's: shapes of batch 1 are written into EAN's attention too.
    """
    if folder is not None and settings.mode == "batch" and settings.batch > 1:
        name = Path(folder).name
        raise NotSetUp(f"{name}: the bundle's batch is 1: measure batches with {name.partition('.')[0]}.torch-eager.")


def _in_a_row(once: Step, count: int) -> Step:
    def step() -> None:
        for _ in repeat(None, count):
            once()

    return step


def _note(batch: int) -> str:
    return f"batch: the model takes one frame at a time, a batch is {batch} in a row"
