"""The classes that edgefer's networks tell, in FER2013's order, and FER+'s classes in FER+'s."""

from __future__ import annotations

from collections.abc import Sequence

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
