"""Loops and ticks, without looking at a clock."""

from __future__ import annotations

import gc

import pytest

from edgefer.runtime import sampling
from edgefer.runtime.bench_record import Settings


@pytest.mark.parametrize(
    ("once", "step", "loops"), [(1e-4, 4e-8, 1), (1e-6, 4e-8, 4), (1e-7, 1e-6, 1000), (1e-3, 1e-6, 1), (0.0, 1e-9, 100)]
)
def test_as_few_loops_as_the_clock_allows(once: float, step: float, loops: int) -> None:
    assert sampling.loops_for(once, step) == loops


def test_the_resolution_is_a_time() -> None:
    assert 0 < sampling.resolution() < 0.1


class Clock:
    """Nanoseconds that pass only when something sleeps or works."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0
        monkeypatch.setattr(sampling, "_now", lambda: self.now)
        monkeypatch.setattr("time.sleep", self.sleep)

    def sleep(self, seconds: float) -> None:
        self.now += round(seconds * 1e9)

    def work(self, nanoseconds: int) -> None:
        self.now += nanoseconds


def test_back_to_back_means_of_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, calls = Clock(monkeypatch), iter(range(1, 100))
    assert sampling.back_to_back(lambda: clock.work(next(calls)), 2, 3, None) == [1.5e-9, 3.5e-9, 5.5e-9]


def test_back_to_back_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    assert len(sampling.back_to_back(lambda: clock.work(10**9), 1, 100, 2.5)) == 3
    assert len(sampling.back_to_back(lambda: clock.work(10**9), 1, 100, 0.0)) == 1


def test_paced_keeps_to_the_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, starts = Clock(monkeypatch), []
    times = iter([1, 1, 150, 1, 1])  # milliseconds at 10 frames a second: the third is late

    def work() -> None:
        starts.append(clock.now // 10**6)
        clock.work(next(times) * 10**6)

    samples = sampling.paced(work, 10.0, 5, None)
    assert starts == [100, 200, 300, 500, 600]
    assert samples == pytest.approx([0.001, 0.001, 0.150, 0.001, 0.001])


def test_paced_samples_are_single_frames() -> None:
    taken = sampling.sample(lambda: None, Settings(mode="paced", fps=1000.0, samples=3), once=1e-9)
    assert (taken.loops, len(taken.samples)) == (1, 3)


def test_warming_up_takes_a_number_of_calls_and_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    assert sampling.warm_up(lambda: clock.work(10**9), 3, 0.0) == [1.0, 1.0, 1.0]
    assert sampling.warm_up(lambda: clock.work(10**9), 3, 4.5) == [1.0] * 5
    assert sampling.warm_up(lambda: clock.work(10**9), 0, 0.0) == []


def test_the_collector_rests_and_comes_back() -> None:
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError), sampling.undisturbed():
        assert not gc.isenabled()
        _ = 1 / 0
    assert gc.isenabled()
