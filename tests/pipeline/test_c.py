"""The shipped networks as C: LiteRT's bytes on all of PrivateTest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgefer.arch import get_arch
from edgefer.data.load import load
from edgefer.pipeline.build import BuildJob, CalibrationOptions, build_bundle
from edgefer.pipeline.targets import get_target
from edgefer.runtime import contract, engines
from edgefer.training import weights
from tests.compilers import lacking


@pytest.mark.long
@pytest.mark.skipif(lacking() is not None, reason=str(lacking()))
@pytest.mark.parametrize("network", ["ean", "lcnn", "microexpnet-xxs"])
def test_every_face_of_private_test_has_litert_s_bytes(fer2013: Path, tmp_path: Path, network: str) -> None:
    arch = get_arch(network)
    target = get_target("c-int8")
    job = BuildJob(arch, "c-int8", target, weights.load_trained_model(arch, None), CalibrationOptions())
    bundle = build_bundle(job, tmp_path)
    agreed = bundle.manifest.contract
    ours = engines.load(bundle.path("model.c"), "c")
    theirs = engines.load(bundle.path("model.tflite"), "tflite")
    faces = load(fer2013).split("PrivateTest").pixels
    unequal = 0
    for face in contract.to_pixels(faces[:], agreed):
        given = contract.to_input(face[None], agreed)
        unequal += not np.array_equal(ours.run(given), theirs.run(given))
    assert unequal == 0
