"""Bundles that were changed on their way: each is refused in one line, with an exit code of its own."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgefer.runtime import verify
from edgefer.runtime.bundle import (
    BUILD,
    GOLDEN_INPUT,
    GOLDEN_OUTPUT,
    GOLDEN_PICTURE,
    MANIFEST,
    MANIFEST_LIMIT,
    RESIZE_INPUT,
    RESIZE_OUTPUT,
    RESIZE_PICTURE,
    read_bundle,
    require_replaceable,
)
from edgefer.runtime.errors import BrokenBundle, EdgeferError, GoldenMismatch, MissingFile, OutputFailed

NAME = "ean.tflite-int8"


@pytest.fixture
def bundle(dist: Path, tmp_path: Path) -> Path:
    shutil.copytree(dist / NAME, tmp_path / NAME)
    return tmp_path / NAME


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the manifest's JSON in place."""
    path = folder / MANIFEST
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def renew(content: dict[str, Any], folder: Path, name: str) -> None:
    """Make the manifest's checksum fit the changed file, as a careful forger would."""
    data = (folder / name).read_bytes()
    content["files"][name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def refused(folder: Path, kind: type[EdgeferError], match: str) -> None:
    with pytest.raises(kind, match=match) as failure:
        verify.check_golden(read_bundle(folder))
    assert "\n" not in str(failure.value)


def test_changed_byte(bundle: Path) -> None:
    content = bytearray((bundle / "model.tflite").read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / "model.tflite").write_bytes(content)
    refused(bundle, BrokenBundle, r"model\.tflite is not the file that was built")


def test_missing_file(bundle: Path) -> None:
    (bundle / "labels.txt").unlink()
    refused(bundle, BrokenBundle, r"labels\.txt is missing")


def test_foreign_file(bundle: Path) -> None:
    (bundle / "notes.txt").write_text("mine")
    refused(bundle, BrokenBundle, r"notes\.txt is not in the manifest")


@pytest.mark.parametrize("name", ["../outside.bin", "/etc/hostname", "golden/../../outside.bin", "..\\outside.bin"])
def test_path_that_leads_outside(bundle: Path, name: str) -> None:
    (bundle.parent / "outside.bin").write_bytes(b"secret")
    edit(bundle, lambda c: c["files"].update({name: {"bytes": 6, "sha256": hashlib.sha256(b"secret").hexdigest()}}))
    refused(bundle, BrokenBundle, "leads out of the bundle")


def test_link_that_leads_outside(bundle: Path) -> None:
    outside = bundle.parent / "outside.txt"
    shutil.copy(bundle / "labels.txt", outside)
    (bundle / "labels.txt").unlink()
    (bundle / "labels.txt").symlink_to(outside)
    refused(bundle, BrokenBundle, "leads out of the bundle")


def test_model_that_the_manifest_gives_no_checksum(bundle: Path) -> None:
    edit(bundle, lambda c: c.update(model="other.tflite"))
    refused(bundle, BrokenBundle, "without a checksum")


def test_no_bundle_and_no_manifest(tmp_path: Path) -> None:
    refused(tmp_path / "none", MissingFile, "edgefer build")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", BrokenBundle, "no readable manifest")
    (tmp_path / "dist" / "ean.onnx-fp32").mkdir(parents=True)
    (tmp_path / "dist" / "ean.onnx-fp32" / "manifest.json").touch()
    refused(tmp_path / "dist", BrokenBundle, "give one of the bundles in it, for example .*dist/ean.onnx-fp32")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", *(f'{{"schema": "edgefer/bundle/{number}"}}' for number in (1, 2, 99))]
)
def test_manifest_that_is_none(bundle: Path, text: str) -> None:
    (bundle / MANIFEST).write_text(text)
    refused(bundle, BrokenBundle, "damaged|schema")


def test_build_record_that_is_another_or_none(bundle: Path) -> None:
    content = json.loads((bundle / BUILD).read_text())
    (bundle / BUILD).write_text(json.dumps(content | {"paper": "of mine"}))
    refused(bundle, BrokenBundle, r"build\.json is not the file that was built")
    (bundle / BUILD).write_text(json.dumps(content | {"model": "other.tflite"}))
    edit(bundle, lambda c: renew(c, bundle, BUILD))
    refused(bundle, BrokenBundle, r"damaged: .*build\.json")
    edit(bundle, lambda c: c["files"].pop(BUILD))
    refused(bundle, BrokenBundle, r"names build\.json without a checksum")


