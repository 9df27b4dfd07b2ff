"""A bundle as a web page: a folder of plain files that classifies what a camera or a photo shows, in the browser.

The page's code is that of edgefer/app/page, the same for every bundle: it reads the bundle's own manifest. Written are
the head of index.html, the engine's files, and what makes the page work offline.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from edgefer.app.web_engines import package_files, web_engines
from edgefer.runtime import __version__, records
from edgefer.runtime.bundle import MANIFEST, Bundle, Manifest, golden_picture, read_bundle
from edgefer.runtime.errors import BadRecord, MissingFile, OutputFailed, UnknownName, WrongOptions
from edgefer.runtime.files import PACKAGE, require_folder, staged_folder

DETECTORS = ("none",)
SETTINGS = "page.json"
_CODE = ("app.js", "camera.js", "golden.js", "preprocess.js", "page.css", "service-worker.js")
_ICONS = (192, 512)
_POLICY = {
    "default-src": "'none'",
    "script-src": "'self' 'wasm-unsafe-eval'",
    "style-src": "'self'",
    "img-src": "'self' blob:",
    "media-src": "'self' blob:",
    "connect-src": "'self'",
    "worker-src": "'self'",
    "manifest-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
}


@dataclass(frozen=True)
class WebOptions:
    """What `edgefer app web` is asked for; out: default web/<bundle>; detector: one of DETECTORS."""

    bundle: Path
    out: Path | None = None
    detector: str = "none"


@dataclass(frozen=True)
class PageSettings:
    """page.json: what the page's code needs to know besides the bundle, and which files the page is made of."""

    schema: str = field(default="edgefer/web-page/1", kw_only=True)
    bundle: str
    bundle_sha256: str
    edgefer: str
    engine: str
    detector: dict[str, Any] | None
    files: list[str]


@dataclass(frozen=True)
class Page:
    """A page that was written: its folder and what it holds."""

    folder: Path
    settings: PageSettings
    bytes: int


def write_page(options: WebOptions) -> Page:
    """Write the page of a bundle, as a whole or not at all; an earlier page in the same folder is replaced.

    Raises WrongOptions for a bundle that no browser runs, NotSetUp if the engine was not fetched, OutputFailed if the
    folder holds something else.
    """
    if options.detector not in DETECTORS:
        raise UnknownName.of("detector of the page", options.detector, DETECTORS)
    bundle = read_bundle(options.bundle)
    manifest = bundle.manifest
    _require_runnable(manifest)
    folder = options.out or Path("web") / manifest.name
    _require_replaceable(folder)
    files = {
        **_bundle_files(bundle),
        **{f"engine/{path}": content for path, content in package_files(manifest.format).items()},
        **_page_files(manifest),
    }
    settings = PageSettings(
        bundle=manifest.name,
        bundle_sha256=bundle.sha256,
        edgefer=__version__,
        engine=web_engines()[manifest.format].title,
        detector=None,
        files=sorted([*files, SETTINGS, "files.js"]),
    )
    files[SETTINGS] = records.dumps(settings).encode()
    files["files.js"] = _offline(files)
    with staged_folder(folder) as stage:
        for name, content in files.items():
            path = stage / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return Page(folder, settings, sum(map(len, files.values())))


def _require_runnable(manifest: Manifest) -> None:
    """Raise WrongOptions for a bundle that can't be run in a browser, with the targets that can."""
    tried = "build one for tflite-int8-floatio, tflite-fp32, onnx-fp32 or onnx-int8"
    engines = web_engines()
    if manifest.format not in engines:
        known = " and ".join(f"{name} ({engine.title})" for name, engine in engines.items())
        raise WrongOptions(f"{manifest.name} is of the format {manifest.format}, a page runs {known}: {tried}.")
    tensors = {"input": manifest.contract.input, "output": manifest.contract.output}
    for which, spec in tensors.items():
        if manifest.format == "tflite" and spec.dtype != "float32":
            raise WrongOptions(
                f"{manifest.name} has {spec.dtype} {which}, LiteRT.js takes float32 only: build the target "
                "tflite-int8-floatio, which is int8 inside."
            )


def _require_replaceable(folder: Path) -> None:
    """Raise OutputFailed if something that is not an earlier page's would be lost."""
    require_folder(folder.parent)
    if not folder.exists():
        return
    elsewhere = "move it away or choose another folder with --out"
    if not folder.is_dir():
        raise OutputFailed(f"{folder} is a file: {elsewhere}.")
    try:
        ours = set(records.read(PageSettings, folder / SETTINGS).files)
    except (MissingFile, BadRecord):
        ours = set()
    present = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    foreign = sorted({path.relative_to(folder).as_posix() for path in present} - ours)
    if foreign:
        raise OutputFailed(f"{folder / foreign[0]} is there and of no earlier page: {elsewhere}.")


