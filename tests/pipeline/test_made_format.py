"""A new format is two modules, the sections of its page and one row: one is added here, and every row is whole."""

from __future__ import annotations

import json
import os
import shutil
import tomllib
from dataclasses import replace
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

from edgefer.cli import cli
from edgefer.pipeline import bundle_readme
from edgefer.pipeline.targets import all_targets, get_target
from edgefer.runtime.bundle import README, read_bundle
from edgefer.runtime.engines import ENGINES, UNRUN
from tests.pipeline import made_format

TEMPLATES = Path(str(resources.files("edgefer.pipeline") / "templates"))
HERE = Path(made_format.__file__).parent
TARGET = replace(get_target("onnx-fp32"), format="made", file="model.npz", needs="numpy")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The format's row, its target and its templates, here and in the workers that this process starts."""
    monkeypatch.setitem(ENGINES, "made", made_format.ROW)
    monkeypatch.setitem(all_targets(), "made-fp32", TARGET)
    pages = shutil.copytree(TEMPLATES, tmp_path / "templates")
    shutil.copytree(HERE / "templates", pages, dirs_exist_ok=True)
    monkeypatch.setattr(bundle_readme, "TEMPLATES", pages)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE / "site"), str(HERE.parents[2])]))


def edgefer(*words: object) -> str:
    done = CliRunner().invoke(cli, list(map(str, words)), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.usefixtures("made")
def test_a_made_format_is_built_verified_and_benched(tmp_path: Path) -> None:
    torch.manual_seed(0)
    save_file(made_format.network().state_dict(), tmp_path / "w.safetensors")
    network = ("--model", "tests.pipeline.made_format:network", "--weights", tmp_path / "w.safetensors")
    contract = ("--input", "1x8x8", "--labels", "happy,sad,angry", "--name", "made-network")
    edgefer("build", *network, *contract, "--target", "made-fp32", "--out", tmp_path / "dist")
    bundle = read_bundle(tmp_path / "dist" / "made-network.made-fp32")
    assert bundle.manifest.golden.distance < 1e-5
    assert bundle.manifest.versions.keys() == {"torch", "numpy"}
    page = (bundle.folder / README).read_text(encoding="utf-8")
    assert "`model.npz` in swift: no library reads it." in page
    assert "An app needs `model.npz` and `labels.txt`" in page

    assert "golden pair hold" in edgefer("verify", bundle.folder)

    record = tmp_path / "record.json"
    edgefer("bench", bundle.folder, "--processes", 1, "--samples", 3, "--save-baseline", record)
    (result,) = json.loads(record.read_text(encoding="utf-8"))["results"]
    assert result["bundle"] == "made-network.made-fp32"
    assert result["runs"][0]["engine"] == "numpy"
    assert len(result["runs"][0]["samples"]) == 3


@pytest.mark.parametrize("name", ENGINES)
def test_a_row_has_its_modules_templates_and_packages(name: str) -> None:
    row = ENGINES[name]
    assert row.name == name
    assert ENGINES[row.ranges].ranges == row.ranges
    assert find_spec(row.runner) is not None
    assert find_spec(row.exporter) is not None
    project = tomllib.loads((HERE.parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {key: {_name(each) for each in value} for key, value in project["optional-dependencies"].items()}
    assert extras[name] & {package.name for package in row.packages}
    assert set(row.converters) <= extras["build"] | extras["train"] | {"litert-converter"}  # litert-torch brings it
    targets = [target for target in all_targets().values() if target.format == name]
    assert targets
    assert {Path(target.file).suffix for target in targets} == {row.suffixes[0]}
    for language in bundle_readme.LANGUAGES:
        assert (TEMPLATES / f"{name}-{language}.md").is_file()
        if any(target.io == "int8" for target in targets):
            second = (TEMPLATES / f"{name}-{language}-int8.md").is_file()
            assert second != (language in row.int8_sections)


def test_every_template_belongs_to_a_row() -> None:
    names = {path.name.partition("-")[0] for path in TEMPLATES.glob("*-*.md")}
    assert names == (ENGINES | UNRUN).keys()


def _name(requirement: str) -> str:
    return requirement.partition(">")[0].partition("=")[0]
