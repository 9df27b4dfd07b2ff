"""The stages, in order: fold, equalize, export, calibrate, quantize, inspect, verify, compare with float, bundle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from edgefer.arch import Arch
from edgefer.data.dataset import SYNTHETIC_COUNT, SYNTHETIC_SOURCE, Dataset, other_synthetic_faces, synthetic_faces
from edgefer.pipeline import calibration, fidelity
from edgefer.pipeline.built_file import (
    BuiltFile,
    GoldenPairs,
    golden_pairs,
    golden_pixels,
    opened,
    require_equal,
    require_repeatable,
)
from edgefer.pipeline.bundle_readme import render_readme
from edgefer.pipeline.calibration import CalibrationRecord, ChosenFaces, spread
from edgefer.pipeline.export import Exporter, import_exporter, shorten
from edgefer.pipeline.fidelity import Circumstances
from edgefer.pipeline.float_model import FloatModel
from edgefer.pipeline.platforms import libraries
from edgefer.pipeline.ranges import Method
from edgefer.pipeline.targets import Target
from edgefer.runtime import __version__, contract, engines, machine, records
from edgefer.runtime.bundle import (
    CALIBRATION,
    LABELS_FILE,
    README,
    Bundle,
    file_entries,
    require_replaceable,
    write_bundle,
)
from edgefer.runtime.errors import BadCalibration, ExportFailed, NotInteger
from edgefer.runtime.manifest import Dtypes, Fidelity, Manifest
from edgefer.runtime.process import EXPLAINED, library_errors
from edgefer.training.weights import TrainedModel


@dataclass(frozen=True)
class CalibrationOptions:
    """Faces to calibrate on and how to; or a recorded calibration (None: the shipped one)."""

    faces: Dataset | None = None
    recorded: Path | None = None
    method: Method = "mse"
    count: int = 512
    seed: int = 0


@dataclass(frozen=True)
class BuildJob:
    """One bundle to be built: <arch>.<name>, or <arch>-untrained-seed<N>.<name>.

    `accept_loss` builds it also where it is further from float than its target's limits allow, and says so in it.
    `accept_unrun` builds it also where no engine here can run it.
    `keep_names` leaves the model file as the converter writes it, with names and notes for whoever looks into it.
    `platforms` of platforms.PLATFORMS get a library of a bundle that is C.
    """

    arch: Arch
    name: str
    target: Target
    weights: TrainedModel
    calibration: CalibrationOptions
    accept_loss: bool = False
    keep_names: bool = False
    accept_unrun: bool = False
    platforms: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The identifier that is the bundle's folder and selector."""
        seed = self.weights.untrained
        return f"{self.arch.name}{'' if seed is None else f'-untrained-seed{seed}'}.{self.name}"


def build_bundle(
    job: BuildJob, out: Path, stage: Callable[[str], None] = lambda _: None, float_model: FloatModel | None = None
) -> Bundle:
    """Make the bundle <out>/<job.id>; `stage` hears what is being done.

    `float_model` is the job's float network where several targets are built from it: what they share is then made once.

    Raises ExportFailed, BadCalibration, NotInteger, GoldenMismatch, AccuracyDropped, BadWeights or OutputFailed; an
    earlier bundle is then still whole.
    """
    if job.arch.name in job.target.cannot:
        raise ExportFailed(f"{job.id} can't be built: {job.target.cannot[job.arch.name]}")
    require_replaceable(out / job.id)
    chosen = _faces(job)
    source = _calibration(job, chosen)
    stage("loading the converter")
    backend = import_exporter(job.target.format)
    stage("folding")
    float_model = float_model or FloatModel(job.arch, job.weights)
    stage("equalizing")
    prepared = float_model.prepared(job.target.precision, source)
    stage("exporting")
    model = float_model.model(job.target.format, prepared)
    stage("calibrating")
    options, warnings = job.calibration, () if chosen is None else chosen.warnings
    record = (
        float_model.measure(job.target.format, source, options.method, options.seed, warnings)
        if isinstance(source, Dataset)
        else source
    )
    stage("quantizing")
    files = _quantize(backend, model, job, record)
    dtypes = _inspect(backend, files, job)
    with opened(files, job.id, job.arch, job.target) as built:
        stage("verifying")
        pairs = golden_pairs(built, float_model.answers(golden_pixels(built)), job.accept_loss)
        stage("comparing with float")
        figures = _compare(built, float_model, job, chosen)
    if job.platforms and engines.ENGINES[job.target.format].host_compiles:
        stage("compiling for platforms")
        files |= libraries(files, job.target.file, job.platforms)
    stage("writing the bundle")
    files |= pairs.files
    if record is not None:  # one that was read keeps what was recorded with it
        measured = chosen is not None and figures.source != SYNTHETIC_SOURCE
        files[CALIBRATION] = records.dumps(replace(record, fidelity=figures) if measured else record).encode()
    manifest = manifest_of(job, float_model, record, dtypes, built.contract, pairs, figures)
    return write_with_page(out / job.id, manifest, files)


