"""`edgefer build`: what goes in."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file, save_file

from edgefer.training import weights
from tests.cli.made import BUILD, BUILD_INT8, FP32, RANGES, SHIPPED, Run, raising, whole
from tests.data.made import write_tree
from tests.made import write_csv, write_weights


def write_ranges(path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """The recorded ranges of the shipped weights, changed."""
    content = json.loads(RANGES.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return path


def test_build_with_wrong_weights(run: Run, earlier: Path, tmp_path: Path) -> None:
    path, build = tmp_path / "w.safetensors", (*BUILD, "--out", earlier, "--weights")
    run(*build, path).fails(4, "no weights at", "w.safetensors", "give a .safetensors file")
    run(*build, tmp_path).fails(4, "no weights at")
    run(*build, write_weights(path, "model_f")).fails(8, "another network", "--arch")
    for size, says in ((20_000, "not as it was written"), (4, "not a whole safetensors file"), (0, "not a whole")):
        path.write_bytes(SHIPPED.read_bytes()[:size])
        run(*build, path).fails(8, says, "get or train it again")
    whole(earlier, FP32)


def test_build_with_weights_that_can_not_be_read(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "load", raising(PermissionError(errno.EACCES, "Permission denied")))
    run(*BUILD).fails(4, "ean.safetensors", "Permission denied", "give a .safetensors file")


def test_build_with_weights_that_are_not_numbers(run: Run, tmp_path: Path) -> None:
    tensors = load_file(SHIPPED)
    tensors[min(tensors)][:] = float("nan")
    save_file(tensors, tmp_path / "w.safetensors")
    run(*BUILD, "--weights", tmp_path / "w.safetensors", "--out", tmp_path / "dist").fails(8, "nan", "train")
    assert not (tmp_path / "dist").exists()


def test_build_calibrated_on_too_little(run: Run, tmp_path: Path) -> None:
    faces, out = tmp_path / "faces", tmp_path / "dist"
    build = (*BUILD_INT8, "--out", out, "--calibration")
    run(*build, faces).fails(4, "no calibration data at", "give a fer2013.csv")
    faces.mkdir()
    run(*build, faces).fails(6, "holds no image", "angry/*.jpg")
    write_tree(faces, "angry/a.png")
    run(*build, faces).fails(7, "1 Training face", "at least 2")
    write_tree(faces, "angry/b.png", "happy/c.png")
    run(*build, faces).fails(6, "no image of class disgust", "every one of angry")
    no_training = write_csv(tmp_path / "fer2013.csv", {"PublicTest": 1})
    run(*build, no_training).fails(6, "no Training image")
    assert not out.exists()


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (lambda c: c.update(weights_sha256="0" * 64), 7, ("the weights 000000000000", "--calibration")),
        (lambda c: c.update(engine="tflite"), 7, ("the engine tflite", "not onnx")),
        (lambda c: c.update(arch="model_f"), 7, ("the network model_f", "not ean")),
        (lambda c: c.update(schema="edgefer/calibration/9"), 7, ("edgefer/calibration/9", "edgefer/calibration/1")),
        (lambda c: c["ranges"].update(pixels=[0.0, float("nan")]), 7, ("0.0 to nan", "tensor pixels", "finite")),
        (lambda c: c["ranges"].update(pixels=[5.0, 1.0]), 7, ("5.0 to 1.0", "hold 0")),
        (lambda c: c["ranges"].update(pixels=[1.0]), 16, ("CalibrationRecord", "ranges")),
        (lambda c: c.pop("engine"), 16, ("engine", "correct it")),
        (lambda c: c.update(face="x.png"), 16, ("face", "has the keys")),
    ],
)
def test_build_from_wrong_recorded_ranges(
    run: Run, tmp_path: Path, change: Callable[[dict[str, Any]], object], code: int, words: tuple[str, ...]
) -> None:
    path = write_ranges(tmp_path / "r.json", change)
    run(*BUILD_INT8, "--calibration", path, "--out", tmp_path / "dist").fails(code, "r.json", *words)
    assert not (tmp_path / "dist").exists()


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "null", '"text"', "\0"])
def test_build_from_recorded_ranges_that_are_none(run: Run, tmp_path: Path, text: str) -> None:
    (tmp_path / "r.json").write_text(text)
    run(*BUILD_INT8, "--calibration", tmp_path / "r.json", "--out", tmp_path / "dist").fails(16, "r.json", "again")


def test_build_from_ranges_that_lack_a_tensor(run: Run, quick: None, tmp_path: Path) -> None:
    path = write_ranges(tmp_path / "r.json", lambda c: c["ranges"].pop("pixels"))
    run(*BUILD_INT8, "--calibration", path, "--out", tmp_path / "dist").fails(7, "tensor pixels", "--calibration PATH")
    assert not (tmp_path / "dist").exists()


def test_build_of_an_untrained_network_needs_calibration(run: Run, tmp_path: Path) -> None:
    for name, words in (("ean", "belong to the weights"), ("model_f", "ships no activation ranges for model_f")):
        path = write_weights(tmp_path / "w.safetensors", name)
        build = ("build", "--arch", name, "--target", "onnx-int8", "--weights", path, "--out", tmp_path / "dist")
        run(*build).fails(7, words, "calibrate with --calibration PATH")
    run("build", "--arch", "model_f", "--target", "onnx-fp32").fails(4, "ships no weights for model_f", "edgefer train")
