"""What BASE and HEAD may be; git refs in a small repository, where a copy of a file stands for the build."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from edgefer.gate import base_and_head
from edgefer.gate.base_and_head import Build, Side
from edgefer.runtime import shell
from edgefer.runtime.errors import BrokenBundle, ExportFailed, MissingFile, NotSigned, WrongOptions
from edgefer.runtime.signature import Trust, make_public_key
from tests.gate.made import bundle

BUILD = Build("ean", ["onnx-fp32"])
BUILT = partial(base_and_head.built, build=BUILD)


def side(place: str | Path) -> Side:
    with base_and_head.open_side(str(place), BUILT) as found:
        return found


def git(folder: Path, *words: str) -> str:
    line = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@example.com", *words]
    return subprocess.run(line, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two commits, fast and slow, each with a bundle in a folder; the build copies it."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet")
    for tag, seconds in (("fast", 0.001), ("slow", 0.002)):
        shutil.rmtree(folder / "ready", ignore_errors=True)
        bundle(folder / "ready", seconds=seconds)
        git(folder, "add", ".")
        git(folder, "commit", "--quiet", "--message", tag)
        git(folder, "tag", tag)
    shutil.rmtree(folder / "ready")  # the working tree is not what is built
    monkeypatch.chdir(folder)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return folder


def copy(ref: str, wanted: Build, tree: Path, out: Path) -> None:
    assert wanted == BUILD
    shutil.copytree(tree / "ready", out)


def clean(repository: Path) -> bool:
    left = [path for path in repository.parent.iterdir() if path != repository]
    return not left and len(git(repository, "worktree", "list").splitlines()) == 1


def test_a_ref_is_checked_out_and_built(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_and_head, "_build", copy)
    with ExitStack() as stack:
        found = [stack.enter_context(base_and_head.open_side(ref, BUILT)) for ref in ("fast", "HEAD")]
        seconds = [(each.bundles["ean.onnx-fp32"].folder / "model.onnx").read_text() for each in found]
        assert [float(each) for each in seconds] == [0.001, 0.002]
        assert [each.single for each in found] == [False, False]
    assert clean(repository)


def test_bundles_that_are_given_have_to_be_signed_those_built_here_do_not(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base_and_head, "_build", copy)
    trust = Trust((make_public_key("release", bytes(32)),))
    with base_and_head.open_side("fast", BUILT, trust) as found:
        assert found.bundles["ean.onnx-fp32"].signer is None
    given = bundle(repository.parent / "given", seconds=0.001)
    for place in (given, given.parent):
        with pytest.raises(NotSigned), base_and_head.open_side(str(place), BUILT, trust):
            pass
    assert git(repository, "status", "--short").split()[0] == "D"


@pytest.mark.parametrize("error", [KeyboardInterrupt, ExportFailed("no")])
def test_nothing_is_left_of_a_ref_that_failed(
    repository: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fail(*_given: object) -> None:
        raise error

    monkeypatch.setattr(base_and_head, "_build", fail)
    with pytest.raises(type(error) if isinstance(error, Exception) else KeyboardInterrupt):
        side("fast")
    assert clean(repository)


def test_a_build_that_fails_says_why(repository: Path) -> None:
    wrong = base_and_head.open_side("fast", partial(base_and_head.built, build=Build("nope", ["onnx-fp32"])))
    with pytest.raises(ExportFailed, match="fast can't be built: unknown arch 'nope'"), wrong:
        pass
    assert clean(repository)


def test_the_build_is_of_the_tree(repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lines: list[list[str]] = []

    def run(line: list[str], environment: object, folder: Path) -> shell.Done:
        lines.append(line)
        assert folder == repository
        return shell.Done(0, "", "")

    monkeypatch.setattr(shell, "run", run)
    wanted = Build("ean", ["a", "b"], Path("w.safetensors"))
    base_and_head._build("fast", wanted, repository, tmp_path / "out")
    assert lines[0][1] == "-P"  # it holds no edgefer of its own
    rest = ["--target", "a", "--target", "b", "--weights", str(repository / "w.safetensors")]
    assert lines[0][4:] == ["build", "--arch", "ean", "--out", str(tmp_path / "out"), *rest]
    for number, name in enumerate(("cli.py", "cli/__init__.py"), start=1):  # a module once, a package now
        path = repository / "edgefer" / name
        path.parent.mkdir(parents=True)
        path.touch()
        base_and_head._build("fast", wanted, repository, tmp_path / "out")
        assert lines[number][1] == "-c"
        shutil.rmtree(repository / "edgefer")


@pytest.mark.usefixtures("repository")
def test_paths_come_before_refs(tmp_path: Path) -> None:
    assert base_and_head.is_ref("fast")
    bundle(Path("fast"))
    assert not base_and_head.is_ref("fast")
    assert not side("fast").single


def test_a_ref_that_a_shallow_clone_lacks(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(tmp_path, "clone", "--quiet", "--depth", "1", "--no-tags", f"file://{repository}", "shallow")
    monkeypatch.chdir(tmp_path / "shallow")
    with pytest.raises(MissingFile, match="this clone is shallow: give actions/checkout `fetch-depth: 0`"):
        side("fast")


@pytest.mark.usefixtures("repository")
def test_a_checkout_of_another_owner(monkeypatch: pytest.MonkeyPatch, repository: Path) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # git's own tests use it so
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, os.devnull)
    with pytest.raises(MissingFile, match=f"config --global --add safe.directory {repository}`"):
        side("fast")


def test_outside_a_repository_and_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(MissingFile, match=r"no git ref: this folder is not a git repository"):
        side("HEAD")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingFile, match="git is not installed here"):
        side("HEAD")


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("name", ["nothing", "--help", "a b", "slow^9"])
def test_what_is_nothing_says_so(name: str) -> None:
    with pytest.raises(MissingFile, match="no bundle, no folder of bundles and no git ref"):
        side(name)


def test_a_folder_without_bundles_says_so(tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match="no bundles in"):
        side(tmp_path)


def test_a_damaged_bundle_is_refused(tmp_path: Path) -> None:
    (bundle(tmp_path) / "model.onnx").write_text("other")
    with pytest.raises(BrokenBundle):
        side(tmp_path)


def test_single_bundles_are_compared_whatever_their_names(tmp_path: Path) -> None:
    one, other = side(bundle(tmp_path, "ean.a")), side(bundle(tmp_path, "ean.b"))
    (pair,) = base_and_head.pairs(one, other)
    assert pair.name == "ean.b"
    assert pair.base is not None and pair.base.manifest.name == "ean.a"


def test_folders_are_compared_by_name(tmp_path: Path) -> None:
    for place, names in (("base", ("ean.a", "ean.b")), ("head", ("ean.b", "ean.c"))):
        for name in names:
            bundle(tmp_path / place, name)
    there = base_and_head.pairs(side(tmp_path / "base"), side(tmp_path / "head"))
    assert [(pair.name, pair.base is not None, pair.head is not None) for pair in there] == [
        ("ean.a", True, False),
        ("ean.b", True, True),
        ("ean.c", False, True),
    ]
    (pair,) = base_and_head.pairs(side(tmp_path / "base"), side(tmp_path / "head" / "ean.b"))
    assert pair.name == "ean.b"
    with pytest.raises(MissingFile, match=r"no bundle ean\.c on the other side: it has ean\.a, ean\.b"):
        base_and_head.pairs(side(tmp_path / "base"), side(tmp_path / "head" / "ean.c"))


def test_two_bundles_of_one_name_are_refused(tmp_path: Path) -> None:
    bundle(tmp_path / "base")
    bundle(tmp_path / "head")
    bundle(tmp_path / "more", macs=5_024_844).rename(tmp_path / "head" / "larger")
    message = r"head/ean\.onnx-fp32 and \S*head/larger both hold a bundle named ean\.onnx-fp32.*move one of them away"
    with pytest.raises(WrongOptions, match=message):
        side(tmp_path / "head")
    assert side(tmp_path / "head" / "larger").single
