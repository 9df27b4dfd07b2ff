"""The file that a build made, run by the engine that ships: golden pairs, answers to faces, and that they repeat."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgefer.arch import Arch
from edgefer.pipeline.targets import Precision, Target
from edgefer.runtime import contract, engines, machine, units
from edgefer.runtime.bundle import (
    GOLDEN_INPUT,
    GOLDEN_OUTPUT,
    GOLDEN_PICTURE,
    RESIZE_INPUT,
    RESIZE_OUTPUT,
    RESIZE_PICTURE,
)
from edgefer.runtime.errors import ExportFailed, GoldenMismatch
from edgefer.runtime.golden import golden_picture, large_picture, to_png
from edgefer.runtime.manifest import Golden, GoldenResize

# How far an engine's answer to the golden picture may be, in probability, from the answer recorded at
# build time, on any processor. One step of an int8 output is 1/256; half precision and dynamic
# quantisation are rounded differently by different kernels.
GOLDEN_TOLERANCE: dict[Precision, float] = {"fp32": 1e-3, "fp16": 1e-2, "dynamic": 2e-2, "int8": 2e-2}
# How far the input that becomes of the large picture may be from the recorded one, in levels of 255, and its output in
# probability. Other bilinear resizing with antialiasing was at most 1 level off and 0.0068 (float), 0.02 (dynamic) or
# 0.035 (int8); other kernels were 7 levels off or more (benchmarks/tables/resize.md).
RESIZE_LEVELS = 2.0
RESIZE_TOLERANCE: dict[Precision, float] = {"fp32": 0.01, "fp16": 0.02, "dynamic": 0.04, "int8": 0.07}
# How far it may be from the float network's at build time: more is a broken conversion, not rounding.
CONVERSION_TOLERANCE: dict[Precision, float] = {"fp32": 1e-4, "fp16": 2e-2, "dynamic": 0.1, "int8": 0.25}
# What can be done about it: faces have a say in int8 only.
_ADVICE: dict[Precision, str] = {
    "fp32": "try another target",
    "fp16": "an fp32 target tells whether half precision is the reason",
    "dynamic": "try an fp32 or int8 target",
    "int8": "calibrate on other faces, or build an fp32 target",
}
# How far answers may be apart that two numbers of threads give: a sum that is split otherwise is rounded otherwise. On
# the shipped networks no engine's answers differed at all.
THREAD_TOLERANCE: dict[Precision, float] = {"fp32": 1e-5, "fp16": 1e-5, "dynamic": 1 / 256, "int8": 1 / 256}
REPEATED = 32  # one face in so many is shown again, by itself and with other numbers of threads


@dataclass(frozen=True)
class GoldenPairs:
    """What is kept of the golden pictures: their numbers for the manifest, and their files."""

    golden: Golden
    resize: GoldenResize
    files: dict[str, bytes]


class _Runs(Protocol):
    """What gives an output for an input."""

    def run(self, given: NDArray[Any]) -> NDArray[Any]:
        """One inference."""


class GoldenSource(Protocol):
    """What golden pairs are made with: a BuiltFile, or what stands for a file that can't be run here."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def target(self) -> Target: ...  # noqa: D102
    @property
    def contract(self) -> contract.Contract: ...  # noqa: D102
    @property
    def model(self) -> _Runs: ...  # noqa: D102


class BuiltFile:
    """The model of the bundle `name` in `folder`, opened for one thread. What its engine raises is ExportFailed."""

    def __init__(self, folder: Path, name: str, arch: Arch, target: Target) -> None:
        self.name, self.target = name, target
        self._path = folder / target.file
        self.model = self.open(1)
        if self.model.output.shape != (1, len(arch.labels)):
            raise self._refused(
                f"the file that was made gives an output of {self.model.output.shape}, {arch.name} has "
                f"{len(arch.labels)} labels"
            )
        self.contract = arch.contract(self.model.layout, self.model.input, self.model.output)

    def open(self, threads: int) -> engines.Model:
        """The same file, opened for so many threads."""
        return engines.load(self._path, self.target.format, threads, explain=self._refused)

    def open_twin(self) -> engines.Model | None:
        """The target's twin, opened for one thread."""
        twin = self.target.twin
        if twin is None:
            return None
        return engines.load(self._path.with_name(twin.file), twin.format, 1, explain=self._refused)

    def _refused(self, what: str) -> ExportFailed:
        return ExportFailed(f"{self.name}: {what}. No bundle was written; try another target.")

    def answers(self, pixels: NDArray[np.uint8], model: engines.Model | None = None) -> NDArray[np.float32]:
        """Probabilities (N, classes) for pixels (N, crop, crop, 3)."""
        return np.concatenate(list(engines.run_each(model or self.model, pixels, self.contract)))


@contextmanager
def opened(files: dict[str, bytes], name: str, arch: Arch, target: Target) -> Iterator[BuiltFile]:
    """The built files in a folder that is gone when the block ends."""
    with tempfile.TemporaryDirectory() as folder:
        for file, content in files.items():
            (Path(folder) / file).write_bytes(content)
        yield BuiltFile(Path(folder), name, arch, target)


