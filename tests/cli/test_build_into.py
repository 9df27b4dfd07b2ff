"""`edgefer build`: what comes out, and what is left when it can't."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import pytest

from edgefer.pipeline.export import import_exporter
from edgefer.runtime.bundle import MANIFEST
from tests.cli.made import BUILD, BUILD_INT8, FP32, INT8, Mount, Run, raising, whole


def test_build_replaces_a_bundle_whole_or_damaged(run: Run, quick: None, earlier: Path) -> None:
    (earlier / FP32 / "model.onnx").write_bytes(b"damaged")
    out = run(*BUILD, "--target", "onnx-int8", "--out", earlier).fine()
    assert out.count("next: edgefer verify") == 2
    found = json.loads(run(*BUILD, "--out", earlier, "--json").fine())
    assert found[0]["manifest"]["name"] == FP32
    whole(earlier, FP32, INT8)


THREE = (*BUILD_INT8, "--target", "onnx-fp32")  # the one that fails below is the first


def test_a_target_that_fails_does_not_take_the_others_with_it(
    run: Run, quick: None, earlier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter = import_exporter("onnx")
    monkeypatch.setattr(exporter, "to_qdq", raising(KeyError("no\nsuch scale")))
    ran = run(*THREE, "--out", earlier)
    ran.fails(9, f"{INT8}: the onnx converter stopped (KeyError: 'no\\nsuch scale')", "try another target")
    assert ran.out.startswith(f"built {earlier / FP32} ")
    whole(earlier, FP32)

    ran = run(*THREE, "--out", earlier, "--json")
    failed, built = json.loads(ran.out)
    assert (ran.code, failed["target"], failed["error"]["exit_code"]) == (9, "onnx-int8", 9)
    assert built["manifest"]["name"] == FP32


def test_all_failures_are_told_and_the_code_is_the_highest(
    run: Run, quick: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / FP32).write_text("mine")
    monkeypatch.setattr(import_exporter("onnx"), "to_qdq", raising(KeyError("scale")))  # 9, and a taken name is 13
    ran = run(*BUILD_INT8, "--target", "onnx-fp32", "--target", "onnx-int8", "--out", tmp_path)
    lines = ran.err.splitlines()
    assert (ran.code, len(lines)) == (13, 3)
    assert [name in line for name, line in zip((INT8, FP32, INT8), lines, strict=True)] == [True] * 3


def test_an_interrupt_stops_all_targets_and_keeps_what_is_finished(
    run: Run, quick: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_exporter("onnx"), "to_qdq", lambda *_: signal.raise_signal(signal.SIGINT))
    ran = run(*BUILD, "--target", "onnx-int8", "--target", "onnx-fp32", "--out", tmp_path)
    assert (ran.code, ran.out.count("built")) == (130, 1)
    whole(tmp_path, FP32)


def test_build_into_a_link(run: Run, quick: None, earlier: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / FP32).symlink_to(earlier / FP32)
    run(*BUILD, "--out", tmp_path / "out").fine()
    assert (tmp_path / "out" / FP32).is_symlink()
    whole(tmp_path / "out", FP32)
    whole(earlier, FP32)


@pytest.mark.parametrize("command", ["build", "train"])
def test_output_folder_is_a_file(run: Run, csv: Path, tmp_path: Path, command: str) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    line = BUILD if command == "build" else ("train", "--arch", "ean", "--data", csv)
    for out in (file, file / "deeper"):
        run(*line, "--out", out).fails(13, str(out), "is a file", "choose another folder")
    assert file.read_text() == "mine"


@pytest.mark.parametrize("name", ["notes.txt", "deep/notes.txt", MANIFEST])
def test_build_deletes_nothing_that_is_not_its_own(run: Run, tmp_path: Path, name: str) -> None:
    mine = tmp_path / FP32 / name
    mine.parent.mkdir(parents=True)
    mine.write_text('{"schema": "https://json-schema.org", "files": {}}')
    run(*BUILD, "--out", tmp_path).fails(13, str(mine), "move it away", "--out")
    assert mine.exists()


def test_build_deletes_nothing_that_was_put_into_a_bundle(run: Run, earlier: Path) -> None:
    notes = earlier / FP32 / "notes.txt"
    notes.write_text("mine")
    run(*BUILD, "--out", earlier).fails(13, "notes.txt", "move it away")
    notes.unlink()
    whole(earlier, FP32)


def test_build_where_a_file_has_the_name_of_the_bundle(run: Run, tmp_path: Path) -> None:
    (tmp_path / FP32).write_text("mine")
    run(*BUILD, "--out", tmp_path).fails(13, FP32, "move it away")
    assert (tmp_path / FP32).read_text() == "mine"


def test_build_into_a_read_only_folder(run: Run, mount: Mount, made: Path) -> None:
    place = mount("size=4m")
    shutil.copytree(made / FP32, place / FP32)
    mount("remount,ro")
    run(*BUILD, "--out", place).fails(13, str(place), "read-only", "choose another folder")
    run(*BUILD, "--out", place / "deeper").fails(13, "deeper", "read-only", "choose another folder")
    whole(place, FP32)


def test_build_into_a_full_folder(run: Run, quick: None, mount: Mount, made: Path) -> None:
    place = mount("size=352k")
    shutil.copytree(made / FP32, place / FP32)
    run(*BUILD, "--out", place).fails(13, str(place / FP32), "disk is full", "free some space")
    whole(place, FP32)
    run(*BUILD_INT8, "--out", place).fails(13, str(place / INT8), "disk is full")
    whole(place, FP32)


def test_train_into_a_full_folder(run: Run, mount: Mount, csv: Path) -> None:
    place = mount("size=64k")
    ran = run("train", "--arch", "ean", "--data", csv, "--epochs", 1, "--out", place)
    assert ran.code == 13
    assert "can't write" in ran.err.splitlines()[-1] and "disk is full" in ran.err.splitlines()[-1]
    assert list(place.iterdir()) == []
