"""The stages, in order: fold -> equalize -> export -> calibrate -> quantize -> inspect -> verify -> bundle."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edgefer.arch import Arch
from edgefer.arch.count import count
from edgefer.data.dataset import SYNTHETIC_COUNT, SYNTHETIC_SOURCE, Dataset, synthetic_faces
from edgefer.pipeline import calibration
from edgefer.pipeline.bundle_readme import render_readme
from edgefer.pipeline.calibration import CalibrationRecord
from edgefer.pipeline.export import Exporter, import_exporter
from edgefer.pipeline.float_model import FloatModel
from edgefer.pipeline.fold import DeployableModel
from edgefer.pipeline.ranges import Method
from edgefer.pipeline.targets import Precision, Target
from edgefer.runtime import __version__, contract, engines, machine, records
from edgefer.runtime.bundle import (
    CALIBRATION,
    GOLDEN_INPUT,
    GOLDEN_OUTPUT,
    GOLDEN_PICTURE,
    LABELS_FILE,
    README,
    Bundle,
    Golden,
    Manifest,
    file_entries,
    golden_picture,
    golden_png,
    require_replaceable,
    write_bundle,
)
from edgefer.runtime.errors import BadCalibration, ExportFailed, GoldenMismatch, NotInteger
from edgefer.runtime.process import EXPLAINED, library_errors
from edgefer.training.torch_settings import torch_threads
from edgefer.training.weights import TrainedModel

# How far an engine's answer to the golden picture may be, in probability, from the answer recorded at
# build time, on any processor. One step of an int8 output is 1/256; half precision and dynamic
# quantisation are rounded differently by different kernels.
GOLDEN_TOLERANCE: dict[Precision, float] = {"fp32": 1e-3, "fp16": 1e-2, "dynamic": 2e-2, "int8": 2e-2}
# How far it may be from the float network's at build time: more is a broken conversion, not rounding.
CONVERSION_TOLERANCE: dict[Precision, float] = {"fp32": 1e-4, "fp16": 2e-2, "dynamic": 0.1, "int8": 0.25}


@dataclass(frozen=True)
class CalibrationOptions:
    """Faces to calibrate on and how to; or a recorded calibration (None: the shipped one)."""

    faces: Dataset | None = None
    recorded: Path | None = None
    method: Method = "percentile"
    count: int = 512
    seed: int = 0


@dataclass(frozen=True)
class BuildJob:
    """One bundle to be built: <arch>.<name>, or <arch>-untrained-seed<N>.<name>."""

    arch: Arch
    name: str
    target: Target
    weights: TrainedModel
    calibration: CalibrationOptions

    @property
    def id(self) -> str:
        """The identifier that is the bundle's folder and selector."""
        seed = self.weights.untrained
        return f"{self.arch.name}{'' if seed is None else f'-untrained-seed{seed}'}.{self.name}"


@dataclass(frozen=True)
class Verified:
    """What the golden picture showed: the file's contract, and the golden pair with its files."""

    contract: contract.Contract
    golden: Golden
    files: dict[str, bytes]


