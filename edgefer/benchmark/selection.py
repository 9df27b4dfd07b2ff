"""From what a person types to what is measured: `ean.*`, `ean.tflite-int8`, a bundle's folder, `ean.torch-eager`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from edgefer.arch import ARCHS, get_arch
from edgefer.benchmark.workload import EAGER, Workload, open_workload
from edgefer.pipeline.targets import all_targets, get_target
from edgefer.runtime.bundle import MANIFEST
from edgefer.runtime.errors import MissingFile


def select(selectors: Sequence[str], dist: Path) -> list[Workload]:
    """Bundles in `dist` (all of them if there are no selectors) by name or glob, or by their folder; each is opened.

    <arch>.torch-eager is the baseline, which no glob matches. Raises MissingFile with the command that
    builds what is not there, UnknownName for a target or network that is none, BrokenBundle.
    """
    folders = sorted(path.parent for path in dist.glob(f"*/{MANIFEST}") if not path.parent.name.startswith("."))
    if not selectors and not folders:
        raise MissingFile(f"no bundles in {dist}: `{_command(['ean'], ['tflite-int8'], dist)}` makes one.")
    chosen = dict.fromkeys(each for selector in selectors or ["*"] for each in _matching(selector, folders, dist))
    return [Workload(network=each) if isinstance(each, str) else open_workload(each) for each in chosen]


def _matching(selector: str, folders: Sequence[Path], dist: Path) -> Sequence[Path | str]:
    """Folders of bundles, or the name of a network that is measured in torch."""
    network, _, target = selector.rpartition(".")
    if target == EAGER:
        return [get_arch(network).name]
    matching = [folder for folder in folders if fnmatchcase(folder.name, selector)]
    if not matching and (Path(selector) / MANIFEST).is_file():
        return [Path(selector)]
    if not matching:
        raise MissingFile(f"no bundle {selector} in {dist}: {_advice(selector, dist)}")
    return matching


def _advice(selector: str, dist: Path) -> str:
    network, _, target = selector.rpartition(".")
    if network in ARCHS and "*" not in target and "?" not in target and "[" not in target:
        get_target(target)  # says so if there is none of that name
    pairs = [(a, t) for a in ARCHS for t in all_targets() if fnmatchcase(f"{a}.{t}", selector)]
    if not pairs:
        return "give <arch>.<target>; `edgefer archs` and `edgefer targets` list them."
    return f"`{_command((a for a, _ in pairs[:1]), (t for a, t in pairs if a == pairs[0][0]), dist)}` makes it."


def _command(networks: Iterable[str], names: Iterable[str], dist: Path) -> str:
    options = " ".join(f"--target {name}" for name in names)
    out = "" if dist == Path("dist") else f" --out {dist}"
    return f"edgefer build --arch {next(iter(networks))} {options}{out}"
