"""Verifying on a device: the golden pair there, and its outputs beside this machine's."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgefer.benchmark.run import Device
from edgefer.benchmark.workload import Task, Workload
from edgefer.data.dataset import Dataset
from edgefer.devices.device import Say
from edgefer.runtime.bench_record import Settings
from edgefer.runtime.bundle import Bundle
from edgefer.runtime.errors import WorkerFailed
from edgefer.runtime.protocol import Answer, Check
from edgefer.runtime.verify import GoldenCheck


def golden(device: Device, bundle: Bundle, threads: int, say: Say) -> GoldenCheck:
    """The golden pair on the device; raises what the device's answer tells of."""
    found = _ask(device, bundle, threads, Check(), say).golden
    if found is None:
        raise WorkerFailed(f"{device.name} answered without a golden check: set it up again.")
    return found


def outputs(device: Device, bundle: Bundle, test: Dataset, threads: int, say: Say) -> NDArray[np.float32]:
    """Probabilities (N, classes) that the device gives for the faces of `test`."""
    with tempfile.TemporaryDirectory() as folder:
        faces = Path(folder) / "faces.npy"
        np.save(faces, test.pixels)
        found = _ask(device, bundle, threads, Check(str(faces)), say).outputs
    if found is None or len(found) != len(test):
        raise WorkerFailed(f"{device.name} answered for {len(found or [])} of {len(test)} faces: set it up again.")
    return np.array(found, np.float32)


def _ask(device: Device, bundle: Bundle, threads: int, check: Check, say: Say) -> Answer:
    task = Task(Workload(bundle), Settings(threads=threads), check=check)
    (answer,) = device.answers([task], say)
    return answer
