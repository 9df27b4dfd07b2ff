"""What runs models in a browser: packages of the npm registry, pinned in targets/web-engines.toml, kept in the cache.

The npm client fetches them, when the user asks for it, or the user gives the files. Whatever the source, a file counts
only if its SHA-512 is the pinned one, each time that it is used.
"""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from edgefer.runtime import records, shell
from edgefer.runtime.errors import BadData, MissingFile, NotSetUp, UnknownName
from edgefer.runtime.files import cache_folder, shipped_folder, write_atomic

SETUP = "edgefer app setup"


@dataclass(frozen=True)
class WebPackage:
    """A package of the npm registry at one version; see targets/web-engines.toml."""

    name: str
    version: str
    integrity: str
    licence: str
    by: str
    files: list[str]

    @property
    def file_name(self) -> str:
        """What `npm pack` calls its file."""
        return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}.tgz"

    def holds(self, content: bytes) -> bool:
        """Whether these are the bytes that are pinned."""
        return self.integrity == _integrity(content)


@dataclass(frozen=True)
class WebEngine:
    """What runs one format of models in a browser."""

    title: str
    imports: dict[str, str]
    packages: list[WebPackage]


@cache
def web_engines() -> dict[str, WebEngine]:
    """The engines by the format of models that they run."""
    path = shipped_folder("targets") / "web-engines.toml"
    return records.structure(dict[str, WebEngine], records.read_toml(path), str(path))


def packages_of(formats: Iterable[str]) -> list[WebPackage]:
    """The packages for these formats; raises UnknownName for one that nothing runs in a browser."""
    engines = web_engines()
    for name in formats:
        if name not in engines:
            raise UnknownName.of("format that a browser runs", name, engines)
    return [package for name in formats for package in engines[name].packages]


def package_files(format_name: str) -> dict[str, bytes]:
    """What a page needs to run a format, by path: "<package>/<file>".

    Raises NotSetUp if a package is not in the cache.
    """
    files: dict[str, bytes] = {}
    for package in packages_of([format_name]):
        content = _cached(package)
        if content is None:
            title = web_engines()[format_name].title
            raise NotSetUp(
                f"{title} ({package.name} {package.version}) is not set up, it runs the model in the browser: "
                f"`{SETUP} {format_name}` fetches it once with npm, `--package FILE` takes files."
            )
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for name in package.files:
                member = archive.extractfile(f"package/{name}")
                assert member is not None  # its checksum is the pinned one
                files[f"{package.name}/{name}"] = member.read()
    return files


def set_up(formats: Sequence[str], given: Sequence[Path]) -> list[tuple[WebPackage, Path]]:
    """Put the packages for these formats into the cache, from the files `given` or else with npm.

    Returns each package and its file. Raises NotSetUp if npm can't be started or fails, BadData for a file that is
    none of the pinned ones, MissingFile for one that can't be read.
    """
    packages = packages_of(formats)
    for path in given:
        _keep_given(path, packages)
    if not given:
        for package in packages:
            if _cached(package) is None:
                _keep(package, _fetched(package))
    return [(package, _path(package)) for package in packages if _cached(package) is not None]


def _integrity(content: bytes) -> str:
    """As npm writes it."""
    return f"sha512-{base64.b64encode(hashlib.sha512(content).digest()).decode()}"


def _path(package: WebPackage) -> Path:
    return cache_folder() / "web" / package.file_name


def _cached(package: WebPackage) -> bytes | None:
    path = _path(package)
    if not path.is_file():
        return None
    content = path.read_bytes()
    return content if package.holds(content) else None


def _keep(package: WebPackage, content: bytes) -> None:
    if not package.holds(content):
        raise BadData(
            f"{package.name} {package.version} has the integrity {_integrity(content)}, pinned is {package.integrity}: "
            "it is not the file that edgefer was tried with, so it is not used."
        )
    write_atomic(_path(package), content)


def _keep_given(path: Path, packages: Sequence[WebPackage]) -> None:
    if not path.is_file():
        raise MissingFile(f"no file {path}: give the .tgz file of a package.")
    content = path.read_bytes()
    for package in packages:
        if package.holds(content):
            _keep(package, content)
            return
    wanted = ", ".join(package.file_name for package in packages)
    raise BadData(
        f"{path} is none of the pinned packages by its SHA-512: needed are {wanted}, as `npm pack` fetches them."
    )


def _fetched(package: WebPackage) -> bytes:
    """The package's file, fetched by npm; no script of it is run."""
    by_hand = f"or give {package.file_name} with --package"
    with tempfile.TemporaryDirectory() as folder:
        line = ["npm", "pack", f"{package.name}@{package.version}", "--ignore-scripts", "--silent"]
        try:
            done = shell.run([*line, "--pack-destination", folder], folder=Path(folder))
        except FileNotFoundError as error:
            raise NotSetUp(f"npm is not installed, it fetches {package.name}: install Node.js, {by_hand}.") from error
        file = Path(folder) / package.file_name
        if done.code or not file.is_file():
            said = (done.err or done.out).strip() or f"exit code {done.code}"
            raise NotSetUp(
                f"npm could not fetch {package.name} {package.version} ({said[:300]}): try again, {by_hand}."
            )
        return file.read_bytes()
