"""The folders for phones: what they hold, and what is refused."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgefer.app import phone
from edgefer.app.phone import PhoneApp, PhoneOptions, write_android, write_ios
from edgefer.cli import cli
from edgefer.runtime.bundle import LABELS_FILE, Bundle, read_bundle
from edgefer.runtime.errors import BrokenBundle, MissingFile, OutputFailed, WrongOptions
from tests.made import golden


def files_of(app: PhoneApp) -> dict[str, bytes]:
    paths = (path for path in app.folder.rglob("*") if path.is_file())
    return {path.relative_to(app.folder).as_posix(): path.read_bytes() for path in paths}


def code_of(page: str, language: str) -> list[str]:
    """The blocks of code in a page's section of that language."""
    blocks = page.split(f"```{language}\n")[1:]
    return [block.split("\n```\n")[0] + "\n" for block in blocks]


def test_android_folder_is_the_golden_one(dist: Path, tmp_path: Path) -> None:
    app = write_android(PhoneOptions(dist / "ean.tflite-int8", tmp_path / "app", "org.example.faces"))
    written = files_of(app)
    assert app.record.files == sorted(written) and app.bytes == sum(map(len, written.values()))
    assert (app.record.input, app.record.output) == ("int8", "int8")
    bundle = read_bundle(dist / "ean.tflite-int8")
    assert written["src/main/assets/expressions/model.tflite"] == bundle.path("model.tflite").read_bytes()
    assert written["src/main/assets/expressions/labels.txt"].decode().split() == list(bundle.manifest.contract.labels)
    resources = "src/test/resources/golden/picture"
    assert written[f"{resources}.input"] == bundle.path(bundle.manifest.golden.input).read_bytes()
    assert len(written[f"{resources}.rgb"]) == 3 * 96 * 96
    shown = {name: text.decode() for name, text in written.items() if Path(name).suffix in {".kt", ".kts", ".md"}}
    page = "".join(f"=== {name}\n{text}" for name, text in sorted(shown.items()))
    page = re.sub(r"floatArrayOf\([^)]*\)", "floatArrayOf(...)", page)  # the engine's, on this processor
    golden("android.txt", page.replace(bundle.sha256, "0" * 64))


def test_ios_folder_is_the_golden_one(floatio: Path, tmp_path: Path) -> None:
    app = write_ios(PhoneOptions(floatio, tmp_path / "app"))
    written, bundle = files_of(app), read_bundle(floatio)
    assert app.record.files == sorted(written) and app.record.platform == "ios"
    assert written["Expressions/model.tflite"] == bundle.path("model.tflite").read_bytes()
    assert written["ExpressionsTests/golden-picture.input"] == bundle.path(bundle.manifest.golden.input).read_bytes()
    shown = {name: text.decode() for name, text in written.items() if Path(name).suffix in {".swift", ".md"}}
    page = "".join(f"=== {name}\n{text}" for name, text in sorted(shown.items()))
    page = re.sub(r"            \[[0-9., ]*\]", "            [...]", page)  # the engine's, on this processor
    golden("ios.txt", page.replace(bundle.sha256, "0" * 64))


def test_an_app_holds_the_code_of_the_bundles_page(dist: Path, tmp_path: Path) -> None:
    bundle = read_bundle(dist / "ean.tflite-int8-floatio")
    page = bundle.path("README.md").read_text(encoding="utf-8")
    written = files_of(write_android(PhoneOptions(bundle.folder, tmp_path / "app")))
    source = "src/main/kotlin/edgefer/expressions"
    for block, name in zip(code_of(page, "kotlin"), ("Expressions.kt", "Preprocessing.kt"), strict=True):
        assert written[f"{source}/{name}"].decode() == f"package edgefer.expressions\n\n{block}"
    written = files_of(write_ios(PhoneOptions(bundle.folder, tmp_path / "ios")))
    names = ("Expressions.swift", "Preprocessing.swift")
    assert code_of(page, "swift") == [written[f"Expressions/{name}"].decode() for name in names]


def test_two_apps_are_equal_and_an_app_is_replaced(dist: Path, tmp_path: Path) -> None:
    one, other = (write_android(PhoneOptions(dist / "ean.tflite-fp32", tmp_path / name)) for name in ("one", "other"))
    assert files_of(one) == files_of(other)
    again = write_android(PhoneOptions(dist / "ean.tflite-int8", one.folder, "org.example"))
    assert set(files_of(again)) == set(again.record.files)


def test_what_is_no_app_is_not_replaced(dist: Path, tmp_path: Path) -> None:
    options = PhoneOptions(dist / "ean.tflite-int8", tmp_path / "app")
    app = write_android(options)
    (app.folder / "mine.kt").write_text("mine")
    with pytest.raises(OutputFailed, match=r"mine\.kt is there and of no earlier app"):
        write_android(options)
    (tmp_path / "file").touch()
    with pytest.raises(OutputFailed, match="is a file"):
        write_android(replace(options, out=tmp_path / "file"))


def test_bundles_that_are_refused(dist: Path, tmp_path: Path) -> None:
    with pytest.raises(WrongOptions, match=r"ean\.onnx-fp32 is of the format onnx, .*tflite-int8"):
        write_android(PhoneOptions(dist / "ean.onnx-fp32", tmp_path / "app"))
    for name in ("onnx-fp32", "tflite-int8"):
        with pytest.raises(WrongOptions, match=rf"ean\.{name} is .* TensorFlowLiteSwift .*tflite-int8-floatio"):
            write_ios(PhoneOptions(dist / f"ean.{name}", tmp_path / "app"))
    with pytest.raises(MissingFile):
        write_android(PhoneOptions(tmp_path / "none", tmp_path / "app"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["Foo.bar", "expressions", "a..b", "org.class", "org.when.x", "1a.b", "a.b;", ""])
def test_package_names_that_are_none(dist: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(WrongOptions, match=r"is no package's name .*like edgefer\.expressions"):
        write_android(PhoneOptions(dist / "ean.tflite-int8", tmp_path / "app", name))
    assert not list(tmp_path.iterdir())


def test_labels_that_do_not_fit_the_model(dist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = read_bundle(dist / "ean.tflite-int8")
    folder = shutil.copytree(bundle.folder, tmp_path / "bundle")
    (folder / LABELS_FILE).write_text("happy\nsad\n")
    monkeypatch.setattr(phone, "read_bundle", lambda *_: Bundle(folder, bundle.manifest, bundle.sha256))
    with pytest.raises(BrokenBundle, match=r"labels\.txt has 2 labels, the contract 7, .*shape \(1, 7\)"):
        write_android(PhoneOptions(folder, tmp_path / "app"))
    assert not (tmp_path / "app").exists()


def test_command(dist: Path, tmp_path: Path) -> None:
    words = ["app", "android", str(dist / "ean.tflite-int8"), "--out", str(tmp_path / "app")]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0
    assert done.output.startswith(f"wrote {tmp_path / 'app'} (15 files, 0.2 MB, int8 input and int8 output); next: ")
    record = json.loads(CliRunner().invoke(cli, [*words, "--json"]).output)
    assert record["platform"] == "android" and "README.md" in record["files"]
