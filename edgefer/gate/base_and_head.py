"""BASE and HEAD: a bundle, a folder of bundles, or a git ref whose bundles are built first.

A ref is checked out beside the working tree, which is left alone, and built there.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from edgefer.runtime import shell
from edgefer.runtime.bundle import MANIFEST, Bundle, read_bundle
from edgefer.runtime.errors import ExportFailed, MissingFile, OutputFailed, WrongOptions
from edgefer.runtime.process import defer_signals
from edgefer.runtime.signature import Trust

_EDGEFER = ("-c", "from edgefer.cli import main; main()")
Built = Callable[[str], AbstractContextManager[Path]]


@dataclass(frozen=True)
class Side:
    """Bundles by name; `single` if one was given and not a folder of them."""

    bundles: dict[str, Bundle]
    single: bool


@dataclass(frozen=True)
class Pair:
    """A bundle of BASE and its counterpart; None: the side has none."""

    name: str
    base: Bundle | None
    head: Bundle | None


def is_ref(side: str) -> bool:
    """Whether `side` is no path but a commit of the repository around this folder."""
    return not Path(side).exists() and commit_of(side) is not None


@contextmanager
def open_side(side: str, built: Built, trust: Trust | None = None) -> Iterator[Side]:
    """The side for as long as the block lasts; `built` makes a folder of bundles of a git ref.

    `trust` is about bundles that are given, not about those that are built here. Raises MissingFile, BrokenBundle, what
    `built` raises, and with `trust` what Trust.check raises.
    """
    bundles: AbstractContextManager[Path] = nullcontext(Path(side))
    if is_ref(side):
        bundles, trust = built(side), None
    elif not Path(side).exists():
        raise MissingFile(f"{side} is no bundle, no folder of bundles and no git ref: {_why_no_commit(side)}.")
    with bundles as folder:
        yield read_side(folder, trust)


def read_side(folder: Path, trust: Trust | None = None) -> Side:
    """The bundle in `folder`, or the bundles in its subfolders; raises MissingFile or BrokenBundle.

    Bundles are compared by name, so two of one name are a WrongOptions: one of them would not be compared.
    """
    if (folder / MANIFEST).is_file() or folder.is_file():
        bundle = read_bundle(folder, trust)
        return Side({bundle.manifest.name: bundle}, True)
    folders = sorted(path.parent for path in folder.glob(f"*/{MANIFEST}") if path.parent.name[0] != ".")
    if not folders:
        raise MissingFile(f"no bundles in {folder}: `edgefer build --out {folder}` makes one.")
    bundles: dict[str, Bundle] = {}
    for bundle in (read_bundle(each, trust) for each in folders):
        other = bundles.setdefault(bundle.manifest.name, bundle)
        if other is not bundle:
            raise WrongOptions(
                f"{other.folder} and {bundle.folder} both hold a bundle named {bundle.manifest.name}, and bundles are "
                "compared by name: move one of them away, or give one bundle's folder."
            )
    return Side(bundles, False)


def pairs(base: Side, head: Side) -> list[Pair]:
    """What is compared: two single bundles whatever they are called, otherwise those of one name.

    If one side is a single bundle, only that one; raises MissingFile if the other has none of its name.
    """
    if base.single and head.single:
        (one,), (other,) = base.bundles.values(), head.bundles.values()
        return [Pair(other.manifest.name, one, other)]
    names = sorted(base.bundles.keys() | head.bundles.keys())
    if base.single or head.single:
        names = list((base if base.single else head).bundles)
        other_side = head if base.single else base
        if names[0] not in other_side.bundles:
            raise MissingFile(
                f"no bundle {names[0]} on the other side: it has {', '.join(sorted(other_side.bundles))}."
            )
    return [Pair(name, base.bundles.get(name), head.bundles.get(name)) for name in names]


@dataclass(frozen=True)
class Build:
    """What `edgefer build` is to make; a relative path of weights is within the ref's own tree."""

    arch: str
    targets: Sequence[str]
    weights: Path | None = None


def commit_of(ref: str) -> str | None:
    """The commit that `ref` names in the repository around this folder; None if it names none."""
    done = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    return done.out.strip() if done.code == 0 else None


def _git(*words: str) -> shell.Done:
    """git's answer, in English; without git, what a shell would say of it."""
    try:
        return shell.run(["git", *words], environment={**os.environ, "LC_ALL": "C"})
    except FileNotFoundError:
        return shell.Done(127, "", "git is not installed here")


def _why_no_commit(ref: str) -> str:
    """What git says of a ref that it has no commit for, and what helps."""
    done = _git("rev-parse", "--verify", "--end-of-options", f"{ref}^{{commit}}")
    said = next((line for line in done.err.splitlines() if line.startswith("fatal: ")), done.last_line())
    said = said.removeprefix("fatal: ")
    owner = re.search(r"dubious ownership in repository at '(.*)'", said)
    if owner is not None:
        return f"git refuses this checkout ({said}): run `git config --global --add safe.directory {owner[1]}`"
    if "not a git repository" in said:
        return f"this folder is {said}; `edgefer build` makes bundles"
    if _git("rev-parse", "--is-shallow-repository").out.strip() == "true":
        return (
            f"git says {said!r}, and this clone is shallow: give actions/checkout `fetch-depth: 0`, or run "
            "`git fetch --unshallow`"
        )
    return f"git says {said!r}; `edgefer build` makes bundles"


@contextmanager
def built(ref: str, build: Build) -> Iterator[Path]:
    """A folder with the bundles of `ref`, removed again with its worktree when the block ends, however it ends.

    Raises OutputFailed if git can't check it out, ExportFailed if it can't be built.
    """
    with tempfile.TemporaryDirectory(prefix="edgefer-gate-") as temporary:
        tree, out = Path(temporary) / "tree", Path(temporary) / "dist"
        try:
            done = _git("worktree", "add", "--quiet", "--detach", str(tree), commit_of(ref) or ref)
            if done.code != 0:
                raise OutputFailed(f"git can't check {ref} out: {done.last_line().removeprefix('fatal: ')}.")
            _build(ref, build, tree, out)
            yield out
        finally:
            with defer_signals():
                _git("worktree", "remove", "--force", str(tree))


def _build(ref: str, build: Build, tree: Path, out: Path) -> None:
    line = [sys.executable, *_path(tree), *_EDGEFER, "build", "--arch", build.arch, "--out", str(out)]
    for target in build.targets:
        line += ["--target", target]
    if build.weights is not None:
        line += ["--weights", str(tree / build.weights)]
    done = shell.run(line, environment=shell.environment(), folder=tree)
    if done.code != 0:
        raise ExportFailed(f"{ref} can't be built: {done.last_line().removeprefix('edgefer: ')}")


def _path(tree: Path) -> tuple[str, ...]:
    """A checkout of edgefer itself builds with its own code, any other with the edgefer that runs this."""
    own = any((tree / "edgefer" / name).is_file() for name in ("cli/__init__.py", "cli.py"))
    return () if own else ("-P",)
