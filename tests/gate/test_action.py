"""The shell in action.yml: every exit code of the gate becomes the outcome that CI sees."""

from __future__ import annotations

import os
import subprocess
import textwrap
from pathlib import Path

import pytest

ACTION = Path(__file__).parents[2] / "action.yml"
FAKE = """#!/bin/sh
for word in "$@"; do echo "[$word]" >> "$LOG"; done
while [ "$1" != --markdown ]; do shift; done
[ "$CODE" = 1 ] || echo report > "$2"
exit "$CODE"
"""


def script() -> str:
    """What the last step runs: the block after its `run: |`."""
    return textwrap.dedent(ACTION.read_text().rpartition("run: |\n")[2])


@pytest.mark.parametrize(
    ("code", "policy", "outcome", "ends"),
    [
        (0, "warn", "ok", 0),
        (18, "warn", "regressed", 18),
        (19, "warn", "inconclusive", 0),
        (19, "fail", "inconclusive", 19),
        (1, "warn", "error", 1),
    ],
)
def test_codes_become_outcomes(tmp_path: Path, code: int, policy: str, outcome: str, ends: int) -> None:
    fake = tmp_path / "edgefer"
    fake.write_text(FAKE)
    fake.chmod(0o755)
    given = {"BASE": "origin/main", "HEAD": "HEAD", "THRESHOLD": "5", "ARCH": "ean", "WEIGHTS": ""}
    given |= {"TARGET": "tflite-int8 onnx-fp32", "INCONCLUSIVE": policy, "CODE": str(code)}
    files = {"LOG": "log", "GITHUB_OUTPUT": "output", "GITHUB_STEP_SUMMARY": "summary", "RUNNER_TEMP": ""}
    given |= {name: str(tmp_path / file) for name, file in files.items()}
    line = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script()]
    environment = os.environ | given | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == ends, done.stderr
    assert (tmp_path / "output").read_text() == f"outcome={outcome}\n"
    assert (tmp_path / "summary").exists() is (code != 1)
    assert ("::warning::" in done.stdout) is (code == 19 and ends == 0)
    words = (tmp_path / "log").read_text().split()
    assert words[-3:] == ["[--]", "[origin/main]", "[HEAD]"]
    assert words[5:11] == ["[--arch]", "[ean]", "[--target]", "[tflite-int8]", "[--target]", "[onnx-fp32]"]
