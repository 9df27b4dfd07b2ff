"""What `make release` and `make licences` do, but for the building, which is run by hand."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = ("dev", "build")


def script(name: str) -> ModuleType:
    """A script of release/ as a module."""
    found = spec_from_file_location(name, ROOT / "release" / f"{name}.py")
    assert found is not None and found.loader is not None
    module = module_from_spec(found)
    found.loader.exec_module(module)
    return module


make, licences = script("make"), script("licences")


def lock(name: str) -> str:
    return (ROOT / "release" / f"{name}.lock").read_text()


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_has_a_checksum_of_every_package_and_no_cuda(name: str) -> None:
    text = lock(name)
    entries = re.split(r"^(?=\S+==)", text, flags=re.MULTILINE)[1:]
    assert len(entries) > 50
    assert all("--hash=sha256:" in entry for entry in entries)
    assert not {each for each in licences.locked(text) if re.match(r"nvidia|cuda|triton|torch$", each)}


def test_locks_agree_and_hold_what_the_extras_ask_for() -> None:
    dev, build = (set(re.findall(r"^(\S+==\S+) ; ", lock(name), re.MULTILINE)) for name in LOCKS)
    assert build < dev
    asked = licences.extras(PROJECT["project"])
    locked = set(licences.locked(lock("dev")))
    for package, extras in asked.items():
        if {*extras} & {"edgefer", "build", "train", "test", "predict", "web", "sign", "explain", "c"}:
            assert package in locked or package == "torch", package
    pins = dict(line.split("==") for line in PROJECT["project"]["optional-dependencies"]["build"] if "==" in line)
    for package, version in pins.items():
        assert f"{package}=={version}" in build


def test_the_page_of_licences_has_every_locked_package() -> None:
    page = (ROOT / "docs" / "licences.md").read_text()
    made = page.partition(licences.BEGIN)[2].partition(licences.END)[0]
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in made.splitlines() if line.startswith("| ")}
    wanted = {*licences.locked(lock("dev")), *licences.UNLOCKED}
    assert wanted - rows.keys() == set()
    assert not [line for line in rows.values() if "UNKNOWN" in line]


def test_a_table_of_licences() -> None:
    found = [
        {"Name": "Typing_Extensions", "Version": "1.0", "License": "MIT|PSF\nand its whole text"},
        {"Name": "Strict", "Version": "2", "License": "Mozilla Public License 2.0 (MPL 2.0)"},
        {"Name": "other", "Version": "3", "License": ""},
        {"Name": "left-out", "Version": "3", "License": "MIT"},
    ]
    made = licences.table(found, ["typing-extensions", "strict", "other"], {"strict": ["predict", "test"]})
    assert made.splitlines()[2:] == [
        "| other | 3 | **UNKNOWN** | another package |",
        "| strict | 2 | **Mozilla Public License 2.0 (MPL 2.0)** | predict, test |",
        "| typing-extensions | 1.0 | MIT or PSF | another package |",
    ]
    page = f"before\n{licences.BEGIN}old\n{licences.END}after\n"
    once = licences.replaced(page, made)
    assert once == f"before\n{licences.BEGIN}\n{made}\n{licences.END}after\n" == licences.replaced(once, made)


def wheel(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return path


def test_a_wheel_holds_what_git_knows(tmp_path: Path) -> None:
    tracked = [
        "edgefer/a.py",
        "targets/t.toml",
        "benchmarks/results/r.json",
        "benchmarks/other.json",
        "LICENSE",
        "Makefile",
    ]
    wanted = make.expected(tracked, PROJECT)
    assert wanted == {"edgefer/a.py", "edgefer/targets/t.toml", "edgefer/benchmarks/results/r.json", "edgefer/LICENSE"}
    info = "edgefer-1.dist-info/METADATA"
    assert make.wheel_faults(wheel(tmp_path / "good.whl", *wanted, info), wanted) == []
    faults = make.wheel_faults(wheel(tmp_path / "bad.whl", "edgefer/__pycache__/a.pyc", "faces.csv", info), wanted)
    assert "edgefer/__pycache__/a.pyc is not in git" in faults and "edgefer/a.py is missing" in faults
    assert "faces.csv is of a kind that does not ship (KINDS of release/make.py)" in faults


def test_every_tracked_file_is_of_a_kind_that_ships(tmp_path: Path) -> None:
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.splitlines()
    if not tracked:
        pytest.skip("needs the clone's git")
    wanted = make.expected(tracked, PROJECT)
    assert make.wheel_faults(wheel(tmp_path / "whole.whl", *wanted), wanted) == []


def test_builds_that_differ_are_named() -> None:
    assert make.unequal({"a": b"1", "b": b"2"}, {"a": b"1", "b": b"3", "c": b""}) == ["b", "c"]
    assert make.unequal({"a": b"1"}, {"a": b"1"}) == []


def test_sums_are_those_of_sha256sum(tmp_path: Path) -> None:
    files = {"b.whl": b"1", "a.json": b"2"}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / make.SUMS).write_text(make.sums(files))
    subprocess.run(["sha256sum", "--check", "--strict", make.SUMS], cwd=tmp_path, check=True, capture_output=True)


def test_a_bill_names_the_weights() -> None:
    bill = json.loads(make.with_weights({"components": [{"name": "numpy"}]}, {"ean.safetensors": b"w"}))
    weights = bill["components"][1]
    assert (weights["name"], weights["type"]) == ("ean.safetensors", "machine-learning-model")
    assert weights["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(b"w").hexdigest()}]


def test_a_dirty_tree_is_refused(tmp_path: Path) -> None:
    for line in (
        ["init", "--quiet"],
        ["-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "--quiet", "--allow-empty", "-m", "x"],
    ):
        subprocess.run(["git", *line], cwd=tmp_path, check=True)
    (tmp_path / "new").write_text("")
    with pytest.raises(make.Refused, match="not as committed"):
        make.release(tmp_path, tmp_path / "dist", sys.executable)
    assert not (tmp_path / "dist").exists()
    with pytest.raises(make.Refused, match="failed"):
        make.run([sys.executable, "-c", "raise SystemExit('no')"], tmp_path)
