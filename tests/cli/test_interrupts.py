"""Ctrl-C and SIGTERM."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgefer.runtime import files, verify
from tests.cli.made import BUILD, FP32, PROGRAM, Ran, Run, whole


@pytest.mark.skipif(sys.platform != "linux", reason="sees in /proc whether the converter is loaded")
@pytest.mark.parametrize(("sign", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_conversion(earlier: Path, tmp_path: Path, sign: signal.Signals, code: int) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    process = subprocess.Popen(
        [*PROGRAM, *BUILD, "--out", str(earlier)], stderr=subprocess.PIPE, env={**os.environ, "TMPDIR": str(temporary)}
    )
    deadline = time.monotonic() + 60
    while "onnxsim" not in Path(f"/proc/{process.pid}/maps").read_text() and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(sign)
    _, errors = process.communicate(timeout=60)
    Ran(process.returncode, "", errors.decode().lstrip("\n")).fails(code, "nothing half-written is left")
    whole(earlier, FP32)
    # torch makes an empty folder for its compiler, on good days too
    assert [p.name for p in temporary.iterdir() if not p.name.startswith("torchinductor_")] == []


@pytest.mark.parametrize("atomic", [True, False])
def test_interrupt_between_two_renames_waits(
    run: Run, quick: None, earlier: Path, monkeypatch: pytest.MonkeyPatch, atomic: bool
) -> None:
    rename, exchange = Path.rename, files._exchange

    def interrupted(self: Path, target: Path) -> Path:
        signal.raise_signal(signal.SIGINT)
        return rename(self, target)

    def interrupted_exchange(one: Path, other: Path) -> bool:
        signal.raise_signal(signal.SIGINT)
        return atomic and exchange(one, other)

    monkeypatch.setattr(Path, "rename", interrupted)
    monkeypatch.setattr(files, "_exchange", interrupted_exchange)
    ran = run(*BUILD, "--out", earlier)
    ran._replace(err=ran.err.lstrip("\n")).fails(130, "interrupted")
    whole(earlier, FP32)


def test_interrupt_of_a_command_that_reads(run: Run, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "check_golden_of", lambda *_: signal.raise_signal(signal.SIGTERM))
    run("verify", made / FP32).fails(143, "terminated")
