"""Bundles of a git ref: checked out beside the working tree, which is left alone, and built there."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edgefer.runtime import client, shell
from edgefer.runtime.errors import ExportFailed, OutputFailed
from edgefer.runtime.interrupts import held

_EDGEFER = ("-c", "from edgefer.cli import main; main()")


@dataclass(frozen=True)
class Build:
    """What `edgefer build` is to make; a relative path of weights is within the ref's own tree."""

    arch: str
    targets: Sequence[str]
    weights: Path | None = None


def commit(ref: str) -> str | None:
    """The commit that `ref` names in the repository around this folder; None if it names none."""
    return shell.run_or_none(["git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}"])


@contextmanager
def built(ref: str, wanted: Build) -> Iterator[Path]:
    """A folder with the bundles of `ref`, removed again with its worktree when the block ends, however it ends.

    Raises OutputFailed if git can't check it out, ExportFailed if it can't be built.
    """
    with tempfile.TemporaryDirectory(prefix="edgefer-gate-") as place:
        tree, out = Path(place) / "tree", Path(place) / "dist"
        try:
            done = shell.run(["git", "worktree", "add", "--quiet", "--detach", str(tree), commit(ref) or ref])
            if done.code != 0:
                raise OutputFailed(f"git can't check {ref} out: {done.last_line()}.")
            _build(ref, wanted, tree, out)
            yield out
        finally:
            with held():
                shell.run(["git", "worktree", "remove", "--force", str(tree)])


def _build(ref: str, wanted: Build, tree: Path, out: Path) -> None:
    line = [sys.executable, *_path(tree), *_EDGEFER, "build", "--arch", wanted.arch, "--out", str(out)]
    for target in wanted.targets:
        line += ["--target", target]
    if wanted.weights is not None:
        line += ["--weights", str(tree / wanted.weights)]
    done = shell.run(line, environment=client.environment(), folder=tree)
    if done.code != 0:
        raise ExportFailed(f"{ref} can't be built: {done.last_line().removeprefix('edgefer: ')}")


def _path(tree: Path) -> tuple[str, ...]:
    """A checkout of edgefer itself builds with its own code, any other with the edgefer that runs this."""
    return () if (tree / "edgefer" / "cli.py").is_file() else ("-P",)
