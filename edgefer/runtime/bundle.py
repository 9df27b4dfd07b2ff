"""The bundle: model, labels, contract, golden pair and checksums in one folder.

A reader never follows a path out of the folder and trusts no byte whose checksum it has not seen.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass, fields, replace
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from edgefer.runtime import records
from edgefer.runtime.contract import contract_faults
from edgefer.runtime.engines import ENGINES, UNRUN
from edgefer.runtime.errors import BadRecord, BrokenBundle, MissingFile, OutputFailed, UnknownSchema
from edgefer.runtime.files import digest, require_folder, sha256, staged_folder
from edgefer.runtime.leftovers import restore
from edgefer.runtime.manifest import SCHEMAS, BuildRecord, DeviceManifest, FileEntry, Manifest
from edgefer.runtime.names import NAMES_ARE, is_name
from edgefer.runtime.signature import KEY_LIMIT, SIGNATURE, Signer, Trust

T = TypeVar("T", DeviceManifest, BuildRecord)
MANIFEST, LABELS_FILE, README = "manifest.json", "labels.txt", "README.md"
CALIBRATION, BUILD = "calibration.json", "build.json"
MANIFEST_LIMIT = 4 * 2**20  # bytes of manifest.json, and of build.json
TOLERANCE_LIMIT, LEVELS_LIMIT = 0.25, 8  # in probability, and of 255 levels; a build writes at most 0.07 and 2
_REMEDY = "build the bundle again or install the edgefer that made it"
GOLDEN_PICTURE, GOLDEN_INPUT, GOLDEN_OUTPUT = "golden/picture.png", "golden/input.bin", "golden/output.bin"
RESIZE_PICTURE, RESIZE_INPUT, RESIZE_OUTPUT = "golden/large.png", "golden/large-input.bin", "golden/large-output.bin"


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk whose files are all there and unchanged.

    sha256 is that of its manifest.json, which holds the checksums of all its files. trust is what its signature had to
    be when it was opened, signer who made it; None: that was not asked.
    """

    folder: Path
    manifest: Manifest
    sha256: str
    trust: Trust | None = None
    signer: Signer | None = None

    @property
    def is_signed(self) -> bool:
        """Whether a signature lies there, whosever it is."""
        return (self.folder / SIGNATURE).is_file()

    def path(self, name: str) -> Path:
        """A file of the bundle by its name in the manifest."""
        return self.folder / name


def file_entries(files: dict[str, bytes]) -> dict[str, FileEntry]:
    """Sizes and checksums, by name."""
    return {name: FileEntry(len(c), digest(c)) for name, c in sorted(files.items())}


def write_bundle(folder: Path, manifest: Manifest, files: dict[str, bytes]) -> Bundle:
    """Write the bundle as a whole or not at all; one of the same name is replaced.

    `files` are all but manifest.json and build.json, which are written from `manifest`.
    Raises OutputFailed, also for what `require_replaceable` refuses.
    """
    require_replaceable(folder)
    files = files | {BUILD: _text_of(BuildRecord, manifest)}
    manifest = replace(manifest, files=file_entries(files))
    written = _text_of(DeviceManifest, manifest)
    with staged_folder(folder) as stage:
        for name, content in files.items():
            path = stage / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        (stage / MANIFEST).write_bytes(written)
    return Bundle(folder, manifest, digest(written))


def _text_of(kind: type[T], manifest: Manifest) -> bytes:
    """manifest.json or build.json: no key `own` of edgefer's own networks, no `unrun` of a model that was run."""
    names = {each.name for each in fields(kind)} - {"schema"}
    content: dict[str, Any] = records.plain(kind(**{name: getattr(manifest, name) for name in names}))
    kept = {key: value for key, value in content.items() if key not in ("own", "unrun") or value is not None}
    return records.dumps(kept).encode()


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
        content = records.parse_json(_record_text(folder, MANIFEST), str(folder / MANIFEST))
        ours = str(records.schema_of(content)).startswith(SCHEMAS)
        return {MANIFEST, SIGNATURE, *content["files"]} if ours else set()
    except (BrokenBundle, MissingFile, BadRecord, LookupError, TypeError):
        return set()


