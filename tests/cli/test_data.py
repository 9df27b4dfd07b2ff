"""`edgefer data`: checks, layouts, folds, the cache."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgefer.data import decode
from edgefer.runtime.labels import LABELS
from tests.cli.made import Mount, Run
from tests.data import made_layouts
from tests.data.made import good_rows, row, write_image, write_rows, write_tree


def test_data_check(run: Run, csv: Path) -> None:
    assert "surprise" in run("data", "check", csv).fine()
    assert json.loads(run("data", "check", csv, "--json").fine())["images"] == 98


def test_data_check_of_broken_rows_prints_its_table(run: Run, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "fer2013.csv", [*good_rows(), row(label=9)])
    ran = run("data", "check", path)
    ran.fails(5, str(path), "mend or remove")
    assert "surprise" in ran.out and "label '9'" in ran.out
    ran = run("data", "check", path, "--json")
    ran.fails(5, str(path))
    assert len(json.loads(ran.out)["unreadable"]) == 1


def test_layouts_are_listed_and_chosen(run: Run, tmp_path: Path) -> None:
    assert "oulu-casia-vl-strong" in run("data", "layouts").fine()
    rows = {row["name"]: row for row in json.loads(run("data", "layouts", "--json").fine())}
    assert rows["affectnet-8"]["classes"][-1] == "contempt"
    path = made_layouts.affectnet(tmp_path)
    run("data", "check", path).fails(5, "affectnet-7, affectnet-8", "--layout NAME")
    assert json.loads(run("data", "check", path, "--layout", "affectnet-7", "--json").fine())["images"] == 8
    run("data", "check", path, "--layout", "affectnet").fails(3, "unknown layout 'affectnet'", "affectnet-8")
    run("eval", "--arch", "ean", "--data", path).fails(5, "--layout NAME")


def test_data_folds(run: Run, csv: Path, tmp_path: Path) -> None:
    path = made_layouts.ck_plus(tmp_path)
    shown = run("data", "folds", path, "--folds", "2").fine().splitlines()
    assert shown[0].split()[:3] == ["fold", "images", "subjects"] and len(shown) >= 3
    report = json.loads(run("data", "folds", path, "--folds", "2", "--json").fine())
    assert [(fold["images"], fold["subjects"]) for fold in report["folds"]] == [(5, 1), (4, 1)]
    assert (report["by"], report["seed"]) == ("subject", None)
    report = json.loads(run("data", "folds", csv, "--by", "image", "--seed", "3", "--json").fine())
    assert sum(fold["images"] for fold in report["folds"]) == 98 and report["folds"][0]["subjects"] is None
    run("data", "folds", csv).fails(5, "who is on an image", "--by image")
    run("data", "folds", path).fails(5, "10 folds of 2 subjects", "from 2 to 2")
    run("data", "folds", path, "--by", "person").fails(3, "person", "subject, image")


def test_a_large_folder_goes_through_the_cache(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "LARGE", 0)
    root = write_tree(tmp_path / "faces", *(f"train/{name}/[a].png" for name in LABELS))
    first = run("data", "check", root, "--cache", tmp_path / "kept")
    assert first.code == 0 and first.err.count("\n") == 1 and "decoding them once into" in first.err
    assert run("data", "check", root, "--cache", tmp_path / "kept").fine() == first.out
    assert list((tmp_path / "kept").glob("*/faces.npy"))


def test_a_cache_on_a_full_disk(run: Run, tmp_path: Path, mount: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for the faces were they grey, but they have colour: the disk is full in the middle."""
    monkeypatch.setattr(decode, "LARGE", 0)
    for name in LABELS:
        write_image(tmp_path / "faces" / name / "a.png", shape=(48, 48, 3))
    kept = mount("size=32k")
    ran = run("data", "check", tmp_path / "faces", "--cache", kept)
    assert ran.code == 13 and "disk is full" in ran.err.splitlines()[-1]
    assert [path.suffix for path in kept.rglob("*") if path.is_file()] in ([], [".lock"])


def test_data_check_of_nothing(run: Run, tmp_path: Path) -> None:
    run("data", "check", tmp_path / "none.csv").fails(4, "none.csv", "give a fer2013.csv")
    run("data", "check", tmp_path).fails(6, "holds no image")
