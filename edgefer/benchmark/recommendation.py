"""Which bundle to take: what was measured of each held against limits, and the best of each kind; pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

from edgefer.benchmark.columns import over_runs
from edgefer.benchmark.report import Table
from edgefer.pipeline.fidelity import wilson_interval
from edgefer.runtime import units
from edgefer.runtime.bench_record import Result, Run
from edgefer.runtime.errors import NothingFits

KILOBYTE = 1000


@dataclass(frozen=True)
class Limits:
    """What a bundle may cost: kilobytes of its model's files, milliseconds a frame; its accuracy at least, in percent.

    None is no limit.
    """

    kilobytes: float | None = None
    milliseconds: float | None = None
    accuracy: float | None = None

    @property
    def words(self) -> str:
        """All that are set, for a message."""
        parts = (
            None if self.kilobytes is None else f"at most {self.kilobytes:g} kB",
            None if self.milliseconds is None else f"at most {self.milliseconds:g} ms",
            None if self.accuracy is None else f"accuracy at least {self.accuracy:g} %",
        )
        return ", ".join(part for part in parts if part)


@dataclass(frozen=True)
class Accuracy:
    """Percent of so many faces. `kind` is accuracy, or agreement with float; `of`: of which faces, and where from."""

    percent: float
    faces: int
    kind: str
    of: str

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the share."""
        return wilson_interval(round(self.percent * self.faces / 100), self.faces)


@dataclass(frozen=True)
class Excluded:
    """A target that was not measured, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Candidate:
    """A bundle that was measured on so many threads.

    seconds       a frame's: the median over the processes of their medians; range: the least and the largest of these.
                  None: an emulator, or every run throttled
    instructions  of a frame; None: not counted
    peak_bytes    the measuring process's largest memory
    flash_bytes   of a microcontroller: code and constants; ram_bytes: arena and stack. None elsewhere
    accuracy      None: not known
    misses        the limits that it does not meet, in words
    """

    bundle: str
    threads: int
    bundle_sha256: str
    model_bytes: int
    seconds: float | None
    range: tuple[float, float] | None
    instructions: int | None
    peak_bytes: int | None
    accuracy: Accuracy | None
    misses: list[str] = field(default_factory=list)
    flash_bytes: int | None = None
    ram_bytes: int | None = None

    def excess(self, limits: Limits) -> float:
        """By how much it misses the limits: 0 by nothing, 1 by as much again."""
        return sum(_excesses(self.size, self.seconds, self.accuracy, limits).values())

    @property
    def size(self) -> int:
        """What it takes to store it: flash on a microcontroller, else its files."""
        return self.model_bytes if self.flash_bytes is None else self.flash_bytes

    @property
    def memory(self) -> int | None:
        """What it takes to run it: RAM on a microcontroller, else the process's peak."""
        return self.peak_bytes if self.ram_bytes is None else self.ram_bytes

    @property
    def words(self) -> str:
        """Its name and its threads."""
        return f"{self.bundle} on {units.counted(self.threads, 'thread')}"

    @property
    def accuracy_interval(self) -> tuple[float, float] | None:
        """The accuracy's, if it is known."""
        return None if self.accuracy is None else self.accuracy.interval

    @property
    def cost(self) -> float:
        """What orders candidates: seconds, else instructions."""
        return next((each for each in (self.seconds, self.instructions) if each is not None), float("inf"))


@dataclass(frozen=True)
class Best:
    """The best for one purpose, its figure, and others that can't be told from it or have the same figure."""

    purpose: str
    bundle: str
    threads: int
    figure: str
    as_good: list[str]


@dataclass(frozen=True)
class Recommendation:
    """What `edgefer recommend` found; candidates are sorted by their cost.

    accuracy_of says what the accuracies are; notes, what to know of the measurements.
    """

    schema: str = field(default="edgefer/recommendation/1", kw_only=True)
    arch: str
    device: str
    limits: Limits
    accuracy_of: str
    best: list[Best]
    candidates: list[Candidate]
    excluded: list[Excluded]
    notes: list[str]

    def require(self) -> None:
        """Raise NothingFits, with the candidate that misses the limits by the least, if none meets them."""
        nearest = min(self.candidates, key=lambda each: (each.excess(self.limits), each.cost))
        if nearest.misses:
            raise NothingFits(
                f"no bundle of {self.arch} on {self.device} meets the limits ({self.limits.words}): the nearest is "
                f"{nearest.words}: {'; '.join(nearest.misses)}."
            )


