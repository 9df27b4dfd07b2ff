"""Image files -> faces, or one line about each that is none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgefer.data.listing import WHOLE, Box, Entry, Listing, ReadOptions, UnreadableFile
from edgefer.data.mapped import Faces
from edgefer.data.source_files import LEADS_OUT, SUFFIXES, Source
from edgefer.runtime.detectors import Detector, Face, FaceMap, crop_face, face_map, load_detector
from edgefer.runtime.image_file import UnusableImage, read_picture
from edgefer.runtime.preprocess import Pixels, resize_face, rgb_image, to_rgb

if TYPE_CHECKING:
    from PIL.Image import Image

LARGE = 256 << 20  # bytes of decoded faces, counted as RGB: 38,836 faces of 48 x 48, 1,783 of 224 x 224
_EVERY = 500  # images from one report of progress to the next


@dataclass(frozen=True)
class SixteenBit:
    """Of a set, the pictures that have 16 bits a value: how many, and the largest value of all of them."""

    pictures: int = 0
    peak: int = 0

    def plus(self, peak: int | None) -> SixteenBit:
        """With another picture's peak; None is one of 8 bits."""
        return self if peak is None else SixteenBit(self.pictures + 1, max(self.peak, peak))


@dataclass(frozen=True)
class DecodedFace:
    """uint8 (size, size, 1 or 3), and the largest value of a picture of 16 bits, see image_file.Picture.

    found  False of a photograph in which the detector found no face: then the pixels are black
    """

    pixels: Pixels
    peak: int | None
    found: bool = True


@dataclass(frozen=True)
class DecodedFaces:
    """The faces that can be read, uint8 (N, size, size, C), and a line by number about each of the others.

    not_found  numbers of those that are black, because the detector found no face
    """

    pixels: Faces
    unreadable: dict[int, str]
    sixteen_bit: SixteenBit
    not_found: Sequence[int] = ()


@dataclass(frozen=True)
class FaceSearch:
    """Finds the face in a photograph: the detector's best one, or where the data set has a box the one most in it.

    framing  from the detector's box to what is cut out; None: edgefer's own map
    """

    detector: Detector
    framing: FaceMap | None = None

    @classmethod
    def of(cls, options: ReadOptions) -> FaceSearch | None:
        """By the detector's name; None searches nothing. Raises UnknownName, NotSetUp or MissingEngine."""
        name = options.detector
        return None if name is None else cls(load_detector(name), options.framing)

    def cut(self, image: Pixels, box: Box, size: int) -> Pixels | None:
        """The face, uint8 (size, size, 3), of a photograph (H, W, 3); None if there is none."""
        found = self.detector.detect(image)
        if box != WHOLE:
            left, top, width, height = map(float, box)
            labelled = Face(left, top, width, height, 1.0)
            found = sorted((f for f in found if f.overlap(labelled) > 0), key=lambda f: -f.overlap(labelled))
        return crop_face(image, found[0], self.framing or face_map(found[0].detector), size) if found else None


def in_memory(listing: Listing, size: int, options: ReadOptions) -> DecodedFaces:
    """See `DecodedFaces`."""
    faces, problems, sixteen_bit, not_found = [], {}, SixteenBit(), []
    for number, face in enumerate(decoded(listing, size, options)):
        if isinstance(face, UnreadableFile):
            problems[number] = face.line(number)
        else:
            faces.append(face.pixels)
            sixteen_bit = sixteen_bit.plus(face.peak)
            not_found += [] if face.found else [number]
    return DecodedFaces(stack(faces), problems, sixteen_bit, not_found)


def decoded(listing: Listing, size: int, options: ReadOptions) -> Iterator[DecodedFace | UnreadableFile]:
    """One after the other, or why there is none."""
    source, search = Source(listing.root, options.follow_links), FaceSearch.of(options)
    for number, entry in enumerate(listing):
        if number % _EVERY == 0:
            options.tick(number, len(listing))
        yield entry if isinstance(entry, UnreadableFile) else read_face(source, entry, size, options.depth, search)


def stack(faces: Sequence[Pixels]) -> Pixels:
    """Faces (H, W, 1 or 3) as one array (N, H, W, C): one that has colour makes all of them RGB."""
    if not faces:
        return np.empty((0, 1, 1, 1), dtype=np.uint8)
    grey = all(face.shape[2] == 1 for face in faces)
    return np.stack([face if grey else to_rgb(face) for face in faces])


def read_face(
    source: Source, entry: Entry, size: int, depth: int | None, search: FaceSearch | None = None
) -> DecodedFace | UnreadableFile:
    """The image of `entry` as a face, grey if it is grey; with `search` the face that is found in it."""
    path = source.path / entry.path
    if source.leads_out(path):
        return UnreadableFile(LEADS_OUT, source.where(path))
    if path.is_dir():
        return UnreadableFile("a folder inside a class folder, must be an image", source.where(path))
    if not path.is_file():
        missing = "" if path.exists() else "missing: " if not path.is_symlink() else "a link to a missing file: "
        return UnreadableFile(f"{missing}not a regular file", source.where(path))
    try:
        return _decode(path, size, entry.box, depth, search)
    except UnusableImage as error:
        kind = "" if path.suffix.lower() in SUFFIXES else f"not an image, must be one of {', '.join(SUFFIXES)}: "
        return UnreadableFile(f"{kind}{error}", source.where(path))
    except OSError as error:
        return UnreadableFile(f"can't be opened ({error.strerror or error})", source.where(path))


def _decode(path: Path, size: int, box: Box, depth: int | None, search: FaceSearch | None) -> DecodedFace:
    """The face in the box, whose numbers are of the upright picture; raises OSError or UnusableImage."""
    picture = read_picture(path)
    image = picture.image
    if depth is not None and picture.peak is not None:
        _require_depth(image, picture.peak, depth)
    if box != WHOLE:
        if not _inside(box, image.size):
            raise UnusableImage(f"face box {box}, must lie in the image, {image.width} x {image.height}")
        if search is None:
            left, top, width, height = box
            image = image.crop((left, top, left + width, top + height))
    if search is None:
        face = resize_face(image, size, depth or 16)
    else:
        cut = search.cut(np.asarray(rgb_image(image, depth or 16)), box, size)
        if cut is None:
            return DecodedFace(np.zeros((size, size, 1), dtype=np.uint8), picture.peak, found=False)
        face = cut
    return DecodedFace(
        np.ascontiguousarray(face[..., :1]) if _is_grey(picture.image.mode, face) else face, picture.peak
    )


def _require_depth(image: Image, peak: int, depth: int) -> None:
    """Raise UnusableImage if a 16-bit picture does not hold values of `depth` bits, or if its lower byte is lost."""
    if depth < 16 and not image.mode.startswith("I"):
        raise UnusableImage(
            f"of 16 bits a colour, of which Pillow reads the upper 8, not {depth}: convert it to 8 bits"
        )
    if peak >= 1 << depth:
        raise UnusableImage(f"of values up to {peak:,}, the stated depth of {depth} bits allows {(1 << depth) - 1:,}")


def _inside(box: Box, size: tuple[int, int]) -> bool:
    left, top, width, height = box
    return left >= 0 and top >= 0 and width > 0 and height > 0 and left + width <= size[0] and top + height <= size[1]


def _is_grey(mode: str, face: Pixels) -> bool:
    """Whether a picture of this mode has no colour; a palette (of a GIF) may be one of greys."""
    if mode == "P":
        return bool((face[..., :1] == face).all())
    return mode in {"1", "L", "LA", "La"} or mode.startswith("I")