def read_bundle(folder: Path, trust: Trust | None = None) -> Bundle:
    """Open a bundle and check every file; raises MissingFile or BrokenBundle.

    With `trust` its signature is checked first, before anything of it is parsed; raises what Trust.check raises.
    """
    restore(folder)
    if folder.is_file():
        raise MissingFile(f"{folder} is a file: give the bundle's folder.")
    if not folder.is_dir():
        raise MissingFile(f"no bundle at {folder}: `edgefer build --arch ean --target tflite-int8` makes one.")
    text = _record_text(folder, MANIFEST)
    signer = None if trust is None else trust.check(folder, text.encode(), _signature_text(folder))
    try:
        manifest = records.parse_any((DeviceManifest, Manifest), text, str(folder / MANIFEST), _REMEDY, plain_text=True)
        _require_bounds(folder, manifest)
        _check(folder, manifest)
        if not isinstance(manifest, Manifest):
            content = _record_text(folder, BUILD)
            build = records.parse(BuildRecord, content, str(folder / BUILD), _REMEDY, plain_text=True)
            manifest = Manifest(**vars(manifest) | vars(build) | {"schema": Manifest.schema})
    except UnknownSchema as error:
        raise BrokenBundle(str(error)) from error
    except BadRecord as error:
        raise BrokenBundle(f"{folder} is damaged: {error}") from error
    return Bundle(folder, manifest, digest(text.encode()), trust, signer)


def _signature_text(folder: Path) -> str | None:
    """What manifest.sig holds, None if there is none; raises BrokenBundle as `_record_text`."""
    path = folder / SIGNATURE
    return _record_text(folder, SIGNATURE, KEY_LIMIT) if path.exists() or path.is_symlink() else None


def _record_text(folder: Path, name: str, limit: int = MANIFEST_LIMIT) -> str:
    """What a JSON file of the bundle holds; raises BrokenBundle unless it is a regular file of a sensible size."""
    path, made_by = folder / name, "give a bundle that edgefer build made"
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or not _inside(folder, name):
            raise BrokenBundle(f"{path} is no regular file in the bundle: {made_by}.")
        if status.st_size > limit:
            raise BrokenBundle(f"{path} has {status.st_size:,} bytes, at most {limit:,} are read: {made_by}.")
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        inner = next((each.parent for each in sorted(folder.glob(f"*/{name}"))), None)
        advice = made_by if inner is None else f"give one of the bundles in it, for example {inner}"
        raise BrokenBundle(f"{folder} has no readable {name}: {advice}.") from error


def _require_bounds(folder: Path, manifest: DeviceManifest) -> None:
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
        raise BrokenBundle(f"{folder}: {faults[0]:.300}: {_REMEDY}.")


def _check(folder: Path, manifest: DeviceManifest) -> None:
    pairs = (name for pair in manifest.golden_pairs for name in (pair.picture, pair.input, pair.output))
    named = {manifest.model, *pairs, *(() if isinstance(manifest, Manifest) else (BUILD,))}
    for name in sorted(named - manifest.files.keys()):
        raise BrokenBundle(f"{folder}: the manifest names {name} without a checksum: build the bundle again.")
    inside = folder.resolve()
    for name, entry in manifest.files.items():
        path = folder / name
        if not _inside(folder, name, inside):
            raise BrokenBundle(f"{folder}: the path {name!r} leads out of the bundle: don't trust its source.")
        if not path.is_file():
            raise BrokenBundle(f"{folder}: {name} is missing: copy or build the bundle again.")
        if path.stat().st_size != entry.bytes or sha256(path) != entry.sha256:
            raise BrokenBundle(f"{folder}: {name} is not the file that was built: copy or build the bundle again.")
    foreign = sorted(_files_in(folder) - manifest.files.keys() - {MANIFEST, SIGNATURE})
    if foreign:
        raise BrokenBundle(f"{folder}: {foreign[0]} is not in the manifest: remove it.")


def _files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()}


def _inside(folder: Path, name: str, resolved: Path | None = None) -> bool:
    """Whether `name` stays in the folder, links included; `resolved` is folder.resolve(), where that is known."""
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or "\\" in name or not name.isprintable():
        return False
    return (folder / name).resolve().is_relative_to(resolved or folder.resolve())
