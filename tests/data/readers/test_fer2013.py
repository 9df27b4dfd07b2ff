"""fer2013.csv: every form it comes in, and every way it can be broken."""

from __future__ import annotations

import csv
import errno
import gzip
import io
import lzma
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgefer.data.check import check
from edgefer.data.dataset import SPLITS
from edgefer.data.listing import UnreadableFile
from edgefer.data.load import load
from edgefer.data.readers import fer2013
from edgefer.data.readers.fer2013 import SIDE, read_csv, read_votes
from edgefer.data.source_files import rows_of
from edgefer.runtime.errors import BadData, EdgeferError, EmptyData, MissingFile
from edgefer.runtime.labels import FERPLUS, FERPLUS_NAME, LABELS
from tests.data.made import HEADER, fails, good_rows, noise, one_line, row, text, write_image, write_rows, write_votes


def _gz(path: Path, content: bytes) -> None:
    path.write_bytes(gzip.compress(content))


def _xz(path: Path, content: bytes) -> None:
    path.write_bytes(lzma.compress(content))


def _zip(path: Path, content: bytes) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("fer2013/fer2013.csv", content)


def _plain(path: Path, content: bytes) -> None:
    path.write_bytes(content)


PIXELS = text(np.zeros((48, 48), np.uint8))
packings = pytest.mark.parametrize("pack", [_plain, _gz, _xz, _zip])
Pack = Callable[[Path, bytes], None]


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "fer2013.csv", good_rows())


def test_pixels_labels_and_splits_come_out_as_written(good: Path) -> None:
    data = load(good)
    assert data.pixels.shape == (7, SIDE, SIDE, 1) and data.pixels.dtype == np.uint8
    assert (data.pixels[4, ..., 0] == noise(4)).all()
    assert data.labels.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert data.splits.tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert data.rows.tolist() == list(range(7))
    assert data.votes is None


@packings
@pytest.mark.parametrize("name", ["fer2013.csv", "fer2013.csv.gz", "fer2013.csv.xz", "fer2013.zip", "other"])
def test_packing_is_told_by_content_not_by_name(tmp_path: Path, good: Path, pack: Pack, name: str) -> None:
    content = good.read_bytes()
    pack(tmp_path / name, content)
    assert (load(tmp_path / name).pixels[6, ..., 0] == noise(6)).all()


def test_folder_with_a_csv_is_that_csv(good: Path) -> None:
    assert len(load(good.parent)) == 7


def test_size_is_the_side_of_the_faces(good: Path) -> None:
    assert load(good, size=20).pixels.shape == (7, 20, 20, 1)


@pytest.mark.parametrize(
    ("header", "end"),
    [("emotion, pixels , usage", "\n"), (HEADER, "\r\n"), (HEADER, "\r"), ("\ufeff" + HEADER, "\n"), (HEADER, "\n\n")],
)
def test_harmless_variants_work(tmp_path: Path, header: str, end: str) -> None:
    assert len(load(write_rows(tmp_path / "a.csv", good_rows(), header, end))) == 7


