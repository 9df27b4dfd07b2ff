"""Class sets: folders of eight classes, numbered ones, and what --classes states."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgefer.data.check import check, render
from edgefer.data.classes import KNOWN, ORDERS, parse
from edgefer.data.dataset import Dataset
from edgefer.data.listing import ReadOptions
from edgefer.data.load import load
from edgefer.data.readers import ckplus
from edgefer.data.readers.affectnet import CODES
from edgefer.data.readers.rafdb import NUMBERED
from edgefer.runtime.errors import BadData, BadRecord, MissingFile, WrongOptions
from edgefer.runtime.labels import LABELS
from tests.data import made_layouts
from tests.data.made import fails, good_rows, names_of, one_line, write_rows, write_tree


def read(path: Path, classes: str) -> tuple[Dataset, list[str]]:
    """The data set with --classes, and what is said."""
    said: list[str] = []
    return load(path, options=ReadOptions(classes=parse(classes), say=said.append)), said


@pytest.mark.parametrize("above", [".", "train"])
def test_a_folder_of_contempt_makes_eight_classes(tmp_path: Path, above: str) -> None:
    write_tree(tmp_path / above, *(f"{name}/a.png" for name in (*LABELS[:3], "Contempt")))
    data = load(tmp_path)
    assert data.names == KNOWN == (*LABELS, "contempt")
    assert names_of(data) == ["contempt", "angry", "disgust", "fear"]


def test_orders_are_those_of_the_readers() -> None:
    assert tuple(ORDERS["affectnet"].values()) == CODES and tuple(ORDERS["ck+"].values()) == ckplus.CODES
    assert {number: LABELS.index(name) for number, name in ORDERS["raf-db"].items()} == NUMBERED
    ferplus = "neutral happy surprise sad angry disgust fear contempt"
    assert list(ORDERS["ferplus"].values()) == ferplus.split() and list(ORDERS["ferplus"]) == [*"01234567"]


@pytest.mark.parametrize("order", ORDERS)
def test_the_order_of_numbered_folders_is_stated(tmp_path: Path, order: str) -> None:
    write_tree(tmp_path, *(f"train/{number}/a.png" for number in ORDERS[order]))
    data, said = read(tmp_path, order)
    assert names_of(data) == list(ORDERS[order].values()) and said == []
    assert data.names == KNOWN[: len(ORDERS[order])]


@pytest.mark.parametrize(
    ("numbers", "order"), [(range(7), "FER2013's (0 angry"), (range(1, 8), "RAF-DB's (1 surprise")]
)
def test_the_order_that_was_assumed_is_said(tmp_path: Path, numbers: range, order: str) -> None:
    write_tree(tmp_path, *(f"train/{number}/a.png" for number in numbers))
    said: list[str] = []
    load(tmp_path, options=ReadOptions(say=said.append))
    one_line(said[0], order, "--classes affectnet")
    assert said[0] in render(check(tmp_path)).splitlines()


def test_eight_numbered_folders_need_their_order(tmp_path: Path) -> None:
    write_tree(tmp_path, *(f"{number}/a.png" for number in range(8)))
    with fails(BadData, 5, "unknown class folder '7'", "0..6", "--classes affectnet, ferplus or ck+"):
        load(tmp_path)


def test_near_names(tmp_path: Path) -> None:
    with fails(BadData, 5, "unknown class folder 'hapy' (did you mean happy?)", "--classes"):
        load(write_tree(tmp_path, "hapy/a.png"))


def test_a_list_states_order_and_fewer(tmp_path: Path) -> None:
    write_tree(tmp_path, *(f"train/{name}/a.png" for name in LABELS), "train/sad/b.png")
    data, said = read(tmp_path, "neutral,Happiness,angry")
    assert data.names == ("neutral", "Happiness", "angry")
    assert names_of(data) == ["angry", "Happiness", "neutral"] and data.rows.tolist() == [0, 3, 4]
    assert [line.split(": ", 1)[1] for line in said] == [
        f"{2 if name == 'sad' else 1} images of class {name} are left out"
        for name in ("disgust", "fear", "sad", "surprise")
    ]
    assert render(check(tmp_path, ReadOptions(classes=parse("neutral,happy")))).count("left out") == 5


def test_a_list_states_other_names(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "named", "Bored/a.png", "engaged/a.png")
    data, _ = read(folder, "engaged,bored")
    assert data.names == ("engaged", "bored") and names_of(data) == ["bored", "engaged"]
    with fails(BadData, 5, "unknown class folder 'engaged'", "(did you mean engagd?)"):
        read(folder, "engagd,bored")
    numbered = write_tree(tmp_path / "numbered", "1/a.png", "2/a.png")
    assert names_of(read(numbered, "engaged,bored")[0]) == ["engaged", "bored"]
    assert names_of(read(write_tree(tmp_path / "from 0", "0/a.png", "1/a.png"), "a,b")[0]) == ["a", "b"]
    with fails(BadData, 5, "1, 2", "numbers of 3 classes"):
        read(numbered, "a,b,c")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.toml", '[classes]\nno = "negative"\nyes = "positive"\nmaybe = ""\nja = "positive"\n'),
        ("a.json", '{"classes": {"No": "negative", "yes": "positive", "maybe": "", "ja": "positive"}}'),
    ],
)
def test_a_file_maps_folders_to_classes(tmp_path: Path, name: str, text: str) -> None:
    write_tree(tmp_path / "set", "No/a.png", "yes/a.png", "ja/a.png", "maybe/a.png")
    (tmp_path / name).write_text(text)
    data, said = read(tmp_path / "set", str(tmp_path / name))
    assert data.names == ("negative", "positive")
    assert sorted(names_of(data)) == ["negative", "positive", "positive"] and len(said) == 1
    write_tree(tmp_path / "set", "perhaps/a.png")
    with fails(BadData, 5, "says nothing of the class 'perhaps'", 'as ""'):
        read(tmp_path / "set", str(tmp_path / name))


def test_other_layouts_and_the_csv_have_stated_classes_too(tmp_path: Path) -> None:
    data, _ = read(write_rows(tmp_path / "a.csv", good_rows(14)), "sad,happy")
    assert data.names == ("sad", "happy") and names_of(data) == ["happy", "sad"] * 2
    data, _ = read(made_layouts.ck_plus(tmp_path / "ck"), "contempt,disgust")
    assert names_of(data) == ["disgust"] * 3 + ["contempt"] * 3
    with fails(BadData, 5, "angry"):
        read(made_layouts.ck_plus(tmp_path / "again"), "affectnet")


@pytest.mark.parametrize("text", ["happy", "happy,", "happy,Happiness", "affectnt"])
def test_lists_that_are_none(text: str) -> None:
    with fails(WrongOptions, 2, text, "affectnet"):
        parse(text)


def test_files_that_are_none(tmp_path: Path) -> None:
    with fails(MissingFile, 4, "gone.toml"):
        parse(str(tmp_path / "gone.toml"))
    for text, word in (("[classes", "is not TOML"), ("a = 1", "classes"), ("[classes]\na = 1", "classes")):
        (tmp_path / "a.toml").write_text(text)
        with fails(BadRecord, 16, "a.toml", word):
            parse(str(tmp_path / "a.toml"))
    (tmp_path / "a.json").write_text('{"classes": ')
    with fails(BadRecord, 16, "is not JSON"):
        parse(str(tmp_path / "a.json"))
    (tmp_path / "a.json").write_text('{"classes": {"a": "b"}}')
    with fails(BadRecord, 16, "less than two"):
        parse(str(tmp_path / "a.json"))