def test_bundle_of_an_earlier_version_has_it_all_in_its_manifest(bundle: Path) -> None:
    known = read_bundle(bundle).manifest
    build = json.loads((bundle / BUILD).read_text())
    (bundle / BUILD).unlink()
    edit(bundle, lambda c: (c["files"].pop(BUILD), c.update({**build, "schema": "edgefer/bundle/1"})))
    edit(bundle, lambda c: [c.pop(key) for key in ("golden_resize", "keep_names", "fidelity")])
    earlier = read_bundle(bundle).manifest
    assert (earlier.golden_resize, earlier.keep_names, earlier.fidelity) == (None, True, None)
    assert (earlier.training, earlier.contract, earlier.accuracy) == (known.training, known.contract, known.accuracy)
    assert known.keep_names is False


def test_what_a_device_needs_is_small(dist: Path) -> None:
    for folder in dist.iterdir():
        manifest = read_bundle(folder).manifest
        assert (folder / MANIFEST).stat().st_size < min(6000, manifest.model_bytes / 8), folder.name


def test_contract_that_the_model_does_not_keep(bundle: Path) -> None:
    edit(bundle, lambda c: c["contract"]["input"].update(zero_point=0))
    refused(bundle, BrokenBundle, "contract promises the input")


def test_golden_output_of_another_model(bundle: Path) -> None:
    expected = np.frombuffer((bundle / GOLDEN_OUTPUT).read_bytes(), np.int8)
    (bundle / GOLDEN_OUTPUT).write_bytes(np.roll(expected, 1).tobytes())
    edit(bundle, lambda c: renew(c, bundle, GOLDEN_OUTPUT))
    refused(bundle, GoldenMismatch, "golden output is")


def test_golden_input_that_is_not_the_picture(bundle: Path) -> None:
    given = bytearray((bundle / GOLDEN_INPUT).read_bytes())
    given[100] ^= 3
    (bundle / GOLDEN_INPUT).write_bytes(given)
    edit(bundle, lambda c: renew(c, bundle, GOLDEN_INPUT))
    refused(bundle, GoldenMismatch, "golden picture")


@pytest.mark.parametrize("kind", ["JPEG", "EPS", "BMP", "TIFF"])
def test_golden_picture_of_another_kind(bundle: Path, kind: str) -> None:
    with Image.open(bundle / GOLDEN_PICTURE) as image:
        image.save(bundle / GOLDEN_PICTURE, format=kind)
    edit(bundle, lambda c: renew(c, bundle, GOLDEN_PICTURE))
    refused(bundle, BrokenBundle, r"picture\.png is no PNG picture")


def test_golden_picture_that_is_huge(bundle: Path) -> None:
    Image.new("1", (9000, 9000)).save(bundle / GOLDEN_PICTURE)
    edit(bundle, lambda c: renew(c, bundle, GOLDEN_PICTURE))
    refused(bundle, BrokenBundle, r"has 9000 x 9000 pixels, at most 4096 a side")


