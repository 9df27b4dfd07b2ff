"""A bundle as an object that tells the expression on a face; needs numpy, Pillow and the bundle's engine."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgefer.runtime import contract as contracts
from edgefer.runtime import verify
from edgefer.runtime.bundle import Bundle, read_bundle
from edgefer.runtime.contract import Contract
from edgefer.runtime.engines import Model, require_threads
from edgefer.runtime.errors import BadData, EmptyData, MissingFile
from edgefer.runtime.image_file import UnusableImage, fitting_depth, peak, read_picture, upright
from edgefer.runtime.manifest import Manifest
from edgefer.runtime.preprocess import Pixels, centre_crop, resize_face, rgb_image, to_rgb
from edgefer.runtime.signature import Trust, trust_of

if TYPE_CHECKING:
    from PIL.Image import Image

    from edgefer.runtime.detectors import Detector
    from edgefer.runtime.predict import FacePrediction

    Face = NDArray[np.uint8] | Image | str | os.PathLike[str]

_SHAPES = "(height, width), (height, width, 1) or (height, width, 3) in the order red, green, blue"


@dataclass(frozen=True)
class Classification:
    """The most probable label of a face, and the probability of every label, in the contract's order.

    They sum to 1, unless the contract's meaning is "independent probabilities": then each is from 0 to 1 by itself.
    """

    label: str
    probabilities: Mapping[str, float]


class Classifier:
    """The model of a bundle, loaded. One thread at a time may use it: engines keep the last input and output.

    bundle    the opened bundle
    engine    name and version of the engine that runs the model
    """

    def __init__(self, bundle: Bundle, model: Model) -> None:
        self.bundle = bundle
        self.engine = model.engine
        self._model = model
        self._detectors: dict[str | None, Detector] = {}

    @property
    def manifest(self) -> Manifest:
        """Everything that is recorded of the bundle."""
        return self.bundle.manifest

    @property
    def contract(self) -> Contract:
        """The preprocessing that `classify` follows, and the tensors of the model."""
        return self.manifest.contract

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in the order of the model's output."""
        return self.contract.labels

    def classify(self, face: Face) -> Classification:
        """Classify one face: the square box of a face detector, of any size.

        `face` is a uint8 array (H, W), (H, W, 1) or (H, W, 3) in RGB order, a Pillow image, or the path of an image
        file (BMP, GIF, JPEG, JPEG 2000, PGM, PNG, TIFF or WebP). A file is turned as its EXIF orientation says, and so
        is a Pillow image that still carries the tag. Raises BadData for what is no face, MissingFile for a path that
        can't be opened.
        """
        probabilities = self.run(_pixels(face, self.contract))
        return Classification(
            self.labels[int(probabilities.argmax())],
            {label: float(value) for label, value in zip(self.labels, probabilities, strict=True)},
        )

    def classify_batch(self, faces: Iterable[Face]) -> list[Classification]:
        """Classify several faces: an array (N, H, W) or (N, H, W, C), or any iterable of what `classify` takes.

        The model sees them one after the other, as on a device. Raises EmptyData if there are none, else what
        `classify` does, with the number of the face.
        """
        if isinstance(faces, str | os.PathLike) or not isinstance(faces, Iterable):
            raise BadData("classify_batch takes several faces: give a list, or a single one to classify.")
        answers = []
        for number, face in enumerate(faces):
            try:
                answers.append(self.classify(face))
            except (BadData, MissingFile) as error:
                raise type(error)(f"face {number}: {error}") from error
        if not answers:
            raise EmptyData("the batch has no face: give at least one.")
        return answers

    def predict(self, image: Face, detector: str | None = None, mirror: bool = False) -> list[FacePrediction]:
        """Find the faces of a photograph and tell their expressions; an empty list if there are none.

        image     as `classify` takes it, of any size and shape
        detector  what finds faces; `edgefer detector list` shows them, "none" takes the whole picture for a face; by
                  default those for photographs that are set up
        mirror    average each face with its mirror image, for one more inference

        Raises what `classify` does, UnknownName for the detector, and NotSetUp or MissingEngine if it can't be loaded.
        """
        from edgefer.runtime.detectors import load_detector, load_policy
        from edgefer.runtime.predict import Predictor

        if detector not in self._detectors:
            self._detectors[detector] = load_policy("photographs") if detector is None else load_detector(detector)
        return Predictor(self, self._detectors[detector], mirror).predict(read_image(image))

    def run(self, pixels: Pixels) -> NDArray[np.float32]:
        """What the model is to see, uint8 (crop, crop, 3) -> (labels,) probabilities."""
        stored = self._model.run(contracts.to_input(pixels[None], self.contract))
        probabilities: NDArray[np.float32] = contracts.dequantise(stored, self.contract.output)[0]
        return probabilities

    def __repr__(self) -> str:
        return f"<Classifier {self.manifest.name} on {self.engine}>"


