"""A target whose files no engine here runs: it must be accepted, says so, and is refused by whoever would run it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner, Result

from edgefer.app.phone import PhoneOptions, write_android, write_ios
from edgefer.arch import get_arch
from edgefer.cli import cli
from edgefer.pipeline import export, unrun
from edgefer.pipeline.build import BuildJob, CalibrationOptions
from edgefer.pipeline.built_file import CONVERSION_TOLERANCE
from edgefer.pipeline.float_model import FloatModel
from edgefer.pipeline.targets import all_targets, get_target, unrun_targets
from edgefer.runtime.bundle import README, Bundle, read_bundle
from edgefer.runtime.contract import TensorSpec
from edgefer.runtime.engines import ENGINES, UNRUN, load
from edgefer.runtime.errors import EdgeferError, MissingEngine, NotSetUp, WrongOptions
from edgefer.runtime.manifest import Dtypes
from edgefer.training import weights

NAME = "coreml-fp16"
SPECS = TensorSpec("pixels", (1, 3, 44, 44), "float32"), TensorSpec("probabilities", (1, 7), "float32")
# Stands in for the exporter, whose package few machines have.
STAND_IN = SimpleNamespace(
    SPECIFICATION="Data/model.mlmodel",
    write=lambda network, crop, target: {f"{target.file}/Data/model.mlmodel": b"program", f"{target.file}/w.bin": b"w"},
    dtypes=lambda files, target: Dtypes({"float16": 2}, {"conv float16": 1}, []),
    tensors=lambda files, target: SPECS,
)


def job(accept_unrun: bool) -> BuildJob:
    ean = get_arch("ean")
    trained = weights.load_trained_model(ean, None)
    return BuildJob(ean, NAME, get_target(NAME), trained, CalibrationOptions(), accept_unrun=accept_unrun)


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bundle]:
    """A bundle whose model is no model."""
    monkeypatch.setattr(unrun, "import_converter", lambda *_: STAND_IN)
    yield unrun.build_unrun(job(True), tmp_path / "dist")


def edgefer(*words: object) -> Result:
    return CliRunner().invoke(cli, list(map(str, words)))


def test_the_table_of_formats() -> None:
    assert not UNRUN.keys() & ENGINES.keys()
    assert not unrun_targets().keys() & all_targets().keys()
    assert NAME in edgefer("targets").output


def test_a_build_has_to_be_accepted(tmp_path: Path) -> None:
    with pytest.raises(NotSetUp, match=r"ean\.coreml-fp16 can't be run here: Core ML .*--accept-unrun builds it"):
        unrun.build_unrun(job(False), tmp_path)
    assert not list(tmp_path.iterdir())


def test_without_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError(name="coremltools")

    monkeypatch.setattr(export, "import_module", absent)
    with pytest.raises(MissingEngine, match=r"coremltools .*edgefer\[coreml\]"):
        unrun.build_unrun(job(True), tmp_path)


def test_the_bundle_says_that_nobody_ran_it(bundle: Bundle) -> None:
    manifest = read_bundle(bundle.folder).manifest
    assert manifest.unrun is not None and manifest.unrun.startswith("not run here: Core ML")
    assert manifest.fidelity is None
    assert manifest.golden.tolerance == CONVERSION_TOLERANCE["fp16"]
    assert manifest.model_bytes == len(b"program") + len(b"w")
    answer = np.frombuffer(bundle.path(manifest.golden.output).read_bytes(), np.float32)
    assert answer == pytest.approx(manifest.golden.reference, abs=1e-6)
    page = bundle.path(README).read_text(encoding="utf-8")
    assert "**It was not run here: Core ML" in page and "`model.mlpackage` and `labels.txt`" in page
    assert "what the float network answers in the model's place" in page


def test_what_would_run_it_refuses(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(NotSetUp, match=r"coreml models are not run here: .*`edgefer app ios BUNDLE`"):
        load(bundle.path(bundle.manifest.model), "coreml")
    for command in ("verify", "bench"):
        done = edgefer(command, bundle.folder)
        assert isinstance(done.exception, EdgeferError), done.output
        assert done.exception.exit_code == NotSetUp.exit_code
        assert "golden pair hold" not in done.output


def test_an_ios_folder_of_it(bundle: Bundle, tmp_path: Path) -> None:
    app = write_ios(PhoneOptions(bundle.folder, tmp_path / "app"))
    assert {"Expressions/model.mlpackage/w.bin", "Expressions/labels.txt"} <= set(app.record.files)
    assert 'appendingPathComponent("model.mlmodelc")' in (app.folder / "Expressions" / "Expressions.swift").read_text()
    assert "nothing to install" in (app.folder / README).read_text()
    with pytest.raises(WrongOptions, match="is of the format coreml"):
        write_android(PhoneOptions(bundle.folder, tmp_path / "android"))


@pytest.mark.long
def test_coremltools_writes_half_precision_and_the_same_bytes_twice() -> None:
    pytest.importorskip("coremltools", reason="coremltools is not installed: pip install 'edgefer[coreml]'")
    from edgefer.pipeline.export import to_coreml

    made = job(True)
    network = FloatModel(made.arch, made.weights).prepared("fp16", None)
    files, again = (to_coreml.write(network, made.arch.crop, made.target) for _ in range(2))
    assert files == again
    assert to_coreml.tensors(files, made.target) == SPECS
    dtypes = to_coreml.dtypes(files, made.target)
    assert dtypes.operators["conv float16"] == 26
    assert {kind for kind in dtypes.operators if kind.endswith("float32")} == {"cast float32"}
