"""An artifact against its own promises: checksums, contract, golden pairs; with data, its accuracy.

It needs numpy and one engine. The float model that `--data` compares with is another bundle, or the
network itself, and only then torch is needed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from edgefer.runtime import contract, engine_process, engines, metrics
from edgefer.runtime.bundle import Bundle
from edgefer.runtime.errors import AccuracyDropped, BadData, BrokenBundle, GoldenMismatch
from edgefer.runtime.golden import PICTURE_LIMIT
from edgefer.runtime.manifest import GoldenResize
from edgefer.runtime.metrics import LabelledFaces
from edgefer.runtime.preprocess import PixelRows, chunks
from edgefer.runtime.training_record import Scores

DROP_LIMIT = 0.5  # points of accuracy that an artifact may lose against float
AGREEMENT_LIMIT = 97.0  # percent of the images on which it must give float's answer


@dataclass(frozen=True)
class ResizeCheck:
    """What becomes of the large golden picture here: largest differences from its input and output, and the limits.

    levels are those of a colour value (0..255), difference and tolerance those of a probability.
    """

    levels: float
    levels_tolerance: float
    difference: float
    tolerance: float


@dataclass(frozen=True)
class GoldenCheck:
    """Largest difference from the golden output, in probability, and what is allowed.

    resize  what became of the large picture; None for bundles of earlier versions, which have none
    """

    engine: str
    difference: float
    tolerance: float
    resize: ResizeCheck | None = None


@dataclass(frozen=True)
class FloatBaseline:
    """A float model by its name, and its outputs (N, classes) on a test split."""

    name: str
    outputs: NDArray[np.float32]


@dataclass(frozen=True)
class AccuracyCheck:
    """Scores of an artifact and of its float model (`exact`); drop in points, agreement in percent.

    detection  of whole photographs, how many faces were found; the scores are of those. None: the images are faces
    """

    split: str
    reference: str
    artifact: Scores
    exact: Scores
    drop: float
    agreement: float
    detection: metrics.Detection | None = None


def check_golden(bundle: Bundle, threads: int = 1, provider: str | None = None) -> GoldenCheck:
    """Run the golden pairs; raises BrokenBundle (contract), GoldenMismatch, or what open_model raises."""
    return check_golden_of(bundle, open_model(bundle, threads, provider))


def check_golden_of(bundle: Bundle, model: engines.Model) -> GoldenCheck:
    """The same with an opened model, which may run somewhere else."""
    manifest = bundle.manifest
    golden, agreed = manifest.golden, manifest.contract
    golden_input = _array(bundle, golden.input, agreed.input)
    prepared = contract.to_input(contract.to_pixels(read_golden_picture(bundle, golden.picture), agreed), agreed)
    if not np.array_equal(prepared, golden_input):
        raise GoldenMismatch(
            f"{manifest.name}: the golden picture, preprocessed by the contract, is not the golden input: "
            "Pillow's resizing or the contract changed; build the bundle again with what is installed here."
        )
    difference = _off(model.run(golden_input), _array(bundle, golden.output, agreed.output), agreed.output)
    if not difference <= golden.tolerance:  # so that NaN fails too
        raise GoldenMismatch(
            f"{manifest.name}: the golden output is {difference:.4f} off in probability on {model.engine}, "
            f"{golden.tolerance} is allowed: this engine does not run the model as it was built; it needs "
            f"{manifest.needs}."
        )
    resize = None if manifest.golden_resize is None else _check_resize(bundle, manifest.golden_resize, model)
    return GoldenCheck(model.engine, difference, golden.tolerance, resize)


def _check_resize(bundle: Bundle, golden: GoldenResize, model: engines.Model) -> ResizeCheck:
    """Run the large picture from its file to the output; raises BrokenBundle or GoldenMismatch."""
    name, agreed = bundle.manifest.name, bundle.manifest.contract
    prepared = contract.to_input(contract.to_pixels(read_golden_picture(bundle, golden.picture), agreed), agreed)
    levels = _off(prepared, _array(bundle, golden.input, agreed.input), agreed.input)
    if not levels <= golden.levels:
        raise GoldenMismatch(
            f"{name}: the large golden picture becomes an input that is {levels:g} of 255 levels off, "
            f"{golden.levels:g} are allowed: it is not resized and cropped here as the contract says "
            f"({agreed.kernel}); install the Pillow that edgefer asks for, or build the bundle again."
        )
    difference = _off(model.run(prepared), _array(bundle, golden.output, agreed.output), agreed.output)
    if not difference <= golden.tolerance:
        raise GoldenMismatch(
            f"{name}: the output for the large golden picture is {difference:.4f} off in probability on "
            f"{model.engine}, {golden.tolerance} is allowed, though its input is {levels:g} of 255 levels off only: "
            f"this engine does not run the model as it was built; it needs {bundle.manifest.needs}."
        )
    return ResizeCheck(levels, golden.levels, difference, golden.tolerance)


def _off(stored: NDArray[np.generic], golden: NDArray[np.generic], spec: contract.TensorSpec) -> float:
    """The largest difference of two tensors in real values."""
    difference = np.abs(contract.dequantise(stored, spec) - contract.dequantise(golden, spec)).max()
    return round(float(difference), 6)


def open_model(bundle: Bundle, threads: int = 1, provider: str | None = None) -> engines.CheckedModel:
    """Load the model; raises BrokenBundle if its input or output is not what the contract says.

    `provider` is one of the engine's, None the processor; raises MissingEngine or NoGpu where it can't be had. What
    the engine raises, here and while it runs the model, is a BrokenBundle.
    """
    manifest = bundle.manifest
    model = engines.load(bundle.path(manifest.model), manifest.format, threads, provider, partial(_broken, bundle))
    _require_promised(bundle, model)
    return model


@contextmanager
def open_apart(bundle: Bundle, threads: int = 1) -> Iterator[engine_process.ModelProcess]:
    """Load the model in a process of its own, for the block: a file that kills its engine kills that process.

    Raises what open_model raises, and WorkerFailed, here and where the model is run, if the process ends.
    """
    manifest = bundle.manifest
    path, explain = bundle.path(manifest.model), partial(_broken, bundle)
    with engine_process.load(path, manifest.format, threads, explain, manifest.name) as model:
        _require_promised(bundle, model)
        yield model


def _broken(bundle: Bundle, what: str) -> BrokenBundle:
    return BrokenBundle(f"{bundle.manifest.name}: {what}: it needs {bundle.manifest.needs}.")


def _require_promised(bundle: Bundle, model: engines.Model) -> None:
    """Raise BrokenBundle if the model's tensors are not what the contract says."""
    manifest = bundle.manifest
    for what, actual, promised in (
        ("input", model.input, manifest.contract.input),
        ("output", model.output, manifest.contract.output),
        ("layout", model.layout, manifest.contract.layout),
        ("shape of the output", model.output.shape, (1, len(manifest.contract.labels))),
    ):
        if actual != promised:
            raise BrokenBundle(
                f"{manifest.name}: the contract promises the {what} {promised}, the model has {actual}: "
                "build the bundle again."
            )


