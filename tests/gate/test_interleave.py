"""The order of processes, and when measuring ends."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgefer.gate.interleave import SETTINGS, Effort, Plan, Rounds, copies, measure_rounds, order
from edgefer.gate.verdict import Role, Thresholds, judge
from edgefer.runtime.bench_record import Run, RunWarning, Settings
from edgefer.runtime.bundle import Bundle, read_bundle
from tests.gate import made
from tests.pipeline.test_bundle_readme import MANIFESTS

BUNDLES: dict[Role, Bundle] = {role: Bundle(Path(role), MANIFESTS[0], "0" * 64) for role in made.ROLES}
ONE_BLOCK = Effort(first=6, budget=6)


class Measured:
    """Seconds by role, with a machine's noise; counts its calls."""

    def __init__(self, size: float, **seconds: float) -> None:
        self._seconds, self._machine, self.roles = (
            seconds,
            iter(made.noise(1000, size, np.random.default_rng(0))),
            [],
        )

    roles: list[str]

    def __call__(self, bundle: Bundle, settings: Settings) -> Run:
        assert settings == SETTINGS
        role = bundle.folder.name
        self.roles.append(role)
        return made.run(self._seconds.get(role, made.FRAME) * next(self._machine))


def taken(measure: Measured, effort: Effort = Effort()) -> Rounds:  # noqa: B008
    return measure_rounds(Plan("ean.x", BUNDLES, SETTINGS, effort, Thresholds()), measure, lambda _: None)


def test_a_block_goes_there_and_back() -> None:
    for block in range(12):
        roles = order(made.ROLES, block)
        assert roles == roles[::-1]
        assert Counter(roles) == {"base": 2, "head": 2, "control": 2}


def test_every_role_is_first_as_often_as_the_others() -> None:
    assert Counter(order(made.ROLES, block)[0] for block in range(6)) == {"base": 2, "head": 2, "control": 2}


def test_equal_ones_take_one_round() -> None:
    measure = Measured(0.01)
    assert [len(each) for each in taken(measure).rounds] == [24]
    assert Counter(measure.roles) == {"base": 8, "head": 8, "control": 8}


def test_a_slower_one_is_measured_again() -> None:
    assert [len(each) for each in taken(Measured(0.01, head=1.15 * made.FRAME)).rounds] == [24, 24]


def test_what_is_open_ends_with_the_budget() -> None:
    assert [len(each) for each in taken(Measured(0.5), Effort(12, 30)).rounds] == [30]


def test_busy_processes_are_counted() -> None:
    def measure(bundle: Bundle, settings: Settings) -> Run:
        texts = "busy: others", "busy: more", "governor: powersave"
        return made.run(made.FRAME, warnings=[RunWarning.from_text(text) for text in texts])

    plan = Plan("ean.x", BUNDLES, SETTINGS, Effort(12, 12), Thresholds())
    assert measure_rounds(plan, measure, lambda _: None).notes() == [
        "12 of 12 processes ran on a machine that was busy"
    ]


def test_a_failing_measurement_is_not_swallowed() -> None:
    def measure(bundle: Bundle, settings: Settings) -> Run:
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        measure_rounds(Plan("ean.x", BUNDLES, SETTINGS, ONE_BLOCK, Thresholds()), measure, lambda _: None)


def test_copies_have_paths_of_one_length_and_go_away(tmp_path: Path) -> None:
    short, long = made.bundle(tmp_path, "ean.a"), made.bundle(tmp_path, "ean.a-longer-name")
    opened = {folder: read_bundle(folder) for folder in (short, long)}
    with copies({"base": opened[short], "head": opened[long], "control": opened[short]}) as copied:
        places = {role: bundle.folder for role, bundle in copied.items()}
        assert len({len(str(place)) for place in places.values()}) == 1
        assert len(set(places.values())) == 3
        assert (places["head"] / "manifest.json").read_bytes() == (long / "manifest.json").read_bytes()
    assert not any(place.exists() for place in places.values())


def test_a_process_that_throttled_is_tried_again_and_then_given_up() -> None:
    bad = replace(made.run(made.FRAME), invalid=[RunWarning.from_text("throttled: the quota was used up")])
    some = iter([bad, bad] * 1)
    steady = measure_rounds(
        Plan("ean.x", BUNDLES, SETTINGS, ONE_BLOCK, Thresholds()),
        lambda _bundle, _settings: next(some, made.run(made.FRAME)),
        lambda _: None,
    )
    assert (len(steady.rounds[0]), steady.invalid) == (12, None)
    never = measure_rounds(
        Plan("ean.x", BUNDLES, SETTINGS, ONE_BLOCK, Thresholds()), lambda _bundle, _settings: bad, lambda _: None
    )
    assert (never.rounds, never.invalid) == ([], "throttled: the quota was used up")
    verdict = judge("ean.x", never.rounds, [], Thresholds(), invalid=never.invalid)
    assert verdict.line == "ean.x: inconclusive: throttled: the quota was used up; static metrics equal"
    assert verdict.outcome == "inconclusive"
