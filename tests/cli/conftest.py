"""The command line in this process, and bundles for it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgefer.arch import get_arch
from edgefer.pipeline.build import BuildJob, CalibrationOptions, build_bundle
from edgefer.pipeline.export import import_exporter
from edgefer.pipeline.targets import get_target
from edgefer.training import weights
from tests.cli.made import FP32, Mount, Ran, Run, in_process
from tests.made import write_csv


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """`edgefer` with arguments, in this process: starting another one is slow."""

    yield from in_process(Ran, monkeypatch, capfd)


@pytest.fixture(scope="session")
def model() -> bytes:
    """The shipped EAN as ONNX."""
    from edgefer.pipeline.fold import DeployableModel

    ean = get_arch("ean")
    return import_exporter("onnx").convert(
        DeployableModel(weights.load_trained_model(ean, None).network).eval(), ean.crop
    )


@pytest.fixture
def quick(model: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds of the shipped EAN for ONNX that skip the conversion, which takes seconds."""
    monkeypatch.setattr(import_exporter("onnx"), "convert", lambda network, crop: model)


@pytest.fixture(scope="session")
def made(model: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the two bundles FP32 and INT8; tests must not change it."""
    out, ean = tmp_path_factory.mktemp("made"), get_arch("ean")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(import_exporter("onnx"), "convert", lambda network, crop: model)
        for name in ("onnx-fp32", "onnx-int8"):
            job = BuildJob(ean, name, get_target(name), weights.load_trained_model(ean, None), CalibrationOptions())
            build_bundle(job, out)
    return out


@pytest.fixture
def earlier(made: Path, tmp_path: Path) -> Path:
    """A folder with an earlier FP32 bundle in it."""
    shutil.copytree(made / FP32, tmp_path / "dist" / FP32)
    return tmp_path / "dist"


@pytest.fixture(scope="session")
def csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_csv(tmp_path_factory.mktemp("data") / "fer2013.csv")


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Mounts a file system in memory with the options it is called with; called again, it mounts it anew."""
    place = tmp_path / "mounted"
    place.mkdir()

    def do(options: str) -> Path:
        try:
            done = subprocess.run(
                ["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], capture_output=True, text=True, check=False
            )
        except FileNotFoundError:
            pytest.skip("there is no mount command")
        if done.returncode:
            pytest.skip(f"needs the right to mount a file system: {done.stderr.strip()}")
        return place

    yield do
    if place.is_mount():
        subprocess.run(["umount", place], check=True)
