"""Benches of several devices: boards side by side, what runs on this machine one after the other."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.context import SpawnProcess
from typing import Any

from edgefer.benchmark import run
from edgefer.benchmark.run import Plan, Tell
from edgefer.benchmark.workload import Workload
from edgefer.devices import config, registry
from edgefer.runtime import ending, protocol
from edgefer.runtime.bench_record import BenchRecord, Settings
from edgefer.runtime.errors import EdgeferError, WorkerFailed
from edgefer.runtime.process import Terminated, raise_on_sigterm
from edgefer.runtime.protocol import Failure

Progress = Callable[[str, str, int, int], None]  # device, what it does, steps done, steps in all
POLL = 0.2  # seconds


@dataclass(frozen=True)
class Job:
    """What to measure on one device, once with each of the settings; see benchmark.run.Plan."""

    device: str
    engine: str | None
    workloads: tuple[Workload, ...]
    settings: tuple[Settings, ...]
    processes: int
    protocol: str | None
    instructions: bool


@dataclass
class Outcome:
    """What came back: records in the order of the jobs, the failures of devices that have none, an interrupt."""

    records: dict[str, BenchRecord] = field(default_factory=dict)
    failures: list[EdgeferError] = field(default_factory=list)
    stopped: KeyboardInterrupt | Terminated | None = None


def plans(job: Job) -> list[Plan]:
    """The job with its device opened; raises what registry.ready_device and Device.expand raise."""
    device = registry.ready_device(job.device, job.engine)
    workloads, count = device.expand(job.workloads), device.count if job.instructions else None
    return [Plan(workloads, settings, job.processes, device, job.protocol, count) for settings in job.settings]


def groups(jobs: Sequence[Job]) -> list[list[Job]]:
    """Jobs that may run at the same time: each board by itself, all that use this machine in one group."""
    remote = config.remote_boards()
    boards = [[job] for job in jobs if job.device in remote]
    local = [job for job in jobs if job.device not in remote]
    return [*boards, *([local] if local else [])]


def measure(jobs: Sequence[Job], progress: Progress) -> Outcome:
    """Measure on all devices; one that fails does not stop the others."""
    if len(jobs) == 1:
        return _in_this_process(jobs[0], progress)
    return _side_by_side(jobs, progress)


def _in_this_process(job: Job, progress: Progress) -> Outcome:
    """One job; its failure is raised."""
    record = _job(job, lambda step: progress(*step))
    return Outcome({job.device: record}, stopped=KeyboardInterrupt() if record.interrupted else None)


def _side_by_side(jobs: Sequence[Job], progress: Progress) -> Outcome:
    """Each group in a process. An interrupt is handed on: each then ends as with Ctrl-C and its record says so."""
    context = multiprocessing.get_context("spawn")
    messages: Any = context.Queue()
    children = [context.Process(target=_run_group, args=(group, messages)) for group in groups(jobs)]
    outcome = Outcome()
    for child in children:
        child.start()
    while any(child.is_alive() for child in children):
        try:
            _drain(messages, outcome, progress)
        except (KeyboardInterrupt, Terminated) as stop:
            outcome.stopped = stop
            _send_signal(children, signal.SIGINT if isinstance(stop, KeyboardInterrupt) else signal.SIGTERM)
    _drain(messages, outcome, progress)
    for group, child in zip(groups(jobs), children, strict=True):
        if child.exitcode:
            names = ", ".join(job.device for job in group)
            outcome.failures.append(
                WorkerFailed(f"{names}: the process that measured there {ending.words_here(child.exitcode)}.")
            )
    outcome.records = {job.device: outcome.records[job.device] for job in jobs if job.device in outcome.records}
    return outcome


def _send_signal(children: Sequence[SpawnProcess], number: signal.Signals) -> None:
    for child in children:
        if child.pid is not None and child.is_alive():
            os.kill(child.pid, number)


def _drain(messages: Any, outcome: Outcome, progress: Progress) -> None:
    """Take the children's messages until nothing came for a moment."""
    while True:
        try:
            message = messages.get(timeout=POLL)
        except queue.Empty:
            return
        if isinstance(message, BenchRecord):
            outcome.records[message.device] = message
        elif isinstance(message, Failure):
            outcome.failures.append(protocol.raised(message))
        else:
            progress(*message)


def _run_group(jobs: Sequence[Job], messages: Any) -> None:
    """A child: its own process group, so that Ctrl-C reaches it once, by way of its parent."""
    if hasattr(os, "setpgrp"):
        os.setpgrp()
    raise_on_sigterm()
    for job in jobs:
        try:
            messages.put(_job(job, messages.put))
        except EdgeferError as error:
            where = "" if job.device in str(error) else f"{job.device}: "
            messages.put(Failure(type(error).__name__, f"{where}{error}"))
        except (KeyboardInterrupt, Terminated):
            return


def _job(job: Job, put: Callable[[tuple[str, str, int, int]], None]) -> BenchRecord:
    planned, done = plans(job), -1
    steps = sum(plan.steps for plan in planned)

    def tick(what: str) -> None:
        nonlocal done
        done += 1
        say(what)

    def say(what: str) -> None:
        put((job.device, what, max(0, done), steps))

    first, *rest = planned
    record = run.bench(first, tick, say)
    for plan in rest:
        if not record.interrupted:
            record = _extended(record, plan, tick, say)
    return record


def _extended(record: BenchRecord, plan: Plan, tick: Tell, say: Tell) -> BenchRecord:
    """The record with the plan's results; an interrupt keeps what there is."""
    try:
        more = run.bench(plan, tick, say)
    except KeyboardInterrupt:
        return replace(record, interrupted=True)
    return replace(more, results=[*record.results, *more.results])