def load(
    folder: str | os.PathLike[str],
    threads: int = 1,
    provider: str | None = None,
    trusted: str | os.PathLike[str] | None = None,
    min_version: int | None = None,
) -> Classifier:
    """Open the bundle in `folder` and load its model.

    threads      of the engine
    provider     a way to a GPU that the bundle's engine has ("cuda", "tensorrt", "gpu", "vulkan"); None: the processor
    trusted      a file or folder of public keys, one of which must have signed the bundle; None: that is not asked
    min_version  as which version at least

    The engine runs in this process, because a way through another one takes as long as a small network: a model file
    that kills its engine kills this process. `edgefer verify` tries a bundle in a process that may end so.

    The files' checksums are compared with the manifest's, and the model's tensors with the contract's. Raises
    MissingFile or BrokenBundle, MissingEngine if the engine is not installed, UnknownName or NoGpu for a provider; with
    `trusted` NotSigned, NotTrusted, BadSignature, Outdated, or BadKey for the keys.
    """
    require_threads(threads)
    bundle = read_bundle(Path(folder), trust_of(trusted, min_version))
    return Classifier(bundle, verify.open_model(bundle, threads, provider))


@contextmanager
def load_apart(folder: Path, trust: Trust | None, threads: int = 1) -> Iterator[Classifier]:
    """The same for keys that were read, with the model in a process of its own; see verify.open_apart."""
    bundle = read_bundle(folder, trust)
    with verify.open_apart(bundle, threads) as model:
        yield Classifier(bundle, model)


def read_image(image: Any) -> Pixels:
    """What `Classifier.predict` is given as an upright picture: uint8 (H, W, 3), R, G, B; raises as `predict` does."""
    if isinstance(image, np.ndarray):
        return to_rgb(_require_face(image, "picture"))
    return np.asarray(_opened(image), dtype=np.uint8)


def _pixels(face: Any, contract: Contract) -> Pixels:
    """What the model is to see: uint8 (crop, crop, 3)."""
    if isinstance(face, np.ndarray):
        pixels: Pixels = contracts.to_pixels(_require_face(face)[None], contract)[0]
        return pixels
    return centre_crop(resize_face(_opened(face), contract.resize), contract.crop)


def _require_face(face: NDArray[Any], what: str = "face") -> Pixels:
    """The face, or what else it is, as uint8 (H, W, C); raises BadData."""
    grey = face.ndim == 2
    if not grey and (face.ndim != 3 or face.shape[2] not in (1, 3)):
        several = "; classify_batch takes several" if what == "face" else ""
        raise BadData(f"a {what} has the shape {_SHAPES}, this one {face.shape}{several}.")
    if face.dtype != np.uint8:
        raise BadData(f"the pixels of a {what} are uint8 from 0 to 255, these are {face.dtype}: convert them.")
    if not face.size:
        raise BadData(f"a {what} has pixels, this one has the shape {face.shape}.")
    return face[..., None] if grey else face


def _opened(face: Any) -> Image:
    """The picture in a file, or a Pillow image: upright, RGB."""
    if isinstance(face, str | os.PathLike):
        return _of_file(Path(face))
    from PIL.Image import Image

    if not isinstance(face, Image):
        raise BadData(f"a face is a uint8 array, a Pillow image or a path, this is a {type(face).__name__}.")
    return _of_image(face)


def _of_file(path: Path) -> Image:
    try:
        picture = read_picture(path)
        return _rgb(picture.image, picture.peak)
    except UnusableImage as error:
        raise BadData(f"{path} is {error}.") from error
    except OSError as error:
        raise MissingFile(f"can't open {path} ({error.strerror or error}): give the path of an image.") from error


def _of_image(image: Image) -> Image:
    """A Pillow image, which may be a file that is not decoded yet."""
    if not image.width or not image.height:
        raise BadData(f"the image has no pixels: it is {image.width} x {image.height}.")
    try:
        turned = upright(image)
        return _rgb(turned, peak(turned))
    except UnusableImage as error:
        raise BadData(f"the image is {error}.") from error
    except Exception as error:  # Pillow raises whatever broken bytes provoke
        raise BadData(f"the image is broken ({error}).") from error


def _rgb(image: Image, peak: int | None) -> Image:
    """Mode RGB; raises UnusableImage for 16-bit values that are those of fewer bits, which look black."""
    depth = 16 if peak is None else fitting_depth(peak)
    if depth != 16:
        raise UnusableImage(f"of 16-bit values of at most {peak:,}, which are {depth}-bit ones: convert it to 8 bits")
    return rgb_image(image)
