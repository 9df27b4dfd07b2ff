"""Verifying on a device: the golden pair there, and its outputs beside this machine's."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgefer.benchmark.selection import of_folder
from edgefer.data.dataset import Dataset
from edgefer.devices.device import Place, Say
from edgefer.runtime import client
from edgefer.runtime.bench_record import Settings
from edgefer.runtime.bundle import Bundle
from edgefer.runtime.errors import WorkerFailed
from edgefer.runtime.protocol import Answer, Check
from edgefer.runtime.verify import GoldenCheck


def golden(place: Place, bundle: Bundle, threads: int, say: Say) -> GoldenCheck:
    """The golden pair on the device; raises what the device's answer tells of."""
    found = _ask(place, bundle, threads, Check(), say).golden
    if found is None:
        raise WorkerFailed(f"{place.name} answered without a golden check: set it up again.")
    return found


def outputs(place: Place, bundle: Bundle, test: Dataset, threads: int, say: Say) -> NDArray[np.float32]:
    """Probabilities (N, classes) that the device gives for the faces of `test`."""
    with tempfile.TemporaryDirectory() as folder:
        faces = Path(folder) / "faces.npy"
        np.save(faces, test.pixels)
        found = _ask(place, bundle, threads, Check(str(faces)), say).outputs
    if found is None or len(found) != len(test):
        raise WorkerFailed(f"{place.name} answered for {len(found or [])} of {len(test)} faces: set it up again.")
    return np.array(found, np.float32)


def _ask(place: Place, bundle: Bundle, threads: int, wanted: Check, say: Say) -> Answer:
    request = client.request(of_folder(bundle.folder), Settings(threads=threads), check=wanted)
    (answer,) = place.answers([request], say)
    return answer
