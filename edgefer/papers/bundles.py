"""Bundles to be timed: from the shipped weights, or from random ones, which take as long. Needs the extra build."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from edgefer.arch import Arch
from edgefer.pipeline.calibration import shipped_path
from edgefer.pipeline.targets import get_target
from edgefer.runtime.bundle import MANIFEST, read_bundle
from edgefer.runtime.engines import ENGINES
from edgefer.runtime.errors import EdgeferError
from edgefer.runtime.files import PACKAGE, cache_folder, sha256, shipped_folder
from edgefer.training import random_init


def folder() -> Path:
    """Where bundles are kept."""
    return cache_folder() / "tables"


def sources(arch: Arch) -> str:
    """Checksum of what a bundle of the network follows from, its weights aside."""
    inside = (
        "arch/blocks.py",
        f"arch/{arch.module}.py",
        "pipeline/*.py",
        "pipeline/export/*.py",
    )
    digest = hashlib.sha256(repr(arch).encode())
    for path in (path for pattern in inside for path in sorted(PACKAGE.glob(pattern))):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def bundle(arch: Arch, name: str, out: Path, stage: Callable[[str], None]) -> Path:
    """The bundle of the network for the target `name` in <out>/<checksum>, built if it is not there yet.

    Raises what build_bundle raises, MissingEngine.
    """
    out = out / sources(arch)[:12]
    for place in (out / f"{arch.name}.{name}", out / f"{arch.name}-untrained-seed{random_init.SEED}.{name}"):
        if _there(place, arch):
            return place
    stage(f"building {arch.name}.{name}")
    return _build(arch, name, out)


def _there(place: Path, arch: Arch) -> bool:
    if not (place / MANIFEST).is_file():
        return False
    shipped = shipped_folder("weights") / f"{arch.name}.safetensors"
    try:
        manifest = read_bundle(place).manifest
    except EdgeferError:
        return False
    return not shipped.is_file() or manifest.weights_sha256 == sha256(shipped)


def _build(arch: Arch, name: str, out: Path) -> Path:
    from edgefer.data import synthetic_faces
    from edgefer.pipeline.build import BuildJob, CalibrationOptions, build_bundle

    loaded = random_init.shipped_or_random(arch)
    target = get_target(name)
    recorded = shipped_path(arch.name, ENGINES[target.format].ranges).is_file()
    calibrate = CalibrationOptions(faces=None if recorded or loaded.untrained is not None else synthetic_faces.faces())
    return build_bundle(BuildJob(arch, name, target, loaded, calibrate), out).folder