def _bundle_files(bundle: Bundle) -> dict[str, bytes]:
    names = (MANIFEST, *bundle.manifest.files)
    return {f"bundle/{name}": bundle.path(name).read_bytes() for name in names}


def _page_files(manifest: Manifest) -> dict[str, bytes]:
    """The page itself: its code, its head, its icons and its licences."""
    code = (*_CODE, f"engine-{manifest.format}.js")
    files = {name: (PACKAGE / "app" / "page" / name).read_bytes() for name in code}
    files["index.html"] = render_html(manifest).encode()
    files["page.webmanifest"] = _web_manifest(manifest.name).encode()
    files["LICENCES.txt"] = _licences(manifest.format).encode()
    return files | {f"icon-{side}.png": _icon(side) for side in _ICONS}


def render_html(manifest: Manifest) -> str:
    """index.html: the bundle's name, a bar for each label, the policy, and where the engine's modules are."""
    importmap = _import_map(manifest.format)
    bars = "\n".join(
        f'<li><span>{escape(label)}</span><span class="bar" aria-hidden="true"><span></span></span>'
        '<span class="value"></span></li>'
        for label in manifest.contract.labels
    )
    template = (PACKAGE / "app" / "page" / "index.html").read_text("utf-8")
    return Template(template).substitute(
        name=escape(manifest.name),
        policy=content_policy(importmap),
        importmap=f'<script type="importmap">{importmap}</script>\n' if importmap else "",
        hint="Hold your face in the square.",
        bars=bars,
    )


def content_policy(importmap: str) -> str:
    """What the page may load: its own files only; an import map must stand in the page, so its checksum is allowed."""
    policy = dict(_POLICY)
    if importmap:
        digest = base64.b64encode(hashlib.sha256(importmap.encode()).digest()).decode()
        policy["script-src"] += f" 'sha256-{digest}'"
    return "; ".join(f"{directive} {sources}" for directive, sources in policy.items())


def _import_map(format_name: str) -> str:
    """JSON that tells the browser which file a package's name stands for, "" if no module asks."""
    imports = {name: f"./engine/{name}/{path}" for name, path in web_engines()[format_name].imports.items()}
    return json.dumps({"imports": imports}) if imports else ""


def _web_manifest(name: str) -> str:
    """What lets a phone install the page."""
    icons = [{"src": f"icon-{side}.png", "sizes": f"{side}x{side}", "type": "image/png"} for side in _ICONS]
    content = {"name": name, "short_name": name, "start_url": ".", "scope": ".", "display": "standalone"}
    return json.dumps(content | {"background_color": "#101216", "theme_color": "#101216", "icons": icons}, indent=2)


def _icon(side: int) -> bytes:
    """The drawn face of the golden pair as a PNG file."""
    from PIL.Image import Resampling, fromarray

    content = io.BytesIO()
    fromarray(golden_picture()).resize((side, side), Resampling.BILINEAR).save(content, format="PNG", optimize=False)
    return content.getvalue()


def _licences(format_name: str) -> str:
    """Whose work the page carries besides the model, with the licences' texts."""
    packages = web_engines()[format_name].packages
    shipped = PACKAGE / "LICENSE"
    apache = (shipped if shipped.is_file() else PACKAGE.parent / "LICENSE").read_text("utf-8")
    whose = [f"The page's own code: edgefer {__version__}, Apache-2.0."]
    whose += [f"engine/{each.name}: {each.name} {each.version}, {each.licence}, {each.by}." for each in packages]
    texts = [apache]
    if any(each.licence == "MIT" for each in packages):
        texts.insert(0, (PACKAGE / "app" / "page" / "MIT.txt").read_text("utf-8"))
    return "\n\n".join(["\n".join(whose), *texts])


def _offline(files: dict[str, bytes]) -> bytes:
    """files.js: the page's version and what is kept for use without a network at once; engines are when first used."""
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{name} {len(content)}\n".encode())
        digest.update(content)
    at_once = ["./", *sorted(name for name in files if not name.startswith("engine/"))]
    return f"self.PAGE = {json.dumps({'version': digest.hexdigest()[:16], 'files': at_once}, indent=1)};\n".encode()
