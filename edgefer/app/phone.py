"""A bundle as a part of a phone's app: a folder with the model, code that prepares a face, and golden pairs as tests.

The code comes from the templates of edgefer.pipeline.app_code, which the bundle's page prints too; what is around it
lies in app/android and app/ios.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from string import Template

from edgefer.app.folder import FolderKind, require_replaceable, write_files
from edgefer.app.golden_tests import golden_files, golden_pairs, kotlin_tests, swift_tests
from edgefer.pipeline.app_code import DEPENDENCIES, contract_values, render_classifier
from edgefer.runtime import __version__, records
from edgefer.runtime.bundle import LABELS_FILE, Bundle, read_bundle
from edgefer.runtime.errors import WrongOptions
from edgefer.runtime.files import PACKAGE
from edgefer.runtime.manifest import Manifest
from edgefer.runtime.signature import Trust

# What the page of an iOS folder says of the engine, by the bundle's format.
_IOS_ENGINES = {
    "tflite": {
        "install": "In the Podfile, for the app's target: `pod 'TensorFlowLiteSwift', '$pod'`; then `pod install`.",
        "inherits": ", which inherits the pod",
        "tried": "The rest was compiled by hand with stand-ins for CoreGraphics and TensorFlowLite, and `GoldenTests` "
        "passed with\nthem.",
    },
    "coreml": {
        "install": "Core ML is part of the system, from iOS 15 on: there is nothing to install.",
        "inherits": "",
        "tried": "The rest was not compiled, and edgefer has not seen the model's answers: the test\ncompares them "
        "with the float network's.",
    },
}
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
    """What `edgefer app android` and `ios` are asked for; out: default <platform>/<bundle>; package: of Kotlin code.

    trust  what the bundle's signature has to be; None: not looked at
    """

    bundle: Path
    out: Path | None = None
    package: str = DEFAULT_PACKAGE
    trust: Trust | None = None


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
    bundle = read_bundle(options.bundle, options.trust)
    manifest = bundle.manifest
    if manifest.format != "tflite":
        raise WrongOptions(
            f"{manifest.name} is of the format {manifest.format}, LiteRT on Android runs tflite: build one for "
            "tflite-int8 or another tflite target."
        )
    _require_package(options.package)
    folder = options.out or Path("android") / manifest.name
    require_replaceable(folder, _KIND)
    pairs = golden_pairs(bundle)
    values = _values(bundle) | {"package": options.package}
    code = render_classifier(manifest.format, "kotlin", values)
    source = f"kotlin/{options.package.replace('.', '/')}"
    files = {
        f"src/main/{source}/Expressions.kt": f"package {options.package}\n\n{code['code']}\n",
        f"src/main/{source}/Preprocessing.kt": f"package {options.package}\n\n{code['preprocessing']}\n",
        f"src/test/{source}/GoldenTest.kt": _render("android/GoldenTest.kt", values | kotlin_tests(pairs)),
        f"src/androidTest/{source}/GoldenOnDeviceTest.kt": _render(
            "android/GoldenOnDeviceTest.kt", values | kotlin_tests(pairs)
        ),
        "build.gradle.kts": _render("android/build.gradle.kts", values),
        "README.md": _render("android/README.md", values),
    }
    content = {name: text.encode() for name, text in files.items()}
    content |= _assets(bundle, "src/main/assets/expressions") | golden_files(pairs, "src/test/resources/golden/")
    return _write(folder, "android", bundle, content)


def write_ios(options: PhoneOptions) -> PhoneApp:
    """Write a folder for Xcode around a TFLite bundle with float input and output or a Core ML one."""
    bundle = read_bundle(options.bundle, options.trust)
    manifest, tensors = bundle.manifest, (bundle.manifest.contract.input, bundle.manifest.contract.output)
    if manifest.format not in _IOS_ENGINES or any(tensor.dtype != "float32" for tensor in tensors):
        found = " and ".join(dict.fromkeys(tensor.dtype for tensor in tensors))
        raise WrongOptions(
            f"{manifest.name} is {manifest.format} with {found} input and output, TensorFlowLiteSwift takes tflite "
            "with float32: build one for tflite-int8-floatio, which is int8 inside, tflite-fp32 or coreml-fp16."
        )
    folder = options.out or Path("ios") / manifest.name
    require_replaceable(folder, _KIND)
    pairs, values = golden_pairs(bundle), _values(bundle)
    values |= {key: Template(text).substitute(values) for key, text in _IOS_ENGINES[manifest.format].items()}
    code = render_classifier(manifest.format, "swift", values)
    files = {
        "Expressions/Expressions.swift": f"{code['code']}\n",
        "Expressions/Preprocessing.swift": f"{code['preprocessing']}\n",
        "ExpressionsTests/GoldenTests.swift": _render("ios/GoldenTests.swift", values | swift_tests(pairs)),
        "README.md": _render("ios/README.md", values),
    }
    content = {name: text.encode() for name, text in files.items()}
    content |= _assets(bundle, "Expressions") | golden_files(pairs, "ExpressionsTests/golden-", ("rgb", "input"))
    return _write(folder, "ios", bundle, content)


def _require_package(name: str) -> None:
    """Raise WrongOptions for what Android takes as no namespace."""
    if not _PACKAGE.fullmatch(name) or set(_KEYWORDS.split()) & set(name.split(".")):
        raise WrongOptions(
            f"{name!r} is no package's name for Kotlin and Java: give --package words of small letters, digits and _ "
            f"with a dot between them, like {DEFAULT_PACKAGE}."
        )


def _values(bundle: Bundle) -> dict[str, str]:
    """What the templates may say."""
    manifest = bundle.manifest
    return contract_values(manifest.contract) | DEPENDENCIES | _names(manifest) | {"bundle_sha256": bundle.sha256}


def _names(manifest: Manifest) -> dict[str, str]:
    return {
        "name": manifest.name,
        "arch": manifest.arch,
        "model": manifest.model_name,
        "tolerance": f"{manifest.golden.tolerance:g}",
    }


def _assets(bundle: Bundle, folder: str) -> dict[str, bytes]:
    wanted = (bundle.manifest.model_name, LABELS_FILE)
    names = [name for name in bundle.manifest.files if PurePosixPath(name).parts[0] in wanted]
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
