"""Taking raw samples. The clock is time.perf_counter_ns; times are in seconds."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise, repeat

from edgefer.runtime import proc
from edgefer.runtime.bench_record import Settings

Step = Callable[[], object]
SHARE = 100  # a sample is at least so many times the clock's resolution: it is off by less than 1 %
FPS = 30.0  # of a camera, where nothing else was asked for
_now = time.perf_counter_ns


@dataclass(frozen=True)
class Sampled:
    """See bench_record.Run, whose fields these are."""

    samples: list[float]
    loops: int
    resolution: float
    user_percent: float
    system_percent: float


def sample(step: Step, settings: Settings, once: float) -> Sampled:
    """All samples of a run, of a step that takes about `once` seconds."""
    tick = resolution()
    loops = 1 if settings.mode == "paced" else loops_for(once, tick)
    (user, kernel), began = proc.own_seconds(), time.perf_counter()
    if settings.mode == "paced":
        samples = paced(step, settings.fps or FPS, settings.samples, settings.seconds)
    else:
        samples = back_to_back(step, loops, settings.samples, settings.seconds)
    wall, (user_end, kernel_end) = time.perf_counter() - began, proc.own_seconds()
    return Sampled(samples, loops, tick, 100 * (user_end - user) / wall, 100 * (kernel_end - kernel) / wall)


def resolution() -> float:
    """The clock's step, as it is seen: no smaller than what the system promises."""
    readings = [_now() for _ in range(1000)]
    steps = [after - before for before, after in pairwise(readings) if after > before]
    return max(time.get_clock_info("perf_counter").resolution, min(steps, default=0) / 1e9)


def loops_for(once: float, step: float) -> int:
    """How many inferences of `once` seconds one sample must hold; as few as a clock of that step allows."""
    return max(1, math.ceil(SHARE * step / max(once, 1e-9)))


def timed(step: Step) -> float:
    """One call."""
    began = _now()
    step()
    return (_now() - began) / 1e9


def warm_up(step: Step, count: int, seconds: float) -> list[float]:
    """At least `count` calls and for at least `seconds`; the time of each."""
    end = _now() + seconds * 1e9
    times = [timed(step) for _ in range(count)]
    while seconds and _now() < end:
        times.append(timed(step))
    return times


@contextmanager
def undisturbed() -> Iterator[None]:
    """No garbage collector inside the block."""
    gc.collect()
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def back_to_back(step: Step, loops: int, count: int, seconds: float | None) -> list[float]:
    """`count` samples, each the mean of `loops` calls; fewer, but one at least, after `seconds`."""
    times, done = [0] * count, 0
    end = math.inf if seconds is None else _now() + seconds * 1e9
    while done < count:
        began = _now()
        for _ in repeat(None, loops):
            step()
        over = _now()
        times[done] = over - began
        done += 1
        if over > end:
            break
    return [nanoseconds / loops / 1e9 for nanoseconds in times[:done]]


def paced(step: Step, fps: float, count: int, seconds: float | None) -> list[float]:
    """One call per tick of a camera of `fps`; a tick that is already over when its turn comes is skipped."""
    times, done = [0] * count, 0
    period = round(1e9 / fps)
    end = math.inf if seconds is None else _now() + seconds * 1e9
    tick = _now() + period
    while done < count:
        time.sleep(max(0, tick - _now()) / 1e9)
        began = _now()
        step()
        over = _now()
        times[done] = over - began
        done += 1
        if over > end:
            break
        tick += period * max(1, math.ceil((over - tick) / period))
    return [nanoseconds / 1e9 for nanoseconds in times[:done]]
