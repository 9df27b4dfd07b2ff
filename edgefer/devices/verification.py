"""Bundles against their own promises, in this process or on a device; with a data set also their accuracy."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefer.benchmark.run import Device
from edgefer.benchmark.workload import Task, Workload
from edgefer.data.dataset import Dataset, match_classes, unseen_rows
from edgefer.data.listing import READ_DEFAULTS, ReadOptions
from edgefer.data.load import load
from edgefer.devices import registry
from edgefer.devices.device import Say
from edgefer.pipeline.float_baseline import run_float_baseline
from edgefer.runtime import verify
from edgefer.runtime.bench_record import Settings
from edgefer.runtime.bundle import Bundle, read_bundle
from edgefer.runtime.detectors import FaceMap, face_map
from edgefer.runtime.engines import require_threads
from edgefer.runtime.errors import EdgeferError, SeveralFailures, WorkerFailed
from edgefer.runtime.metrics import Detection
from edgefer.runtime.progress import SILENT, Progress
from edgefer.runtime.protocol import Answer, Check
from edgefer.runtime.signature import Trust
from edgefer.runtime.verify import AccuracyCheck, FloatBaseline, GoldenCheck, Sameness


@dataclass(frozen=True)
class VerifyOptions:
    """The options of `edgefer verify`; `float_baseline` is an fp32 bundle or a .safetensors file.

    trust  what the signatures of bundles have to be, that of `float_baseline` too; None: not looked at
    """

    bundles: tuple[Path, ...]
    device: str | None = None
    engine: str | None = None
    data: Path | None = None
    reading: ReadOptions = READ_DEFAULTS
    split: str = "PrivateTest"
    float_baseline: Path | None = None
    threads: int = 1
    trust: Trust | None = None


@dataclass(frozen=True)
class BundleCheck:
    """What was found of the bundle in `folder`; None where it was not looked at, or could not be.

    left_out  images of the data set by class, of classes that the bundle does not tell
    same      how far a device's answers are from this machine's
    failure   what is wrong with it
    """

    folder: Path
    bundle: Bundle | None = None
    golden: GoldenCheck | None = None
    accuracy: AccuracyCheck | None = None
    left_out: dict[str, int] = field(default_factory=dict)
    same: Sameness | None = None
    failure: EdgeferError | None = None

    def record(self) -> dict[str, Any]:
        """What `edgefer verify --json` prints of a bundle: what was looked at."""
        failure = self.failure
        content = {
            "folder": str(self.folder),
            "bundle": self.bundle and self.bundle.manifest.name,
            "bundle_sha256": self.bundle and self.bundle.sha256,
            "signer": self.bundle and self.bundle.signer and self.bundle.signer.record(),
            "golden": self.golden and asdict(self.golden),
            "left_out": self.left_out,
            "accuracy": self.accuracy and _accuracy_record(self.accuracy),
            "same": self.same and asdict(self.same),
            "error": failure and {"exit_code": failure.exit_code, "message": str(failure)},
        }
        return {key: value for key, value in content.items() if value}


def _accuracy_record(accuracy: AccuracyCheck) -> dict[str, Any]:
    """Without the key `detection` where no detector was asked."""
    content = asdict(accuracy)
    return content if accuracy.detection else {key: value for key, value in content.items() if key != "detection"}


@dataclass(frozen=True)
class Verification:
    """A check of each bundle, and all that failed, in the order in which it did."""

    checks: list[BundleCheck]
    failures: list[EdgeferError]

    def require(self) -> None:
        """Raise what failed: the failure, or SeveralFailures."""
        if self.failures:
            raise self.failures[0] if len(self.failures) == 1 else SeveralFailures.of(self.failures)


def verify_bundles(
    options: VerifyOptions, progress: Progress = SILENT, tell: Callable[[BundleCheck], None] = lambda _: None
) -> Verification:
    """Check every bundle; `tell` hears of each whose golden pair holds as soon as that is known.

    Raises WrongOptions, and what `registry.ready_device` raises for the device; all other failures are in the result.
    """
    require_threads(options.threads)
    device = None if options.device is None else registry.ready_device(options.device, options.engine)
    runner = _Runner(device, options.threads, progress)
    checks = []
    for folder in options.bundles:
        checks.append(_check_golden(folder, options.trust, runner))
        if checks[-1].golden is not None:
            tell(checks[-1])
    failures = [check.failure for check in checks if check.failure is not None]
    if options.data is None or len(failures) == len(checks):
        return Verification(checks, failures)
    try:
        faces = _read_faces(options.data, options, checks, progress)
    except EdgeferError as error:
        return Verification(checks, [*failures, error])
    floats: dict[str, FloatBaseline] = {}
    for number, check in enumerate(checks):
        if check.golden is not None:
            checks[number] = _check_accuracy(check, faces, floats, options, runner)
            failures += [each for each in [checks[number].failure] if each is not None]
    return Verification(checks, failures)


@dataclass(frozen=True)
class _Runner:
    """What runs the models: a device, or (None) a process of this machine."""

    device: Device | None
    threads: int
    progress: Progress

    def golden(self, bundle: Bundle) -> GoldenCheck:
        if self.device is None:
            with verify.open_apart(bundle, self.threads) as model:
                return verify.check_golden_of(bundle, model)
        return golden_on(self.device, bundle, self.threads, self._step(bundle, "golden pair"))

    def outputs(self, bundle: Bundle, test: Dataset) -> tuple[NDArray[np.float32], Sameness | None]:
        """Probabilities, and how far they are from this machine's, if another one gave them."""
        here = verify.run_faces(bundle, test.pixels, self.progress.counter(bundle.manifest.name, "faces", len(test)))
        if self.device is None:
            return here, None
        say = self._step(bundle, f"{len(test)} faces")
        there = outputs_on(self.device, bundle, test, self.threads, say)
        return there, verify.compare_outputs(there, here)

    def _step(self, bundle: Bundle, what: str) -> Callable[[str], None]:
        assert self.device is not None
        task = f"{self.device.name}: {bundle.manifest.name}"
        self.progress.step(task, what, 0, None)
        return lambda line: self.progress.step(task, line, 0, None)


