"""Sweeps: grids of trainings, and their runs, each in a folder that is named by its settings. Torch is needed to train.

A finished run is known by its record and is not done again, one that was cut off goes on. A run's log is also its
lock: it says who began the run when, and who finished it.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatch
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from edgefer.arch import get_arch
from edgefer.data.dataset import Dataset, fingerprint
from edgefer.runtime import records
from edgefer.runtime.errors import BadCheckpoint, BadSetting, Diverged, EdgeferError
from edgefer.runtime.files import locked, sha256, shipped_folder, writing
from edgefer.runtime.training_record import TrainingRecord
from edgefer.training import recipes
from edgefer.training.recipes import Plan

if TYPE_CHECKING:
    from edgefer.training.run import Listener

Outcome = Literal["trained", "found", "elsewhere", "diverged"]
Faces = Mapping[int, Dataset]  # by the side to which they are resized
LENGTH = "epochs"  # the one setting of a row that may be asked for otherwise, to shorten a sweep
RUNS = "runs"  # of all sweeps into one folder, so that runs which two of them have in common are done once
LOG, FINISHED, DIVERGED = "attempts.log", "finished", "diverged:"


@dataclass(frozen=True)
class Row:
    """One point of a grid: a network, and in what its recipe differs (as `recipes.change` takes it).

    printed and printed_of are a paper's accuracy of it as printed and its data set, empty where there is none.
    """

    name: str
    arch: str
    settings: Mapping[str, str] = field(default_factory=dict)
    printed: str = ""
    printed_of: str = ""


@dataclass(frozen=True)
class Sweep:
    """A grid of trainings; taught: it needs a teacher from outside."""

    name: str
    what: str
    source: str
    recipe: str
    rows: tuple[Row, ...]
    taught: bool = False


def grid(archs: Sequence[str], recipe: str, values: Mapping[str, Sequence[str]]) -> Sweep:
    """Every network with every combination of the settings' values; raises BadSetting where a value comes twice."""
    for key, texts in {"arch": archs, **values}.items():
        if len(set(texts)) < len(texts):
            raise BadSetting(f"{key}={','.join(texts)}: a value comes twice: give each once.")
    rows = tuple(
        Row(", ".join([arch, *(f"{key} {value}" for key, value in zip(values, point, strict=True))]), arch,
            dict(zip(values, point, strict=True)))
        for arch in archs
        for point in product(*values.values())
    )  # fmt: skip
    return Sweep("-".join([*archs, recipe, *values]), "a grid of your own", "", recipe, rows)


@dataclass(frozen=True)
class SweepOptions:
    """How to run a sweep: settings of the rows that lack them, seeds 0 to `seeds` - 1, patterns of row names."""

    settings: Mapping[str, str]
    seeds: int
    threads: int
    teachers: tuple[Path, ...] = ()
    only: tuple[str, ...] = ()


@dataclass(frozen=True)
class Run:
    """One training of a sweep: row `row` with one seed."""

    row: Row
    plan: Plan

    @property
    def name(self) -> str:
        """The name of its folder: everything in which it may differ from another."""
        return self._name(recipes.differences(self.plan.recipe))

    def _name(self, differences: Mapping[str, str]) -> str:
        settings = [f"{key}={value}" for key, value in sorted(differences.items())]
        teachers = [f"teacher={sha256(path)[:8]}" for path in self.plan.teachers]
        return "_".join([self.plan.arch.name, self.plan.recipe.name, *settings, *teachers, f"seed={self.plan.seed}"])

    def folder(self, out: Path) -> Path:
        """Where its weights, record, curves and checkpoint lie; one with settings of older names goes on."""
        older = self._name(recipes.older_names(recipes.differences(self.plan.recipe)))
        return out / RUNS / (older if (out / RUNS / older).is_dir() else self.name)


def expand(sweep: Sweep, options: SweepOptions) -> list[Run]:
    """The runs, row by row. Raises BadSetting, UnknownName or MissingFile before anything is done."""
    rows = [row for row in sweep.rows if not options.only or any(fnmatch(row.name, each) for each in options.only)]
    if not rows:
        names = "; ".join(row.name for row in sweep.rows)
        raise BadSetting(f"{sweep.name} has no row like {' or '.join(options.only)}: it has {names}.")
    for key in options.settings.keys() - {LENGTH}:
        if all(key in row.settings for row in rows):
            raise BadSetting(f"{key}={options.settings[key]}: {sweep.name} sets {key} itself: leave it out.")
    runs = [Run(row, _plan(sweep, row, options, seed)) for row in rows for seed in range(options.seeds)]
    for run in runs:
        recipes.check_teachers(run.plan)
    return runs


