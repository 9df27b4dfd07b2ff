"""What is written is whole or not there, whatever happens while it is written: at every step, one after the other."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from edgefer.runtime import files, leftovers
from edgefer.runtime.files import staged_folder, write_atomic
from edgefer.runtime.leftovers import STAGED
from tests.torture import faults
from tests.torture.faults import Command, Fault, Ran, run

KINDS = ("step", "EIO", "ENOSPC", "EROFS")


def _file(folder: Path, content: str) -> None:
    write_atomic(folder / "x.json", content.encode())


def _folder(folder: Path, content: str) -> None:
    with staged_folder(folder / "x") as stage:
        (stage / "inner").mkdir()
        (stage / "inner" / "a").write_text(content)
        (stage / "b").write_text(content)


Write = Callable[[Path, str], None]


def _state(folder: Path) -> set[tuple[str, str]]:
    inside = ((path, path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return {(str(name), path.read_text()) for path, name in inside if STAGED not in str(name)}


@pytest.mark.parametrize("atomic", [True, False])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("write", [_file, _folder])
def test_the_earlier_or_the_new_one_is_whole_at_every_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Write, kind: str, atomic: bool
) -> None:
    if not atomic:
        monkeypatch.setattr(files, "_exchange", lambda one, other: False)
    monkeypatch.setattr("edgefer.cli.main", lambda: write(Path.cwd(), "new"))
    sound = []
    for content in ("earlier", "new"):
        (tmp_path / content).mkdir()
        write(tmp_path / content, content)
        sound.append(_state(tmp_path / content))
    steps = run((), tmp_path / "new").steps
    assert steps >= 3
    for step in range(1, steps + 1):
        work = tmp_path / f"{step}"
        work.mkdir()
        write(work, "earlier")
        ran = run((), work, Fault(kind, step))
        assert (kind == "step") == (ran.code < 0) or ran.code == 0
        assert ran.code <= 0 or "OutputFailed: can't write" in ran.err, ran.err
        for path in work.rglob(f".*{STAGED}*"):
            os.utime(path, (0, 0))
        leftovers.restore(work / "x")
        assert _state(work) in sound, (kind, step)
        leftovers._swept.clear()
        write(work, "new")
        assert _state(work) == sound[1]
        assert [path.name for path in work.iterdir() if STAGED in path.name] == []


@pytest.mark.parametrize("durable", [True, False])
def test_a_file_that_may_not_grow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durable: bool) -> None:
    """What is not durable was renamed before it was written, and an annotated picture lost the earlier one."""
    monkeypatch.setattr("edgefer.cli.main", lambda: write_atomic(Path("x"), b"new" * 99, durable))
    (tmp_path / "work").mkdir()
    write_atomic(tmp_path / "work" / "x", b"earlier")
    ran = run((), tmp_path / "work", Fault("limit", 100))
    assert "OutputFailed: can't write x: the file is larger than this process or the file system may write" in ran.err
    assert [(path.name, path.read_bytes()) for path in (tmp_path / "work").iterdir()] == [("x", b"earlier")]


def test_what_is_wrong_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that writes in place, says a traceback and takes an earlier file away."""

    def careless() -> None:
        Path("x.json").write_text("{")
        Path("y.md").unlink(missing_ok=True)
        Path("x.json").chmod(0o600)
        raise ValueError("oh")

    monkeypatch.setattr("edgefer.cli.main", careless)
    ready = tmp_path / "ready"
    ready.mkdir()
    (ready / "x.json").write_text("{}")
    (ready / "y.md").write_text("text\n")
    ended, wrong = faults.trial(Command((), lambda _: None), ready, tmp_path / "work", Fault("EIO", 3))
    assert ended == "refused"
    assert {"y.md is gone"} <= set(wrong)
    assert any("Traceback" in each or "a traceback" in each for each in wrong)
    assert any(each.startswith("x.json is not whole (JSONDecodeError") for each in wrong)
    assert any(each.startswith("run again it ends with 1") for each in wrong)


def test_faults_repeat() -> None:
    clean = Ran(0, "", 3.0, 20)
    made = [faults.faults_of(clean, seed) for seed in range(200)]
    assert made == [faults.faults_of(clean, seed) for seed in range(200)]
    assert {fault.kind for fault in made} == {"kill", "limit", *KINDS}
    assert all(0 <= fault.at <= 20 for fault in made if fault.kind in KINDS)


def test_the_page_is_rendered_from_its_record() -> None:
    from tests.torture import __main__ as long

    record = json.loads(long.RECORD.read_text())
    assert long.PAGE.read_text() == long.render(record)
