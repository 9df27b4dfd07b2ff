"""A bundle of a format that is only written here: nobody has seen its answers, and it says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefer.pipeline.build import BuildJob, manifest_of, write_with_page
from edgefer.pipeline.built_file import CONVERSION_TOLERANCE, golden_pairs
from edgefer.pipeline.export import import_converter
from edgefer.pipeline.float_model import FloatModel
from edgefer.pipeline.targets import Target
from edgefer.runtime.bundle import Bundle, require_replaceable
from edgefer.runtime.contract import Contract, to_pixels
from edgefer.runtime.engines import UNRUN
from edgefer.runtime.errors import ExportFailed, NotSetUp
from edgefer.runtime.golden import golden_picture
from edgefer.runtime.process import EXPLAINED, library_errors


@dataclass(frozen=True)
class _FloatNetwork:
    """Stands where the engine's model would: the float network, (1, 3, crop, crop) -> (1, classes)."""

    network: FloatModel

    def run(self, given: NDArray[Any]) -> NDArray[np.float32]:
        return self.network.answers(given.transpose(0, 2, 3, 1).astype(np.uint8))


@dataclass(frozen=True)
class _UnrunFile:
    """What the golden pairs are made with: the contract of the file, and the float network's answers."""

    name: str
    target: Target
    contract: Contract
    model: _FloatNetwork


def build_unrun(
    job: BuildJob, out: Path, stage: Callable[[str], None] = lambda _: None, float_model: FloatModel | None = None
) -> Bundle:
    """Make the bundle <out>/<job.id> as `build_bundle` does, but for what needs an engine.

    The golden outputs are the float network's. Raises NotSetUp unless that is accepted, and what `build_bundle` raises.
    """
    reason = UNRUN[job.target.format].not_run
    if not job.accept_unrun:
        raise NotSetUp(
            f"{job.id} can't be run here: {reason}, so nobody would know whether it answers as its float network does. "
            "No bundle was written; --accept-unrun builds it all the same, and the bundle says so."
        )
    require_replaceable(out / job.id)
    stage("loading the converter")
    exporter = import_converter(UNRUN[job.target.format].exporter, job.target.format)
    stage("folding")
    float_model = float_model or FloatModel(job.arch, job.weights)
    network = float_model.prepared(job.target.precision, None)
    stage("exporting")
    with library_errors(partial(_stopped, job), EXPLAINED):
        files: dict[str, bytes] = exporter.write(network, job.arch.crop, job.target)
        dtypes, tensors = exporter.dtypes(files, job.target), exporter.tensors(files, job.target)
    agreed = job.arch.contract("NCHW", *tensors)
    if agreed.output.shape != (1, len(job.arch.labels)):
        raise _stopped(job, f"its output has the shape {agreed.output.shape}")
    stage("writing the bundle")
    file = _UnrunFile(job.id, job.target, agreed, _FloatNetwork(float_model))
    pairs = golden_pairs(file, float_model.answers(to_pixels(golden_picture()[None], agreed)), accept_loss=False)
    # Held against the float network's answers, not against the model's own on another processor.
    pairs = replace(pairs, golden=replace(pairs.golden, tolerance=CONVERSION_TOLERANCE[job.target.precision]))
    manifest = replace(
        manifest_of(job, float_model, None, dtypes, agreed, pairs, None),
        model=f"{job.target.file}/{exporter.SPECIFICATION}",
        keep_names=True,
        unrun=f"not run here: {reason}",
    )
    return write_with_page(out / job.id, manifest, files | pairs.files)


def _stopped(job: BuildJob, reason: str) -> ExportFailed:
    return ExportFailed(f"{job.id}: the {job.target.format} converter stopped ({reason}). No bundle was written.")
