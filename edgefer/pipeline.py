"""The stages, in order: weights -> fold -> export -> calibrate -> lower -> inspect -> verify -> package."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edgefer import __version__, contract, environment, golden, package, records, runtime, snippets
from edgefer.arch import Arch
from edgefer.arch.count import count
from edgefer.data.dataset import Dataset
from edgefer.errors import ExportFailed, GoldenMismatch, NotInteger
from edgefer.export import RANGES_OF, Exporter, exporter
from edgefer.fold import Deployed
from edgefer.quantize import calibration
from edgefer.quantize.calibration import CalibrationRecord
from edgefer.quantize.ranges import Method, estimate
from edgefer.spec import Target
from edgefer.train.weights import Weights

# How far an engine's answer to the golden input may be from the one recorded at build time, on any
# processor, in probability. int8 is exact but for its last bits, one of which is 1/256 of the output;
# half precision is rounded by some processors along the way.
TOLERANCE = {"fp32": 1e-3, "fp16": 1e-2, "dynamic": 2e-2, "int8": 0.02}
# How far it may be from the float network's at build time; more is a broken conversion, not rounding.
BROKEN = {"fp32": 1e-4, "fp16": 0.02, "dynamic": 0.1, "int8": 0.25}


@dataclass(frozen=True)
class Calibrate:
    """What to calibrate on: faces and how, or a recorded calibration (None: the shipped one)."""

    faces: Dataset | None = None
    recorded: Path | None = None
    method: Method = "min-max"
    count: int = 512
    seed: int = 0


def build(
    arch: Arch,
    name: str,
    target: Target,
    weights: Weights,
    calibrate: Calibrate,
    out: Path,
    stage: Callable[[str], None] = lambda _: None,
) -> package.Bundle:
    """Make the bundle <out>/<arch>.<target>.

    Raises ExportFailed, BadCalibration, NotInteger, GoldenMismatch or OutputFailed; then an earlier bundle is
    still whole.
    """
    stage("fold")
    network = Deployed(weights.network).eval()
    stage("export")
    backend = exporter(target.format)
    model = _convert(backend, network, arch, name)
    record = None
    if target.precision == "int8":
        stage("calibrate")
        record = _calibration(arch, target, weights, backend, model, calibrate)
    stage("lower")
    files = backend.lower(model, target, record.ranges if record else None)
    dtypes = backend.dtypes(files, target)
    if target.precision == "int8" and dtypes.float_inside:
        kinds = ", ".join(sorted(set(dtypes.float_inside)))
        raise NotInteger(f"{arch.name}.{name} kept float operators inside: {kinds}. No bundle was written.")
    stage("verify")
    agreed, pair = _golden(arch, name, target, network, files)
    stage("package")
    files |= {package.PICTURE: golden.png(), package.GIVEN: pair.given.tobytes()}
    files |= {package.EXPECTED: pair.returned.tobytes(), package.LABELS: ("\n".join(arch.labels) + "\n").encode()}
    if record is not None:
        files[package.CALIBRATION] = records.dumps(record).encode()
    manifest = _manifest(arch, name, target, weights, backend, record, dtypes, agreed, pair.entry, files)
    files[package.README] = snippets.readme(manifest).encode()
    manifest = _manifest(arch, name, target, weights, backend, record, dtypes, agreed, pair.entry, files)
    return package.write(out / manifest.name, manifest, files)


def _convert(backend: Exporter, network: Deployed, arch: Arch, name: str) -> bytes:
    try:
        return backend.convert(network, arch.crop)
    except (RuntimeError, ValueError, NotImplementedError, torch.onnx.OnnxExporterError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ExportFailed(f"{arch.name} can't be converted for {name}: {reason}") from error


def _calibration(
    arch: Arch, target: Target, weights: Weights, backend: Exporter, model: bytes, wanted: Calibrate
) -> CalibrationRecord:
    engine = RANGES_OF[target.format]
    if wanted.faces is None:
        path = wanted.recorded or calibration.shipped_path(arch.name, engine)
        return calibration.load(path, arch.name, engine, weights.sha256)
    faces = calibration.choose(wanted.faces, wanted.count, wanted.seed)
    ranges = estimate(backend.observe(model, calibration.images(faces, arch)), len(faces), wanted.method)
    return CalibrationRecord(
        schema=calibration.SCHEMA,
        arch=arch.name,
        weights_sha256=weights.sha256,
        engine=engine,
        versions=environment.versions(exporter(engine).PACKAGES),
        method=wanted.method,
        faces=calibration.describe(faces, wanted.seed),
        ranges=ranges,
    )


@dataclass(frozen=True)
class _Pair:
    given: NDArray[Any]
    returned: NDArray[Any]
    entry: package.Golden


def _golden(
    arch: Arch, name: str, target: Target, network: Deployed, files: dict[str, bytes]
) -> tuple[contract.Contract, _Pair]:
    """Run the golden picture through the file and through the float network; they must agree."""
    with tempfile.TemporaryDirectory() as folder:
        for file, content in files.items():
            (Path(folder) / file).write_bytes(content)
        model = runtime.load(Path(folder) / target.file, target.format)
        agreed = contract.make(arch.resize, arch.crop, model.layout, model.input, model.output, arch.labels)
        given = contract.to_input(golden.picture()[None], agreed)
        returned = model.run(given)
    real = contract.to_input(golden.picture()[None], contract.floating(agreed))
    with torch.inference_mode():
        expected = network(torch.from_numpy(real)).numpy()[0]
    distance = float(np.abs(contract.dequantise(returned, agreed.output)[0] - expected).max())
    if not distance <= BROKEN[target.precision]:
        raise GoldenMismatch(
            f"{arch.name}.{name} differs from the float network by {distance:.3f} in probability "
            f"(at most {BROKEN[target.precision]}) on the golden picture: the conversion broke it."
        )
    reference = [round(float(p), 6) for p in expected]
    entry = package.Golden(
        package.PICTURE,
        package.GIVEN,
        package.EXPECTED,
        TOLERANCE[target.precision],
        reference,
        round(distance, 6),
    )
    return agreed, _Pair(given, returned, entry)


def _manifest(
    arch: Arch,
    name: str,
    target: Target,
    weights: Weights,
    backend: Exporter,
    record: CalibrationRecord | None,
    dtypes: records.Dtypes,
    agreed: contract.Contract,
    pair: package.Golden,
    files: dict[str, bytes],
) -> package.Manifest:
    counted = count(weights.network, arch.crop)
    training = weights.record
    return package.Manifest(
        schema=package.SCHEMA,
        name=f"{arch.name}.{name}",
        arch=arch.name,
        target=name,
        format=target.format,
        precision=target.precision,
        model=target.file,
        edgefer=__version__,
        paper=arch.paper,
        parameters=counted.parameters,
        macs=counted.macs,
        contract=agreed,
        dtypes=dtypes,
        golden=pair,
        weights_sha256=weights.sha256,
        calibration=None if record is None else calibration.summary(record),
        training=training,
        accuracy=_accuracy(training),
        needs=target.needs,
        versions=environment.versions(backend.PACKAGES),
        files=package.entries(files),
    )


def _accuracy(training: records.TrainingRecord | None) -> dict[str, Any]:
    """What the training record knows of the float network; an artifact's own is `verify --data`'s to tell."""
    if training is None:
        return {"float": "not measured: no training record beside the weights"}
    known = {"PublicTest": training.public.accuracy}
    if training.private is not None:
        known["PrivateTest"] = training.private.accuracy
    return {"float": known}


def batches(data: Dataset, agreed: contract.Contract) -> Iterator[NDArray[Any]]:
    """The model's input for each face, one by one."""
    for row in range(len(data)):
        yield contract.to_input(data.pixels[row : row + 1], agreed)
