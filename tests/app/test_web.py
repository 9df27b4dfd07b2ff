"""The page's folder: what it holds, and what is refused."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from edgefer.app import web, web_engines
from edgefer.app.rendering import PageDetector, content_policy, render_html
from edgefer.app.web import Page, WebOptions, write_page
from edgefer.app.web_engines import packages_of
from edgefer.runtime.bundle import read_bundle
from edgefer.runtime.detectors import DETECTORS, face_map
from edgefer.runtime.errors import BadData, BrokenBundle, MissingFile, NotSetUp, OutputFailed, UnknownName, WrongOptions
from tests.made import golden

PINNED = web_engines.web_engines()


FOUND = PageDetector("blazeface", "detector/face.tflite", 0.5, (0.35, 10.0), face_map("blazeface"))


def page_of(bundle: Path, out: Path | None = None) -> Page:
    """A page that takes the picture as a face."""
    return write_page(WebOptions(bundle, out, "none"))


@pytest.mark.usefixtures("engines")
def test_page_is_the_bundle_the_code_and_the_engine(floatio: Path, tmp_path: Path) -> None:
    page = page_of(floatio, tmp_path / "page")
    written = {p.relative_to(page.folder).as_posix() for p in page.folder.rglob("*") if p.is_file()}
    assert written == set(page.settings.files)
    assert page.bytes == sum((page.folder / name).stat().st_size for name in written)
    for file in (p for p in floatio.rglob("*") if p.is_file()):
        assert (page.folder / "bundle" / file.relative_to(floatio)).read_bytes() == file.read_bytes()
    assert "engine-onnx.js" not in written
    for icon in json.loads((page.folder / "page.webmanifest").read_text())["icons"]:
        assert icon["src"] in written


@pytest.mark.skipif(find_spec("ziglang") is None, reason="WebAssembly is compiled by zig")
def test_page_of_a_network_as_c_has_what_the_c_becomes_and_no_engine(dist: Path, tmp_path: Path) -> None:
    page = page_of(dist / "ean.c-int8", tmp_path / "page")
    assert page.settings.engines == ["WebAssembly of its C"]
    assert not [name for name in page.settings.files if name.startswith("engine/")]
    modules = {"model.wasm", "model.relaxed_unsigned.wasm", "model.relaxed_signed.wasm"}
    assert {path.name for path in (page.folder / "bundle").glob("*.wasm")} == modules
    assert all((page.folder / "bundle" / name).read_bytes()[:4] == b"\0asm" for name in modules)
    assert ".wasm" not in (page.folder / "files.js").read_text()  # a browser loads one of them
    assert not {"model.c", "model.h", "model.tflite"} & {path.name for path in page.folder.rglob("*")}
    assert "importmap" not in (page.folder / "index.html").read_text()


@pytest.mark.skipif(find_spec("ziglang") is None, reason="WebAssembly is compiled by zig")
def test_c_that_edgefer_did_not_generate_becomes_no_page(
    dist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(path: Path) -> bytes:
        raise ValueError(f"{path.name} is not what this edgefer generates")

    monkeypatch.setattr(web, "webassembly_modules", other)
    with pytest.raises(BrokenBundle, match=r"ean\.c-int8 can't be compiled .*model\.c is not what"):
        page_of(dist / "ean.c-int8", tmp_path / "page")
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("engines")
def test_files_for_offline_use_are_all_but_the_engines(floatio: Path, tmp_path: Path) -> None:
    page = page_of(floatio, tmp_path / "page")
    kept = set(json.loads((page.folder / "files.js").read_text().removeprefix("self.PAGE = ").rstrip(";\n"))["files"])
    assert kept == {"./"} | {name for name in page.settings.files if not name.startswith("engine/")} - {"files.js"}


@pytest.mark.usefixtures("engines")
def test_two_pages_are_equal_and_a_page_is_replaced(floatio: Path, tmp_path: Path) -> None:
    one, other = (page_of(floatio, tmp_path / name) for name in ("one", "other"))
    for name in one.settings.files:
        assert (one.folder / name).read_bytes() == (other.folder / name).read_bytes()
    page_of(floatio, tmp_path / "one")
    older = tmp_path / "one" / "page.json"
    older.write_text(older.read_text().replace("web-page/1", "web-page/0"))
    page_of(floatio, tmp_path / "one")


def test_html(floatio: Path) -> None:
    golden("page.html", render_html(read_bundle(floatio).manifest, FOUND))


@pytest.mark.usefixtures("engines")
def test_a_detector_and_its_engine_are_in_the_page(dist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    row = DETECTORS["blazeface"]
    with pytest.raises(NotSetUp, match=r"`edgefer detector setup blazeface` once.*--detector none"):
        write_page(WebOptions(dist / "ean.onnx-fp32", tmp_path / "page"))
    row.folder.mkdir(parents=True)
    (row.folder / row.files[0]).write_bytes(b"weights")
    page = write_page(WebOptions(dist / "ean.onnx-fp32", tmp_path / "page"))
    detector = page.settings.detector
    contract = read_bundle(dist / "ean.onnx-fp32").manifest.contract
    assert contract.face_maps is not None and contract.face_maps.keys() == DETECTORS.keys()
    assert detector is not None and detector.map == contract.face_maps["blazeface"] == face_map("blazeface")
    assert (page.folder / detector.file).read_bytes() == b"weights"
    assert {"blazeface.js", "face.js", "engine-tflite.js", "engine-onnx.js"} <= set(page.settings.files)
    assert page.settings.engines == ["onnxruntime-web", "LiteRT.js"]
    licences = (page.folder / "LICENCES.txt").read_text()
    assert all(words in licences for words in ("MIT License", "Apache License", "MediaPipe", "Microsoft Corporation"))


def test_policy_allows_the_import_map_and_no_other_script(floatio: Path) -> None:
    html = render_html(read_bundle(floatio).manifest, None)
    importmap = re.search(r'<script type="importmap">(.*?)</script>', html)
    assert importmap is not None
    digest = base64.b64encode(hashlib.sha256(importmap[1].encode()).digest()).decode()
    assert f"script-src 'self' 'wasm-unsafe-eval' 'sha256-{digest}';" in html
    assert "unsafe-inline" not in html and "default-src 'none'" in html
    assert "sha256" not in content_policy("")


def test_labels_are_text(floatio: Path) -> None:
    manifest = read_bundle(floatio).manifest
    contract = replace(manifest.contract, labels=("<script>", "a & b", '"$name'))
    html = render_html(replace(manifest, contract=contract, name="$policy <b>"), None)
    assert "<b>" not in html and html.count("<script") == 2 and "&lt;script&gt;" in html and "$name" in html


@pytest.mark.parametrize("name", ["ean.tflite-int8", "ean.openvino-int8", "ean.ncnn-fp16"])
def test_a_bundle_that_no_browser_runs_is_refused(dist: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(WrongOptions, match=f"{name} .*tflite-int8-floatio"):
        page_of(dist / name, tmp_path / "page")
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("engines")
def test_what_is_no_page_is_not_replaced(floatio: Path, tmp_path: Path) -> None:
    page = tmp_path / "page"
    page_of(floatio, page)
    (page / "mine.txt").write_text("mine")
    with pytest.raises(OutputFailed, match=r"mine\.txt is there and of no earlier page"):
        page_of(floatio, page)
    (tmp_path / "file").touch()
    with pytest.raises(OutputFailed, match="is a file"):
        page_of(floatio, tmp_path / "file")
    with pytest.raises(OutputFailed, match="of no earlier page"):
        page_of(floatio, floatio)
    read_bundle(floatio)


@pytest.mark.usefixtures("engines")
def test_bad_bundles_and_names(floatio: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingFile):
        page_of(tmp_path / "none")
    with pytest.raises(UnknownName, match="detector"):
        write_page(WebOptions(floatio, tmp_path / "page", "blazface"))
    broken = shutil.copytree(floatio, tmp_path / "broken")
    (broken / "model.tflite").write_bytes(b"x")
    with pytest.raises(BrokenBundle):
        page_of(broken, tmp_path / "page")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(web_engines, "cache_folder", lambda: tmp_path / "cache")
    return tmp_path / "cache"


def test_an_engine_that_is_not_set_up(floatio: Path, tmp_path: Path, cache: Path) -> None:
    with pytest.raises(NotSetUp, match=r"LiteRT\.js .*`edgefer app setup tflite`"):
        page_of(floatio, tmp_path / "page")
    damaged = cache / "web" / packages_of(["tflite"])[0].file_name
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"cut off")
    with pytest.raises(NotSetUp):
        page_of(floatio, tmp_path / "page")
    assert not (tmp_path / "page").exists()


def test_files_given_to_setup_are_checked(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(MissingFile):
        web_engines.set_up(["tflite"], [tmp_path / "none.tgz"])
    (tmp_path / "litertjs-core-2.5.3.tgz").write_bytes(b"something else")
    with pytest.raises(BadData, match=r"SHA-512: needed are litertjs-core-2\.5\.3\.tgz"):
        web_engines.set_up(["tflite"], [tmp_path / "litertjs-core-2.5.3.tgz"])
    with pytest.raises(UnknownName, match="openvino"):
        web_engines.set_up(["openvino"], [])
    assert not cache.exists()


def test_setup_without_npm(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(NotSetUp, match=r"npm is not installed.*litertjs-core-2\.5\.3\.tgz with --package"):
        web_engines.set_up(["tflite"], [])


def test_every_engine_has_its_code_and_a_pin() -> None:
    page = Path(web_engines.__file__).with_name("page")
    for name, engine in PINNED.items():
        assert (page / f"engine-{name}.js").is_file()
        for package in engine.packages:
            assert len(base64.b64decode(package.integrity.removeprefix("sha512-"))) == 64
            assert package.licence in {"Apache-2.0", "MIT"} and package.files
