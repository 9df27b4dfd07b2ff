"""Large sets: mapped from a file, equal to the same set in memory, and written whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgefer.data import cache, decode, mapped
from edgefer.data.cache import FacesFile
from edgefer.data.check import check
from edgefer.data.dataset import Dataset, fingerprint, image_hashes
from edgefer.data.decode import read_face
from edgefer.data.folds import hold_out
from edgefer.data.listing import Entry, ReadOptions
from edgefer.data.load import load, read_source
from edgefer.data.source_files import Source
from edgefer.runtime import preprocess
from edgefer.runtime.errors import BadData, OutputFailed
from tests.data.made import fails, noise, write_image, write_tree

SIZE = 16


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Eighteen images in three splits, grey."""
    names = [
        f"{split}/{name}/{k}.png" for split in ("train", "val", "test") for name in ("sad", "happy") for k in "abc"
    ]
    return write_tree(tmp_path / "faces", *names)


@pytest.fixture(autouse=True)
def large(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Every set counts as large; the folder of the cache."""
    monkeypatch.setattr(decode, "LARGE", 0)
    monkeypatch.setattr(preprocess, "CHUNK", 4 * SIZE * SIZE)
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def in_memory(path: Path, size: int = SIZE) -> Dataset:
    """The same set as if it were small."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decode, "LARGE", 1 << 30)
        return load(path, size)


class Heard(NamedTuple):
    said: list[str]
    ticks: list[tuple[int, int]]


@pytest.fixture
def heard() -> Heard:
    return Heard([], [])


def reading(heard: Heard, **given: Any) -> ReadOptions:
    return ReadOptions(say=heard.said.append, tick=lambda *done: heard.ticks.append(done), **given)


def same(one: Dataset, other: Dataset) -> bool:
    arrays = [(np.asarray(d.pixels[:]), d.labels, d.splits, d.rows) for d in (one, other)]
    return all(np.array_equal(a, b) for a, b in zip(*arrays, strict=True))


def test_a_mapped_set_is_the_set(root: Path, large: Path, heard: Heard) -> None:
    expected = in_memory(root)
    assert not large.exists()
    data = load(root, SIZE, reading(heard))
    assert isinstance(data.pixels, np.memmap) and same(data, expected)
    assert fingerprint(data) == fingerprint(expected)
    assert list(image_hashes(data.pixels)) == list(image_hashes(expected.pixels))
    (line,) = heard.said
    assert line.isprintable() and "18 images" in line and str(large) in line and "EDGEFER_CACHE" in line
    assert heard.ticks[0] == (0, 18)


def test_it_is_decoded_once(root: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load(root, SIZE)
    monkeypatch.setattr(decode, "read_face", lambda *_: pytest.fail("decoded again"))
    assert same(load(root, SIZE, reading(heard)), first)
    assert heard.said == []


@pytest.mark.parametrize("split", ["Training", "PublicTest", "PrivateTest"])
def test_a_split_is_a_view_of_the_file(root: Path, split: str) -> None:
    part = load(root, SIZE).split(split)
    assert isinstance(part.pixels, np.memmap) and same(part, in_memory(root).split(split))


def test_scattered_rows_stay_in_the_file(root: Path) -> None:
    data, expected = load(root, SIZE), in_memory(root)
    index = np.array([17, 0, 3, 3, 9])
    part, wanted = data.take(index), expected.take(index)
    assert isinstance(part.pixels, mapped.IndexedMemmap) and same(part, wanted)
    assert fingerprint(part) == fingerprint(wanted)
    assert same(part.take(np.array([4, 1])), wanted.take(np.array([4, 1])))
    assert same(part.take(np.array([], dtype=np.int64)), wanted.take(np.array([], dtype=np.int64)))
    assert (np.stack(list(part.pixels)) == wanted.pixels[:]).all() and len(part.pixels) == 5
    assert (part.pixels[2] == wanted.pixels[2]).all() and part.pixels[1:3].shape == wanted.pixels[1:3].shape
    assert np.asarray(part.pixels, dtype=np.float32).dtype == np.float32
    held = hold_out(Dataset("x", data.names, data.pixels, data.labels, data.splits * 0, data.rows), folds=3)
    assert isinstance(held.split("Training").pixels, mapped.IndexedMemmap)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 17)), st.lists(st.integers(0, 5)), st.integers(1, 20))