def build_bundle(
    job: BuildJob, out: Path, stage: Callable[[str], None] = lambda _: None, float_model: FloatModel | None = None
) -> Bundle:
    """Make the bundle <out>/<job.id>; `stage` hears what is being done.

    `float_model` is the job's float network where several targets are built from it: what they share is then made once.

    Raises ExportFailed, BadCalibration, NotInteger, GoldenMismatch or OutputFailed; an earlier bundle is
    then still whole.
    """
    if job.arch.name in job.target.cannot:
        raise ExportFailed(f"{job.id} can't be built: {job.target.cannot[job.arch.name]}")
    require_replaceable(out / job.id)
    source = _calibration(job)
    stage("loading the converter")
    backend = import_exporter(job.target.format)
    stage("folding")
    float_model = float_model or FloatModel(job.arch, job.weights)
    network = float_model.network
    stage("equalizing")
    prepared = _prepare(float_model, source)
    stage("exporting")
    model = float_model.model(job.target.format, prepared)
    stage("calibrating")
    record = _measure(float_model, job, source) if isinstance(source, Dataset) else source
    stage("quantizing")
    files = _quantize(backend, model, job, record)
    dtypes = _inspect(backend, files, job)
    stage("verifying")
    verified = _verify(network, files, job)
    stage("writing the bundle")
    files |= verified.files | {LABELS_FILE: ("\n".join(job.arch.labels) + "\n").encode()}
    if record is not None:
        files[CALIBRATION] = records.dumps(record).encode()
    manifest = _manifest(job, network.preprocessing, record, dtypes, verified, files)
    files[README] = render_readme(manifest).encode()
    return write_bundle(out / job.id, replace(manifest, files=file_entries(files)), files)


def _manifest(
    job: BuildJob,
    preprocessing: str,
    record: CalibrationRecord | None,
    dtypes: records.Dtypes,
    verified: Verified,
    files: dict[str, bytes],
) -> Manifest:
    counted = count(job.weights.network, job.arch.crop, job.arch.channels)
    user_model = job.arch.user_model
    return Manifest(
        name=job.id,
        arch=job.arch.name,
        target=job.name,
        format=job.target.format,
        precision=job.target.precision,
        model=job.target.file,
        edgefer=__version__,
        paper=job.arch.paper,
        parameters=counted.parameters,
        macs=counted.macs,
        contract=verified.contract,
        dtypes=dtypes,
        golden=verified.golden,
        weights_sha256=job.weights.sha256,
        calibration=None if record is None else calibration.summary(record),
        training=job.weights.record,
        accuracy=_accuracy(job, record),
        needs=job.target.needs,
        versions=machine.package_versions(engines.ENGINES[job.target.format].converters),
        files=file_entries(files),
        own=None if user_model is None else asdict(user_model) | {"preprocessing": preprocessing},
    )


def _calibration(job: BuildJob) -> CalibrationRecord | Dataset | None:
    """Where int8 gets its ranges from: a record, or faces. Asked before the conversion, which takes its time."""
    if job.target.precision != "int8":
        return None
    engine, options = engines.ENGINES[job.target.format].ranges, job.calibration
    if options.faces is not None:
        return calibration.choose(options.faces, options.count, options.seed)
    if options.recorded is None and job.weights.untrained is not None:
        return synthetic_faces()
    shipped = calibration.shipped_path(job.arch.name, engine)
    if options.recorded is None and not shipped.is_file():
        raise BadCalibration(
            f"edgefer ships no activation ranges for {job.arch.name} on {engine}: "
            "calibrate with --calibration PATH (a fer2013.csv or an image folder)."
        )
    return calibration.load(options.recorded or shipped, job.arch.name, engine, job.weights.sha256)


def _measure(float_model: FloatModel, job: BuildJob, faces: Dataset) -> CalibrationRecord:
    return float_model.measure(job.target.format, faces, job.calibration.method, job.calibration.seed)


def _prepare(float_model: FloatModel, source: CalibrationRecord | Dataset | None) -> DeployableModel:
    """The network that the file is made from: for int8 with its channels made alike, as faces or a record say."""
    if source is None:
        return float_model.network
    return float_model.equalized(float_model.plan(source) if isinstance(source, Dataset) else source.equalization)


def _quantize(backend: Exporter, model: bytes, job: BuildJob, record: CalibrationRecord | None) -> dict[str, bytes]:
    missing = () if record is None else sorted(backend.activations(model) - record.ranges.keys())
    if missing:
        raise BadCalibration(
            f"no activation range for the tensor {missing[0]}: the ranges were recorded with other converter "
            "versions; install those of edgefer[build] or calibrate with --calibration PATH."
        )
    with library_errors(partial(_stopped, job), EXPLAINED):
        return backend.quantize(model, job.target, None if record is None else record.ranges)


