"""The shipped EAN as a bundle for this machine, built once into the user's cache."""

from __future__ import annotations

from pathlib import Path

from edgefer.pipeline.options import BuildOptions, build_bundles
from edgefer.runtime import __version__
from edgefer.runtime.bundle import read_bundle
from edgefer.runtime.errors import BrokenBundle, MissingEngine, MissingFile
from edgefer.runtime.files import cache_folder, digest, locked, shipped_folder
from edgefer.runtime.progress import SILENT, Progress

ARCH, TARGET = "ean", "tflite-int8"


def shipped_bundle(progress: Progress = SILENT) -> Path:
    """The folder of the bundle. It is built at the first call, and again where weights, ranges or edgefer changed.

    Raises MissingEngine if it has to be built and the extra `build` is not installed.
    """
    weights, ranges = (
        shipped_folder("weights") / f"{ARCH}.safetensors",
        shipped_folder("calibration") / f"{ARCH}.tflite.json",
    )
    made_from = digest((weights.read_bytes(), ranges.read_bytes(), __version__.encode()))
    root = cache_folder() / "bundles" / made_from[:16]
    root.mkdir(parents=True, exist_ok=True)
    folder = root / f"{ARCH}.{TARGET}"
    with locked(root / "lock"):
        if not _whole(folder):
            progress.note(f"no --bundle: building the shipped {ARCH} as {TARGET} once, into {folder}")
            _build(root, progress)
    return folder


def _whole(folder: Path) -> bool:
    try:
        read_bundle(folder)
    except (MissingFile, BrokenBundle):
        return False
    return True


def _build(root: Path, progress: Progress) -> None:
    try:
        (outcome,) = build_bundles(BuildOptions(targets=(TARGET,), arch=ARCH, out=root), progress)
        outcome.require()
    except (ModuleNotFoundError, MissingEngine) as error:
        raise MissingEngine(
            f"no --bundle given, and the shipped {ARCH} can't be built here ({error}): give --bundle FOLDER, "
            "or run pip install 'edgefer[build]'."
        ) from error