def write_with_page(folder: Path, manifest: Manifest, files: dict[str, bytes]) -> Bundle:
    """Write the bundle with its labels and its page added to `files`; raises OutputFailed."""
    files = files | {LABELS_FILE: ("\n".join(manifest.contract.labels) + "\n").encode()}
    sized = replace(manifest, files=file_entries(files))  # the page needs the model's size
    return write_bundle(folder, sized, files | {README: render_readme(sized).encode()})


def manifest_of(
    job: BuildJob,
    float_model: FloatModel,
    record: CalibrationRecord | None,
    dtypes: Dtypes,
    made: contract.Contract,
    pairs: GoldenPairs,
    figures: Fidelity | None,
) -> Manifest:
    """What is known of a bundle before its files are."""
    counted, user_model = float_model.counted, job.arch.user_model
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
        contract=made,
        dtypes=dtypes,
        golden=pairs.golden,
        weights_sha256=job.weights.sha256,
        calibration=None if record is None else calibration.summary(record),
        training=job.weights.record,
        accuracy=_accuracy(job, record),
        needs=job.target.needs,
        versions=machine.package_versions(engines.format_row(job.target.format).converters),
        files={},
        own=None if user_model is None else asdict(user_model) | {"preprocessing": float_model.network.preprocessing},
        fidelity=figures,
        keep_names=job.keep_names,
        golden_resize=pairs.resize,
    )


def _faces(job: BuildJob) -> ChosenFaces | None:
    """The faces that were given, divided; drawn ones set ranges but judge nothing."""
    options = job.calibration
    if options.faces is None or options.faces.source == SYNTHETIC_SOURCE:
        return None
    return calibration.choose(options.faces, options.count, options.seed)


def _calibration(job: BuildJob, chosen: ChosenFaces | None) -> CalibrationRecord | Dataset | None:
    """Where int8 gets its ranges from: a record, or faces. Asked before the conversion, which takes its time."""
    if job.target.precision != "int8":
        return None
    engine, options = engines.ENGINES[job.target.format].ranges, job.calibration
    if chosen is not None:
        return chosen.ranges
    if options.faces is not None:
        return options.faces
    if options.recorded is None and job.weights.untrained is not None:
        return synthetic_faces()
    shipped = calibration.shipped_path(job.arch.name, engine)
    if options.recorded is None and not shipped.is_file():
        raise BadCalibration(
            f"edgefer ships no activation ranges for {job.arch.name} on {engine}: "
            "calibrate with --calibration PATH (a fer2013.csv or an image folder)."
        )
    return calibration.load(options.recorded or shipped, job.arch.name, engine, job.weights.sha256)


def _quantize(backend: Exporter, model: bytes, job: BuildJob, record: CalibrationRecord | None) -> dict[str, bytes]:
    missing = () if record is None else sorted(backend.activations(model) - record.ranges.keys())
    if missing:
        raise BadCalibration(
            f"no activation range for the tensor {missing[0]}: the ranges were recorded with other converter "
            "versions; install those of edgefer[build] or calibrate with --calibration PATH."
        )
    with library_errors(partial(_stopped, job), EXPLAINED):
        files = backend.quantize(model, job.target, None if record is None else record.ranges, job.arch.name)
        return files if job.keep_names else shorten(files, backend.LEAN)


def _inspect(backend: Exporter, files: dict[str, bytes], job: BuildJob) -> Dtypes:
    with library_errors(partial(_stopped, job), EXPLAINED):
        dtypes = backend.dtypes(files, job.target)
    if job.target.precision == "int8" and dtypes.float_inside:
        kinds = ", ".join(sorted(set(dtypes.float_inside)))
        raise NotInteger(f"{job.id} kept float operators inside: {kinds}. No bundle was written; try another target.")
    return dtypes


def _stopped(job: BuildJob, reason: str) -> ExportFailed:
    return ExportFailed(
        f"{job.id}: the {job.target.format} converter stopped ({reason}). No bundle was written; try another target."
    )


def _compare(built: BuiltFile, float_model: FloatModel, job: BuildJob, chosen: ChosenFaces | None) -> Fidelity:
    """Show faces that set no range to the file and to the float network, and hold them against the target's limits.

    Without faces they are drawn pictures. Raises AccuracyDropped unless it is accepted, ExportFailed, BadWeights.
    """
    faces = chosen.held_out if chosen is not None and len(chosen.held_out) else other_synthetic_faces(fidelity.DRAWN)
    faces = spread(faces, fidelity.affordable(len(faces), float_model.counted.macs))
    pixels = contract.to_pixels(faces.pixels[:], built.contract)
    answers, baseline = built.answers(pixels), float_model.answers(pixels)
    require_repeatable(built, pixels, answers)
    require_equal(built, pixels, answers)
    source = Path(faces.source).name
    figures = fidelity.compare(answers, baseline, target=job.name, engine=built.model.engine, source=source)
    circumstances = Circumstances(
        limits=job.target.limits,
        trained=job.weights.untrained is None,
        several_classes=chosen is not None and chosen.labelled,
        about_faces=() if chosen is None else chosen.warnings,
        accept_loss=job.accept_loss,
    )
    return fidelity.judge(job.id, figures, circumstances)


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