def golden_pixels(built: BuiltFile) -> NDArray[np.uint8]:
    """The golden picture as the model is to see it: uint8 (1, crop, crop, 3)."""
    return contract.to_pixels(golden_picture()[None], built.contract)


def golden_pairs(built: GoldenSource, baseline: NDArray[np.float32], accept_loss: bool) -> GoldenPairs:
    """Show the golden pictures to the file; `baseline` is the float network's answer to the first, (1, classes).

    Raises GoldenMismatch if they are too far apart, unless that is accepted.
    """
    precision = built.target.precision
    files = _pair(built, golden_picture(), (GOLDEN_PICTURE, GOLDEN_INPUT, GOLDEN_OUTPUT))
    answer = np.frombuffer(files[GOLDEN_OUTPUT], built.contract.output.dtype).reshape(baseline.shape)
    distance = float(np.abs(contract.dequantise(answer, built.contract.output) - baseline).max())
    limit = float("inf") if accept_loss else CONVERSION_TOLERANCE[precision]
    if not distance <= limit:  # so that NaN fails too
        raise GoldenMismatch(
            f"{built.name} is {distance:.3f} away from the float network on the golden picture, at most {limit} "
            f"in probability is allowed. No bundle was written; {_ADVICE[precision]}; --accept-loss "
            "builds it all the same."
        )
    golden = Golden(
        picture=GOLDEN_PICTURE,
        input=GOLDEN_INPUT,
        output=GOLDEN_OUTPUT,
        tolerance=GOLDEN_TOLERANCE[precision],
        reference=[round(float(p), 6) for p in baseline[0]],
        distance=round(distance, 6),
    )
    names = RESIZE_PICTURE, RESIZE_INPUT, RESIZE_OUTPUT
    files |= _pair(built, large_picture(built.contract.resize), names)
    return GoldenPairs(golden, GoldenResize(*names, RESIZE_LEVELS, RESIZE_TOLERANCE[precision]), files)


def _pair(built: GoldenSource, picture: NDArray[np.uint8], names: tuple[str, str, str]) -> dict[str, bytes]:
    """The files of a picture, of the input that it becomes, and of the output for that."""
    model_input = contract.to_input(contract.to_pixels(picture[None], built.contract), built.contract)
    contents = to_png(picture), model_input.tobytes(), built.model.run(model_input).tobytes()
    return dict(zip(names, contents, strict=True))


def require_repeatable(built: BuiltFile, faces: NDArray[np.uint8], first: NDArray[np.float32]) -> None:
    """Show the golden picture and the first faces again, twice each with 1, 2 and all threads.

    `first` are the answers to `faces` with one thread. With the same number of threads answers must be the same to the
    bit, with another one within THREAD_TOLERANCE; raises ExportFailed.
    """
    shown = max(1, len(faces) // REPEATED)
    pixels = np.concatenate([golden_pixels(built), faces[:shown]])
    expected = np.concatenate([built.answers(pixels[:1]), first[:shown]])
    tolerance = THREAD_TOLERANCE[built.target.precision]
    for threads in thread_counts():
        model = built.model if threads == 1 else built.open(threads)
        one, two = (built.answers(pixels, model) for _ in range(2))
        repeat = _apart(one, expected if threads == 1 else two) or _apart(one, two)
        if repeat:
            raise _differs(built, f"with {units.counted(threads, 'thread')} from one run to the next", repeat, 0)
        difference = _apart(one, expected)
        if not difference <= tolerance:
            raise _differs(built, f"with {units.counted(threads, 'thread')} than with 1 thread", difference, tolerance)


def require_equal(built: BuiltFile, faces: NDArray[np.uint8], answers: NDArray[np.float32]) -> None:
    """Show the golden picture and all faces to the target's twin, if it has one; raises ExportFailed if it differs."""
    twin = built.open_twin()
    if twin is None:
        return
    pixels = np.concatenate([golden_pixels(built), faces])
    expected = np.concatenate(list(engines.run_each(twin, pixels, built.contract)))
    given = np.concatenate([built.answers(pixels[:1]), answers])
    unequal = int((given != expected).any(1).sum())
    if unequal:
        raise ExportFailed(
            f"{built.name}: {built.model.engine} answers otherwise than {twin.engine} on {unequal} of {len(pixels)} "
            f"pictures, by up to {_apart(given, expected):.2g} in probability (they must be equal). No bundle was "
            "written: try the target tflite-int8, and tell edgefer's makers."
        )


def thread_counts() -> list[int]:
    """One, two, and as many as this process may use."""
    return sorted({1, 2, machine.usable_cores()})


def _apart(some: NDArray[np.float32], others: NDArray[np.float32]) -> float:
    return float(np.abs(some - others).max())


def _differs(built: BuiltFile, how: str, difference: float, allowed: float) -> ExportFailed:
    return ExportFailed(
        f"{built.name}: {built.model.engine} answers otherwise {how}, by {difference:.2g} in probability "
        f"(at most {allowed:.2g}). No bundle was written: try another target, and tell the engine's makers."
    )
