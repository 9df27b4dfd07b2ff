"""The texts and pictures of a page that depend on the bundle: its head, its policy, its icons, its licences."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from string import Template

from edgefer.app.web_engines import web_engines
from edgefer.runtime import __version__
from edgefer.runtime.detectors import DETECTORS, FaceMap
from edgefer.runtime.files import PACKAGE, digest
from edgefer.runtime.golden import golden_picture
from edgefer.runtime.manifest import Manifest

ICONS = (192, 512)
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
class PageDetector:
    """What finds faces in the page: its file there, its way to FER2013's framing, and what its row says."""

    name: str
    file: str
    threshold: float
    second_pass: tuple[float, float]
    map: FaceMap


def formats_of(manifest: Manifest, detector: PageDetector | None) -> tuple[str, ...]:
    """The formats of models that the page runs: the bundle's, and the detector's."""
    return tuple(dict.fromkeys([manifest.format, *(["tflite"] if detector else [])]))


def render_html(manifest: Manifest, detector: PageDetector | None) -> str:
    """index.html: the bundle's name, a bar for each label, the policy, and where the engines' modules are."""
    importmap = _import_map(formats_of(manifest, detector))
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
        hint="Look into the camera." if detector else "Hold your face in the square.",
        bars=bars,
    )


def content_policy(importmap: str) -> str:
    """What the page may load: its own files only; an import map must stand in the page, so its checksum is allowed."""
    policy = dict(_POLICY)
    if importmap:
        checksum = base64.b64encode(bytes.fromhex(digest(importmap.encode()))).decode()
        policy["script-src"] += f" 'sha256-{checksum}'"
    return "; ".join(f"{directive} {sources}" for directive, sources in policy.items())


def _import_map(formats: Iterable[str]) -> str:
    """JSON that tells the browser which file a package's name stands for, "" if no module asks."""
    engines = web_engines()
    imports = {name: f"./engine/{name}/{path}" for key in formats for name, path in engines[key].imports.items()}
    return json.dumps({"imports": imports}) if imports else ""


def render_web_manifest(name: str) -> str:
    """What lets a phone install the page."""
    icons = [{"src": f"icon-{side}.png", "sizes": f"{side}x{side}", "type": "image/png"} for side in ICONS]
    content = {"name": name, "short_name": name, "start_url": ".", "scope": ".", "display": "standalone"}
    return json.dumps(content | {"background_color": "#101216", "theme_color": "#101216", "icons": icons}, indent=2)


def draw_icon(side: int) -> bytes:
    """The drawn face of the golden pair as a PNG file."""
    from PIL.Image import Resampling, fromarray

    content = io.BytesIO()
    fromarray(golden_picture()).resize((side, side), Resampling.BILINEAR).save(content, format="PNG", optimize=False)
    return content.getvalue()


def render_licences(formats: Iterable[str], detector: PageDetector | None) -> str:
    """Whose work the page carries besides the model, with the licences' texts."""
    packages = [package for name in formats for package in web_engines()[name].packages]
    shipped = PACKAGE / "LICENSE"
    apache = (shipped if shipped.is_file() else PACKAGE.parent / "LICENSE").read_text("utf-8")
    whose = [f"The page's own code: edgefer {__version__}, Apache-2.0."]
    whose += [f"engine/{each.name}: {each.name} {each.version}, {each.licence}, {each.by}." for each in packages]
    if detector:
        row = DETECTORS[detector.name]
        whose.append(f"{detector.file}: {row.title}; {row.licence}, from {row.source}. {row.attribution}".rstrip())
    texts = [apache]
    if any(each.licence == "MIT" for each in packages):
        texts.insert(0, (PACKAGE / "app" / "page" / "MIT.txt").read_text("utf-8"))
    return "\n\n".join(["\n".join(whose), *texts])