def shift(folder: Path, name: str, steps: int) -> None:
    """Change one value of a golden file."""
    values = np.frombuffer((folder / name).read_bytes(), np.int8).copy()
    values[len(values) // 2] += steps if values[len(values) // 2] < 0 else -steps
    (folder / name).write_bytes(values.tobytes())
    edit(folder, lambda content: renew(content, folder, name))


def test_another_rounding_of_the_large_picture_holds(bundle: Path) -> None:
    shift(bundle, RESIZE_INPUT, 2)
    shift(bundle, RESIZE_OUTPUT, 10)
    checked = verify.check_golden(read_bundle(bundle)).resize
    assert checked is not None
    assert (checked.levels, checked.levels_tolerance) == (2.0, 2.0)
    assert checked.difference == pytest.approx(10 / 256, abs=1e-6) and checked.tolerance == 0.07


def test_large_picture_that_is_resized_otherwise(bundle: Path) -> None:
    shift(bundle, RESIZE_INPUT, 3)
    refused(bundle, GoldenMismatch, r"input that is 3 of 255 levels off, 2 are allowed.*Pillow's BILINEAR")


def test_large_picture_with_another_output(bundle: Path) -> None:
    shift(bundle, RESIZE_OUTPUT, 19)
    refused(bundle, GoldenMismatch, "output for the large golden picture is 0.0742 off")


def test_large_picture_without_a_checksum(bundle: Path) -> None:
    edit(bundle, lambda content: content["files"].pop(RESIZE_PICTURE))
    refused(bundle, BrokenBundle, f"names {RESIZE_PICTURE} without a checksum")


def without_resize(folder: Path) -> None:
    """Make a bundle as earlier versions wrote it."""
    names = RESIZE_PICTURE, RESIZE_INPUT, RESIZE_OUTPUT
    edit(folder, lambda content: [content.pop("golden_resize"), *map(content["files"].pop, names)])
    for name in names:
        (folder / name).unlink()


def test_bundle_of_an_earlier_version(bundle: Path) -> None:
    without_resize(bundle)
    assert verify.check_golden(read_bundle(bundle)).resize is None


def test_golden_of_the_wrong_size(bundle: Path) -> None:
    (bundle / GOLDEN_OUTPUT).write_bytes(b"\0")
    edit(bundle, lambda c: renew(c, bundle, GOLDEN_OUTPUT))
    refused(bundle, BrokenBundle, "holds 1 values")


def test_model_that_the_engine_can_not_load(bundle: Path) -> None:
    (bundle / "model.tflite").write_bytes(b"not a flatbuffer")
    edit(bundle, lambda c: renew(c, bundle, "model.tflite"))
    refused(bundle, BrokenBundle, "can't load")


@pytest.mark.parametrize("kind", ["pipe", "device", "link", "folder", "large"])
def test_manifest_that_is_no_file_of_the_bundle(bundle: Path, kind: str) -> None:
    path = bundle / MANIFEST
    outside = path.rename(bundle.parent / "outside.json")
    match kind:
        case "pipe":
            os.mkfifo(path)  # a reader that opens it waits for ever
        case "device":
            path.symlink_to("/dev/zero")
        case "link":
            path.symlink_to(outside)
        case "folder":
            path.mkdir()
        case "large":
            path.write_text(outside.read_text() + " " * MANIFEST_LIMIT)
    refused(
        bundle, BrokenBundle, "at most 4,194,304 are read" if kind == "large" else "is no regular file in the bundle"
    )
    with pytest.raises(OutputFailed, match="would delete it"):
        require_replaceable(bundle)


@pytest.mark.parametrize(
    ("keys", "value", "match"),
    [
        ("name", "../ean", "'../ean' is no name of a bundle: a name has letters"),
        ("name", "ean\n other: fine", "has a control character in name = "),
        ("target", "-rf", "is no target of a bundle"),
        ("arch", "", "is no network of a bundle"),
        ("format", "os", "its format 'os' is none of tflite, onnx, openvino, ncnn"),
        ("contract.resize", 10**9, "1 <= crop <= resize <= 4096"),
        ("contract.resize", -5, "1 <= crop <= resize <= 4096"),
        ("contract.crop", 0, "1 <= crop <= resize"),
        ("contract.face_margin", -1.0, "face_margin -1 is not from 0"),
        ("contract.value_range", [0, 10**12], "value_range"),
        ("contract.deviation", [1, 0, 1], "deviation is not above 0"),
        ("contract.input.shape", [1, 10**6, 10**6, 3], "its input of the shape"),
        ("contract.input.scale", 0.0, "its input has the scale 0"),
        ("contract.output.zero_point", 10**6, "its output has the zero point 1000000"),
        ("contract.labels", ["a\x1b[31m", *"bcdefg"], r"has a control character in contract\.labels\[0\]"),
        ("contract.labels", ["", *"bcdefg"], "labels are not 1 to 10,000 printable ones"),
        ("golden.tolerance", 1e9, "golden tolerance of it is not from 0 to 0.25"),
        ("golden.tolerance", -1.0, "golden tolerance"),
        ("golden_resize.tolerance", 1e9, "golden tolerance"),
        ("golden_resize.levels", 255, "golden_resize allows levels that are not from 0 to 8"),
        ("contract.face_maps.haar.side", 1e9, "face map 'haar' is further from the box"),
        ("contract.face_maps.mtcnn.points", [[0.5, 0.5]] * 5, "face map 'mtcnn' .* has no two different ones"),
        ("contract.face_maps.blazeface.box_share", 1.5, "box_share 1.5, which is not from 0 to 1"),
    ],
)
def test_names_and_numbers_have_bounds(bundle: Path, keys: str, value: object, match: str) -> None:
    def change(content: dict[str, Any]) -> None:
        *parents, last = keys.split(".")
        for key in parents:
            content = content[key]
        content[last] = value

    edit(bundle, change)
    refused(bundle, BrokenBundle, match)


def test_sizes_are_compared_before_anything_is_hashed(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgefer.runtime.bundle.sha256", lambda path: pytest.fail(f"{path} was hashed"))
    os.truncate(bundle / "model.tflite", 2**40)  # a file with a hole, which takes an hour to hash
    edit(bundle, lambda c: c.update(files={"model.tflite": c["files"].pop("model.tflite")} | c["files"]))
    with pytest.raises(BrokenBundle, match=r"model\.tflite is not the file that was built"):
        read_bundle(bundle)
