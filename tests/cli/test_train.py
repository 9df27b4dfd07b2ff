"""`edgefer train` and `eval`."""

from __future__ import annotations

import json
from pathlib import Path

from edgefer.data.dataset import SPLITS
from edgefer.runtime.files import sha256
from tests.cli.made import SHIPPED, Run, raising
from tests.data.made import row, write_rows, write_tree
from tests.made import write_csv


def test_train_and_eval(run: Run, csv: Path, tmp_path: Path) -> None:
    ran = run("train", "--arch", "ean", "--data", csv, "--epochs", 1, "--threads", 1, "--out", tmp_path / "new")
    assert (
        ran.code == 0
        and ".safetensors has the weights" in ran.out
        and "% centre crop," in ran.out
        and "% ten crops" in ran.out
    )
    line = ("eval", "--arch", "ean", "--data", csv, "--weights", tmp_path / "new" / "ean.safetensors")
    assert "on PrivateTest, 21 images" in run(*line).fine()
    assert json.loads(run(*line, "--json").fine())["scores"]["unseen_images"] == 21
    assert "ten crops" in run(*line, "--ten-crop").fine()


def test_train_on_a_fold(run: Run, csv: Path, tmp_path: Path) -> None:
    line = ("train", "--arch", "microexpnet-xxs", "--data", csv, "--epochs", 1, "--threads", 1, "--out", tmp_path)
    found = json.loads(run(*line, "--fold", 2, "--folds", 7, "--by", "image", "--json").out)
    assert found["data"]["images"] == {"Training": 70, "PublicTest": 14, "PrivateTest": 14}
    assert "--fold 2 --folds 7 --by image" in found["command"]
    run(*line, "--fold", 9, "--folds", 7, "--by", "image").fails(5, "no fold 9", "from 0 to 6")
    run(*line, "--fold", 0).fails(5, "does not say who is on an image")


def test_train_where_nothing_chooses(run: Run, tmp_path: Path) -> None:
    csv = write_csv(tmp_path / "fer2013.csv", {"Training": 10, "PrivateTest": 2})
    line = ("train", "--arch", "microexpnet-xxs", "--data", csv, "--epochs", 1, "--threads", 1, "--out", tmp_path)
    run(*line).fails(6, "no PublicTest image", "--hold-out 10")
    found = json.loads(run(*line, "--hold-out", 5, "--json").out)
    assert found["data"]["images"] == {"Training": 56, "PublicTest": 14, "PrivateTest": 14}
    assert "--hold-out 5" in found["command"]


def test_train_without_a_class(run: Run, tmp_path: Path) -> None:
    names = [f"{split}/{name}/{k}.png" for split in ("train", "val") for name in ("angry", "happy") for k in range(5)]
    data = write_tree(tmp_path / "set", *names)
    (data / "train" / "happy" / "broken.png").write_bytes(b"")
    line = ("train", "--arch", "microexpnet-xxs", "--data", data, "--epochs", 1, "--threads", 1, "--out", tmp_path)
    more = ("--skip-unreadable", 1)
    ran = run(*line, *more)
    assert ran.code == 6 and "no image of class disgust, fear" in ran.err and "--allow-missing-classes" in ran.err
    record = json.loads(run(*line, *more, "--allow-missing-classes", "--json").out)
    assert record["data"]["missing_classes"] == ["disgust", "fear", "sad", "surprise", "neutral"]
    assert record["data"]["skipped"] == 1 and record["private"] is None
    assert "--allow-missing-classes --skip-unreadable 1" in record["command"]
    build = ("build", "--arch", "microexpnet-xxs", "--weights", tmp_path / "microexpnet-xxs.safetensors")
    target = ("--target", "onnx-int8", "--out", tmp_path / "dist", "--calibration", data, *more)
    assert "no image of class disgust, fear" in run(*build, *target).err
    run(*build, *target, "--allow-missing-classes")
    built = json.loads((tmp_path / "dist" / "microexpnet-xxs.onnx-int8" / "build.json").read_text())
    assert built["training"]["data"] == record["data"]


def test_train_from_weights_that_ship(run: Run, csv: Path, tmp_path: Path) -> None:
    line = ("train", "--arch", "ean", "--data", csv, "--epochs", 1, "--threads", 1, "--out", tmp_path, "--pretrained")
    found = json.loads(run(*line, "ean", "--json").out)
    assert "--pretrained ean " in found["command"]
    assert found["pretrained"] == {"file": SHIPPED.name, "sha256": sha256(SHIPPED)}
    run(*line, "lcnn").fails(8, "lcnn.safetensors holds the weights of another network")
    run(*line, "een").fails(4, "no weights at een", "what ships by its name (ean, lcnn, ")
    run(*line, tmp_path / "none.safetensors").fails(4, "no weights at", "give a .safetensors file")


def test_eval_on_images_that_training_holds_too(run: Run, tmp_path: Path) -> None:
    rows = [row(k % 7, usage=usage, seed=k) for usage in ("Training", "PrivateTest") for k in range(7)]
    path = write_rows(tmp_path / "fer2013.csv", rows)
    found = run("eval", "--arch", "ean", "--data", path, "--json").fine()
    assert json.loads(found, parse_constant=raising(ValueError("not JSON")))["scores"]["unseen"] is None
    assert "does not hold" not in run("eval", "--arch", "ean", "--data", path).fine()


def test_train_and_eval_without_what_they_need(run: Run, csv: Path, tmp_path: Path) -> None:
    for command in ("train", "eval"):
        line = (command, "--arch", "ean", "--data")
        run(*line, tmp_path / "none").fails(4, "no data at", "give a fer2013.csv")
        run(*line, write_rows(tmp_path / "broken.csv", [row(label=9)])).fails(5, "label '9'", "0..6", "data check")
        run(*line, write_csv(tmp_path / "public.csv", {"PublicTest": 1})).fails(6, "no ")
    run("eval", "--arch", "model_f", "--data", csv).fails(4, "ships no weights for model_f")
    lacking = write_rows(tmp_path / "lacking.csv", [row(k, usage=u, seed=k) for k in range(6) for u in SPLITS])
    out = tmp_path / "out"
    run("train", "--arch", "ean", "--data", lacking, "--out", out).fails(6, "class neutral", "at least one")
    assert not out.exists()