def _array(bundle: Bundle, name: str, spec: contract.TensorSpec) -> NDArray[np.generic]:
    values = np.frombuffer(bundle.path(name).read_bytes(), np.dtype(spec.dtype).newbyteorder("<"))
    if values.size != int(np.prod(spec.shape)):
        raise BrokenBundle(
            f"{bundle.manifest.name}: {name} holds {values.size} values, {spec.shape} are promised: "
            "build the bundle again."
        )
    return values.reshape(spec.shape)


def read_golden_picture(bundle: Bundle, name: str) -> NDArray[np.uint8]:
    """A picture of the bundle, uint8 (1, H, W, 3); raises BrokenBundle for what is no PNG of a sensible size."""
    from PIL import Image

    path = bundle.path(name)
    try:
        with Image.open(path, formats=["PNG"]) as image:
            if max(image.size) <= PICTURE_LIMIT:
                return np.asarray(image.convert("RGB"), dtype=np.uint8)[None]
            size = image.size
    except Exception as error:  # Pillow raises whatever the broken bytes provoke
        raise BrokenBundle(
            f"{bundle.manifest.name}: {path} is no PNG picture: copy or build the bundle again."
        ) from error
    raise BrokenBundle(
        f"{bundle.manifest.name}: {path} has {size[0]} x {size[1]} pixels, at most {PICTURE_LIMIT} a side are read: "
        "copy or build the bundle again."
    )


