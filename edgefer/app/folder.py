"""A folder that is an app: written as a whole or not at all, and replaced only where edgefer wrote the earlier one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgefer.runtime import records
from edgefer.runtime.errors import BadRecord, MissingFile, OutputFailed
from edgefer.runtime.files import require_folder, staged_folder


@dataclass(frozen=True)
class FolderKind:
    """What such a folder is called, and the file in it, of a schema that begins so, that lists its files."""

    name: str
    record: str
    schemas: str


def require_replaceable(folder: Path, kind: FolderKind) -> None:
    """Raise OutputFailed if something that is not an earlier one's of this kind would be lost."""
    require_folder(folder.parent)
    if not folder.exists():
        return
    elsewhere = "move it away or choose another folder with --out"
    if not folder.is_dir():
        raise OutputFailed(f"{folder} is a file: {elsewhere}.")
    ours = _written(folder, kind)
    present = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    foreign = sorted({path.relative_to(folder).as_posix() for path in present} - ours)
    if foreign:
        raise OutputFailed(f"{folder / foreign[0]} is there and of no earlier {kind.name}: {elsewhere}.")


def _written(folder: Path, kind: FolderKind) -> set[str]:
    """Names of the files that edgefer, of whatever version, wrote into the folder; none if it is of another kind."""
    try:
        content = records.read_json(folder / kind.record)
        return set(content["files"]) if str(records.schema_of(content)).startswith(kind.schemas) else set()
    except (MissingFile, BadRecord, LookupError, TypeError):
        return set()


def write_files(folder: Path, files: dict[str, bytes]) -> None:
    """Write these files, by their paths in the folder; what was there is replaced."""
    with staged_folder(folder) as stage:
        for name, content in files.items():
            path = stage / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
