"""What a worker measures: a bundle in its engine, or the naive baseline."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from itertools import repeat
from pathlib import Path

from edgefer import contract, golden, package, runtime, verify
from edgefer.bench import frame
from edgefer.bench.messages import Request
from edgefer.bench.record import Settings
from edgefer.bench.sampling import Step

Load = Callable[[], "Loaded"]


@dataclass(frozen=True)
class Loaded:
    """A model that is ready; `step` is one inference of the settings (a whole batch in batch mode).

    engine is its name and version, arena bytes (None: it does not tell), notes what a reader must know.
    """

    engine: str
    provider: str
    arena: int | None
    step: Step
    notes: list[str]


def prepare(request: Request) -> Load:
    """Import the engine and read what it needs; what this returns loads the model.

    Raises what package.read, verify.open_model and runtime.load raise.
    """
    if request.folder is None:
        from edgefer.bench import eager

        return partial(eager.load, request.eager or "", request.settings)
    bundle = package.read(Path(request.folder))
    with suppress(ModuleNotFoundError, KeyError):  # runtime.load explains a package that is missing
        import_module(f"edgefer.runtime.{runtime.ENGINES[bundle.manifest.format]}")
    return partial(_load, bundle, request.settings)


def _load(bundle: package.Bundle, settings: Settings) -> Loaded:
    model = verify.open_model(bundle, settings.threads)
    agreed = bundle.manifest.contract
    if settings.scope == "end-to-end":
        once: Step = partial(frame.label, frame.frame(), frame.BOX, agreed, model)
    else:
        pixels = contract.to_pixels(golden.picture()[None], agreed)
        once = partial(model.run, contract.to_input(pixels, agreed))
    step, notes = (once, []) if settings.mode != "batch" else (_in_a_row(once, settings.batch), [_note(settings.batch)])
    # Engines that can't tell have neither attribute.
    provider, arena = getattr(model, "provider", "CPU"), getattr(model, "arena", None)
    return Loaded(model.engine, provider, arena, step, notes)


def _in_a_row(once: Step, count: int) -> Step:
    def step() -> None:
        for _ in repeat(None, count):
            once()

    return step


def _note(batch: int) -> str:
    return f"batch: the model takes one frame at a time, a batch is {batch} in a row"
