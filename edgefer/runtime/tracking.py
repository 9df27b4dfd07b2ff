"""Which face of a frame is which of the frame before, and its probabilities smoothed over time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgefer.runtime.detectors import Face
from edgefer.runtime.predict import FacePrediction, to_prediction

SAME_FACE = 0.3  # intersection over union of two boxes, from which they are one face
LOST_AFTER = 1.0  # seconds without a box after which a face is forgotten


@dataclass
class _Track:
    number: int
    face: Face
    seen: float
    probabilities: NDArray[np.float32]


@dataclass
class Tracker:
    """Follows faces from frame to frame.

    A box belongs to the track whose last box it overlaps most (intersection over union of at least SAME_FACE).
    Probabilities are an exponential mean: after `smoothing` seconds a new answer has 63 % of the weight; 0 takes
    each frame by itself. What is kept does not grow: a face is forgotten after LOST_AFTER seconds.
    """

    smoothing: float
    _tracks: list[_Track] = field(default_factory=list)
    _count: int = 0

    def update(self, faces: Sequence[FacePrediction], seconds: float) -> list[FacePrediction]:
        """The faces of the frame at this time, each with the number of its track and smoothed probabilities."""
        self._tracks = [track for track in self._tracks if 0 <= seconds - track.seen <= LOST_AFTER]
        matched = self._match(faces)
        return [self._follow(each, matched.get(index), seconds) for index, each in enumerate(faces)]

    def _match(self, faces: Sequence[FacePrediction]) -> dict[int, _Track]:
        """Pairs of a face's place and a track, those that overlap most first."""
        overlaps = [
            (each.face.overlap(track.face), index, order)
            for index, each in enumerate(faces)
            for order, track in enumerate(self._tracks)
        ]
        pairs: dict[int, _Track] = {}
        taken: set[int] = set()
        for share, index, order in sorted(overlaps, key=lambda pair: -pair[0]):
            if share >= SAME_FACE and index not in pairs and order not in taken:
                pairs[index] = self._tracks[order]
                taken.add(order)
        return pairs

    def _follow(self, found: FacePrediction, track: _Track | None, seconds: float) -> FacePrediction:
        fresh = np.array(list(found.probabilities.values()), dtype=np.float32)
        if track is None:
            self._count += 1
            track = _Track(self._count, found.face, seconds, fresh)
            self._tracks.append(track)
        else:
            kept = math.exp((track.seen - seconds) / self.smoothing) if self.smoothing else 0.0
            track.probabilities = (kept * track.probabilities + (1 - kept) * fresh).astype(np.float32)
            track.face, track.seen = found.face, seconds
        return to_prediction(track.probabilities, tuple(found.probabilities), found.face, track.number)
