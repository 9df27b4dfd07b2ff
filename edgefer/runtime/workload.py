"""What a worker measures: a bundle in its engine, the model alone or from a camera's frame to a label."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgefer.runtime import contract, engines, verify
from edgefer.runtime.bench_record import Gpu, RunWarning, Settings, WarningKind
from edgefer.runtime.bundle import Bundle, read_bundle
from edgefer.runtime.contract import Contract
from edgefer.runtime.errors import BadRecord, BrokenBundle, MissingEngine, NotSetUp
from edgefer.runtime.golden import PICTURE_SIDE, golden_picture
from edgefer.runtime.protocol import Request
from edgefer.runtime.sampling import Step

Load = Callable[[], "LoadedWorkload"]
WARM_SECONDS = 2.0  # of warming up on a GPU, whose clock takes its time to rise
# NVIDIA's libraries may compute float32 with 10 bits of fraction: fast, but not what the file says. The
# order of the bus is nvidia-smi's.
GPU_ENVIRONMENT = {"NVIDIA_TF32_OVERRIDE": "0", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
FRAME_WIDTH, FRAME_HEIGHT = 640, 480
ENLARGED = 2  # the golden picture, 96 pixels wide, as a face 192 pixels wide


@dataclass(frozen=True)
class LoadedWorkload:
    """A model that is ready; `step` is one inference of the settings (a whole batch in batch mode).

    engine is its name and version, arena bytes (None: it does not tell), notes what a reader must know. On a GPU:
    gpu, what the engine calls it; how many seconds at least to warm up; on_device, what takes samples of the GPU's own
    time for one step.
    """

    engine: str
    provider: str
    arena: int | None
    step: Step
    notes: list[RunWarning]
    gpu: Gpu | None = None
    warm_seconds: float = 0.0
    on_device: Callable[[], list[float]] | None = None


def prepare(request: Request) -> Load:
    """Import the engine and read what it needs; what this returns loads the model.

    Raises what read_bundle, open_model and engines.load raise.
    """
    if request.provider is not None:
        os.environ.update(GPU_ENVIRONMENT)
        require_batch(request.folder, request.settings)
        return partial(_load, open_bundle(request), request.settings, request.provider)
    bundle = open_bundle(request)
    with suppress(MissingEngine, KeyError):  # engines.load explains a package that is missing
        engines.import_runner(bundle.manifest.format)
    return partial(_load, bundle, request.settings)


def open_bundle(request: Request) -> Bundle:
    """The request's bundle; raises BadRecord if it names none, BrokenBundle for another one than the host opened."""
    if request.folder is None:
        raise BadRecord(f"the request names no bundle but {request.eager}: this worker measures bundles only.")
    bundle = read_bundle(Path(request.folder))
    if request.sha256 not in (None, bundle.sha256):
        raise BrokenBundle(f"{bundle.folder} was changed after it was opened: run the command again.")
    return bundle


def _load(bundle: Bundle, settings: Settings, provider: str | None = None) -> LoadedWorkload:
    model = verify.open_model(bundle, settings.threads, provider).unchecked
    agreed = bundle.manifest.contract
    if settings.scope == "end-to-end":
        once: Step = partial(label, camera_frame(), FACE, agreed, model)
    else:
        pixels = contract.to_pixels(golden_picture()[None], agreed)
        once = partial(model.run, contract.to_input(pixels, agreed))
    if provider is not None:
        return _on_gpu(model, once)
    step, notes = (once, []) if settings.mode != "batch" else (_in_a_row(once, settings.batch), [_note(settings.batch)])
    # Engines that can't tell have neither attribute.
    used, arena = getattr(model, "provider", "CPU"), getattr(model, "arena", None)
    return LoadedWorkload(model.engine, used, arena, step, notes)


def _on_gpu(model: engines.Model, once: Step) -> LoadedWorkload:
    notes, gpu = getattr(model, "notes", []), getattr(model, "gpu", None)
    used = getattr(model, "provider", "not told")
    return LoadedWorkload(model.engine, used, None, once, notes, gpu, WARM_SECONDS)


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


def _note(batch: int) -> RunWarning:
    message = "the model takes one frame at a time, a batch is {batch} in a row"
    return RunWarning(WarningKind.BATCH, message, {"batch": batch})


@dataclass(frozen=True)
class Box:
    """Where a face detector says the face is, in pixels of the frame."""

    left: int
    top: int
    side: int


FACE = Box(224, 144, ENLARGED * PICTURE_SIDE)


def camera_frame() -> NDArray[np.uint8]:
    """uint8 (480, 640, 3), R, G, B: a ramp of grey with the golden picture's face in FACE."""
    ramp = np.add.outer(np.arange(FRAME_HEIGHT) // 4, np.arange(FRAME_WIDTH) // 5)[..., None]
    frame = np.repeat(ramp, 3, axis=2).astype(np.uint8)
    face = golden_picture().repeat(ENLARGED, axis=0).repeat(ENLARGED, axis=1)
    frame[FACE.top : FACE.top + FACE.side, FACE.left : FACE.left + FACE.side] = face
    return frame


def face_pixels(frame: NDArray[np.uint8], box: Box, agreed: Contract) -> NDArray[np.uint8]:
    """Cut the face out of a frame and resize it: uint8 (1, crop, crop, 3)."""
    margin = round(agreed.face_margin * box.side)
    top, left = max(0, box.top - margin), max(0, box.left - margin)
    face = frame[top : box.top + box.side + margin, left : box.left + box.side + margin]
    return contract.to_pixels(face[None], agreed)


def label(frame: NDArray[np.uint8], box: Box, agreed: Contract, model: engines.Model) -> str:
    """The label of the face in the box."""
    returned = model.run(contract.to_input(face_pixels(frame, box, agreed), agreed))
    return agreed.labels[int(returned.argmax())]
