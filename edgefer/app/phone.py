"""A bundle as a part of a phone's app: a folder with the model, code that prepares a face, and golden pairs as tests.

The code comes from the templates of edgefer.pipeline.app_code, which the bundle's page prints too; what is around it
lies in app/android.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

import numpy as np
from numpy.typing import NDArray

from edgefer.app.folder import FolderKind, require_replaceable, write_files
from edgefer.pipeline.app_code import DEPENDENCIES, contract_values, render_classifier
from edgefer.runtime import __version__, records
from edgefer.runtime.bundle import LABELS_FILE, Bundle, Golden, Manifest, read_bundle
from edgefer.runtime.contract import dequantise
from edgefer.runtime.errors import BrokenBundle, WrongOptions
from edgefer.runtime.files import PACKAGE

DEFAULT_PACKAGE = "edgefer.expressions"
_SCHEMAS = "edgefer/phone-app/"
_KIND = FolderKind("app", "edgefer-app.json", _SCHEMAS)
_PACKAGE = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
_KEYWORDS = (  # of Kotlin and of Java, in which Android's tools generate classes of the package
    "abstract as assert boolean break byte case catch char class const continue default do double else enum extends "
    "false final finally float for fun goto if implements import in instanceof int interface is long native new null "
    "object package private protected public return short static strictfp super switch synchronized this throw throws "
    "transient true try typealias typeof val var void volatile when while"
)


@dataclass(frozen=True)
class PhoneOptions:
    """What `edgefer app android` is asked for; out: default android/<bundle>; package: of the Kotlin code."""

    bundle: Path
    out: Path | None = None
    package: str = DEFAULT_PACKAGE


@dataclass(frozen=True)
class PhoneRecord:
    """edgefer-app.json: what the folder was made from, and which files it is made of."""

    schema: str = field(default=f"{_SCHEMAS}1", kw_only=True)
    platform: str
    bundle: str
    bundle_sha256: str
    edgefer: str
    input: str
    output: str
    files: list[str]


@dataclass(frozen=True)
class PhoneApp:
    """A folder that was written, and what it holds."""

    folder: Path
    record: PhoneRecord
    bytes: int


def write_android(options: PhoneOptions) -> PhoneApp:
    """Write a Gradle module around a TFLite bundle, as a whole or not at all; an earlier one is replaced.

    Raises WrongOptions for a bundle of another format or a package's name that is none, OutputFailed if the folder
    holds something else, BrokenBundle if the bundle's labels don't fit its output.
    """
    bundle = read_bundle(options.bundle)
    manifest = bundle.manifest
    if manifest.format != "tflite":
        raise WrongOptions(
            f"{manifest.name} is of the format {manifest.format}, LiteRT on Android runs tflite: build one for "
            "tflite-int8 or another tflite target."
        )
    _require_package(options.package)
    folder = options.out or Path("android") / manifest.name
    require_replaceable(folder, _KIND)
    pairs = _pairs(bundle)
    values = _values(bundle) | {"package": options.package}
    code = render_classifier(manifest.format, "kotlin", values)
    source = f"kotlin/{options.package.replace('.', '/')}"
    files = {
        f"src/main/{source}/Expressions.kt": f"package {options.package}\n\n{code['code']}\n",
        f"src/main/{source}/Preprocessing.kt": f"package {options.package}\n\n{code['preprocessing']}\n",
        f"src/test/{source}/GoldenTest.kt": _render("android/GoldenTest.kt", values | _kotlin_tests(pairs)),
        f"src/androidTest/{source}/GoldenOnDeviceTest.kt": _render(
            "android/GoldenOnDeviceTest.kt", values | _kotlin_tests(pairs)
        ),
        "build.gradle.kts": _render("android/build.gradle.kts", values),
        "README.md": _render("android/README.md", values),
    }
    content = {name: text.encode() for name, text in files.items()}
    content |= _assets(bundle, "src/main/assets/expressions") | _golden_files(pairs, "src/test/resources/golden")
    return _write(folder, "android", bundle, content)


def _require_package(name: str) -> None:
    """Raise WrongOptions for what Android takes as no namespace."""
    if not _PACKAGE.fullmatch(name) or set(_KEYWORDS.split()) & set(name.split(".")):
        raise WrongOptions(
            f"{name!r} is no package's name for Kotlin and Java: give --package words of small letters, digits and _ "
            f"with a dot between them, like {DEFAULT_PACKAGE}."
        )


@dataclass(frozen=True)
class _Pair:
    """A golden pair: its picture, uint8 (H, W, 3), its files' contents, and the probabilities that it must give."""

    name: str
    pixels: NDArray[np.uint8]
    picture: bytes
    input: bytes
    answer: list[float]
    tolerance: float


