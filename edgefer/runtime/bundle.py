"""The bundle: model, labels, contract, golden pair and checksums in one folder.

A reader never follows a path out of the folder and trusts no byte whose checksum it has not seen.
"""

from __future__ import annotations

import hashlib
import stat
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from edgefer.runtime import records
from edgefer.runtime.contract import Contract, contract_faults
from edgefer.runtime.engines import ENGINES, UNRUN
from edgefer.runtime.errors import BadRecord, BrokenBundle, MissingFile, OutputFailed, UnknownSchema
from edgefer.runtime.files import require_folder, sha256, staged_folder
from edgefer.runtime.leftovers import restore
from edgefer.runtime.names import NAMES_ARE, is_name
from edgefer.runtime.records import Dtypes

_SCHEMAS = "edgefer/bundle/"
MANIFEST, LABELS_FILE, README = "manifest.json", "labels.txt", "README.md"
CALIBRATION = "calibration.json"
MANIFEST_LIMIT = 4 * 2**20  # bytes
TOLERANCE_LIMIT, LEVELS_LIMIT = 0.25, 8  # in probability, and of 255 levels; a build writes at most 0.07 and 2
GOLDEN_PICTURE, GOLDEN_INPUT, GOLDEN_OUTPUT = "golden/picture.png", "golden/input.bin", "golden/output.bin"
RESIZE_PICTURE, RESIZE_INPUT, RESIZE_OUTPUT = "golden/large.png", "golden/large-input.bin", "golden/large-output.bin"


@dataclass(frozen=True)
class FileEntry:
    """Size in bytes and SHA-256 of one file of the bundle."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Golden:
    """A made picture, the input tensor it becomes, and the output the model must give.

    input and output are raw little-endian arrays of the contract's dtype and shape. tolerance is in
    the output's real values (probabilities). reference is the float network's answer and
    distance the largest difference from it.
    """

    picture: str
    input: str
    output: str
    tolerance: float
    reference: list[float]
    distance: float


@dataclass(frozen=True)
class GoldenResize:
    """A made picture that is larger than the crop and not square, for the way from a picture to the input.

    picture, input and output are as those of Golden. levels is how far an input value may be from `input`, in real
    values (0..255), that another bilinear resize with antialiasing makes; tolerance how far the output for that input
    may be from `output`.
    """

    picture: str
    input: str
    output: str
    levels: float
    tolerance: float


@dataclass(frozen=True)
class Manifest:
    """manifest.json: everything that is known of a bundle."""

    schema: str = field(default=f"{_SCHEMAS}1", kw_only=True)
    name: str
    arch: str
    target: str
    format: str
    precision: str
    model: str
    edgefer: str
    paper: str
    parameters: int
    macs: int
    contract: Contract
    dtypes: Dtypes
    golden: Golden
    weights_sha256: str
    calibration: dict[str, Any] | None
    training: records.TrainingRecord | None
    accuracy: dict[str, Any]
    needs: str
    versions: dict[str, str]
    files: dict[str, FileEntry]
    own: dict[str, Any] | None = None  # of a network of the user's own: where from, its preprocessing, how folded
    fidelity: records.Fidelity | None = None  # beside the float network, on faces; bundles of earlier versions: None
    keep_names: bool = True  # the model file is as the converter wrote it; in bundles of earlier versions it always is
    golden_resize: GoldenResize | None = None  # bundles of earlier versions: None
    unrun: str | None = None  # why no engine has run the model; the golden outputs are then the float network's

    @property
    def golden_pairs(self) -> list[Golden | GoldenResize]:
        """Two; bundles of earlier versions have one."""
        return [self.golden] if self.golden_resize is None else [self.golden, self.golden_resize]

    @property
    def model_bytes(self) -> int:
        """Size of the model: its file or folder, and for OpenVINO and ncnn the weights beside it."""
        stem = PurePosixPath(self.model_name).stem
        return sum(
            entry.bytes
            for name, entry in self.files.items()
            if PurePosixPath(PurePosixPath(name).parts[0]).stem == stem
        )

    @property
    def model_name(self) -> str:
        """What an app takes as the model: its file, or the folder that it is in."""
        return PurePosixPath(self.model).parts[0]


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk whose files are all there and unchanged.

    sha256 is that of its manifest.json, which holds the checksums of all its files.
    """

    folder: Path
    manifest: Manifest
    sha256: str

    def path(self, name: str) -> Path:
        """A file of the bundle by its name in the manifest."""
        return self.folder / name


def file_entries(files: dict[str, bytes]) -> dict[str, FileEntry]:
    """Sizes and checksums, by name."""
    return {name: FileEntry(len(c), hashlib.sha256(c).hexdigest()) for name, c in sorted(files.items())}


def write_bundle(folder: Path, manifest: Manifest, files: dict[str, bytes]) -> Bundle:
    """Write the bundle as a whole or not at all; one of the same name is replaced.

    Raises OutputFailed, also for what `require_replaceable` refuses.
    """
    require_replaceable(folder)
    written = records.dumps(_content(manifest)).encode()
    with staged_folder(folder) as stage:
        for name, content in files.items():
            path = stage / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        (stage / MANIFEST).write_bytes(written)
    return Bundle(folder, manifest, hashlib.sha256(written).hexdigest())


