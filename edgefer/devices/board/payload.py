"""What travels to a board with a run: the light half of edgefer, targets/, the requests and what they name."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgefer.benchmark.workload import Task
from edgefer.runtime import records, resources
from edgefer.runtime.bundle import MANIFEST, Bundle
from edgefer.runtime.errors import BadData
from edgefer.runtime.protocol import Check
from edgefer.runtime.remote_job import Plan
from edgefer.runtime.runner import PLAN

PACKAGE = Path(__file__).parents[2]
# Parts of edgefer that no worker imports: the command line, what builds and trains, and this side of a device.
LEFT_HERE = ("benchmark", "cli", "devices", "gate", "papers", "sweep", "training")
INSIDE = "run"  # the folder within the archive
PLACES = 16  # digits of the checksum that a run is called by

Files = Iterator[tuple[str, bytes]]


@dataclass(frozen=True)
class Payload:
    """A compressed tar, and what the run is called: equal for equal requests, bundles and edgefer's sources."""

    id: str
    content: bytes


def pack(name: str, tasks: Sequence[Task], engine: str, idle: float) -> Payload:
    """Everything for a run on the board `name`; `idle` is seconds, see remote_job.Plan.

    Raises BadData for what a board can't run.
    """
    files = dict([*_sources(), *_targets()])
    rewritten = []
    for task in tasks:
        if task.workload.bundle is None:
            raise BadData(f"{task.workload.name} needs torch, which is not brought to {name}: leave it out there.")
        folder = _bundle(task.workload.bundle, files)
        check = None if task.check is None else replace(task.check, faces=_faces(task.check, files))
        rewritten.append(replace(task.request, folder=folder, check=check))
    files[PLAN] = records.dumps(Plan(rewritten, engine, idle)).encode()  # the last one: where it is, all is
    content = _tar(files.items())
    return Payload(hashlib.sha256(content).hexdigest()[:PLACES], gzip.compress(content, 3, mtime=0))


def _sources() -> Files:
    for path in sorted(PACKAGE.rglob("*.py")):
        inside = path.relative_to(PACKAGE)
        if inside.parts[0] not in LEFT_HERE:
            yield f"edgefer/{inside.as_posix()}", path.read_bytes()


def _targets() -> Files:
    top = resources.folder("targets")
    for path in sorted(top.rglob("*.toml")):
        yield f"targets/{path.relative_to(top).as_posix()}", path.read_bytes()


def _bundle(bundle: Bundle, files: dict[str, bytes]) -> str:
    """Add the bundle unless it is there; returns its folder on the board."""
    content = {entry: bundle.path(entry).read_bytes() for entry in (MANIFEST, *sorted(bundle.manifest.files))}
    # The manifest has the checksums of the rest; two bundles may have the same name.
    place = f"bundles/{bundle.sha256[:PLACES]}/{bundle.manifest.name}"
    files.update({f"{place}/{entry}": data for entry, data in content.items()})
    return place


def _faces(check: Check, files: dict[str, bytes]) -> str | None:
    if check.faces is None:
        return None
    content = Path(check.faces).read_bytes()
    place = f"faces/{hashlib.sha256(content).hexdigest()[:PLACES]}.npy"
    files[place] = content
    return place


def _tar(files: Iterable[tuple[str, bytes]]) -> bytes:
    """An archive whose bytes depend on names and contents alone."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files:
            entry = tarfile.TarInfo(f"{INSIDE}/{name}")
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()