def test_taking_and_resizing_commute_with_reading(root: Path, one: list[int], two: list[int], size: int) -> None:
    data, expected = load(root, SIZE), in_memory(root)
    first, second = np.array(one, dtype=np.int64), np.array([k for k in two if k < len(one)], dtype=np.int64)
    found = data.take(first).resized(size).take(second)
    wanted = expected.take(first).resized(size).take(second)
    assert found.pixels.shape == wanted.pixels.shape and same(found, wanted)


def test_another_size_is_resized_when_it_is_read(root: Path) -> None:
    data, expected = load(root, SIZE).resized(9), in_memory(root).resized(9)
    assert isinstance(data.pixels, mapped.IndexedMemmap) and data.pixels.shape == (18, 9, 9, 1) and same(data, expected)
    assert data.resized(9).pixels is data.pixels


@pytest.mark.parametrize("colour", ["test/happy/0.png", "train/sad/z.png"])
def test_one_colour_image_makes_the_set_colour(root: Path, colour: str) -> None:
    write_image(root / colour, 7, (20, 20, 3))
    data = load(root, SIZE)
    assert data.pixels.shape == (19, SIZE, SIZE, 3) and same(data, in_memory(root))


def test_broken_images_are_told_again_from_the_cache(root: Path) -> None:
    (root / "train/sad/aa.png").write_bytes(b"no image")
    (root / "train/sad/zz.txt").write_text("x")
    first, second = read_source(root, SIZE), read_source(root, SIZE)
    assert first.unreadable == second.unreadable and "train/sad/aa.png" in first.unreadable[0]
    assert first.total == second.total == 20 and same(first.readable(), second.readable())
    assert first.readable().rows.tolist() == [k for k in range(20) if k not in (10, 13)]
    with fails(BadData, 5, "train/sad/aa.png", "(and 1 more)"):
        load(root, SIZE)
    assert check(root).images == 18


def test_not_one_readable_image(root: Path) -> None:
    for path in root.rglob("*.png"):
        path.write_bytes(b"no image")
    for _ in range(2):
        found = read_source(root, SIZE)
        assert len(found.unreadable) == 18 and len(found.readable()) == 0
    assert check(root).images == 0


def _change(root: Path) -> None:
    write_image(root / "train/sad/a.png", 99)
    os.utime(root / "train/sad/a.png", ns=(1, 1))


def _add(root: Path) -> None:
    write_image(root / "val/sad/0.png", 98)


def _remove(root: Path) -> None:
    (root / "test/sad/b.png").unlink()


@pytest.mark.parametrize("edit", [_change, _add, _remove])
def test_a_change_of_the_files_is_noticed(root: Path, large: Path, edit: Any) -> None:
    load(root, SIZE)
    edit(root)
    assert same(load(root, SIZE), in_memory(root))
    assert len([p for p in large.iterdir() if p.is_dir()]) == 1, "the old faces are gone"


def test_sizes_layouts_and_sources_do_not_meet(root: Path, large: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "more" / "faces")
    for path in (root, tmp_path / "more" / "faces"):
        for size in (8, SIZE):
            for layout in ("folders", "caer-s"):
                assert load(path, size, ReadOptions(layout)).pixels.shape[1] == size
    assert len([p for p in large.iterdir() if p.is_dir()]) == 8


def _cut(folder: Path) -> None:
    faces = folder / cache.FACES
    faces.write_bytes(faces.read_bytes()[:-1])


def _header(folder: Path) -> None:
    faces = folder / cache.FACES
    faces.write_bytes(faces.read_bytes().replace(b"}", b"(", 1))


def _pickle(folder: Path) -> None:
    np.save(folder / cache.FACES, np.array([{}], dtype=object), allow_pickle=True)


def _other_shape(folder: Path) -> None:
    np.save(folder / cache.FACES, np.zeros((18, 4, 4, 1), np.uint8))


def _flipped(folder: Path) -> None:
    faces = folder / cache.FACES
    content = bytearray(faces.read_bytes())
    content[-9] ^= 4
    faces.write_bytes(content)


def _flipped_index(folder: Path) -> None:
    index = folder / cache.INDEX
    index.write_text(index.read_text().replace('"not_found": []', '"not_found": [1]'))


def _no_index(folder: Path) -> None:
    (folder / cache.INDEX).unlink()


def _broken_index(folder: Path) -> None:
    (folder / cache.INDEX).write_text('{"schema": 1}')