def _check_golden(folder: Path, trust: Trust | None, runner: _Runner) -> BundleCheck:
    check = BundleCheck(folder)
    try:
        check = replace(check, bundle=read_bundle(folder, trust))
        assert check.bundle is not None
        return replace(check, golden=runner.golden(check.bundle))
    except EdgeferError as error:
        return replace(check, bundle=None, failure=error)


_Cut = tuple[int, FaceMap | None]  # the side of a face in pixels; from the detector's box to it, None without one


@dataclass(frozen=True)
class _Faces:
    """A split of a data set, and which of its rows Training does not hold too (None: it has no Training)."""

    test: Dataset
    unseen: NDArray[np.bool_] | None


def _read_faces(
    path: Path, options: VerifyOptions, checks: Sequence[BundleCheck], progress: Progress
) -> dict[_Cut, _Faces]:
    """The faces by the size that bundles resize them to, and how they frame them."""
    faces = {}
    reading = options.reading.with_progress(path, progress)
    for size, framing in {_cut(check.bundle, reading) for check in checks if check.bundle is not None}:
        whole = load(path, size, replace(reading, framing=framing))
        test = whole.split(options.split)
        faces[size, framing] = _Faces(test, unseen_rows(test, whole))
    return faces


def _cut(bundle: Bundle, reading: ReadOptions) -> _Cut:
    agreed = bundle.manifest.contract
    return agreed.resize, None if reading.detector is None else face_map(reading.detector, agreed)


def _check_accuracy(
    check: BundleCheck,
    faces: dict[_Cut, _Faces],
    floats: dict[str, FloatBaseline],
    options: VerifyOptions,
    runner: _Runner,
) -> BundleCheck:
    """`floats` keeps the float model's outputs by its weights."""
    assert check.bundle is not None
    bundle, manifest = check.bundle, check.bundle.manifest
    shown = faces[_cut(bundle, options.reading)]
    try:
        matched = match_classes(shown.test, manifest.contract.labels, manifest.name)
        check, test = replace(check, left_out=matched.left_out), matched.faces.found_only()
        unseen = None if shown.unseen is None else shown.unseen[np.isin(shown.test.rows, test.rows)]
        if manifest.weights_sha256 not in floats:
            runner.progress.step("", "running the float model", 0, None)
            floats[manifest.weights_sha256] = run_float_baseline(bundle, test, options.float_baseline)
        outputs, same = runner.outputs(bundle, test)
        accuracy = verify.compare_accuracy(outputs, test, options.split, unseen, floats[manifest.weights_sha256])
        if options.reading.detector is not None:
            detection = Detection.of(options.reading.detector, len(matched.faces), accuracy.artifact)
            accuracy = replace(accuracy, detection=detection)
        check = replace(check, accuracy=accuracy, same=same)
        verify.require_accuracy(manifest.name, accuracy)
        return check
    except EdgeferError as error:
        return replace(check, failure=error)


def golden_on(device: Device, bundle: Bundle, threads: int, say: Say) -> GoldenCheck:
    """The golden pair on the device; raises what the device's answer tells of."""
    check = _answer_of(device, bundle, threads, Check(), say).golden
    if check is None:
        raise WorkerFailed(f"{device.name} answered without a golden check: run the command again.")
    return check


def outputs_on(device: Device, bundle: Bundle, test: Dataset, threads: int, say: Say) -> NDArray[np.float32]:
    """Probabilities (N, classes) that the device gives for the faces of `test`."""
    with tempfile.TemporaryDirectory() as folder:
        faces = Path(folder) / "faces.npy"
        np.save(faces, test.pixels)
        rows = _answer_of(device, bundle, threads, Check(str(faces)), say).outputs
    if rows is None or len(rows) != len(test):
        raise WorkerFailed(f"{device.name} answered for {len(rows or [])} of {len(test)} faces: run the command again.")
    return np.array(rows, np.float32)


def _answer_of(device: Device, bundle: Bundle, threads: int, check: Check, say: Say) -> Answer:
    (answer,) = device.answers([Task(Workload(bundle), Settings(threads=threads), check=check)], say)
    return answer
