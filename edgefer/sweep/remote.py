"""Runs on the machines of a Ray cluster: one that is there, or one of this process's own. Ray is imported here only."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgefer.data.dataset import Dataset
from edgefer.runtime.errors import EdgeferError, MissingEngine, Unreachable, WorkerFailed
from edgefer.runtime.files import write_atomic
from edgefer.sweep.runs import Faces, Outcome, Run, perform
from edgefer.training.run import Listener

ANSWER_TIMEOUT = 10.0  # seconds in which a cluster must answer
RETRIES = 20  # of one run, when its machine or process dies
SILENT = Listener(lambda _epoch: None, lambda _loss: None)


@dataclass(frozen=True)
class Job:
    """A run for a worker, with its teachers' weights; `out` is shared if the file `mark` is in it on the worker too."""

    run: Run
    out: Path
    mark: str
    teachers: tuple[bytes, ...]


@dataclass(frozen=True)
class Answer:
    """How a run ended; the files of its folder by name where that is not shared; or the failure, and its exit code."""

    outcome: Outcome
    files: dict[str, bytes]
    failure: str = ""
    exit_code: int = 0


def work(job: Job, data: Dataset) -> Answer:
    """Perform the run on a worker: in the shared folder where there is one, else in a folder of this machine."""
    shared = (job.out / job.mark).is_file()
    out = job.out if shared else Path(tempfile.gettempdir()) / f"edgefer-sweep{job.mark}"
    try:
        run = job.run if shared else _with_teachers(job, out)
        folder = run.folder(out)  # of the teachers' content: their files need not be on this machine
        outcome = perform(run, data, folder, SILENT, wait=True)
    except EdgeferError as error:
        return Answer("elsewhere", {}, str(error), error.exit_code)
    if shared:
        return Answer(outcome, {})
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    shutil.rmtree(folder)
    return Answer(outcome, files)


def _with_teachers(job: Job, out: Path) -> Run:
    paths = [out / f"teacher{number}" / path.name for number, path in enumerate(job.run.plan.teachers)]
    for path, content in zip(paths, job.teachers, strict=True):
        write_atomic(path, content)
    return replace(job.run, plan=replace(job.run.plan, teachers=tuple(paths)))


def perform_on_ray(
    runs: Sequence[Run], faces: Faces, out: Path, address: str, on_outcome: Callable[[Run, Outcome], None]
) -> dict[str, Outcome]:
    """Perform all runs, one Ray task each, as many at a time as the cluster has cores for; how each ended, by name.

    The faces go into the object store once. Raises MissingEngine without ray, Unreachable without a cluster,
    WorkerFailed for a run that was cut off RETRIES times, and what a run raised.
    """
    outcomes: dict[str, Outcome] = {}
    with connected(address) as ray, _marked(out) as mark:
        datasets = {side: ray.put(data) for side, data in faces.items()}
        waiting = {}
        for run in runs:
            job = Job(run, out.absolute(), mark, tuple(path.read_bytes() for path in run.plan.teachers))
            task = ray.remote(work).options(num_cpus=run.plan.threads, max_retries=RETRIES, name=run.name)
            waiting[task.remote(job, datasets[run.plan.arch.resize])] = run
        while waiting:
            ended, _ = ray.wait(list(waiting), num_returns=1)
            run = waiting.pop(ended[0])
            outcomes[run.name] = _result(ray, ended[0], run, out)
            on_outcome(run, outcomes[run.name])
    return outcomes


def _result(ray: Any, task: Any, run: Run, out: Path) -> Outcome:
    try:
        answer: Answer = ray.get(task)
    except ray.exceptions.RayTaskError:
        raise  # a bug
    except ray.exceptions.RayError as error:  # of the machines
        raise WorkerFailed(
            f"{run.name} ended without an answer, after {RETRIES} tries if its machine died ({type(error).__name__}): "
            "see why there, then give the same command, which goes on."
        ) from error
    if answer.failure:
        failure = EdgeferError(answer.failure)
        failure.exit_code = answer.exit_code
        raise failure
    record = f"{run.plan.arch.name}.json"  # last: it is what says that the run is whole
    for name in sorted(answer.files, key=lambda name: name == record):
        write_atomic(run.folder(out) / name, answer.files[name])
    return answer.outcome


@contextlib.contextmanager
def _marked(out: Path) -> Iterator[str]:
    """Write a file by which a worker sees whether it has this folder; the block gets its name."""
    mark = f".{uuid.uuid4().hex}"
    write_atomic(out / mark, b"")
    try:
        yield mark
    finally:
        (out / mark).unlink(missing_ok=True)


def _require_answer(address: str) -> None:
    """Raise OSError where nothing answers at HOST:PORT; Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if host and "/" not in host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=ANSWER_TIMEOUT).close()


@contextlib.contextmanager
def connected(address: str) -> Iterator[Any]:
    """The module ray, connected to the cluster for as long as the block runs; `local`: to one that ends with it.

    Raises MissingEngine, Unreachable.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ModuleNotFoundError as error:
        raise MissingEngine.of("ray", "ray") from error
    handler = signal.getsignal(signal.SIGTERM)
    try:
        _require_answer(address)
        ray.init(address=address, log_to_driver=False, logging_level="WARNING", namespace="edgefer")
    except (OSError, ValueError, RuntimeError) as error:
        raise Unreachable(
            f"no Ray cluster at {address} ({error}): start one with `ray start --head` and give its address, "
            "or --ray local."
        ) from error
    try:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)  # Ray's own would exit with 15, which is another failure's code
        yield ray
    finally:
        ray.shutdown()  # what runs is stopped; checkpoints stay