@pytest.mark.parametrize("damage", [_cut, _header, _pickle, _other_shape, _flipped, _flipped_index, _no_index])
def test_a_damaged_cache_is_written_again_and_told_of(root: Path, large: Path, heard: Heard, damage: Any) -> None:
    load(root, SIZE)
    (folder,) = (p for p in large.iterdir() if p.is_dir())
    damage(folder)
    for _ in range(2):
        assert same(load(root, SIZE, reading(heard)), in_memory(root))
    assert heard.said[0] == f"{folder} is damaged: its faces are decoded again." and len(heard.said) == 2


def test_a_cache_of_another_schema_is_written_again(root: Path, large: Path) -> None:
    load(root, SIZE)
    (folder,) = (p for p in large.iterdir() if p.is_dir())
    _broken_index(folder)
    assert same(load(root, SIZE), in_memory(root))


def test_a_cache_of_an_earlier_version_is_read(root: Path, large: Path) -> None:
    load(root, SIZE)
    (folder,) = (p for p in large.iterdir() if p.is_dir())
    index = json.loads((folder / cache.INDEX).read_text())
    del index["crc32"]
    (folder / cache.INDEX).write_text(json.dumps(index))
    before = (folder / cache.FACES).stat().st_ino
    assert same(load(root, SIZE), in_memory(root))
    assert (folder / cache.FACES).stat().st_ino == before


def test_what_stops_it_leaves_nothing_and_the_next_one_starts_again(
    root: Path, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter(range(99))

    def interrupted(*given: Any) -> Any:
        if next(calls) == 9:
            raise KeyboardInterrupt
        return read_face(*given)

    monkeypatch.setattr(decode, "read_face", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load(root, SIZE)
    assert [p for p in large.rglob("*") if p.suffix != ".lock"] == []
    (large / f".{next(large.glob('*.lock')).stem}.killed").mkdir()  # what SIGKILL leaves
    assert same(load(root, SIZE), in_memory(root))
    assert list(large.glob(".*")) == []


def test_two_at_once_decode_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def slow(source: Source, entry: Entry, *how: Any) -> Any:
        read.append(entry.path)
        time.sleep(0.005)
        return read_face(source, entry, *how)

    monkeypatch.setattr(decode, "read_face", slow)
    with ThreadPoolExecutor(3) as pool:
        one, *others = pool.map(lambda _: load(root, SIZE), range(3))
    assert len(read) == 18 and all(same(one, other) for other in others)


def test_a_full_disk_is_one_line(root: Path, large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(root)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=18 * SIZE * SIZE - 1))
        with fails(OutputFailed, 13, "disk", "full", "--cache", "EDGEFER_CACHE"):
            load(root, SIZE)

    def full(self: FacesFile, face: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(FacesFile, "append", full)
        with fails(OutputFailed, 13, "disk is full"):
            load(root, SIZE)
    assert [p for p in large.rglob("*") if p.suffix != ".lock"] == []


def test_a_cache_that_can_not_be_is_one_line(root: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with fails(OutputFailed, 13, str(tmp_path / "file"), "--cache", "EDGEFER_CACHE"):
        load(root, SIZE, ReadOptions(cache=tmp_path / "file"))


def test_the_option_comes_before_the_variable(root: Path, large: Path, tmp_path: Path) -> None:
    load(root, SIZE, ReadOptions(cache=tmp_path / "there"))
    assert not large.exists() and list((tmp_path / "there").glob("faces-folders-16-*/faces.npy"))


def _faces(colours: str) -> Iterator[np.ndarray[Any, np.dtype[np.uint8]]]:
    return (noise(seed, 3, 3, 3 if colour == "c" else 1) for seed, colour in enumerate(colours))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text("gc", max_size=12))
def test_faces_written_one_by_one_are_the_faces(tmp_path: Path, colours: str) -> None:
    with FacesFile(tmp_path / "faces.npy", 3) as writer:
        for face in _faces(colours):
            writer.append(face)
    channels = 3 if "c" in colours else 1
    found = np.load(tmp_path / "faces.npy", allow_pickle=False)
    assert found.shape == (len(colours), 3, 3, channels) and list(tmp_path.iterdir()) == [tmp_path / "faces.npy"]
    assert all((a == b).all() for a, b in zip(found, _faces(colours), strict=True))