def _content(manifest: Manifest) -> dict[str, Any]:
    """What is written: of edgefer's own networks there is no key `own`, of a model that was run no `unrun`."""
    content: dict[str, Any] = records.plain(manifest)
    return {key: value for key, value in content.items() if key not in ("own", "unrun") or value is not None}


def require_replaceable(folder: Path) -> None:
    """Raise OutputFailed if no bundle can be written there, or something that edgefer did not write would be lost.

    A bundle, whole or damaged, may be replaced.
    """
    require_folder(folder.parent)
    present = _files_in(folder) if folder.is_dir() else {"."} if folder.exists() else set()
    foreign = sorted(present - _written(folder))
    if foreign:
        raise OutputFailed(
            f"{folder / foreign[0]} is there and not edgefer's, a build would delete it: "
            "move it away or choose another folder with --out."
        )


def _written(folder: Path) -> set[str]:
    """Names of the files that edgefer wrote into a bundle's folder; none if it is no bundle."""
    try:
        content = records.parse_json(_manifest_text(folder), str(folder / MANIFEST))
        ours = str(records.schema_of(content)).startswith(_SCHEMAS)
        return {MANIFEST, *content["files"]} if ours else set()
    except (BrokenBundle, MissingFile, BadRecord, LookupError, TypeError):
        return set()


def read_bundle(folder: Path) -> Bundle:
    """Open a bundle and check every file; raises MissingFile or BrokenBundle."""
    restore(folder)
    if folder.is_file():
        raise MissingFile(f"{folder} is a file: give the bundle's folder.")
    if not folder.is_dir():
        raise MissingFile(f"no bundle at {folder}: `edgefer build --arch ean --target tflite-int8` makes one.")
    text, remedy = _manifest_text(folder), "build the bundle again or install the edgefer that made it"
    try:
        manifest = records.parse(Manifest, text, str(folder / MANIFEST), remedy, plain_text=True)
    except UnknownSchema as error:
        raise BrokenBundle(str(error)) from error
    except BadRecord as error:
        raise BrokenBundle(f"{folder} is damaged: {error}") from error
    _require_bounds(folder, manifest)
    _check(folder, manifest)
    return Bundle(folder, manifest, hashlib.sha256(text.encode()).hexdigest())


def _manifest_text(folder: Path) -> str:
    """What manifest.json holds; raises BrokenBundle unless it is a file of the bundle, of a sensible size."""
    path, made_by = folder / MANIFEST, "give a bundle that edgefer build made"
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or not _inside(folder, MANIFEST):
            raise BrokenBundle(f"{path} is no regular file in the bundle: {made_by}.")
        if status.st_size > MANIFEST_LIMIT:
            raise BrokenBundle(f"{path} has {status.st_size:,} bytes, at most {MANIFEST_LIMIT:,} are read: {made_by}.")
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BrokenBundle(f"{folder} has no readable {MANIFEST}: {made_by}.") from error


def _require_bounds(folder: Path, manifest: Manifest) -> None:
    """Raise BrokenBundle for names and numbers that no bundle has: they become paths, lines and sizes of memory."""
    names = {"name": manifest.name, "network": manifest.arch, "target": manifest.target}
    faults = [
        f"{name!r:.99} is no {what} of a bundle: {NAMES_ARE}" for what, name in names.items() if not is_name(name)
    ]
    faults += contract_faults(manifest.contract)
    if manifest.format not in ENGINES | UNRUN:
        faults.append(f"its format {manifest.format!r:.120} is none of {', '.join(ENGINES | UNRUN)}")
    if not all(0 <= pair.tolerance <= TOLERANCE_LIMIT for pair in manifest.golden_pairs):
        faults.append(f"a golden tolerance of it is not from 0 to {TOLERANCE_LIMIT}")
    if manifest.golden_resize is not None and not 0 <= manifest.golden_resize.levels <= LEVELS_LIMIT:
        faults.append(f"its golden_resize allows levels that are not from 0 to {LEVELS_LIMIT}")
    if faults:
        raise BrokenBundle(f"{folder}: {faults[0]:.300}: build the bundle again, or install the edgefer that made it.")


def _check(folder: Path, manifest: Manifest) -> None:
    named = {
        manifest.model,
        *(name for pair in manifest.golden_pairs for name in (pair.picture, pair.input, pair.output)),
    }
    for name in sorted(named - manifest.files.keys()):
        raise BrokenBundle(f"{folder}: the manifest names {name} without a checksum: build the bundle again.")
    for name, entry in manifest.files.items():
        path = folder / name
        if not _inside(folder, name):
            raise BrokenBundle(f"{folder}: the path {name!r} leads out of the bundle: don't trust its source.")
        if not path.is_file():
            raise BrokenBundle(f"{folder}: {name} is missing: copy or build the bundle again.")
        if path.stat().st_size != entry.bytes or sha256(path) != entry.sha256:
            raise BrokenBundle(f"{folder}: {name} is not the file that was built: copy or build the bundle again.")
    foreign = sorted(_files_in(folder) - manifest.files.keys() - {MANIFEST})
    if foreign:
        raise BrokenBundle(f"{folder}: {foreign[0]} is not in the manifest: remove it.")


def _files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()}


def _inside(folder: Path, name: str) -> bool:
    """Whether `name` stays in the folder, links included."""
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or "\\" in name or not name.isprintable():
        return False
    return (folder / name).resolve().is_relative_to(folder.resolve())
