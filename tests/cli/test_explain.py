"""`edgefer explain`: figures that are whole, the same as JSON, and one line for what can't be explained."""

from __future__ import annotations

import json
from importlib import util
from pathlib import Path

import pytest
from PIL import Image

from edgefer.cli import common
from tests.cli.made import FP32, Run
from tests.data.made import write_image
from tests.made import write_csv, write_votes, write_weights


@pytest.fixture(scope="module")
def voted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = write_csv(tmp_path_factory.mktemp("voted") / "fer2013.csv")
    write_votes(path)
    return path


def _whole(path: Path) -> None:
    with Image.open(path) as image:
        image.load()
        assert image.width > 400 and image.height > 200


def test_blocks(run: Run, voted: Path, tmp_path: Path) -> None:
    pytest.importorskip("captum", reason="needs captum, which the extra explain brings")
    out, face = tmp_path / "looks.png", write_image(tmp_path / "face.png")
    assert run("explain", "blocks", face, "--arch", "ean", "--out", out).fine() == f"wrote {out}\n"
    _whole(out)
    ran = run("explain", "blocks", "--arch", "ean", "--data", voted, "--row", "3", "--out", out, "--json")
    record = json.loads(ran.out)
    assert [each["given"] for each in record["faces"]] == ["happy"] and len(record["blocks"]) == 6
    ran = run("explain", "blocks", face, "--arch", "ean", "--layer", "blok", "--out", out)
    ran.fails(3, "unknown layer 'blok'")
    run("explain", "blocks", tmp_path / "none.png", "--arch", "ean", "--out", out).fails(4, "can't open", "none.png")


def test_blocks_need_captum(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(util, "find_spec", lambda name: None if name == "captum" else True)
    ran = run("explain", "blocks", tmp_path / "face.png", "--arch", "ean", "--out", tmp_path / "looks.png")
    ran.fails(14, "the package captum is not installed", "pip install 'edgefer[explain]'")


def test_labels(run: Run, voted: Path, tmp_path: Path) -> None:
    out = tmp_path / "labels.svg"
    assert run("explain", "labels", "--data", voted, "--out", out).fine() == f"wrote {out}\n"
    assert "FER+ votes" in out.read_text()
    small = write_weights(tmp_path / "small.safetensors", "ean-noatt")
    ran = run("explain", "labels", "--data", voted, "--teacher", small, "--row", "3", "--out", out, "--json")
    (record,) = json.loads(ran.out)
    assert record["given"] == "happy" and sum(record["teacher, temperature 5"].values()) == pytest.approx(1, abs=1e-4)
    bare = write_csv(tmp_path / "bare.csv")
    run("explain", "labels", "--data", bare, "--out", out).fails(6, "no FER+ votes", "give --teacher")


def test_mistakes_of_a_network_and_of_its_bundle(run: Run, made: Path, voted: Path, tmp_path: Path) -> None:
    out = tmp_path / "mistakes.png"
    data = ("--data", voted, "--split", "PublicTest", "--count", "4", "--out", out)
    network = json.loads(run("explain", "mistakes", "--arch", "ean", *data, "--json").out)
    bundle = json.loads(run("explain", "mistakes", "--bundle", made / FP32, *data, "--json").out)
    assert [each["row"] for each in network] == [each["row"] for each in bundle] and len(network) == 4
    assert all(each["given"] != each["answer"] for each in network)
    _whole(out)
    assert "labelled" in run("explain", "mistakes", "--bundle", made / FP32, *data).fine()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("blocks", "--arch", "ean", "--out", "a.png"), "give FACEs, or --data"),
        (("blocks", "a.png", "--arch", "ean", "--out", "a.jpg"), "--out ends in .png or .svg"),
        (("mistakes", "--bundle", "b", "--arch", "ean", "--data", "d", "--out", "a.png"), "give one of the two"),
        (("mistakes", "--data", "d", "--out", "a.png"), "give one of --arch, --model and --onnx"),
    ],
)
def test_wrong_options(run: Run, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str) -> None:
    monkeypatch.setattr(common, "require_packages", lambda *names: None)
    ran = run("explain", *arguments)
    assert ran.code == 2 and words in ran.err
