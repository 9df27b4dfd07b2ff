"""What several tests share. Nothing here is a face of a data set."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

DATA = Path(__file__).parents[2] / "shared" / "datasets" / "fer2013.npz"


def pytest_configure() -> None:
    """Hear Ctrl-C, and let children hear it, also where tests run in the background of a script.

    A shell without job control starts those with SIGINT ignored, and a child inherits that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def fer2013(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real fer2013.csv, written from the copy beside the clone; skips where there is none."""
    given = os.environ.get("EDGEFER_FER2013")
    if given:
        return Path(given)
    if not DATA.is_file():
        pytest.skip(
            f"needs FER2013: set EDGEFER_FER2013 to a fer2013.csv (looked for {DATA.name} beside the clone too)"
        )
    from tests.made import write_fer2013

    return write_fer2013(DATA, tmp_path_factory.mktemp("fer2013"))


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped EAN for every target, from the shipped calibration; tests must not change it."""
    from edgefer.arch import get_arch
    from edgefer.pipeline import build, targets
    from edgefer.training import weights

    out, arch = tmp_path_factory.mktemp("dist"), get_arch("ean")
    loaded = weights.load(arch, None)
    for name, target in targets.targets().items():
        build.build(build.Job(arch, name, target, loaded, build.Calibrate()), out)
    return out
