"""What nobody foresaw: errors of the system, bugs, missing extras, closed pipes."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgefer.runtime import bundle, verify
from tests.cli.made import FP32, PROGRAM, Ran, Run, raising


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/x/model"), 4, ("/x/model (Permission denied)", "check")),
        (OSError(errno.EIO, "Input/output error", "/x/model"), 4, ("/x/model (Input/output error)",)),
        (OSError(errno.ENOSPC, "No space left on device"), 13, ("temporary file", "free some space")),
        (OSError("one\ntwo"), 1, ("one two", "--debug")),
    ],
)
def test_errors_of_the_system(
    run: Run, made: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, code: int, words: tuple[str, ...]
) -> None:
    monkeypatch.setattr(bundle, "sha256", raising(error))
    run("verify", made / FP32).fails(code, *words)


def test_data_that_may_not_be_read(run: Run, csv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "open", raising(PermissionError(errno.EACCES, "Permission denied")))
    run("data", "check", csv).fails(4, str(csv), "Permission denied")


def test_bug_keeps_its_traceback(run: Run, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "check_golden_of", raising(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        run("verify", made / FP32)


def test_debug_shows_the_traceback(run: Run) -> None:
    ran = run("--debug", "verify", "none")
    assert ran.code == 4
    assert "in read_bundle\n" in ran.err and ran.err.splitlines()[-1].startswith("edgefer: no bundle at none")


def test_light_half_names_the_extra() -> None:
    code = (
        "import sys; sys.modules['torch'] = None; sys.argv = ['edgefer', 'archs']\nfrom edgefer.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    Ran(done.returncode, done.stdout, done.stderr).fails(14, "torch", "pip install 'edgefer[build]'")


def test_closed_pipe() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*PROGRAM, "targets"], stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_standard_output() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*PROGRAM, "targets"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    Ran(done.returncode, "", done.stderr).fails(13, "standard output", "free some space")
