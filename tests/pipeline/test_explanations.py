"""What explanations say: mistakes in their order, votes, rows, and a user's own network by its author's names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import save_file

from edgefer.data.load import load
from edgefer.pipeline import explanations
from edgefer.pipeline.options import BuildOptions
from edgefer.pipeline.original import OriginalNetwork, load_original
from edgefer.runtime.errors import EmptyData, MissingFile, UnknownName, WrongOptions
from edgefer.runtime.labels import LABELS
from edgefer.training.explanation_plots import MOST_FACES
from edgefer.training.figures import render, shortened
from edgefer.training.grad_cam import blocks
from tests.data.made import write_image
from tests.made import write_csv, write_votes
from tests.pipeline.user_model import nets


@pytest.fixture(scope="module")
def csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = write_csv(tmp_path_factory.mktemp("faces") / "fer2013.csv")
    write_votes(path)
    return path


@pytest.fixture(scope="module")
def ean() -> OriginalNetwork:
    return load_original(BuildOptions(targets=(), arch="ean"))


def test_the_first_of_each_class_or_the_rows_that_are_named(csv: Path) -> None:
    data = load(csv)
    assert list(explanations.choose(data, "PublicTest", ()).labels) == list(range(7))
    named = explanations.choose(data, "PublicTest", (70, 3))
    assert list(named.rows) == [70, 3]
    with pytest.raises(WrongOptions, match=r"--row 5000: .* its rows go from 0 to 97"):
        explanations.choose(data, "PublicTest", (5000,))
    with pytest.raises(WrongOptions, match=f"at most {MOST_FACES}"):
        explanations.choose(data, "PublicTest", range(MOST_FACES + 1))


def test_mistakes_are_the_most_confident_first(csv: Path) -> None:
    test = load(csv).split("PublicTest")
    probabilities = np.full((len(test), 7), 0.01, np.float32)
    probabilities[np.arange(len(test)), test.labels] = 0.94  # all are right but three
    for place, confidence in ((4, 0.5), (9, 0.9), (2, 0.7)):
        wrong = (test.labels[place] + 1) % 7
        probabilities[place] = 0.02
        probabilities[place, wrong] = confidence
    figure, record = explanations.explain_mistakes("made", probabilities, test, 2, "PublicTest")
    assert [each["row"] for each in record] == [test.rows[9], test.rows[2]]
    assert record[0]["given"] == LABELS[test.labels[9]] and record[0]["answer"] == LABELS[(test.labels[9] + 1) % 7]
    assert record[0]["probabilities"][record[0]["answer"]] == pytest.approx(0.9)
    assert sum(record[0]["votes"].values()) == 10
    assert "3 mistakes on 21 images of PublicTest" in figure.get_suptitle()
    table = explanations.mistakes_table(record, lambda heads, rows: repr((heads, rows)))
    assert "'FER+ votes'" in table and "90.0 %" in table
    right = np.eye(7, dtype=np.float32)[test.labels]
    with pytest.raises(EmptyData, match="there is no mistake to show"):
        explanations.explain_mistakes("made", right, test, 2, "PublicTest")


def test_votes_stand_beside_labels(csv: Path) -> None:
    chosen = explanations.choose(load(csv), "PublicTest", ())
    _, record = explanations.explain_labels(chosen, (), 5, "made.csv")
    assert record[3]["given"] == "happy"
    assert record[3]["FER+ votes"] == pytest.approx({**dict.fromkeys(LABELS, 0), "happy": 0.8, "neutral": 0.2})
    with pytest.raises(EmptyData, match="no FER\\+ votes for its classes, and no teacher is given"):
        explanations.explain_labels(replace(chosen, votes=None), (), 5, "made.csv")


def test_faces_in_files(ean: OriginalNetwork, tmp_path: Path) -> None:
    pytest.importorskip("captum", reason="needs captum, which the extra explain brings")
    odd = write_image(tmp_path / "$\\frac{a}$ \N{CJK UNIFIED IDEOGRAPH-9854} <b>.png", shape=(90, 70, 3))
    faces = explanations.read_faces([odd, write_image(tmp_path / "grey.png")], 48)
    figure, record = explanations.explain_blocks(ean, faces, "sad")
    assert [each["face"] for each in record["faces"]] == [odd.name, "grey.png"]
    assert len(record["blocks"]) == 6 and all(each["given"] is None for each in record["faces"])
    assert render(figure, "png").startswith(b"\x89PNG"), "no formula is read from a file's name"
    headings = [axes.get_title() for axes in figure.axes]
    assert "blocks.0\n8 x 22 x 22" in headings
    with pytest.raises(UnknownName, match="unknown label 'joy'"):
        explanations.explain_blocks(ean, faces, "joy")
    with pytest.raises(MissingFile):
        explanations.read_faces([tmp_path / "none.png"], 48)


def test_the_original_answers_as_the_folded_network(ean: OriginalNetwork, csv: Path) -> None:
    from edgefer.pipeline.float_model import FloatModel
    from edgefer.runtime.preprocess import centre_crop, to_rgb
    from edgefer.training.weights import load_trained_model

    faces = load(csv).split("PublicTest").pixels[:]
    folded = FloatModel(ean.arch, load_trained_model(ean.arch, None))
    expected = folded.answers(np.ascontiguousarray(to_rgb(centre_crop(faces, 44))))
    np.testing.assert_allclose(ean.probabilities(faces), expected, atol=1e-5)
    assert ean.shown(faces).shape == (21, 44, 44, 3)


def test_long_names_keep_their_end() -> None:
    assert shortened("a\nb") == "a b"
    assert shortened("x" * 40 + "7.png", 10) == "\N{HORIZONTAL ELLIPSIS}xxxx7.png"


def test_a_network_of_the_users_own_keeps_its_names(tmp_path: Path) -> None:
    weights = tmp_path / "w.safetensors"
    options = BuildOptions(
        targets=(), model=f"{nets.__name__}:colour", weights=weights, input="3x40x40", labels=nets.LABELS
    )
    save_file(nets.colour().state_dict(), weights)
    original = load_original(options)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 40, 40, 3), dtype=np.uint8)
    assert original.probabilities(pixels).shape == (3, 5)
    names = [each.name for each in blocks(original.root, original.run, original.inputs(pixels))]
    assert names and set(names) < {name for name, _ in nets.colour().named_modules()}