def test_quoted_pixels_blanks_and_other_column_order_work(tmp_path: Path) -> None:
    pixels = text(noise(0))
    path = write_rows(tmp_path / "a.csv", [f'3, Training ,"  {pixels}\n "'], header="emotion, Usage, pixels")
    assert (load(path).pixels[0, ..., 0] == noise(0)).all()


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (row(pixels=text(noise(0)).rsplit(" ", 1)[0]), ("2303 pixels", "2304")),
        (row(pixels=text(noise(0)) + " 1"), ("2305 pixels", "2304")),
        (row(pixels=""), ("0 pixels", "2304")),
        (row(pixels=" \t "), ("0 pixels", "2304")),
        (row(pixels=" ".join(["0"] * 2303 + ["300"])), ("pixel '300'", "0..255")),
        (row(pixels=" ".join(["0"] * 2303 + ["9" * 400])), ("pixel '9999", "...'", "0..255")),
        (row(pixels=" ".join(["-1"] * 2304)), ("pixel '-1'", "0..255")),
        (row(pixels=" ".join(["12.5"] * 2304)), ("pixel '12.5'", "0..255")),
        (row(pixels=" ".join(["1_0"] * 2304)), ("pixel '1_0'", "0..255")),
        (row(pixels=" ".join(["१"] * 2304)), ("pixel '१'", "0..255")),
        (row(pixels="\u00a0".join(["1"] * 2304)), ("pixel ", "0..255")),
        (row(pixels=" ".join(["1"] * 2303) + " \0"), ("pixel ", "x00", "0..255")),
        (row(label=9), ("label '9'", "0..6")),
        (row(label=-1), ("label '-1'", "0..6")),
        (row(label=""), ("label ''", "0..6")),
        (row(label="१"), ("label '१'", "0..6")),
        (row(label="9" * 5000), ("label '9999", "...'", "0..6")),
        (row(label='"a\nb"'), (r"label 'a\nb'", "0..6")),
        (row(usage="Test"), ("Usage 'Test'", "Training, PublicTest, PrivateTest")),
        (row(usage="\x1b[2J"), ("Usage '\\x1b[2J'", "Training")),
        ("3,1 2 3", ("2 columns", "3")),
    ],
    ids=lambda v: v[0][:20] if isinstance(v, tuple) else "",
)
def test_broken_row_is_one_line_with_row_value_and_what_is_allowed(
    tmp_path: Path, bad: str, words: tuple[str, ...]
) -> None:
    path = write_rows(tmp_path / "a.csv", [*good_rows(2), bad, bad])
    with fails(BadData, 5, "a.csv", "row 2", "(and 1 more)", "edgefer data check", *words):
        load(path)
    assert len(read_csv(path).faces) == 2


def test_latin_1_byte_breaks_its_row_only(tmp_path: Path, good: Path) -> None:
    good.write_bytes(good.read_bytes() + b"3,1 2 3,Tr\xe4ning\n")
    scan = read_csv(good)
    assert len(scan.faces) == 7
    one_line(scan.unreadable[0], "row 7", "Usage 'Tr")


def test_missing_file(tmp_path: Path) -> None:
    for name in ("nothing.csv", "x" * 1000):  # longer than a name can be, shorter than a line of a failure
        with fails(MissingFile, 4, str(tmp_path / name)):
            load(tmp_path / name)


def test_no_permission(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *_: Any, **__: Any) -> IO[Any]:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))

    monkeypatch.setattr(Path, "open", refuse)
    with fails(MissingFile, 4, "can't open", "fer2013.csv", "Permission denied"):
        load(good)


def test_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with fails(MissingFile, 4, "pipe is not a file", "fer2013.csv"):
        load(tmp_path / "pipe")


@packings
def test_empty_file(tmp_path: Path, pack: Pack) -> None:
    pack(tmp_path / "a.csv", b"")
    with fails(EmptyData, 6, "a.csv is empty", "emotion, pixels, Usage"):
        load(tmp_path / "a.csv")


def test_header_alone(tmp_path: Path) -> None:
    with fails(EmptyData, 6, "a.csv holds no image", "fer2013.csv"):
        load(write_rows(tmp_path / "a.csv", []))


@pytest.mark.parametrize("pack", [_gz, _xz, _zip])
@pytest.mark.parametrize("kept", [0.3, 0.98])
def test_truncated_archive(tmp_path: Path, good: Path, pack: Pack, kept: float) -> None:
    path = tmp_path / "broken"
    pack(path, good.read_bytes())
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    with fails(BadData, 5, "broken breaks off", "get the file again"):
        load(path)


def test_damaged_zip_member(tmp_path: Path, good: Path) -> None:
    path = tmp_path / "a.zip"
    _zip(path, good.read_bytes())
    content = bytearray(path.read_bytes())
    content[500:600] = bytes(100)
    path.write_bytes(content)
    with fails(BadData, 5, "a.zip breaks off"):
        load(path)


