"""Image folders: every layout, and everything that can lie about in one."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from edgefer.data.dataset import SPLITS, Dataset
from edgefer.data.listing import ReadOptions
from edgefer.data.load import load, read_source
from edgefer.runtime.errors import BadData, EmptyData, MissingFile
from edgefer.runtime.labels import LABELS
from tests.data.made import fails, noise, one_line, write_image, write_tree

TRAINING, PUBLIC, PRIVATE = range(3)


def _labels(data: Dataset) -> list[str]:
    return [data.names[k] for k in data.labels]


@pytest.mark.parametrize(
    ("folders", "splits"),
    [
        (("train", "val", "test"), (TRAINING, PUBLIC, PRIVATE)),
        (("TRAIN", "Valid", "Test"), (TRAINING, PUBLIC, PRIVATE)),
        (("Training", "PublicTest", "PrivateTest"), (TRAINING, PUBLIC, PRIVATE)),
        (("train", "validation"), (TRAINING, PUBLIC)),
        (("train", "test"), (TRAINING, PRIVATE)),
        (("DATASET/train", "DATASET/test"), (TRAINING, PRIVATE)),
    ],
)
def test_split_folders(tmp_path: Path, folders: tuple[str, ...], splits: tuple[int, ...]) -> None:
    data = load(write_tree(tmp_path, *(f"{folder}/angry/a.png" for folder in folders)))
    assert dict(zip(data.rows.tolist(), data.splits.tolist(), strict=True)) == {
        row: split for row, (_, split) in enumerate(sorted(zip(folders, splits, strict=True)))
    }
    assert data.names == LABELS


def test_without_split_folders_everything_is_training(tmp_path: Path) -> None:
    data = load(write_tree(tmp_path, *(f"{name}/{k}.png" for name in LABELS for k in range(2))))
    assert set(data.splits) == {TRAINING} and len(data) == 14
    assert _labels(data) == [name for name in sorted(LABELS) for _ in range(2)]
    data.require_every_class()


def test_rows_follow_the_sorted_paths(tmp_path: Path) -> None:
    write_tree(tmp_path, "sad/b.png", "angry/2.png", "sad/a.png", "angry/10.png")
    data = load(tmp_path)
    assert data.rows.tolist() == [0, 1, 2, 3]
    for seed, row in ((3, 0), (1, 1), (2, 2), (0, 3)):
        assert (data.pixels[row, ..., 0] == noise(seed)).all()


@pytest.mark.parametrize(
    ("folder", "label"),
    [("Anger", "angry"), ("HAPPINESS", "happy"), ("sadness", "sad"), ("Fear", "fear"), ("surprised", "surprise")],
)
def test_names_of_classes(tmp_path: Path, folder: str, label: str) -> None:
    assert _labels(load(write_tree(tmp_path, f"{folder}/a.png"))) == [label]


def test_numbers_from_0_are_fer2013s(tmp_path: Path) -> None:
    assert _labels(load(write_tree(tmp_path, *(f"train/{k}/a.png" for k in range(7))))) == list(LABELS)


def test_numbers_up_to_7_are_rafdbs(tmp_path: Path) -> None:
    write_tree(tmp_path, *(f"train/{k}/a.jpg" for k in range(1, 8)), "test/3/a.jpg")
    data = load(tmp_path)
    order = ["surprise", "fear", "disgust", "happy", "sad", "angry", "neutral"]
    assert _labels(data) == ["disgust", *order]


def test_numbers_without_0_and_7_are_ambiguous(tmp_path: Path) -> None:
    write_tree(tmp_path, "train/1/a.png", "train/6/a.png")
    with fails(BadData, 5, "1, 6", "FER2013", "0..6", "RAF-DB", "1..7", "add the missing folder"):
        load(tmp_path)
    (tmp_path / "train" / "7").mkdir()
    assert _labels(load(tmp_path)) == ["surprise", "angry"]


@pytest.mark.parametrize(
    ("folders", "words"),
    [
        (("angry", "bored"), ("'bored'", "angry", "neutral")),
        (("angry", "3"), ("'3'", "angry", "neutral")),
        (("0", "7"), ("'7'", "0..6")),
        (("7", "8"), ("'8'", "1..7")),
        (("1", "8"), ("'8'", "0..6")),
        (("0", "01"), ("'01'", "0..6")),
        (("angry", "१"), ("'१'", "neutral")),
        (("angry", "a\nb"), (r"'a\nb'", "angry")),
    ],
)
def test_unknown_class(tmp_path: Path, folders: tuple[str, ...], words: tuple[str, ...]) -> None:
    write_tree(tmp_path, *(f"train/{folder}/a.png" for folder in folders))
    with fails(BadData, 5, "unknown class folder", *words):
        load(tmp_path)


def test_other_folder_beside_splits(tmp_path: Path) -> None:
    with fails(BadData, 5, "models", "train, training, val", "rename or move it"):
        load(write_tree(tmp_path, "train/angry/a.png", "models/angry/a.png"))


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG", ".png", ".Bmp", ".webp"])
@pytest.mark.parametrize("shape", [(48, 48, 3), (100, 31, 3), (1, 1, 3)])
def test_formats_and_sizes(tmp_path: Path, suffix: str, shape: tuple[int, ...]) -> None:
    path = tmp_path / "happy" / f"a{suffix}"
    write_image(path, 5, shape)
    data = load(tmp_path, size=32)
    assert data.pixels.shape == (1, 32, 32, 3)
    with Image.open(path) as image:
        expected = np.asarray(image.convert("RGB").resize((32, 32), Image.Resampling.BILINEAR))
    assert (data.pixels[0] == expected).all()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "I;16"])
def test_grey_modes_stay_grey(tmp_path: Path, mode: str) -> None:
    (tmp_path / "fear").mkdir()
    grey = Image.fromarray(noise(1, 30, 30))
    image = Image.fromarray(noise(1, 30, 30).astype(np.uint16) * 256) if mode == "I;16" else grey.convert(mode)
    image.save(tmp_path / "fear" / "a.png")
    data = load(tmp_path)
    assert data.pixels.shape == (1, 48, 48, 1)
    if mode != "1":
        assert (data.pixels[0, ..., 0] == np.asarray(grey.resize((48, 48), Image.Resampling.BILINEAR))).all()


def test_one_colour_image_makes_the_set_colour(tmp_path: Path) -> None:
    write_image(tmp_path / "sad" / "a.png", 0, (48, 48))
    write_image(tmp_path / "sad" / "b.png", 1, (48, 48, 3))
    data = load(tmp_path)
    assert data.pixels.shape == (2, 48, 48, 3)
    assert (data.pixels[0] == noise(0)[..., None]).all()


def test_broken_image_and_text_file_are_problems(tmp_path: Path) -> None:
    write_tree(tmp_path, "train/angry/a.png", "train/angry/z.png")
    broken = write_image(tmp_path / "train" / "angry" / "broken.jpg")
    broken.write_bytes(broken.read_bytes()[:-200])
    (tmp_path / "train" / "angry" / "notes.txt").write_text("notes")
    (tmp_path / "train" / "angry" / "fake.png").write_text("no image")
    (tmp_path / "train" / "angry" / "inner").mkdir()
    with fails(BadData, 5, "train/angry/broken.jpg", "broken image", "(and 3 more)", "edgefer data check"):
        load(tmp_path)
    found = read_source(tmp_path)
    assert found.readable().rows.tolist() == [0, 5]
    one_line(found.unreadable[1], "train/angry/fake.png", "PNG")
    one_line(found.unreadable[2], "train/angry/inner", "folder", "must be an image")
    one_line(found.unreadable[3], "train/angry/notes.txt", "not an image", ".jpg")


def test_what_systems_leave_behind_is_ignored(tmp_path: Path) -> None:
    write_tree(tmp_path, "angry/a.png", ".git/a.png", "__MACOSX/angry/a.png", "angry/.hidden.png")
    for name in ("Thumbs.db", "desktop.ini", ".DS_Store"):
        (tmp_path / "angry" / name).write_bytes(b"x")
    (tmp_path / "labels.csv").write_text("a list beside the class folders is no image")
    assert len(load(tmp_path)) == 1


@pytest.mark.parametrize("stray", ["a.png", "train/a.png"])
def test_image_outside_of_the_class_folders(tmp_path: Path, stray: str) -> None:
    write_tree(tmp_path, "train/angry/a.png", stray)
    with fails(BadData, 5, f": {stray}: an image outside of the class folders"):
        load(tmp_path)


def test_images_alone_are_no_layout(tmp_path: Path) -> None:
    with fails(BadData, 5, "a.jpg", "outside of the class folders", "(and 1 more)"):
        load(write_tree(tmp_path, "a.jpg", "b.jpg"))


@pytest.mark.parametrize("folders", [(), ("train",), ("angry", "sad"), ("train/angry", "test/angry")])
def test_empty_folder(tmp_path: Path, folders: tuple[str, ...]) -> None:
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
    with fails(EmptyData, 6, "holds no image", "angry/*.jpg", "train/angry/*.jpg", "RAF-DB"):
        load(tmp_path)


def test_class_without_an_image(tmp_path: Path) -> None:
    write_tree(tmp_path, *(f"{name}/a.png" for name in LABELS[2:]))
    (tmp_path / "angry").mkdir()
    with fails(EmptyData, 6, "no image of class angry, disgust", "every one of", "neutral"):
        load(tmp_path).require_every_class()


def test_missing_split(tmp_path: Path) -> None:
    with fails(EmptyData, 6, "has no PublicTest image"):
        load(write_tree(tmp_path, "train/angry/a.png", "test/angry/a.png")).split("PublicTest")


def test_links_that_lead_out_are_not_followed(tmp_path: Path) -> None:
    outside = write_tree(tmp_path / "outside", "angry/a.png")
    root = write_tree(tmp_path / "root", "angry/a.png")
    (root / "angry" / "out.png").symlink_to(outside / "angry" / "a.png")
    (root / "angry" / "within.png").symlink_to(root / "angry" / "a.png")
    (root / "angry" / "gone.png").symlink_to(root / "nothing.png")
    (root / "angry" / "loop.png").symlink_to(root / "angry" / "loop.png")
    found = read_source(root)
    assert len(found.readable()) == 2
    gone, loop, out = found.unreadable
    one_line(gone, "angry/gone.png", "not a regular file")
    one_line(loop, "angry/loop.png", "not a regular file")
    one_line(out, "angry/out.png", "symbolic link", "leads out")


@pytest.mark.parametrize("link", ["sad", "test"])
def test_folder_that_leads_out_is_refused(tmp_path: Path, link: str) -> None:
    outside = write_tree(tmp_path / "outside", "angry/a.png")
    root = write_tree(tmp_path / "root", "train/angry/a.png" if link == "test" else "angry/a.png")
    (root / link).symlink_to(outside / "angry" if link == "sad" else outside, target_is_directory=True)
    with fails(BadData, 5, f"{link} is a symbolic link that leads out"):
        load(root)


def test_links_that_lead_out_are_followed_on_demand(tmp_path: Path) -> None:
    outside = write_tree(tmp_path / "outside", "angry/a.png", "happy/a.png")
    root = write_tree(tmp_path / "root", "train/sad/a.png")
    (root / "train" / "sad" / "out.png").symlink_to(outside / "angry" / "a.png")
    with fails(BadData, 5, "train/sad/out.png", "--follow-links"):
        load(root)
    (root / "train" / "happy").symlink_to(outside / "happy", target_is_directory=True)
    with fails(BadData, 5, "train/happy is a symbolic link that leads out", "--follow-links"):
        load(root)
    followed = ReadOptions(follow_links=True)
    assert _labels(load(root, options=followed)) == ["happy", "sad", "sad"] and "--follow-links" in followed.words
    (root / "train" / "sad" / "gone.png").symlink_to(outside / "gone.png")
    with fails(BadData, 5, "train/sad/gone.png", "a link to a missing file"):
        load(root, options=followed)


def test_the_root_itself_may_be_a_link(tmp_path: Path) -> None:
    write_tree(tmp_path / "root", "angry/a.png")
    (tmp_path / "link").symlink_to(tmp_path / "root")
    assert len(load(tmp_path / "link")) == 1


def test_pipe_is_not_waited_for(tmp_path: Path) -> None:
    write_tree(tmp_path, "angry/a.png")
    os.mkfifo(tmp_path / "angry" / "pipe.png")
    with fails(BadData, 5, "angry/pipe.png", "not a regular file"):
        load(tmp_path)


@pytest.mark.parametrize("limit", [2000, 1000])  # 48 x 48 is over one limit (a warning) or over its double (an error)
def test_decompression_bomb(tmp_path: Path, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tree(tmp_path, "angry/a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with fails(BadData, 5, "angry/a.png", "decompression bomb"):
        load(tmp_path)


def test_odd_file_names_stay_on_one_line(tmp_path: Path) -> None:
    write_tree(tmp_path, "angry/a.png")
    (tmp_path / "angry" / "a\nb.txt").write_text("")
    (tmp_path / "angry" / os.fsdecode(b"\xe9.txt")).write_text("")
    first, second = read_source(tmp_path).unreadable
    one_line(first, r"'angry/a\nb.txt'", "not an image")
    one_line(second, r"\udce9.txt", "not an image")


def test_unreadable_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tree(tmp_path, "angry/a.png")

    def refuse(folder: Path) -> None:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(os, "listdir", refuse)
    with fails(MissingFile, 4, "can't open", "Permission denied"):
        load(tmp_path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(suffix=st.sampled_from(["jpg", "png", "bmp", "webp"]), seed=st.integers(0, 2**32 - 1), cut=st.booleans())
def test_damaged_image_is_a_face_or_a_problem(tmp_path: Path, suffix: str, seed: int, cut: bool) -> None:
    random = np.random.default_rng(seed)
    path = write_image(tmp_path / suffix / "angry" / f"a.{suffix}", shape=(20, 20, 3))
    content = bytearray(path.read_bytes())
    for place in random.integers(0, len(content), random.integers(1, 8)):
        content[place] = random.integers(0, 256)
    path.write_bytes(content[: int(random.integers(0, len(content)))] if cut else content)
    found = read_source(tmp_path / suffix)
    assert found.total == 1
    for problem in found.unreadable:
        one_line(problem, f"angry/a.{suffix}")


def _rafdb(root: Path, lines: str, *images: str) -> Path:
    write_tree(root / "Image", *images)
    (root / "EmoLabel").mkdir(parents=True)
    (root / "EmoLabel" / "list_patition_label.txt").write_text(lines)
    return root


@pytest.mark.parametrize("above", ["", "basic"])
def test_rafdb_as_handed_out(tmp_path: Path, above: str) -> None:
    lines = "train_00002.jpg 7\ntrain_00001.jpg 5\r\n\ntest_0001.jpg 1\n"
    images = ("aligned/test_0001_aligned.jpg", "aligned/train_00001_aligned.jpg", "aligned/train_00002_aligned.jpg")
    _rafdb(tmp_path / above, lines, *images, "original/train_00001.jpg")
    data = load(tmp_path)
    assert _labels(data) == ["surprise", "sad", "neutral"]
    assert [SPLITS[k] for k in data.splits] == ["PrivateTest", "Training", "Training"]
    assert data.rows.tolist() == [0, 1, 2]
    assert np.corrcoef(data.pixels[2].ravel(), noise(2).ravel())[0, 1] > 0.9


def test_rafdb_without_aligned_faces_reads_the_originals(tmp_path: Path) -> None:
    assert len(load(_rafdb(tmp_path, "train_00001.jpg 5\n", "original/train_00001.jpg"))) == 1


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("train_00001.jpg 8", ("'train_00001.jpg 8'", "1..7")),
        ("train_00001.jpg", ("'train_00001.jpg'", "1..7")),
        ("val_00001.jpg 5", ("'val_00001.jpg 5'", "1..7")),
        ("train_../../../x.jpg 5", ("'train_../../../x.jpg 5'", "1..7")),
        ("train_00002.jpg 5", ("train_00002_aligned.jpg", "not a regular file")),
        ("train_00001.jpg 5\ntrain_00001.jpg 4", ("'train_00001.jpg'", "twice")),
    ],
)
def test_rafdb_with_a_broken_line(tmp_path: Path, line: str, words: tuple[str, ...]) -> None:
    with fails(BadData, 5, *words):
        load(_rafdb(tmp_path, line, "aligned/train_00001_aligned.jpg"))


def test_rafdb_without_images_or_lines(tmp_path: Path) -> None:
    _rafdb(tmp_path / "a", "train_00001.jpg 5\n")
    with fails(BadData, 5, "Image has neither aligned nor original"):
        load(tmp_path / "a")
    _rafdb(tmp_path / "b", "\n", "aligned/train_00001_aligned.jpg")
    with fails(EmptyData, 6, "names no image", "train_00001.jpg 5"):
        load(tmp_path / "b")