def _inspect(backend: Exporter, files: dict[str, bytes], job: BuildJob) -> records.Dtypes:
    with library_errors(partial(_stopped, job), EXPLAINED):
        dtypes = backend.dtypes(files, job.target)
    if job.target.precision == "int8" and dtypes.float_inside:
        kinds = ", ".join(sorted(set(dtypes.float_inside)))
        raise NotInteger(f"{job.id} kept float operators inside: {kinds}. No bundle was written; try another target.")
    return dtypes


def _stopped(job: BuildJob, reason: str) -> ExportFailed:
    return _refused(job, f"the {job.target.format} converter stopped ({reason})")


def _refused(job: BuildJob, what: str) -> ExportFailed:
    return ExportFailed(f"{job.id}: {what}. No bundle was written; try another target.")


def _verify(network: DeployableModel, files: dict[str, bytes], job: BuildJob) -> Verified:
    """Show the golden picture to the file and to the float network: they must agree."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        model = engines.load(Path(folder) / job.target.file, job.target.format, explain=partial(_refused, job))
        if model.output.shape != (1, len(job.arch.labels)):
            shape = f"the file that was made gives an output of {model.output.shape}"
            raise _refused(job, f"{shape}, {job.arch.name} has {len(job.arch.labels)} labels")
        model_contract = job.arch.contract(model.layout, model.input, model.output)
        pixels = contract.to_pixels(golden_picture()[None], model_contract)
        model_input = contract.to_input(pixels, model_contract)
        model_output = model.run(model_input)
    baseline = _float_baseline(network, pixels)
    distance = float(np.abs(contract.dequantise(model_output, model_contract.output)[0] - baseline).max())
    limit = CONVERSION_TOLERANCE[job.target.precision]
    if not distance <= limit:  # so that NaN fails too
        raise GoldenMismatch(
            f"{job.id} is {distance:.3f} away from the float network on the golden picture, at most {limit} "
            "in probability is allowed: the conversion or its calibration broke it. No bundle was written; "
            "try another target or other faces."
        )
    golden = Golden(
        picture=GOLDEN_PICTURE,
        input=GOLDEN_INPUT,
        output=GOLDEN_OUTPUT,
        tolerance=GOLDEN_TOLERANCE[job.target.precision],
        reference=[round(float(p), 6) for p in baseline],
        distance=round(distance, 6),
    )
    golden_files = {
        GOLDEN_PICTURE: golden_png(),
        GOLDEN_INPUT: model_input.tobytes(),
        GOLDEN_OUTPUT: model_output.tobytes(),
    }
    return Verified(model_contract, golden, golden_files)


def _float_baseline(network: DeployableModel, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    with torch.inference_mode(), torch_threads(1):  # or the manifest's bytes would depend on their number
        answer: NDArray[np.float32] = network(torch.from_numpy(pixels).permute(0, 3, 1, 2).float()).numpy()[0]
    return answer


def _accuracy(job: BuildJob, ranges: CalibrationRecord | None) -> dict[str, Any]:
    """What the training record knows of the float network; `verify --data` tells an artifact's own."""
    training = job.weights.record
    if job.weights.untrained is not None:
        synthetic = ranges is not None and ranges.faces.source == SYNTHETIC_SOURCE
        int8 = f"; its int8 ranges are those of {SYNTHETIC_COUNT} {SYNTHETIC_SOURCE}" if synthetic else ""
        return {
            "float": f"none, it is untrained, seed {job.weights.untrained}: its weights are random, for measuring what "
            f"it costs, and its answers mean nothing{int8}"
        }
    if training is None:
        return {"float": "not measured: no training record beside the weights"}
    accuracy = {"PublicTest": training.public.accuracy}
    if training.private is not None:
        accuracy["PrivateTest"] = training.private.accuracy
    return {"float": accuracy}
