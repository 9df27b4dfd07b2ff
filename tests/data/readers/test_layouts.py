"""Every row of the table of layouts, on a made set; then what is particular to one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from edgefer.data.dataset import Dataset
from edgefer.data.listing import Entry, Listing, ReadOptions, UnreadableFile
from edgefer.data.load import load, read_source
from edgefer.data.readers import LAYOUTS, detect, list_images
from edgefer.runtime.errors import BadData, EmptyData, MissingFile, UnknownName
from tests.data import made_layouts as made
from tests.data.made import fails, noise, one_line, save_turned, write_image, write_tree
from tests.data.made_layouts import MADE


def read(path: Path, layout: str | None) -> Dataset:
    """The data set at `path`, 48 x 48."""
    return load(path, options=ReadOptions(layout=layout))


def classes(data: Dataset) -> tuple[str, ...]:
    return tuple(data.names[k] for k in data.labels)


def test_every_layout_has_a_made_set() -> None:
    assert MADE.keys() == LAYOUTS.keys()


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_is_read_as_its_authors_hand_it_out(tmp_path: Path, name: str) -> None:
    expected = MADE[name]
    data = read(expected.write(tmp_path / "set"), name)
    assert classes(data) == expected.classes
    assert "".join("TVP"[k] for k in data.splits) == expected.splits
    assert (None if data.subjects is None else tuple(data.subjects)) == expected.subjects
    assert data.names == LAYOUTS[name].names and data.rows.tolist() == list(range(len(data)))
    assert data.pixels.shape[:3] == (len(data), 48, 48)
    taken = data.take(np.array([len(data) - 1, 0]))
    ends = None if expected.subjects is None else [expected.subjects[-1], expected.subjects[0]]
    assert (None if taken.subjects is None else taken.subjects.tolist()) == ends


@pytest.mark.parametrize(
    ("name", "orientation"), [*(("folders", number) for number in range(2, 9)), *((name, 6) for name in LAYOUTS)]
)
def test_pictures_of_every_layout_are_turned_upright(tmp_path: Path, name: str, orientation: int) -> None:
    path = MADE[name].write(tmp_path / "set")
    expected = read(path, name)
    for file in (file for file in path.rglob("*") if file.suffix.lower() in {".jpg", ".jpeg", ".png"}):
        with Image.open(file) as image:
            pixels = np.asarray(image)
        save_turned(file, pixels, orientation, "PNG")  # whose content counts, not its name
    assert np.array_equal(np.asarray(read(path, name).pixels), np.asarray(expected.pixels))


def test_ferplus_has_votes(tmp_path: Path) -> None:
    root = made.ferplus(tmp_path)
    votes = read(root, None).votes
    assert votes is not None and votes.shape == (3, 10) and votes[1].tolist() == [0, 0, 0, 0, 0, 0, 2, 8, 0, 0]
    (root / "FER2013Test" / "label.csv").write_text("e.png,1,2\n")
    with fails(BadData, 5, "FER2013Test/label.csv row 0: 'e.png,1,2'", "ten votes"):
        read(root, None)


def test_numbers_of_a_box_may_be_written_as_floats(tmp_path: Path) -> None:
    root = made.affectnet_csv(tmp_path, "1/3.jpg,4.0,10.,30.00,30,1;2,1,0.1,0.1")
    (box,) = (entry.box for entry in list_images(root, "affectnet-7") if isinstance(entry, Entry) and entry.split == 0)
    assert box == (4, 10, 30, 30)


def test_a_file_that_a_list_names_is_missing(tmp_path: Path) -> None:
    root = made.affectnet_csv(tmp_path, "1/gone.jpg,0,0,48,48,1;2,1,0.1,0.1")
    with fails(BadData, 5, "Manually_Annotated_Images/1/gone.jpg: missing"):
        read(root, "affectnet-7")
    root = made.raf_db(tmp_path / "raf")
    (root / "Image" / "aligned" / "test_0001_aligned.jpg").unlink()
    with fails(BadData, 5, "Image/aligned/test_0001_aligned.jpg: missing"):
        read(root, "raf-db")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_face_box_is_of_the_upright_picture(tmp_path: Path, orientation: int) -> None:
    root = made.affectnet_csv(tmp_path, "1/3.jpg,40,10,48,48,1;2,1,0.1,0.1")
    pixels = noise(7, 70, 90)
    save_turned(root / "Manually_Annotated_Images" / "1" / "3.jpg", pixels, orientation, "PNG")
    assert (read(root, "affectnet-7").pixels[0, ..., 0] == pixels[10:58, 40:88]).all()


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_is_recognised_for_certain_or_must_be_chosen(tmp_path: Path, name: str) -> None:
    path = MADE[name].write(tmp_path / "set")
    alike = [other for other in LAYOUTS if LAYOUTS[other].signs and MADE[other].write is MADE[name].write]
    if len(alike) < 2:
        assert detect(path) == (alike[0] if alike else "folders")
        return
    with fails(BadData, 5, "--layout NAME", *alike):
        read_source(path)


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_says_what_it_misses(tmp_path: Path, name: str) -> None:
    with fails(UnknownName, 3, "unknown layout", name):
        list_images(tmp_path, name + "x")
    with fails(MissingFile, 4, "not a folder"):
        list_images(tmp_path / "gone", name)
    with pytest.raises((BadData, EmptyData, MissingFile)) as caught:
        list_images(tmp_path, name)
    one_line(str(caught.value), str(tmp_path))


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_folder_that_leads_out_is_not_followed(tmp_path: Path, name: str) -> None:
    """A link in the place of any folder that is read, to the same files elsewhere, is refused or its images are."""
    outside = MADE[name].write(tmp_path / "outside")
    root = MADE[name].write(tmp_path / "root")
    whole = len(read_source(root, options=ReadOptions(layout=name)).readable())
    for folder in sorted(p.relative_to(root) for p in root.rglob("*") if p.is_dir())[:12]:
        (root / folder).rename(tmp_path / "away")
        (root / folder).symlink_to(outside / folder, target_is_directory=True)
        try:
            found = read_source(root, options=ReadOptions(layout=name))
        except BadData as error:
            one_line(str(error), "symbolic link", "leads out")
        else:
            other_light = name.startswith("oulu") and len(found.readable()) == whole
            assert len(found.unreadable) == whole - len(found.readable()) or other_light
            assert found.unreadable or other_light
        (root / folder).unlink()
        (tmp_path / "away").rename(root / folder)


def test_reading_and_folds_import_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\nfrom pathlib import Path\n"
        "from edgefer.data import cache, check, decode, folds\n"
        "from edgefer.data.load import load\n"
        "from edgefer.training import schedule\n"
        "decode.LARGE = 0; data = load(Path(sys.argv[1]))\n"
        "print(len(folds.as_splits(data, folds.assign(data, 2), 0).split('PrivateTest')))"
    )
    path = made.ck_plus(tmp_path / "set")
    environment = os.environ | {"EDGEFER_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-c", code, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "5\n" and list((tmp_path / "cache").glob("*/faces.npy"))


def test_affectnet_without_contempt_has_fer2013s_classes(tmp_path: Path) -> None:
    data = read(made.affectnet(tmp_path), "affectnet-7")
    data.require_every_class()
    assert "contempt" not in data.names


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("11", ("'11'", "0 to 10")),
        ("happy", ("'happy'",)),
        (1.5, ("'1.5'",)),
        (np.array([1, 2]), ("broken annotation",)),
        (np.array([{}], dtype=object), ("broken annotation", "pickle")),
    ],
)
def test_affectnet_with_a_broken_annotation(tmp_path: Path, value: object, words: tuple[str, ...]) -> None:
    write_image(tmp_path / "train_set" / "images" / "1.jpg")
    made.annotate(tmp_path / "train_set", "1", value)
    with fails(BadData, 5, "train_set/annotations/1_exp.npy", *words):
        read(tmp_path, "affectnet-8")


def test_affectnet_without_an_annotation(tmp_path: Path) -> None:
    write_image(made.affectnet(tmp_path) / "train_set" / "images" / "77.jpg")
    (tmp_path / "train_set" / "images" / "notes.txt").write_text("x")
    first, second = read_source(tmp_path, options=ReadOptions("affectnet-8")).unreadable
    one_line(first, "77_exp.npy", "every image needs one")
    one_line(second, "notes.txt", "not an image")


def test_affectnet_of_the_first_release(tmp_path: Path) -> None:
    rows = [f"1/{k}.jpg,8,4,32,40,1;2,{code},0,0" for k, code in enumerate((0, 7, 6))]
    made.affectnet_csv(tmp_path, *rows, "1/gone.jpg,NULL,NULL,NULL,NULL,,10,-2,-2", "1/x.jpg,0,0,1,1,,8,-2,-2")
    data = read(tmp_path, "affectnet-8")
    assert classes(data) == ("neutral", "contempt", "angry", "angry")
    assert data.splits.tolist() == [0, 0, 0, 2]
    assert classes(read(tmp_path, "affectnet-7")) == ("neutral", "angry", "angry")
    box = load(tmp_path, 40, ReadOptions("affectnet-8")).pixels[0][:, :, 0]
    assert np.corrcoef(box[:, ::5].ravel(), noise(0)[4:44, 8:40][:, ::4].ravel())[0, 1] > 0.5
    with fails(BadData, 5, "affectnet-7", "affectnet-8", "--layout NAME"):
        read_source(tmp_path)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("../../x.jpg,0,0,9,9,,1,0,0", ("'../../x.jpg'", "must lie below")),
        ("/etc/x.jpg,0,0,9,9,,1,0,0", ("'/etc/x.jpg'", "must lie below")),
        ("1/0.jpg,0,0,49,9,,1,0,0", ("face box (0, 0, 49, 9)", "48 x 48")),
        ("1/0.jpg,0,0,0,9,,1,0,0", ("face box (0, 0, 0, 9)",)),
        ("1/0.jpg,-1,0,9,9,,1,0,0", ("'-1 0 9 9'", "four numbers")),
        ("1/0.jpg,0,0,9,9,,11,0,0", ("'11'", "0 to 10")),
        ("1/gone.jpg,0,0,9,9,,1,0,0", ("1/gone.jpg", "not a regular file")),
        ("1/0.jpg", ("expression ''",)),
    ],
)
def test_affectnet_with_a_broken_row(tmp_path: Path, row: str, words: tuple[str, ...]) -> None:
    with fails(BadData, 5, *words):
        read(made.affectnet_csv(tmp_path, row), "affectnet-8")


def test_affectnet_of_both_releases_or_with_a_list_twice(tmp_path: Path) -> None:
    with fails(BadData, 5, "one release"):
        read(made.affectnet(made.affectnet_csv(tmp_path / "a")), "affectnet-8")
    twice = made.affectnet_csv(tmp_path / "b")
    (twice / "Manually_Annotated_file_lists").mkdir()
    (twice / "Manually_Annotated_file_lists" / "training.csv").write_text(made.CSV_HEADER)
    with fails(BadData, 5, "a list twice"):
        read(twice, "affectnet-8")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "training.csv").write_text("subDirectory_filePath,expression\n")
    with fails(BadData, 5, "lacks the columns face_x"):
        read(tmp_path / "c", "affectnet-8")


@pytest.mark.parametrize("text", ["8", "x", "", "1.5", "-1", "3e2"])
def test_ck_plus_with_a_broken_label(tmp_path: Path, text: str) -> None:
    made.ck_plus(tmp_path)
    (tmp_path / "Emotion/S005/001/S005_001_emotion.txt").write_text(text)
    with fails(BadData, 5, "S005_001_emotion.txt", repr(text), "0 to 7"):
        read(tmp_path, None)


def test_ck_plus_with_two_labels_or_no_frame(tmp_path: Path) -> None:
    made.ck_plus(tmp_path)
    (tmp_path / "Emotion/S005/001/b_emotion.txt").write_text("1")
    (tmp_path / "cohn-kanade-images/S005/003").mkdir()
    first, second = read_source(tmp_path).unreadable
    one_line(first, "Emotion/S005/001", "2 emotion files")
    one_line(second, "S005/003", "without a frame")


def test_kdef_with_foreign_names(tmp_path: Path) -> None:
    write_tree(made.kdef(tmp_path / "KDEF"), "AF01/AF02ANS.JPG", "AF01/AF01XXS.JPG")
    first, second = read_source(tmp_path).unreadable
    one_line(first, "KDEF/AF01/AF01XXS.JPG", "AF01ANS.JPG")
    one_line(second, "KDEF/AF01/AF02ANS.JPG", "AF01ANS.JPG")


def test_oulu_casia_twice_or_with_a_foreign_folder(tmp_path: Path) -> None:
    made.oulu_casia(tmp_path)
    (tmp_path / "B_OriginalImg/VL/Strong/P001/Bored").mkdir()
    (tmp_path / "B_OriginalImg/VL/Strong/P002/Fear/000.jpeg").rename(tmp_path / "B_OriginalImg/VL/Weak/x.jpeg")
    (only,) = read_source(tmp_path, options=ReadOptions("oulu-casia-vl-strong")).unreadable
    one_line(only, "P001/Bored", "P001/Anger", "surprise")
    assert len(read(tmp_path / "B_OriginalImg", "oulu-casia-ni-dark")) == 36
    write_image(tmp_path / "Cropped/VL/Strong/P001/Anger/000.jpeg")
    with fails(BadData, 5, "B_OriginalImg, Cropped", "give one of them"):
        read(tmp_path, "oulu-casia-vl-strong")


@given(
    st.lists(
        st.builds(
            Entry,
            st.text(min_size=1),
            st.integers(0, 7),
            st.integers(0, 2),
            st.text(max_size=3),
            st.tuples(*[st.integers(0, 9)] * 4),
        )
        | st.builds(UnreadableFile, st.text(), st.text())
    )
)
def test_a_listing_gives_back_what_it_was_given(found: list[Entry | UnreadableFile]) -> None:
    encodable = [each for each in found if isinstance(each, UnreadableFile) or each.path.isprintable()]
    kept = Listing(Path("x"), "folders", ("a",), encodable)
    assert list(kept) == encodable and len(kept) == len(encodable)
    entries = [each for each in encodable if isinstance(each, Entry)]
    assert (kept.subjects is None) == (not any(entry.subject for entry in entries))
