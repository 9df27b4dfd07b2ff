"""A built file beside its float network on faces that set no range: measured, and held against the target's limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefer.data.dataset import SYNTHETIC_SOURCE
from edgefer.pipeline.targets import Limits
from edgefer.runtime import records
from edgefer.runtime.bundle import MANIFEST
from edgefer.runtime.errors import AccuracyDropped
from edgefer.runtime.manifest import Fidelity

WORK = 40e9  # multiply-accumulates that a network may take for all its faces: 512 faces at up to 78 M each
DRAWN = 256  # drawn pictures that a file is judged by where there are no faces
FEWEST = 32  # faces, whatever the network takes
ENOUGH = 256  # faces; of fewer, agreement is refused only where its whole interval is below the limit
# A float network whose probabilities vary less (standard deviation) over faces of several classes is refused: wrongly
# fed ones had 0.0003, others 0.05 to 0.29. One answer to more of them (percent) is told only: it can be the faces.
SMALLEST_SPREAD, ONE_ANSWER = 0.01, 95.0
Z = NormalDist().inv_cdf(0.975)


def affordable(count: int, macs: int) -> int:
    """How many of `count` faces a network of so many multiply-accumulates is shown; no clock has a say in it."""
    return min(count, max(FEWEST, int(WORK // max(1, macs))))


def wilson_interval(hits: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share, in percent (Wilson 1927): it holds for few faces and near 100 % too."""
    share, square = hits / count, Z * Z / count
    centre, half = share + square / 2, Z * sqrt(share * (1 - share) / count + square / count / 4)
    low, high = max(0.0, (centre - half) / (1 + square)), min(1.0, (centre + half) / (1 + square))
    return round(100 * low, 2), round(100 * high, 2)


def compare(
    answers: NDArray[np.float32], baseline: NDArray[np.float32], *, target: str, engine: str, source: str
) -> Fidelity:
    """The probabilities (N, classes) of a file beside those of its float network, of the same faces of `source`.

    They need not sum to 1 over the classes.
    """
    same = int((answers.argmax(1) == baseline.argmax(1)).sum())
    difference = answers.astype(np.float64) - baseline
    return Fidelity(
        target=target,
        engine=engine,
        source=source,
        faces=len(baseline),
        agreement=_percent(same, len(baseline)),
        interval=wilson_interval(same, len(baseline)),
        rms=_rounded(np.sqrt(np.square(difference).mean())),
        largest=_rounded(np.abs(difference).max()),
        spread=_rounded(answers.std(0).max()),
        float_spread=_rounded(baseline.std(0).max()),
        commonest=_commonest(answers),
        float_commonest=_commonest(baseline),
    )


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 2)


def _rounded(number: float) -> float:
    return float(f"{number:.4g}")


def _commonest(answers: NDArray[np.float32]) -> float:
    return _percent(int(np.bincount(answers.argmax(1)).max()), len(answers))


@dataclass(frozen=True)
class Circumstances:
    """What decides how figures are judged.

    limits           of the target
    trained          an untrained network answers nearly the same to all faces, so that rounding decides between
                     classes: its agreement is not asked for
    several_classes  whether the faces are known to be of more than one class, so that float must tell them apart
    about_faces      the warnings about the calibration set, for the message
    accept_loss      what is refused is written into the figures instead
    """

    limits: Limits
    trained: bool = True
    several_classes: bool = False
    about_faces: tuple[str, ...] = ()
    accept_loss: bool = False


def judge(name: str, figures: Fidelity, when: Circumstances) -> Fidelity:
    """The figures of the bundle `name` with what is to be said of them.

    Raises AccuracyDropped if the limits refuse them and that is not accepted.
    """
    of_file = _refusals(figures, when)
    of_float = _float_refusals(figures, when)
    found = "; ".join([*of_file, *(f"the float network itself gives {each}" for each in of_float)])
    if not found:
        return replace(figures, warnings=_warnings(figures, when))
    if when.accept_loss:
        return replace(figures, accepted=found)
    also = f" Of its calibration: {'; '.join(when.about_faces)}." if when.about_faces else ""
    advice = (
        "check range, mean, std and color of its contract, and its weights"
        if of_float
        else "calibrate it on more or other faces, or try another target"
    )
    raise AccuracyDropped(
        f"{name}: {found}.{also} No bundle was written: {advice}; --accept-loss builds it all the same."
    )


def _refusals(figures: Fidelity, when: Circumstances) -> list[str]:
    """In what the file is further from its float network than allowed; drawn pictures have limits of their own."""
    drawn, limits = figures.source == SYNTHETIC_SOURCE, when.limits
    least, most = (limits.drawn_agreement, limits.drawn_rms) if drawn else (limits.agreement, limits.rms)
    certain = figures.faces >= ENOUGH or figures.interval[1] < least
    found = []
    if when.trained and figures.agreement < least and certain:
        found.append(f"it agrees with float on {agreement(figures)}, at least {least:g} % is allowed")
    if not figures.rms <= most:  # so that NaN fails too
        found.append(f"its probabilities are {figures.rms:.2g} off float's (rms), at most {most:g} is allowed")
    return found


def _float_refusals(figures: Fidelity, when: Circumstances) -> list[str]:
    """What a float network does not do on faces of several classes, if it is fed what it learned on."""
    judged = when.trained and when.several_classes and figures.faces >= FEWEST
    if not judged or figures.float_spread >= SMALLEST_SPREAD:
        return []
    spread = f"probabilities that hardly vary over {figures.faces} faces of {figures.source}"
    return [f"{spread} (standard deviation {figures.float_spread:.2g}, at least {SMALLEST_SPREAD:g} is allowed)"]


def _warnings(figures: Fidelity, when: Circumstances) -> list[str]:
    """What a user should know of figures that the limits allow."""
    found, limits = [], when.limits
    if figures.source != SYNTHETIC_SOURCE and figures.rms > limits.warn_rms:
        found.append(
            f"its probabilities are {figures.rms:.2g} off float's (rms), more than {limits.warn_rms:g}: "
            "other faces, more of them or another --calibration-method may bring it nearer"
        )
    if when.trained and when.several_classes and figures.float_commonest > ONE_ANSWER:
        found.append(
            f"the float network itself gives one answer to {figures.float_commonest:g} % of {figures.faces} faces of "
            "several classes: check range, mean, std and color of its contract, its weights, and the faces"
        )
    if figures.faces < FEWEST:
        found.append(f"only {figures.faces} faces were left to judge it by, so its figures are rough")
    return found


def recorded(calibration: Mapping[str, Any] | None) -> Fidelity | None:
    """The figures that were recorded with a bundle's ranges, as its manifest has them (Manifest.calibration)."""
    figures = (calibration or {}).get("fidelity")
    return None if figures is None else records.structure(Fidelity, figures, MANIFEST)


def agreement(fidelity: Fidelity) -> str:
    """Agreement with its uncertainty and the faces that it is of, for messages and pages."""
    low, high = fidelity.interval
    kind = SYNTHETIC_SOURCE if fidelity.source == SYNTHETIC_SOURCE else f"faces of {fidelity.source}"
    return f"{fidelity.agreement:.2f} % of {fidelity.faces} {kind} (95 % interval {low:.1f} to {high:.1f} %)"