@pytest.mark.parametrize(
    ("names", "count"), [([], 0), (["a.csv", "b.csv"], 2), (["readme.txt"], 0), (["fer2013new.csv"], 0)]
)
def test_zip_without_one_csv(tmp_path: Path, names: list[str], count: int) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    with fails(BadData, 5, f"a.zip holds {count} CSV files", "fer2013.csv alone"):
        load(tmp_path / "a.zip")


def test_zip_is_read_in_place_whatever_its_names(tmp_path: Path, good: Path) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.writestr("../../fer2013.csv", good.read_bytes())
        archive.writestr("__MACOSX/._fer2013.csv", b"\0")
        archive.writestr("train.csv", b"x")
    assert len(load(folder / "a.zip")) == 7
    assert [p.name for p in folder.iterdir()] == ["a.zip"]


def test_zip_with_a_password(tmp_path: Path, good: Path) -> None:
    path = tmp_path / "a.zip"
    _zip(path, good.read_bytes())
    content = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + offset] |= 1
    path.write_bytes(content)
    with fails(BadData, 5, "a.zip can't be unpacked", "password", "fer2013.csv"):
        load(path)


def test_png_renamed_to_csv(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png").rename(tmp_path / "a.csv")
    with fails(BadData, 5, "a.csv is not text", "fer2013.csv"):
        load(tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("header", "shown"),
    [
        ("label,image,split", "'label, image, split'"),
        ("emotion,pixels", "'emotion, pixels'"),
        ('"emo\ntion"', r"'emo\ntion'"),
        ("x" * 5000, "xxx...'"),
    ],
)
def test_wrong_header(tmp_path: Path, header: str, shown: str) -> None:
    with fails(BadData, 5, "a.csv has the columns", shown, "emotion, pixels, Usage"):
        load(write_rows(tmp_path / "a.csv", good_rows(1), header))


def test_endless_line_is_not_read_into_memory(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "a.gz", "wb", compresslevel=1) as file:
        file.write(HEADER.encode() + b"\n")
        for _ in range(20):
            file.write(b"1 " * (1 << 19))
    with fails(BadData, 5, "a.gz", "field limit"):
        load(tmp_path / "a.gz")


def test_votes_beside_the_csv(good: Path) -> None:
    votes = np.arange(70).reshape(7, 10)
    write_votes(good.with_name("fer2013new.csv"), votes.tolist())
    data = load(good)
    assert data.votes is not None and (data.votes == votes).all()
    taken = data.split("PublicTest").votes
    assert taken is not None and taken.tolist() == [votes[1].tolist(), votes[4].tolist()]


def test_votes_of_another_row_count(good: Path) -> None:
    write_votes(good.with_name("fer2013new.csv"), [[1] * 10] * 6)
    with fails(BadData, 5, "fer2013new.csv has 6 rows", "7", "row to row. `edgefer data check`"):
        load(good)


def test_votes_of_another_split_are_refused(good: Path) -> None:
    path = write_votes(good.with_name("fer2013new.csv"), [[1] * 10] * 7)
    path.write_text(path.read_text().replace("PublicTest,fer0000004", "PrivateTest,fer0000004"))
    with fails(BadData, 5, "fer2013new.csv row 4", "'privatetest'", "has PublicTest there", "row to row"):
        load(good)


@pytest.mark.parametrize("shift", [0, 1, 7])
def test_votes_that_agree_at_chance_are_refused(tmp_path: Path, shift: int) -> None:
    labels = np.random.default_rng(1).integers(0, 7, 200)
    path = write_rows(tmp_path / "fer2013.csv", [row(label, pixels=PIXELS) for label in labels])
    votes = np.zeros((200, 10), int)
    votes[range(200), [FERPLUS.index(FERPLUS_NAME[LABELS[label]]) for label in np.roll(labels, shift)]] = 9
    write_votes(tmp_path / "fer2013new.csv", votes.tolist())
    if not shift:
        assert load(path).votes is not None
        return
    with fails(BadData, 5, "% of 200 images, by chance it would be 14.", "the votes are of other rows"):
        load(path)
    assert any("of other rows" in line for line in check(path).unreadable)


@pytest.mark.parametrize("packed", ["tar", "tar.gz", "csv"])
def test_the_archive_of_the_challenge_is_read_in_place(tmp_path: Path, good: Path, packed: str) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    with tarfile.open(folder / f"fer2013.{packed}", "w:gz" if packed == "tar.gz" else "w") as archive:
        archive.add(good, "fer2013/fer2013.csv")
        archive.add(good, "../train.csv")
        link = tarfile.TarInfo("fer2013/fer2013new.csv")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    assert len(load(folder / f"fer2013.{packed}")) == len(load(folder)) == 7
    assert [path.name for path in folder.iterdir()] == [f"fer2013.{packed}"]


def test_a_broken_archive(tmp_path: Path, good: Path) -> None:
    with tarfile.open(tmp_path / "whole", "w") as archive:
        archive.add(good, "fer2013/fer2013.csv")
    (tmp_path / "a.tar").write_bytes((tmp_path / "whole").read_bytes()[:9000])
    with fails(BadData, 5, "a.tar breaks off"):
        load(tmp_path / "a.tar")
    with tarfile.open(tmp_path / "b.tar", "w"):
        pass
    with tarfile.open(tmp_path / "b.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("readme"))
    with fails(BadData, 5, "b.tar holds 0 CSV files"):
        load(tmp_path / "b.tar")


@pytest.mark.parametrize("name", ["icml_face_data.csv", "fer2013/fer2013.csv"])
def test_a_folder_of_kaggle(tmp_path: Path, good: Path, name: str) -> None:
    path = tmp_path / "kaggle" / name
    path.parent.mkdir(parents=True)
    content = (
        good.read_text().replace("emotion,pixels,Usage", "emotion, pixels, Usage").replace("PublicTest", "publictest")
    )
    path.write_text(content)
    (tmp_path / "kaggle" / "train.csv").write_text("emotion,pixels\n")
    (tmp_path / "kaggle" / "test.csv").write_text("pixels\n")
    assert load(tmp_path / "kaggle").splits.tolist() == load(good).splits.tolist()


def test_the_challenges_own_split_is_told_what_to_give(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("emotion,pixels\n0,1\n")
    (tmp_path / "test.csv").write_text("pixels\n1\n")
    for path, name in (
        (tmp_path, "train.csv"),
        (tmp_path / "train.csv", "train.csv"),
        (tmp_path / "test.csv", "test.csv"),
    ):
        with fails(BadData, 5, f"the challenge's {name}", "give its icml_face_data.csv or fer2013.tar.gz"):
            load(path)


def test_lists_of_other_sets_are_left_alone(tmp_path: Path) -> None:
    write_image(tmp_path / "angry" / "a.png")
    (tmp_path / "train.csv").write_text("image,label\n")
    assert len(load(tmp_path)) == 1


def test_broken_row_is_named_before_the_row_count_it_spoils(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "fer2013.csv", [*good_rows(2), row(label=9)])
    write_votes(tmp_path / "fer2013new.csv", [[1] * 10] * 2)
    with fails(BadData, 5, "row 2: label '9'"):
        load(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ("has the columns ''", "neutral, happiness")),
        (b"a,b,c\n", ("has the columns 'a, b, c'", "neutral, happiness")),
        (b"\x89PNG\r\n\x1a\n\0", ("has the columns", "neutral, happiness")),
        (b"\xff\n", ("has the columns", "neutral, happiness")),
    ],
)
def test_votes_with_a_wrong_header(tmp_path: Path, content: bytes, words: tuple[str, ...]) -> None:
    (tmp_path / "fer2013new.csv").write_bytes(content)
    with fails(BadData, 5, "fer2013new.csv", *words):
        read_votes(tmp_path / "fer2013new.csv", rows=1)


@pytest.mark.parametrize("cell", ["x", "-1", "१", "9" * 30, "", "1.5"])
def test_votes_with_a_wrong_count(tmp_path: Path, cell: str) -> None:
    path = write_votes(tmp_path / "fer2013new.csv", [[1] * 10] * 2)
    path.write_bytes(path.read_bytes()[:-2] + cell.encode() + b"\n")
    with fails(BadData, 5, "fer2013new.csv row 1", "ten counts"):
        read_votes(path, rows=2)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pack=st.sampled_from([_plain, _gz, _xz, _zip]), seed=st.integers(0, 2**32 - 1), cut=st.booleans())
