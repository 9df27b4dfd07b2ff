"""Accuracy of a bundle on a given set, and its agreement with the float model if one is at hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgefer.data.dataset import Dataset, match_classes
from edgefer.pipeline import float_baseline
from edgefer.runtime import metrics, verify
from edgefer.runtime.bundle import MANIFEST, Bundle, read_bundle
from edgefer.runtime.errors import BadWeights, MissingEngine, MissingFile


@dataclass(frozen=True)
class Quality:
    """Both in percent of the set; agreement is None without a float model of the bundle's weights."""

    accuracy: float
    agreement: float | None


def measure(bundle: Bundle, test: Dataset, tick: Callable[[], None] = lambda: None) -> Quality:
    """Run the bundle on `test`; raises BadData if it has none of its classes, and what opening the model raises."""
    test = match_classes(test, bundle.manifest.contract.labels, bundle.manifest.name).faces
    found = verify.outputs(bundle, test.pixels, tick)
    exact = _float(bundle, test)
    agreement = None if exact is None else float((found.argmax(1) == exact.outputs.argmax(1)).mean())
    return Quality(metrics.score(found, test).accuracy, None if agreement is None else round(100 * agreement, 3))


def _float(bundle: Bundle, test: Dataset) -> verify.Reference | None:
    """The fp32 bundle of the same weights beside this one, or the shipped weights if torch is there."""
    try:
        return float_baseline.float_model(bundle, test, _beside(bundle))
    except (BadWeights, MissingEngine, MissingFile, ModuleNotFoundError):
        return None  # that agreement is not known then is told by exact.unknown and by the report


def _beside(bundle: Bundle) -> Path | None:
    wanted = bundle.manifest.weights_sha256
    for path in sorted(bundle.folder.resolve().parent.glob(f"*/{MANIFEST}")):
        other = read_bundle(path.parent).manifest
        if other.precision == "fp32" and other.weights_sha256 == wanted:
            return path.parent
    return None
