"""A bundle as a web page: a folder of plain files that classifies what a camera or a photo shows, in the browser.

The page's code is that of edgefer/app/page, the same for every bundle: it reads the bundle's own manifest. Written are
the head of index.html, the engine's files, and what makes the page work offline.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from edgefer.app.folder import FolderKind, require_replaceable, write_files
from edgefer.app.rendering import (
    ICONS,
    PageDetector,
    draw_icon,
    formats_of,
    render_html,
    render_licences,
    render_web_manifest,
)
from edgefer.app.web_engines import package_files, web_engines
from edgefer.pipeline.platforms import PLATFORMS
from edgefer.runtime import __version__, records
from edgefer.runtime.bundle import MANIFEST, Bundle, read_bundle
from edgefer.runtime.detectors import DETECTORS, face_map
from edgefer.runtime.engines import ENGINES
from edgefer.runtime.engines.c import webassembly_modules
from edgefer.runtime.errors import BrokenBundle, NotSetUp, UnknownName, WrongOptions
from edgefer.runtime.files import PACKAGE, digest_contents
from edgefer.runtime.manifest import Manifest
from edgefer.runtime.process import library_errors
from edgefer.runtime.signature import SIGNATURE, Trust

PAGE_DETECTORS = ("blazeface", "none")  # those that the page has code for
SETTINGS = "page.json"
_SCHEMAS = "edgefer/web-page/"
_KIND = FolderKind("page", SETTINGS, _SCHEMAS)
_CODE = ("app.js", "camera.js", "golden.js", "picture.js", "preprocess.js", "page.css", "service-worker.js")


@dataclass(frozen=True)
class WebOptions:
    """What `edgefer app web` is asked for; out: default web/<bundle>; detector: one of PAGE_DETECTORS.

    trust  what the bundle's signature has to be; None: not looked at
    """

    bundle: Path
    out: Path | None = None
    detector: str = "blazeface"
    trust: Trust | None = None


@dataclass(frozen=True)
class PageSettings:
    """page.json: what the page's code needs to know besides the bundle, and which files the page is made of."""

    schema: str = field(default=f"{_SCHEMAS}1", kw_only=True)
    bundle: str
    bundle_sha256: str
    edgefer: str
    engines: list[str]
    detector: PageDetector | None
    files: list[str]


@dataclass(frozen=True)
class Page:
    """A page that was written: its folder and what it holds."""

    folder: Path
    settings: PageSettings
    bytes: int


def write_page(options: WebOptions) -> Page:
    """Write the page of a bundle, as a whole or not at all; an earlier page in the same folder is replaced.

    Raises WrongOptions for a bundle that no browser runs, NotSetUp if an engine or the detector was not fetched,
    OutputFailed if the folder holds something else; of a network as C what compiling raises.
    """
    bundle = read_bundle(options.bundle, options.trust)
    manifest = bundle.manifest
    _require_runnable(manifest)
    detector = _detector(options.detector, manifest)
    folder = options.out or Path("web") / manifest.name
    require_replaceable(folder, _KIND)
    formats = formats_of(manifest, detector)
    files = _bundle_files(bundle) | _page_files(manifest, detector)
    for name in formats:
        files |= {f"engine/{path}": content for path, content in package_files(name).items()}
    if detector:
        row = DETECTORS[detector.name]
        files[detector.file] = (row.folder / row.files[0]).read_bytes()
    settings = PageSettings(
        bundle=manifest.name,
        bundle_sha256=bundle.sha256,
        edgefer=__version__,
        engines=[web_engines()[name].title for name in formats],
        detector=detector,
        files=sorted([*files, SETTINGS, "files.js"]),
    )
    files[SETTINGS] = records.dumps(settings).encode()
    files["files.js"] = _offline(files)
    write_files(folder, files)
    return Page(folder, settings, sum(map(len, files.values())))


def _require_runnable(manifest: Manifest) -> None:
    """Raise WrongOptions for a bundle that can't be run in a browser, with the targets that can."""
    tried = "build one for c-int8, tflite-int8-floatio, tflite-fp32, onnx-fp32 or onnx-int8"
    engines = web_engines()
    if manifest.format not in engines:
        known = " and ".join(f"{name} ({engine.title})" for name, engine in engines.items())
        raise WrongOptions(f"{manifest.name} is of the format {manifest.format}, a page runs {known}: {tried}.")
    tensors = {"input": manifest.contract.input, "output": manifest.contract.output}
    for which, spec in tensors.items():
        if manifest.format == "tflite" and spec.dtype != "float32":
            raise WrongOptions(
                f"{manifest.name} has {spec.dtype} {which}, LiteRT.js takes float32 only: build the target "
                "tflite-int8-floatio, which is int8 inside, or c-int8."
            )


def _detector(name: str, manifest: Manifest) -> PageDetector | None:
    """What the page is told of a detector, None for "none"; raises UnknownName or NotSetUp."""
    if name not in PAGE_DETECTORS:
        raise UnknownName.of("detector of a page", name, PAGE_DETECTORS)
    if name == "none":
        return None
    row = DETECTORS[name]
    if row.lacking:
        raise NotSetUp(
            f"the face detector {name} is not set up: run `{row.set_up_by}` once, or take the picture as a face "
            "with --detector none."
        )
    assert row.second_pass is not None  # so is the page's code
    return PageDetector(
        name, f"detector/{row.files[0]}", row.threshold, row.second_pass, face_map(name, manifest.contract)
    )


def _bundle_files(bundle: Bundle) -> dict[str, bytes]:
    names, compiled = (MANIFEST, *([SIGNATURE] if bundle.is_signed else []), *bundle.manifest.files), {}
    if bundle.manifest.format == "c":
        left_out = (*ENGINES["c"].suffixes, *(PurePath(each.file).suffix for each in PLATFORMS.values()))
        names = tuple(name for name in names if PurePath(name).suffix not in left_out)
        compiled = _compiled(bundle)
    return {f"bundle/{name}": bundle.path(name).read_bytes() for name in names} | compiled


def _compiled(bundle: Bundle) -> dict[str, bytes]:
    """A network as C as WebAssembly, which the page has in place of its files; a browser loads one of the modules."""
    manifest = bundle.manifest
    with library_errors(lambda reason: BrokenBundle(f"{manifest.name} can't be compiled ({reason})")):
        modules = webassembly_modules(bundle.path(manifest.model))
    return {f"bundle/{PurePath(manifest.model).with_suffix(end)}": content for end, content in modules.items()}


def _page_files(manifest: Manifest, detector: PageDetector | None) -> dict[str, bytes]:
    """The page itself: its code, its head, its icons and its licences."""
    formats = formats_of(manifest, detector)
    code = [*_CODE, *(f"engine-{name}.js" for name in formats)]
    code += ["face.js", f"{detector.name}.js"] if detector else []
    files = {name: (PACKAGE / "app" / "page" / name).read_bytes() for name in code}
    files["index.html"] = render_html(manifest, detector).encode()
    files["page.webmanifest"] = render_web_manifest(manifest.name).encode()
    files["LICENCES.txt"] = render_licences(formats, detector).encode()
    return files | {f"icon-{side}.png": draw_icon(side) for side in ICONS}


def _offline(files: dict[str, bytes]) -> bytes:
    """files.js: the page's version and what is kept for use without a network at once.

    Engines are when first used, and so is the one of a network's modules that the browser chooses.
    """
    at_once = ["./", *sorted(name for name in files if not name.startswith("engine/") and not name.endswith(".wasm"))]
    return f"self.PAGE = {json.dumps({'version': digest_contents(files)[:16], 'files': at_once}, indent=1)};\n".encode()
