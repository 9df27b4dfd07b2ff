"""`edgefer predict`, and `Classifier.predict`."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import edgefer
from edgefer.data import decode
from edgefer.pipeline import shipped
from edgefer.runtime.errors import MissingEngine
from edgefer.runtime.golden import golden_picture, golden_png
from edgefer.runtime.labels import LABELS
from tests.cli.made import FP32, Run, raising
from tests.data.made_photographs import Bright, write_photographs
from tests.runtime.made_video import FRAMES, write_video
from tests.runtime.test_bundle_damage import edit


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    path.write_bytes(golden_png())
    return path


def test_predict_is_classify_where_the_picture_is_a_face(run: Run, made: Path, photo: Path) -> None:
    answer = edgefer.load(made / FP32).classify(photo)
    (line,) = run("predict", photo, "--bundle", made / FP32, "--detector", "none", "--json").fine().splitlines()
    frame = json.loads(line)
    (face,) = frame.pop("faces")
    assert frame == {"source": str(photo), "frame": 0, "seconds": None, "width": 96, "height": 96}
    assert face["label"] == answer.label and face["box"] == [0, 0, 96, 96] and face["framing"] == "bundle"
    assert face["probabilities"] == {label: round(value, 6) for label, value in answer.probabilities.items()}


def test_predict_with_a_bundle_of_an_earlier_version(run: Run, earlier: Path, photo: Path) -> None:
    edit(earlier / FP32, lambda content: content["contract"].pop("face_maps"))
    out = run("predict", photo, "--bundle", earlier / FP32, "--detector", "none", "--json").fine()
    (face,) = json.loads(out)["faces"]
    assert face["framing"] == "edgefer"


def test_predict_in_python(made: Path, photo: Path) -> None:
    classifier = edgefer.load(made / FP32)
    for image in (golden_picture(), photo, str(photo)):
        (face,) = classifier.predict(image, detector="none")
        assert face.probabilities == classifier.classify(image).probabilities
        assert face.box == (0, 0, 96, 96)
    (grey,) = classifier.predict(golden_picture()[..., 0], detector="none")
    assert grey.probabilities == classifier.classify(golden_picture()[..., 0]).probabilities
    mirrored = np.ascontiguousarray(golden_picture()[:, ::-1])
    (one,), (other,) = (classifier.predict(i, "none", mirror=True) for i in (golden_picture(), mirrored))
    assert list(one.probabilities.values()) == pytest.approx(list(other.probabilities.values()), abs=1e-6)


def test_predict_prints_a_table(run: Run, made: Path, photo: Path) -> None:
    out = run("predict", photo, "--bundle", made / FP32, "--detector", "none").fine()
    header, _, row, speed = out.splitlines()
    assert header.split() == ["picture", "face", "box", "expression", *LABELS]
    assert row.split()[:4] == [str(photo), "1", "0,0", "96x96"]
    assert "1 frame, 1 face in" in speed and "decode" in speed and "draw" in speed


def test_predict_csv_has_no_formulas(
    run: Run, made: Path, photo: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    photo.rename("=1+1,2.png")
    out = run("predict", "=1+1,2.png", "--bundle", made / FP32, "--detector", "none", "--csv").fine()
    header, row = csv.reader(out.splitlines())
    assert len(header) == len(row) and header[-7:] == list(LABELS)
    assert row[0] == "'=1+1,2.png" and row[header.index("left")] == "0.0"
    Path("=1+1,2.png").rename("two\nlines.png")
    out = run("predict", "two\nlines.png", "--bundle", made / FP32, "--detector", "none", "--csv").fine()
    assert [each[0] for each in csv.reader(io.StringIO(out, newline=""))] == ["source", "two\nlines.png"]


def test_predict_tells_of_bad_pictures_and_goes_on(run: Run, made: Path, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "notes.txt").touch()
    ran = run("predict", tmp_path, "--bundle", made / FP32, "--detector", "none", "--json", "--out", tmp_path / "out")
    assert ran.code == 5
    left, failed = ran.err.splitlines()
    assert left.startswith("left out, because it is no picture") and left.endswith("notes.txt (1 in all)")
    assert failed.startswith("edgefer: ") and "empty.png is broken" in failed
    bad, good = map(json.loads, ran.out.splitlines())
    assert bad["source"].endswith("empty.png") and bad["error"]["exit_code"] == 5
    assert good["source"] == str(photo)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["photo.png"]


def test_predict_wrong_options(run: Run, made: Path, photo: Path, tmp_path: Path) -> None:
    for words in ((), (photo, "--json", "--csv")):
        assert run("predict", *words).code == 2
    run("predict", tmp_path / "none.png", "--bundle", made / FP32).fails(4, "no picture, video or folder at")
    run("predict", photo, "--bundle", tmp_path / "none", "--detector", "none").fails(4, "no bundle at")
    run("predict", photo, "--bundle", made / FP32, "--detector", "hare").fails(3, "unknown detector", "haar")


def test_predict_without_a_camera(run: Run, made: Path) -> None:
    pytest.importorskip("cv2", reason="needs opencv-python-headless: pip install 'edgefer[predict]'")
    run("predict", "--camera", "97", "--bundle", made / FP32, "--detector", "none").fails(30, "no camera 97")


def test_predict_a_video(run: Run, made: Path, tmp_path: Path) -> None:
    video = write_video(tmp_path / "v.mp4")
    lines = run("predict", video, "--bundle", made / FP32, "--detector", "none").fine().splitlines()
    assert len(lines) == FRAMES + 1
    assert lines[1].startswith(f"{video} 0.10 s: face 1 ") and lines[1].endswith("at 0,0 64x48")


def test_predict_needs_no_torch(made: Path, photo: Path) -> None:
    code = (
        "import sys; from edgefer.cli import main\n"
        f"sys.argv = ['edgefer', 'predict', {str(photo)!r}, '--bundle', {str(made / FP32)!r}, '--detector', 'none']\n"
        "main()\n"
        "print(sorted({'torch', 'cv2', 'onnx', 'matplotlib'} & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


@pytest.mark.usefixtures("quick")
def test_the_shipped_network_is_built_once(
    run: Run, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipped, "TARGET", "onnx-fp32")
    monkeypatch.setattr(shipped, "cache_folder", lambda: tmp_path / "cache")
    first = run("predict", photo, "--detector", "none", "--json")
    assert first.code == 0 and first.err.count("\n") == 1 and "building the shipped ean" in first.err
    assert run("predict", photo, "--detector", "none", "--json").fine() == first.out


def test_without_the_half_that_builds(run: Run, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(shipped, "build_bundles", raising(MissingEngine.of("torch", "build")))
    ran = run("predict", photo, "--detector", "none")
    assert ran.code == 14
    assert "no --bundle given" in ran.err.splitlines()[-1] and "edgefer[build]" in ran.err.splitlines()[-1]


def test_eval_and_verify_count_the_faces_that_are_not_found(
    run: Run, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decode, "load_detector", lambda name: Bright())
    root = write_photographs(tmp_path, *(f"test/{label}/{name}.png" for label in LABELS for name in ("a", "empty")))
    line = ("verify", made / FP32, "--data", root, "--float", made / FP32, "--detector", "haar")
    accuracy = json.loads(run(*line, "--json").fine())[0]["accuracy"]
    found, all_of_them = accuracy["artifact"], accuracy["detection"]
    assert (found["images"], all_of_them["images"], all_of_them["found"]) == (7, 14, 7)
    assert all_of_them["accuracy"] == pytest.approx(found["accuracy"] / 2, abs=0.001)
    words = f"haar found a face in 7 of 14 photographs: {found['accuracy']:.2f} % of the found ones are right"
    assert f"{FP32}: {words}" in run(*line).fine()
    scored = ("eval", "--arch", "ean", "--data", root, "--detector", "haar")
    record = json.loads(run(*scored, "--json").fine())
    assert (record["scores"]["images"], record["detection"]["images"]) == (7, 14)
    assert words in run(*scored).fine()
    assert run(*scored, "--robustness").code == 2
