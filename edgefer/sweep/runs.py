"""From a sweep to its runs: one training each, with a folder that is named by its settings. Light: no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from pathlib import Path

from edgefer.arch import get_arch
from edgefer.runtime import records
from edgefer.runtime.errors import BadCheckpoint, BadSetting
from edgefer.runtime.files import sha256, shipped_folder
from edgefer.runtime.records import TrainingRecord
from edgefer.sweep.grid import Row, Sweep
from edgefer.training import recipes
from edgefer.training.recipes import Plan

LENGTH = "epochs"  # the one setting of a row that may be asked for otherwise, to shorten a sweep
RUNS = "runs"  # of all sweeps into one folder, so that runs which two of them have in common are done once


@dataclass(frozen=True)
class Wish:
    """What is asked for beside the sweep: settings of the rows that lack them, seeds 0 to `seeds` - 1, row patterns."""

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
        """Of its folder: everything in which it may differ from another."""
        recipe = self.plan.recipe
        changed = [f"{key}={value}" for key, value in sorted(recipes.differences(recipe).items())]
        taught = [f"teacher={sha256(path)[:8]}" for path in self.plan.teachers]
        return "_".join([self.plan.arch.name, recipe.name, *changed, *taught, f"seed={self.plan.seed}"])

    def folder(self, out: Path) -> Path:
        """Where its weights, record, curves and checkpoint lie."""
        return out / RUNS / self.name


def expand(sweep: Sweep, wish: Wish) -> list[Run]:
    """The runs, row by row. Raises BadSetting, UnknownName or MissingFile before anything is done."""
    rows = [row for row in sweep.rows if not wish.only or any(fnmatch(row.name, each) for each in wish.only)]
    if not rows:
        names = "; ".join(row.name for row in sweep.rows)
        raise BadSetting(f"{sweep.name} has no row like {' or '.join(wish.only)}: it has {names}.")
    for key in wish.settings.keys() - {LENGTH}:
        if all(key in row.settings for row in rows):
            raise BadSetting(f"{key}={wish.settings[key]}: {sweep.name} sets {key} itself: leave it out.")
    runs = [Run(row, _plan(sweep, row, wish, seed)) for row in rows for seed in range(wish.seeds)]
    for run in runs:
        recipes.check_teachers(run.plan)
    return runs


def _plan(sweep: Sweep, row: Row, wish: Wish, seed: int) -> Plan:
    own = {key: value for key, value in row.settings.items() if key not in wish.settings or key != LENGTH}
    recipe = recipes.change(recipes.get_recipe(sweep.recipe), {**wish.settings, **own})
    shipped = (shipped_folder("weights") / "teacher.safetensors",) if sweep.taught else ()
    return Plan(get_arch(row.arch), recipe, seed, wish.threads, wish.teachers or shipped)


def finished(run: Run, folder: Path, data: dict[str, object] | None = None) -> TrainingRecord | None:
    """The record of a run that has ended. `data` is the fingerprint of the faces, None where there are none to compare.

    Raises BadCheckpoint if the folder holds a run of other settings or other faces.
    """
    path, name = folder / f"{run.plan.arch.name}.json", run.plan.arch.name
    weights = path.with_suffix(".safetensors")
    if not path.is_file() or not weights.is_file() or path.with_suffix(".checkpoint").exists():
        return None  # the checkpoint goes last: with one, a run was cut off while it wrote what it had found
    record = records.read(TrainingRecord, path)
    pairs: Sequence[tuple[str, object, object]] = (
        ("network", record.arch, name),
        ("recipe", record.recipe, asdict(run.plan.recipe)),
        ("seed", record.seed, run.plan.seed),
        ("teacher", [each["sha256"] for each in record.teachers], [sha256(path) for path in run.plan.teachers]),
        ("data", record.data, data or record.data),
        ("weights file", record.weights_sha256, sha256(weights)),
    )
    other = ", ".join(what for what, found, wanted in pairs if found != wanted)
    if other:
        raise BadCheckpoint(f"{folder} holds a finished run with another {other}: use another --out, or remove it.")
    return record