def test_damaged_bytes_never_end_in_a_traceback(tmp_path: Path, pack: Pack, seed: int, cut: bool) -> None:
    random = np.random.default_rng(seed)
    path = tmp_path / "damaged"
    pack(path, "\n".join([HEADER, *good_rows(2)]).encode())
    content = bytearray(path.read_bytes())
    for place in random.integers(0, len(content), random.integers(1, 8)):
        content[place] = random.integers(0, 256)
    path.write_bytes(content[: int(random.integers(0, len(content)))] if cut else content)
    try:
        data = load(path)
    except EdgeferError as error:
        one_line(str(error), "damaged")
    else:
        assert len(data) and set(data.splits.tolist()) <= set(range(len(SPLITS)))


@given(
    seed=st.integers(0, 2**32 - 1),
    odd=st.lists(
        st.tuples(
            st.integers(0, SIDE * SIDE - 1), st.sampled_from(["256", "1255", "007", "0001", "", "x", "\t", "٣", "-1"])
        ),
        max_size=3,
    ),
    count=st.integers(SIDE * SIDE - 1, SIDE * SIDE + 1),
    together=st.integers(1, 3),
)
@settings(max_examples=60, deadline=None)
def test_pixels_read_together_are_those_read_one_by_one(
    seed: int, odd: list[tuple[int, str]], count: int, together: int
) -> None:
    numbers = np.random.default_rng(seed).integers(0, 256, (together, count)).astype(str).tolist()
    for place, word in odd:
        numbers[-1][place % count] = word
    texts = [" ".join(words) for words in numbers]
    for each, found in zip(texts, fer2013._pixels(texts), strict=True):
        expected = fer2013._other_pixels(each)
        if isinstance(found, UnreadableFile) or isinstance(expected, UnreadableFile):
            assert found == expected
        else:
            assert np.array_equal(found, expected)