def _plan(sweep: Sweep, row: Row, options: SweepOptions, seed: int) -> Plan:
    own = {key: value for key, value in row.settings.items() if key not in options.settings or key != LENGTH}
    recipe = recipes.change(recipes.get_recipe(sweep.recipe), {**options.settings, **own})
    shipped = (shipped_folder("weights") / "teacher.safetensors",) if sweep.taught else ()
    return Plan(get_arch(row.arch), recipe, seed, options.threads, options.teachers or shipped)


def finished(run: Run, folder: Path, data: dict[str, object] | None = None) -> TrainingRecord | None:
    """The record of a run that has ended. `data` is the fingerprint of the faces, None where there are none to compare.

    Raises BadCheckpoint if the folder holds a run of other settings or other faces.
    """
    name = run.plan.arch.name
    path = folder / f"{name}.json"
    weights = path.with_suffix(".safetensors")
    if not path.is_file() or not weights.is_file() or path.with_suffix(".checkpoint").exists():
        return None  # the checkpoint goes last: with one, a run was cut off while it wrote its results
    record = records.read(TrainingRecord, path)
    pairs: Sequence[tuple[str, object, object]] = (
        ("network", record.arch, name),
        ("recipe", recipes.recorded_settings(record.recipe), asdict(run.plan.recipe)),
        ("seed", record.seed, run.plan.seed),
        ("teacher", [each["sha256"] for each in record.teachers], [sha256(path) for path in run.plan.teachers]),
        ("data", record.data, data or record.data),
        ("weights file", record.weights_sha256, sha256(weights)),
    )
    other = ", ".join(what for what, recorded, expected in pairs if recorded != expected)
    if other:
        raise BadCheckpoint(f"{folder} holds a finished run with another {other}: use another --out, or remove it.")
    return record


@contextlib.contextmanager
def run_lock(folder: Path, wait: bool) -> Iterator[Callable[[str], None] | None]:
    """Hold the lock of the run in `folder`.

    The block gets what writes a line into the run's log, or None if another process holds the lock; `wait` waits for
    that one instead. Raises OutputFailed.
    """
    with contextlib.ExitStack() as stack:
        with writing(folder / LOG):
            folder.mkdir(parents=True, exist_ok=True)
            handle = stack.enter_context(locked(folder / LOG, wait))
        if handle is None:
            yield None
            return

        def log(what: str) -> None:
            now = datetime.now(UTC).isoformat(timespec="seconds")
            with writing(folder / LOG):
                os.write(handle, f"{now} {socket.gethostname()} {os.getpid()} {what}\n".encode())

        yield log


def attempts(folder: Path) -> list[str]:
    """What each line of a run's log says, oldest first: `started`, `resumed`, `finished`."""
    path = folder / LOG
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [line.split(maxsplit=3)[3] for line in lines]


def perform(run: Run, data: Dataset, folder: Path, listener: Listener, wait: bool = False) -> Outcome:
    """Train, unless it has been done (`found`) or another process is doing it (`elsewhere`; with `wait`: wait for it).

    One that diverges is marked as such in its log. Raises what else edgefer.training.run.train raises.
    """
    from edgefer.training.run import train

    mark, name = fingerprint(data), run.plan.arch.name
    if finished(run, folder, mark):
        return "found"
    with run_lock(folder, wait) as log:
        if log is None:
            return "elsewhere"
        if finished(run, folder, mark):  # while this process waited for the lock
            return "found"
        log("resumed" if (folder / f"{name}.checkpoint").exists() else "started")
        try:
            train(run.plan, data, folder, listener)
        except Diverged as error:
            log(f"{DIVERGED} {error}")
            return "diverged"
        log(FINISHED)
    return "trained"


def divergences(runs: Sequence[Run], outcomes: Mapping[str, Outcome], out: Path) -> list[EdgeferError]:
    """What the logs of the runs that diverged say."""
    diverged = [run for run in runs if outcomes.get(run.name) == "diverged"]
    last = [attempts(run.folder(out))[-1].removeprefix(DIVERGED).strip() for run in diverged]
    return [Diverged(f"{run.name} diverged: {text}") for run, text in zip(diverged, last, strict=True)]


def one_by_one(
    runs: Sequence[Run], faces: Faces, out: Path, listener_of: Callable[[Run], AbstractContextManager[Listener]]
) -> dict[str, Outcome]:
    """Perform all of them in this process, in order; how each ended, by name."""
    outcomes: dict[str, Outcome] = {}
    for run in runs:
        with listener_of(run) as listener:
            outcomes[run.name] = perform(run, faces[run.plan.arch.resize], run.folder(out), listener)
    return outcomes
