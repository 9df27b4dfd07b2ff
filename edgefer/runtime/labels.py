"""The classes that edgefer's networks tell, in FER2013's order, and FER+'s classes in FER+'s."""

from __future__ import annotations

import re
from collections.abc import Sequence

from edgefer.runtime.errors import BadRecord

_LABEL = re.compile(r"[^\s,]+( [^\s,]+)*")

LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
CLASS_WORDS = {  # what data sets and networks call them, in small letters
    "angry": ("angry", "anger"),
    "disgust": ("disgust", "disgusted"),
    "fear": ("fear", "fearful"),
    "happy": ("happy", "happiness"),
    "sad": ("sad", "sadness"),
    "surprise": ("surprise", "surprised"),
    "neutral": ("neutral",),
    "contempt": ("contempt", "contemptuous"),
}

FERPLUS = (  # the columns of FER+'s votes (Barsoum et al., ICMI 2016)
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
    "unknown",
    "NF",
)
FERPLUS_NAME = {  # FER+'s word for each of FER2013's classes
    "neutral": "neutral",
    "happy": "happiness",
    "surprise": "surprise",
    "sad": "sadness",
    "angry": "anger",
    "disgust": "disgust",
    "fear": "fear",
}


def ferplus_columns(names: Sequence[str]) -> list[int] | None:
    """FER+'s column of each class; None if FER+ has no votes for one of them."""
    if not FERPLUS_NAME.keys() >= set(names):
        return None
    return [FERPLUS.index(FERPLUS_NAME[name]) for name in names]


def require_labels(labels: Sequence[str]) -> None:
    """Raise BadRecord unless these are two labels or more, each given once, that can stand in labels.txt."""
    for label in labels:
        if not _LABEL.fullmatch(label) or not label.isprintable():
            raise BadRecord(f"{label!r} is no label: give words without commas, like angry,happy.")
        if labels.count(label) > 1:
            raise BadRecord(f"the label {label} is given twice.")
    if len(labels) < 2:
        raise BadRecord("one label is no choice: give the labels of all outputs, like angry,happy.")
