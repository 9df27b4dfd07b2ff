"""From a listing to faces: in memory, or in a file that is mapped where the set is large."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgefer.data.dataset import Dataset
from edgefer.data.images import read_face
from edgefer.data.listing import Listing
from edgefer.data.mapped import Faces
from edgefer.data.read_options import Reading
from edgefer.data.read_result import Problem, Scan, stack
from edgefer.runtime.preprocess import Pixels

LARGE = 256 << 20  # bytes of decoded faces, counted as RGB: 38,836 faces of 48 x 48, 1,783 of 224 x 224
_EVERY = 500  # images from one report of progress to the next


def read(listing: Listing, size: int, how: Reading) -> Scan:
    """Every face of a listing at size x size; more than LARGE bytes of them go through edgefer.data.cache.

    Raises OutputFailed if the cache can't be written.
    """
    if len(listing) * size * size * 3 > LARGE:
        from edgefer.data import cache

        pixels, problems = cache.faces(listing, size, how)
    else:
        pixels, problems = in_memory(listing, size, how)
    good = np.ones(len(listing), dtype=bool)
    good[list(problems)] = False
    rows = np.flatnonzero(good)
    subjects = listing.subjects
    data = Dataset(
        source=str(listing.root),
        names=listing.names,
        pixels=pixels,
        labels=listing.labels[rows],
        splits=listing.splits[rows],
        rows=rows,
        subjects=None if subjects is None else subjects[rows],
    )
    return Scan(data, list(problems.values()), len(listing))


def in_memory(listing: Listing, size: int, how: Reading) -> tuple[Faces, dict[int, str]]:
    """The faces that can be read, uint8 (N, size, size, C), and a line by number about each of the others."""
    faces, problems = [], {}
    for number, found in enumerate(decoded(listing, size, how)):
        if isinstance(found, Problem):
            problems[number] = found.line(number)
        else:
            faces.append(found)
    return stack(faces), problems


def decoded(listing: Listing, size: int, how: Reading) -> Iterator[Pixels | Problem]:
    """One after the other, uint8 (size, size, 1 or 3), or why there is none."""
    for number, entry in enumerate(listing):
        if number % _EVERY == 0:
            how.tick(number, len(listing))
        yield entry if isinstance(entry, Problem) else read_face(listing.root, entry, size)