def test_rows_that_are_one_pixel_short_and_long_do_not_even_out() -> None:
    short, long = (" ".join(["7"] * (SIDE * SIDE + change)) for change in (-1, 1))
    assert [str(each) for each in fer2013._pixels([short, long])] == [
        str(fer2013._other_pixels(each)) for each in (short, long)
    ]


@given(st.text(alphabet='a1,"\r\n é', max_size=60))
def test_rows_are_those_of_the_module_csv(content: str) -> None:
    def rows(lines: Iterator[list[str]]) -> list[list[str]]:
        found: list[list[str]] = []
        try:
            found += lines
        except csv.Error:
            found.append(["csv.Error"])
        return found

    expected = (cells for cells in csv.reader(io.StringIO(content, newline="")) if cells)
    assert rows(rows_of(io.StringIO(content, newline=""))) == rows(expected)


def test_an_archive_of_very_many_files_is_not_listed(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz", compresslevel=1) as archive:
        for number in range(10_001):
            archive.addfile(tarfile.TarInfo(str(number)))
    with fails(BadData, 5, "a.tar.gz holds more than 10,000 files"):
        load(tmp_path / "a.tar.gz")


def test_blank_lines_without_end(tmp_path: Path, good: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(good.read_bytes() + b"\n" * 200_000))
    with fails(BadData, 5, "a.gz", "more than 100,000 blank lines"):
        load(tmp_path / "a.gz")


def test_broken_rows_without_end(tmp_path: Path, good: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(good.read_bytes() + b"1\n" * 200_000))
    with fails(BadData, 5, "a.gz has more than 100,000 broken rows, row", "1 columns, must be 3"):
        load(tmp_path / "a.gz")
