"""From what a person types to what is measured: `ean.*`, `ean.tflite-int8`, a bundle's folder, `ean.torch-eager`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from edgefer.arch import ARCHS, get_arch
from edgefer.pipeline.targets import all_targets, get_target
from edgefer.runtime.bundle import MANIFEST
from edgefer.runtime.errors import MissingFile

EAGER = "torch-eager"


@dataclass(frozen=True)
class Subject:
    """What is measured: the bundle in `folder`, or (None) the naive baseline of the network `eager`.

    provider is the way to the hardware, see messages.Request.
    """

    name: str
    folder: Path | None
    eager: str | None = None
    provider: str | None = None


def of_folder(folder: Path) -> Subject:
    """The bundle in a folder, under the folder's name."""
    return Subject(folder.resolve().name, folder)


def select(selectors: Sequence[str], dist: Path) -> list[Subject]:
    """Bundles in `dist` (all of them if there are no selectors) by name or glob, or by their folder.

    <arch>.torch-eager is the baseline, which no glob matches. Raises MissingFile with the command that
    builds what is not there, UnknownName for a target or network that is none.
    """
    there = {folder.name: of_folder(folder) for folder in _bundles(dist)}
    if not selectors and not there:
        raise MissingFile(f"no bundles in {dist}: `{_command(['ean'], ['tflite-int8'], dist)}` makes one.")
    found = [subject for selector in selectors or ["*"] for subject in _matching(selector, there, dist)]
    return list(dict.fromkeys(found))


def _bundles(dist: Path) -> list[Path]:
    return sorted(path.parent for path in dist.glob(f"*/{MANIFEST}") if not path.parent.name.startswith("."))


def _matching(selector: str, there: dict[str, Subject], dist: Path) -> list[Subject]:
    network, _, target = selector.rpartition(".")
    if target == EAGER:
        return [Subject(selector, None, get_arch(network).name)]
    found = [subject for name, subject in there.items() if fnmatchcase(name, selector)]
    if not found and (Path(selector) / MANIFEST).is_file():
        return [of_folder(Path(selector))]
    if not found:
        raise MissingFile(f"no bundle {selector} in {dist}: {_advice(selector, dist)}")
    return found


def _advice(selector: str, dist: Path) -> str:
    network, _, target = selector.rpartition(".")
    if network in ARCHS and "*" not in target and "?" not in target and "[" not in target:
        get_target(target)  # says so if there is none of that name
    pairs = [(a, t) for a in ARCHS for t in all_targets() if fnmatchcase(f"{a}.{t}", selector)]
    if not pairs:
        return "give <arch>.<target>; `edgefer archs` and `edgefer targets` list them."
    return f"`{_command((a for a, _ in pairs[:1]), (t for a, t in pairs if a == pairs[0][0]), dist)}` makes it."


def _command(networks: Iterable[str], targets: Iterable[str], dist: Path) -> str:
    wanted = " ".join(f"--target {target}" for target in targets)
    out = "" if dist == Path("dist") else f" --out {dist}"
    return f"edgefer build --arch {next(iter(networks))} {wanted}{out}"