def _pairs(bundle: Bundle) -> list[_Pair]:
    """The golden pairs of the bundle; raises BrokenBundle if labels, contract and output don't fit each other."""
    agreed, labels = bundle.manifest.contract, bundle.path(LABELS_FILE).read_text(encoding="utf-8").splitlines()
    if tuple(labels) != agreed.labels or agreed.output.shape != (1, len(labels)):
        raise BrokenBundle(
            f"{bundle.manifest.name}: {LABELS_FILE} has {len(labels)} labels, the contract {len(agreed.labels)}, "
            f"and the output has the shape {agreed.output.shape}: build the bundle again."
        )
    return [_pair(bundle, bundle.manifest.golden)]


def _pair(bundle: Bundle, golden: Golden) -> _Pair:
    from PIL import Image

    output = bundle.manifest.contract.output
    with Image.open(bundle.path(golden.picture)) as image:
        pixels = np.asarray(image.convert("RGB"), dtype=np.uint8)
    stored = np.frombuffer(bundle.path(golden.output).read_bytes(), np.dtype(output.dtype).newbyteorder("<"))
    return _Pair(
        name=bundle.path(golden.picture).stem,
        pixels=pixels,
        picture=bundle.path(golden.picture).read_bytes(),
        input=bundle.path(golden.input).read_bytes(),
        answer=dequantise(stored, output).tolist(),
        tolerance=golden.tolerance,
    )


def _values(bundle: Bundle) -> dict[str, str]:
    """What the templates may say."""
    manifest = bundle.manifest
    return contract_values(manifest.contract) | DEPENDENCIES | _names(manifest) | {"bundle_sha256": bundle.sha256}


def _names(manifest: Manifest) -> dict[str, str]:
    return {
        "name": manifest.name,
        "arch": manifest.arch,
        "model": manifest.model,
        "tolerance": f"{manifest.golden.tolerance:g}",
    }


def _kotlin_tests(pairs: list[_Pair]) -> dict[str, str]:
    """The functions of the tests, one a golden pair."""
    return {
        "pictures": "\n\n".join(
            f'    @Test\n    fun {pair.name}() = check("{pair.name}.rgb", {pair.pixels.shape[1]}, '
            f'{pair.pixels.shape[0]}, "{pair.name}.input")'
            for pair in pairs
        ),
        "answers": "\n\n".join(
            f'    @Test\n    fun {pair.name}() = check(\n        "{pair.name}.png", "{pair.name}.input",\n'
            f"        floatArrayOf({', '.join(f'{value:.6f}f' for value in pair.answer)}), {pair.tolerance:g}f\n    )"
            for pair in pairs
        ),
    }


def _golden_files(pairs: list[_Pair], folder: str) -> dict[str, bytes]:
    """Of each pair the picture as PNG and as bytes R, G, B, row by row, and the input."""
    files: dict[str, bytes] = {}
    for pair in pairs:
        kinds = {"png": pair.picture, "rgb": pair.pixels.tobytes(), "input": pair.input}
        files |= {f"{folder}/{pair.name}.{kind}": content for kind, content in kinds.items()}
    return files


def _assets(bundle: Bundle, folder: str) -> dict[str, bytes]:
    names = (bundle.manifest.model, LABELS_FILE)
    return {f"{folder}/{name}": bundle.path(name).read_bytes() for name in names}


def _render(template: str, values: dict[str, str]) -> str:
    return Template((PACKAGE / "app" / template).read_text(encoding="utf-8")).substitute(values)


def _write(folder: Path, platform: str, bundle: Bundle, files: dict[str, bytes]) -> PhoneApp:
    record = PhoneRecord(
        platform=platform,
        bundle=bundle.manifest.name,
        bundle_sha256=bundle.sha256,
        edgefer=__version__,
        input=bundle.manifest.contract.input.dtype,
        output=bundle.manifest.contract.output.dtype,
        files=sorted([*files, _KIND.record]),
    )
    files = files | {_KIND.record: records.dumps(record).encode()}
    write_files(folder, files)
    return PhoneApp(folder, record, sum(map(len, files.values())))
