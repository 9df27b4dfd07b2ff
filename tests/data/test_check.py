"""edgefer.data.check: what it counts, and that it comes to the end of broken data."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgefer.data.check import check, render
from edgefer.data.dataset import fingerprint
from edgefer.data.listing import ReadOptions
from edgefer.data.load import load
from edgefer.runtime import records
from edgefer.runtime.errors import BadData, EmptyData
from tests.data.made import (
    fails,
    good_rows,
    noise,
    one_line,
    row,
    text,
    write_image,
    write_rows,
    write_tree,
    write_votes,
)


def _twins(tmp_path: Path) -> Path:
    """Image 1 stands 3 times in Training and once in each other split, image 2 in both test splits."""
    flat = text(np.full((48, 48), 7, np.uint8))
    rows = [
        row(0, seed=1),
        row(0, seed=1),
        row(4, seed=1),
        row(0, seed=1, usage="PublicTest"),
        row(2, seed=2, usage="PublicTest"),
        row(0, seed=1, usage="PrivateTest"),
        row(2, seed=2, usage="PrivateTest"),
        row(2, seed=2, usage="PrivateTest"),
        row(6, pixels=flat),
    ]
    return write_rows(tmp_path / "fer2013.csv", rows)


def test_counts_and_repeats(tmp_path: Path) -> None:
    report = check(_twins(tmp_path))
    assert report.images == 9
    assert report.counts["Training"] == {
        "angry": 2,
        "disgust": 0,
        "fear": 0,
        "happy": 0,
        "sad": 1,
        "surprise": 0,
        "neutral": 1,
    }
    assert sum(report.counts["PrivateTest"].values()) == 3
    assert report.repeats == 6
    assert report.duplicates == {"Training": 2, "PublicTest": 0, "PrivateTest": 1}
    assert report.across == {"Training/PublicTest": 1, "Training/PrivateTest": 1, "PublicTest/PrivateTest": 3}
    assert (report.conflicting, report.flat) == (1, 1)
    assert report.unreadable == [] and report.ferplus is None


def test_ferplus(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "fer2013.csv", [row(label, seed=label) for label in (6, 3, 0, 0, 2, 5)])
    votes = np.zeros((6, 10), dtype=int)
    votes[range(5), [0, 1, 5, 7, 9]] = 10  # neutral, happiness, disgust, contempt, NF
    votes[5, [2, 3]] = 5  # surprise or sadness
    write_votes(tmp_path / "fer2013new.csv", votes.tolist())
    ferplus = check(path).ferplus
    assert ferplus is not None
    counted = {name for name, count in ferplus.majority.items() if count}
    assert counted == {"neutral", "happiness", "disgust", "contempt", "NF", "tied"}
    assert sum(ferplus.majority.values()) == 6
    assert (ferplus.compared, ferplus.agreement) == (3, 66.67)


def test_votes_without_a_comparable_majority(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "fer2013.csv", [row()])
    write_votes(tmp_path / "fer2013new.csv", [[0] * 9 + [10]])
    report = check(path)
    assert report.ferplus is not None and (report.ferplus.compared, report.ferplus.agreement) == (0, None)
    assert "FER2013 label" not in render(report)


def test_broken_rows_are_listed_and_the_rest_is_counted(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "fer2013.csv", [*good_rows(3), row(9), row(usage="x"), row(0, seed=0)])
    write_votes(tmp_path / "fer2013new.csv", [[1] * 10] * 2)
    report = check(path)
    assert (report.images, report.repeats) == (4, 1)
    for line, words in zip(report.unreadable, ("row 3: label '9'", "row 4: Usage 'x'", "2 rows"), strict=True):
        one_line(line, words)


def test_votes_stay_with_their_rows_when_one_is_broken(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "fer2013.csv", [row(9), row(3, seed=1)])
    write_votes(tmp_path / "fer2013new.csv", [[10, *[0] * 9], [0, 10, *[0] * 8]])
    ferplus = check(path).ferplus
    assert ferplus is not None and (ferplus.majority["happiness"], ferplus.agreement) == (1, 100.0)


def test_not_one_readable_image_is_still_a_report(tmp_path: Path) -> None:
    report = check(write_rows(tmp_path / "a.csv", [row(9), row(8)]))
    assert (report.images, report.repeats, report.flat, len(report.unreadable)) == (0, 0, 0, 2)
    assert json.loads(records.dumps(report))["counts"]["Training"]["angry"] == 0
    assert "row 1: label '8'" in render(report)


def test_nothing_at_all_is_an_error(tmp_path: Path) -> None:
    with fails(EmptyData, 6, "holds no image"):
        check(tmp_path)
    with fails(BadData, 5, "columns"):
        check(write_rows(tmp_path / "a.csv", [], header="a,b"))


def test_folder(tmp_path: Path) -> None:
    write_tree(tmp_path, "train/angry/a.png", "test/angry/b.png", "test/sad/[b]c.png")
    (tmp_path / "test" / "angry" / "copy.png").write_bytes((tmp_path / "train" / "angry" / "a.png").read_bytes())
    (tmp_path / "test" / "sad" / "[red].txt").write_text("x")
    (tmp_path / "train" / "sad").mkdir()
    write_image(tmp_path / "train" / "sad" / "colour.png", shape=(48, 48, 3))
    report = check(tmp_path)
    assert report.images == 5 and report.across["Training/PrivateTest"] == 1
    assert report.unreadable[0].startswith("test/sad/[red].txt: not an image")
    assert "  test/sad/[red].txt: not an image" in render(report)


def test_flat_is_one_colour_everywhere(tmp_path: Path) -> None:
    write_image(tmp_path / "sad" / "a.png", shape=(1, 1, 3))
    write_image(tmp_path / "sad" / "b.png", shape=(48, 48, 3))
    assert check(tmp_path).flat == 1


def test_images_that_are_flat_to_the_eye_are_named(tmp_path: Path) -> None:
    pixels = np.full((48, 48), 100, np.uint8)
    for name, brightest in (("a", 100), ("b", 115), ("c", 116)):
        pixels[0, 0] = brightest
        (tmp_path / "sad").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "sad" / f"{name}.png")
    report = check(tmp_path)
    assert (report.flat, report.faint) == (1, ["sad/a.png", "sad/b.png"])
    assert "images that are flat to the eye, less than 16 grey levels: 2 (sad/a.png, sad/b.png)" in render(report)
    dark = write_rows(tmp_path / "a.csv", [row(), row(pixels=text(pixels // 8))])
    assert check(dark).faint == ["row 1"]


@pytest.mark.parametrize(("bits", "fitting"), [(8, 8), (10, 10), (12, 12)])
def test_values_of_fewer_bits_in_16_need_their_depth(tmp_path: Path, bits: int, fitting: int) -> None:
    values = noise(3).astype(np.uint16) << (bits - 8)
    (tmp_path / "sad").mkdir()
    Image.fromarray(values).save(tmp_path / "sad" / "a.png")
    write_image(tmp_path / "sad" / "b.png", 4)  # of 8 bits: it tells nothing of the others
    with fails(BadData, 5, f"above {values.max():,}", f"--depth {fitting} "):
        load(tmp_path)
    (line,) = check(tmp_path).unreadable
    one_line(line, "1 pictures of 16 bits", f"--depth {fitting} ")
    stated = ReadOptions(depth=bits)
    pixels = load(tmp_path, options=stated).pixels
    assert (np.asarray(pixels)[:, ..., 0] == np.stack([noise(3), noise(4)])).all()
    report = check(tmp_path, stated)
    assert (report.sixteen_bit, report.peak, report.depth) == (1, values.max(), bits)
    assert f"images of 16 bits: 1, largest value {values.max():,}, read with {bits} bits" in render(report)
    assert (np.asarray(load(tmp_path, options=ReadOptions(depth=16)).pixels)[0] == values[..., None] >> 8).all()


def test_a_value_over_the_stated_depth_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "sad").mkdir()
    Image.fromarray(np.full((48, 48), 5000, np.uint16)).save(tmp_path / "sad" / "a.png")
    with fails(BadData, 5, "sad/a.png", "values up to 5,000", "12 bits allows 4,095"):
        load(tmp_path, options=ReadOptions(depth=12))


def test_some_unreadable_images_may_be_left_out(tmp_path: Path) -> None:
    write_tree(tmp_path, "sad/a.png", "sad/b.png")
    (tmp_path / "sad" / "c.png").write_bytes(b"")
    with fails(BadData, 5, "sad/c.png", "--skip-unreadable 1 "):
        load(tmp_path)
    said: list[str] = []
    data = load(tmp_path, options=ReadOptions(skip_unreadable=1, say=said.append))
    assert (len(data), data.skipped, fingerprint(data)["skipped"]) == (2, 1, 1)
    one_line(said[0], "1 left out as unreadable", "sad/c.png")
    (tmp_path / "sad" / "d.png").write_bytes(b"")
    with fails(BadData, 5, "sad/c.png", "and 1 more", "--skip-unreadable 2 "):
        load(tmp_path, options=ReadOptions(skip_unreadable=1))


def test_what_is_wrong_with_the_whole_source_is_not_left_out(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "fer2013.csv", good_rows(3))
    write_votes(tmp_path / "fer2013new.csv", [[1] * 10] * 2)
    with fails(BadData, 5, "2 rows"):
        load(path, options=ReadOptions(skip_unreadable=9))


def test_report_round_trips_and_renders(tmp_path: Path) -> None:
    report = check(_twins(tmp_path))
    assert records.structure(type(report), json.loads(records.dumps(report)), "test") == report
    shown = render(report).splitlines()
    assert shown[0].endswith("fer2013.csv")
    assert shown[2].split() == ["class", "Training", "PublicTest", "PrivateTest", "total"]
    assert shown[3].split() == ["angry", "2", "1", "1", "4"]
    assert shown[10].split() == ["total", "4", "2", "3", "9"]
    assert "PrivateTest images that also stand in Training: 1" in shown
    assert "identical images with different labels: 1 groups" in shown


def test_the_real_fer2013(fer2013: Path) -> None:
    report = check(fer2013)
    assert [sum(split.values()) for split in report.counts.values()] == [28709, 3589, 3589]
    assert report.counts["Training"]["disgust"] == 436
    assert (report.images, report.repeats, report.conflicting, report.flat) == (35887, 1850, 57, 12)
    assert report.across["Training/PrivateTest"] == 288
    assert report.unreadable == []