def run_faces(bundle: Bundle, pixels: PixelRows, tick: Callable[[], None] = lambda: None) -> NDArray[np.float32]:
    """Probabilities (N, classes) of the artifact, one face at a time as on a device; raises what open_apart raises."""
    with open_apart(bundle) as model:
        return np.concatenate(list(_each(model, bundle.manifest.contract, pixels, tick)))


def _each(
    model: engines.Model, agreed: contract.Contract, pixels: PixelRows, tick: Callable[[], None]
) -> Iterator[NDArray[np.float32]]:
    for faces in chunks(pixels):
        for probabilities in engines.run_each(model, contract.to_pixels(faces, agreed), agreed):
            yield probabilities
            tick()


def compare_accuracy(
    outputs: NDArray[np.float32],
    test: LabelledFaces,
    split: str,
    unseen: NDArray[np.bool_] | None,
    baseline: FloatBaseline,
) -> AccuracyCheck:
    """The scores of an artifact, whose outputs on `test` are `outputs`, beside those of its float model."""
    artifact, exact = metrics.score(outputs, test, unseen), metrics.score(baseline.outputs, test, unseen)
    return AccuracyCheck(
        split=split,
        reference=baseline.name,
        artifact=artifact,
        exact=exact,
        drop=round(exact.accuracy - artifact.accuracy, 3),
        agreement=round(100 * float((outputs.argmax(1) == baseline.outputs.argmax(1)).mean()), 3),
    )


def require_classes(bundle: Bundle, test: LabelledFaces) -> None:
    """Raise BadData if `test` has other classes than the bundle: better before its faces are run."""
    if test.names != bundle.manifest.contract.labels:
        raise BadData(
            f"{test.source} has the classes {', '.join(test.names)}, "
            f"{bundle.manifest.name} was trained on {', '.join(bundle.manifest.contract.labels)}: give data of those."
        )


@dataclass(frozen=True)
class Sameness:
    """Outputs of one artifact on two machines: images with the same answer, percent; the largest difference."""

    agreement: float
    difference: float


def compare_outputs(there: NDArray[np.float32], here: NDArray[np.float32]) -> Sameness:
    """Compare probabilities (N, classes) of the same images."""
    agreement = 100 * float((there.argmax(1) == here.argmax(1)).mean())
    return Sameness(round(agreement, 3), round(float(np.abs(there - here).max()), 6))


def require_accuracy(name: str, check: AccuracyCheck) -> None:
    """Raise AccuracyDropped if the artifact is further from float than the limits allow."""
    if check.drop > DROP_LIMIT or check.agreement < AGREEMENT_LIMIT:
        images = check.artifact.images
        error = 100 * math.sqrt((1 - check.agreement / 100) / images)  # an image adds -1, 0 or 1 where answers differ
        raise AccuracyDropped(
            f"{name} loses {check.drop} points on {check.split} (at most {DROP_LIMIT}; the standard error of "
            f"{images:,} images is at most {error:.2f}) and agrees with float on {check.agreement} % (at least "
            f"{AGREEMENT_LIMIT} %): calibrate it on more or other faces."
        )