@dataclass(frozen=True)
class _Purpose:
    """What to be best for: a figure, of which less is better, and how it is shown."""

    name: str
    figure: Callable[[Candidate], float | None]
    show: Callable[[Candidate], str]


_PURPOSES = (
    _Purpose("latency", lambda c: c.seconds, lambda c: units.milliseconds(c.seconds)),
    _Purpose(
        "instructions",
        lambda c: c.instructions if c.seconds is None else None,
        lambda c: f"{units.millions(c.instructions)} a frame",
    ),
    _Purpose("size", lambda c: c.size, lambda c: f"{units.size(c.size)}{' of flash' * (c.flash_bytes is not None)}"),
    _Purpose(
        "memory",
        lambda c: c.memory,
        lambda c: (
            f"{units.mebibytes(c.peak_bytes)} at its peak"
            if c.ram_bytes is None
            else f"{units.size(c.ram_bytes)} of RAM"
        ),
    ),
    _Purpose(
        "accuracy",
        lambda c: -c.accuracy.percent if c.accuracy else None,
        lambda c: f"{_percent(c.accuracy)} {c.accuracy.kind if c.accuracy else ''}",
    ),
)


def _percent(accuracy: Accuracy | None) -> str:
    return units.ABSENT if accuracy is None else f"{accuracy.percent:.2f} %"


def candidate(result: Result, accuracy: Accuracy | None, limits: Limits) -> Candidate:
    """The figures of a result held against the limits."""
    medians = [median(run.samples) for run in result.runs if run.timed]
    seconds, peak = median(medians) if medians else None, _bytes(result, lambda run: run.memory.peak)
    flash = _bytes(result, lambda run: run.memory.flash)
    size = result.model_bytes if flash is None else flash
    return Candidate(
        bundle=result.bundle,
        threads=result.settings.threads,
        bundle_sha256=result.bundle_sha256,
        model_bytes=result.model_bytes,
        seconds=seconds,
        range=(min(medians), max(medians)) if medians else None,
        instructions=result.instructions_per_frame,
        peak_bytes=peak,
        accuracy=accuracy,
        misses=list(_excesses(size, seconds, accuracy, limits)),
        flash_bytes=flash,
        ram_bytes=_bytes(result, lambda run: run.memory.ram),
    )


def _bytes(result: Result, of: Callable[[Run], int | None]) -> int | None:
    found = over_runs(result, of)
    return None if found is None else round(found)


def _excesses(size: int, seconds: float | None, accuracy: Accuracy | None, limits: Limits) -> dict[str, float]:
    """How much of each limit a bundle is beyond it, by words for it; a figure that is not known meets no limit."""
    found = {}
    if limits.kilobytes is not None and size > limits.kilobytes * KILOBYTE:
        found[f"{size / KILOBYTE:,.1f} kB, at most {limits.kilobytes:g} are allowed"] = _beyond(
            size, limits.kilobytes * KILOBYTE
        )
    if limits.milliseconds is not None and seconds is None:
        found["no run of it counts, so its latency is not known"] = float("inf")
    elif limits.milliseconds is not None and seconds is not None and seconds * 1e3 > limits.milliseconds:
        words = f"{units.milliseconds(seconds)}, at most {limits.milliseconds:g} are allowed"
        found[words] = _beyond(seconds * 1e3, limits.milliseconds)
    if limits.accuracy is not None and accuracy is None:
        found["its accuracy is not known"] = float("inf")
    elif limits.accuracy is not None and accuracy is not None and accuracy.percent < limits.accuracy:
        words = f"accuracy {_percent(accuracy)}, at least {limits.accuracy:g} is asked for"
        found[words] = 1 - accuracy.percent / limits.accuracy
    return found


