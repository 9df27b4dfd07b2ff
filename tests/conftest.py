"""What several tests share. Nothing here is a face of a data set."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from edgefer.runtime.files import locked
from tests.bare import BARE, BESIDE, hide
from tests.compilers import buildable, lacking

Once = Callable[[str, Callable[[Path], None]], Path]

WORKER = os.environ.get("PYTEST_XDIST_WORKER")
# Small tensors gain nothing from two threads, and on a busy machine the two wait for each other, computing.
os.environ.setdefault("OMP_NUM_THREADS", "1")
DATA = BESIDE / "datasets" / "fer2013.npz"


def pytest_configure(config: pytest.Config) -> None:
    """Hide what a bare machine has not, if that is asked for, and let Ctrl-C be heard."""
    if BARE and not WORKER:  # workers inherit it
        config.add_cleanup(hide().cleanup)
    hear_interrupts()


def hear_interrupts() -> None:
    """Hear Ctrl-C, and let children hear it, also where tests run in the background of a script.

    A shell without job control starts those with SIGINT ignored, and a child inherits that.
    """
    os.environ.pop("COLUMNS", None)  # tables are as wide as it says
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """What is made once for all workers of a run: once(name, make) is a folder that `make` has filled.

    The worker that comes first makes it, the others wait for it. Tests must not change it.
    """
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if WORKER else base) / "shared"
    shared.mkdir(exist_ok=True)

    def fill(name: str, make: Callable[[Path], None]) -> Path:
        folder, filled = shared / name, shared / f"{name}.filled"
        with locked(shared / f"{name}.lock"):
            if not filled.exists():
                shutil.rmtree(folder, ignore_errors=True)  # of another worker that failed
                folder.mkdir()
                make(folder)
                filled.touch()
        return folder

    return fill


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what is about C where there is no compiler."""
    callspec = getattr(item, "callspec", None)
    if callspec is not None and not all(
        buildable(value) for value in callspec.params.values() if isinstance(value, str)
    ):
        pytest.skip(str(lacking()))


@pytest.fixture(scope="session")
def fer2013(once: Once) -> Path:
    """The real fer2013.csv, written from the copy beside the clone; skips where there is none."""
    given = os.environ.get("EDGEFER_FER2013")
    if given:
        return Path(given)
    if not DATA.is_file():
        pytest.skip(
            f"needs FER2013: set EDGEFER_FER2013 to a fer2013.csv (looked for {DATA.name} beside the clone too)"
        )
    from tests.made import write_fer2013

    return once("fer2013", lambda folder: write_fer2013(DATA, folder / "fer2013.csv")) / "fer2013.csv"


@pytest.fixture(scope="session")
def dist(once: Once) -> Path:
    """The shipped EAN for every target, from the shipped calibration; its targets share one float network."""
    from edgefer.arch import get_arch
    from edgefer.pipeline.build import BuildJob, CalibrationOptions, build_bundle
    from edgefer.pipeline.float_model import FloatModel
    from edgefer.pipeline.targets import all_targets
    from edgefer.training import weights

    def make(folder: Path) -> None:
        ean = get_arch("ean")
        float_model = FloatModel(ean, weights.load_trained_model(ean, None))
        for name, target in all_targets().items():
            if not buildable(name):
                continue
            job = BuildJob(ean, name, target, float_model.weights, CalibrationOptions())
            build_bundle(job, folder, float_model=float_model)

    return once("dist", make)
