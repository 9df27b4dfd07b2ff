"""EAN in C, built once for a session of tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgefer.arch import get_arch
from edgefer.benchmark.workload import Workload, open_workload
from edgefer.pipeline.build import BuildJob, CalibrationOptions, build_bundle
from edgefer.pipeline.targets import get_target
from edgefer.training.weights import load_trained_model
from tests.compilers import lacking
from tests.conftest import Once


@pytest.fixture(scope="session")
def workload(once: Once) -> Workload:
    if (why := lacking()) is not None:
        pytest.skip(why)

    def make(folder: Path) -> None:
        ean = get_arch("ean")
        weights = load_trained_model(ean, None)
        build_bundle(BuildJob(ean, "c-int8", get_target("c-int8"), weights, CalibrationOptions()), folder)

    return open_workload(once("c-int8", make) / "ean.c-int8")