def _beyond(figure: float, limit: float) -> float:
    return figure / limit - 1 if limit else float("inf")


def best(candidates: Sequence[Candidate]) -> list[Best]:
    """The best for each purpose among those that meet the limits; none where their figures are not of one kind.

    Accuracies of different faces are not compared.
    """
    meeting = [each for each in candidates if not each.misses]
    found = []
    for purpose in _PURPOSES:
        known = [each for each in meeting if purpose.figure(each) is not None]
        one_kind = purpose.name != "accuracy" or len({each.accuracy.of for each in known if each.accuracy}) == 1
        if known and one_kind:
            first = min(known, key=lambda each: (purpose.figure(each), each.cost, each.threads))
            as_good = _as_good(first, known, purpose)
            found.append(Best(purpose.name, first.bundle, first.threads, purpose.show(first), as_good))
    return found


def _as_good(first: Candidate, known: Sequence[Candidate], purpose: _Purpose) -> list[str]:
    """Others with the same figure, or whose range over processes or interval of faces reaches into that of `first`."""
    if purpose.name == "latency":
        return [each.words for each in known if each is not first and _reaches(each.range, first.range)]
    if purpose.name == "accuracy":
        as_good = [each for each in known if _reaches(first.accuracy_interval, each.accuracy_interval)]
    else:
        as_good = [each for each in known if purpose.figure(each) == purpose.figure(first)]
    return [name for name in dict.fromkeys(each.bundle for each in as_good) if name != first.bundle]


def _reaches(upper: tuple[float, float] | None, lower: tuple[float, float] | None) -> bool:
    """Whether the range that lies higher begins within the other."""
    return upper is not None and lower is not None and upper[0] <= lower[1]


def page(found: Recommendation, table: Table) -> str:
    """The best, the table behind it as `table` draws it, what was excluded and what to know."""
    limits = f"; limits: {found.limits.words}" if found.limits.words else ""
    best_of = [
        (each.purpose, each.bundle, str(each.threads), each.figure, ", ".join(each.as_good)) for each in found.best
    ]
    heads = ("best for", "bundle", "threads", "figure", "not told apart from it")
    lines = [
        f"{found.arch} on {found.device}{limits}",
        "",
        table(heads, best_of) if best_of else "No bundle meets them.",
    ]
    lines += ["", table(*_rows(found)), ""]
    lines += [f"- not measured: {', '.join(names)}: {reason}" for reason, names in _by_reason(found.excluded).items()]
    return "\n".join([*lines, f"- {found.accuracy_of}", *(f"- {note}" for note in found.notes), ""])


def _by_reason(excluded: Sequence[Excluded]) -> dict[str, list[str]]:
    """The names of what was left out, by the reason."""
    names: dict[str, list[str]] = {}
    for each in excluded:
        names.setdefault(each.reason, []).append(each.name)
    return names


def _rows(found: Recommendation) -> tuple[list[str], list[list[str]]]:
    """Heads and cells of the candidates, without the columns that none has a figure for."""
    kinds = {each.accuracy.kind for each in found.candidates if each.accuracy}
    columns: dict[str, Callable[[Candidate], str]] = {
        "bundle": lambda c: c.bundle,
        "threads": lambda c: str(c.threads),
        "model": lambda c: units.size(c.model_bytes),
        "median": lambda c: units.milliseconds(c.seconds),
        "instr.": lambda c: units.millions(c.instructions),
        "flash": lambda c: units.size(c.flash_bytes),
        "RAM": lambda c: units.size(c.ram_bytes),
        "peak": lambda c: units.mebibytes(c.peak_bytes),
        " or ".join(sorted(kinds)): lambda c: _percent(c.accuracy),
        "limits missed": lambda c: "; ".join(c.misses),
    }
    cells = {head: [cell(each) for each in found.candidates] for head, cell in columns.items()}
    shown = {head: column for head, column in cells.items() if set(column) - {units.ABSENT, ""}}
    return list(shown), [list(row) for row in zip(*shown.values(), strict=True)]
