"""The results of a sweep so far, beside the paper's, as a record and as a Markdown table. Light: no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, stdev

from edgefer.runtime import __version__, records
from edgefer.runtime.files import write_atomic
from edgefer.runtime.training_record import Scores, TrainingRecord
from edgefer.sweep.runs import Row, Run, Sweep, finished
from edgefer.training import recipes

Draw = Callable[[Sequence[str], Sequence[Sequence[str]]], str]


@dataclass(frozen=True)
class RunResult:
    """A finished run; accuracies in percent, rounds the best of each round on PublicTest, folder below --out."""

    seed: int
    folder: str
    weights_sha256: str
    best_epoch: int
    public: float
    public_ten_crop: float | None
    private: float | None
    private_ten_crop: float | None
    rounds: list[float]
    seconds: float


@dataclass(frozen=True)
class RowResult:
    """A row with its finished runs; the paper's figure as printed and its data set, both empty where there is none."""

    name: str
    arch: str
    recipe: str
    settings: dict[str, str]
    printed: str
    printed_of: str
    runs: list[RunResult]
    missing: int


@dataclass(frozen=True)
class SweepRecord:
    """A sweep, complete or in part."""

    schema: str = field(default="edgefer/sweep/1", kw_only=True)
    sweep: str
    source: str
    command: str
    edgefer: str
    rows: list[RowResult]


def collect(sweep: Sweep, runs: Sequence[Run], out: Path, command: str) -> SweepRecord:
    """The results of the runs that are finished below `out`; raises BadCheckpoint, BadRecord."""
    rows = [_row(row, [run for run in runs if run.row is row], out) for row in _rows(runs)]
    return SweepRecord(sweep.name, sweep.source, command, __version__, rows)


def _rows(runs: Sequence[Run]) -> list[Row]:
    return list({run.row.name: run.row for run in runs}.values())


def _row(row: Row, runs: Sequence[Run], out: Path) -> RowResult:
    ended = [(run, finished(run, run.folder(out))) for run in runs]
    done = [_run(run, record, out) for run, record in ended if record is not None]
    recipe = runs[0].plan.recipe
    settings, missing = recipes.differences(recipe), len(runs) - len(done)
    return RowResult(row.name, row.arch, recipe.name, settings, row.printed, row.printed_of, done, missing)


def _run(run: Run, record: TrainingRecord, out: Path) -> RunResult:
    numbers = sorted({epoch.round for epoch in record.curve})
    best = [max(epoch.public_accuracy for epoch in record.curve if epoch.round == number) for number in numbers]
    private: Scores | None = record.private
    return RunResult(
        run.plan.seed,
        str(run.folder(out).relative_to(out)),
        record.weights_sha256,
        record.best_epoch,
        record.public.accuracy,
        record.public.ten_crop,
        private.accuracy if private else None,
        private.ten_crop if private else None,
        [round(value, 3) for value in best],
        record.seconds,
    )


def _mean_and_deviation(values: Sequence[float | None]) -> str:
    present = [value for value in values if value is not None]
    if not present:
        return "-"
    return f"{mean(present):.2f}" + (f" ± {stdev(present):.2f}" if len(present) > 1 else "")


def _by_round(runs: Sequence[RunResult]) -> str:
    most = max((len(run.rounds) for run in runs), default=0)
    rounds = ([run.rounds[k] for run in runs if len(run.rounds) > k] for k in range(most))
    return ", ".join(_mean_and_deviation(values) for values in rounds) if most > 1 else "-"


HEADINGS = ("row", "network", "settings", "runs", "PublicTest", "PrivateTest", "ten crops", "PublicTest by round")


def cells(record: SweepRecord) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of the table: percent, mean and standard deviation over the seeds."""
    rows = []
    for row in record.rows:
        runs = row.runs
        settings = " ".join(f"{key}={value}" for key, value in row.settings.items())
        columns: list[Callable[[RunResult], float | None]] = [
            lambda run: run.public,
            lambda run: run.private,
            lambda run: run.private_ten_crop,
        ]
        figures = [_mean_and_deviation([column(run) for run in runs]) for column in columns]
        printed = f"{row.printed.rstrip('%')} ({row.printed_of})" if row.printed else "-"
        many = f"{len(runs)}/{len(runs) + row.missing}"
        rows.append([row.name, row.arch, settings or "-", many, *figures, _by_round(runs), printed])
    return [*HEADINGS, "paper"], rows


def write(record: SweepRecord, out: Path, markdown: Draw) -> tuple[Path, Path]:
    """Write <out>/<sweep>.md, its table drawn by `markdown`, and .json; raises OutputFailed."""
    page, file = out / f"{record.sweep}.md", out / f"{record.sweep}.json"
    records.write(file, record)
    source = f"{record.source}. " if record.source else ""
    text = f"# {record.sweep}\n\n{source}Generated by `{record.command}`; accuracies in percent, centre crop and ten "
    names, rows = cells(record)
    escaped = [[cell.replace("|", "\\|").replace("_", "\\_") for cell in row] for row in rows]
    text += f"crops, chosen by PublicTest; mean ± standard deviation over seeds.\n\n{markdown(names, escaped)}\n"
    write_atomic(page, text.encode())
    return page, file
