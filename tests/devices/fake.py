"""A board that is this machine: an `ssh` that runs what it is given in a folder, or fails as OpenSSH does."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

SSH = """#!/bin/sh
# Without `--`, it is asked for its configuration.
case "$*" in *" -G "* | "-G "*) printf 'hostname 10.0.0.7\\nport 2222\\n'; exit 0 ;; esac
echo "$@" >>"$FAKE/lines"
if [ -s "$FAKE/fails" ]; then
    first=$(head -n 1 "$FAKE/fails")
    sed -i 1d "$FAKE/fails"
    case $first in
    -) ;;
    *) echo "$first" >&2; exit 255 ;;
    esac
fi
for last; do :; done
cd "$FAKE/home" && HOME=$FAKE/home exec "$(cat "$FAKE/shell")" -c "$last"
"""


class Fake:
    """`home` is the board's; each of `fails` is what a connection fails with ("-": it works)."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.home = folder, folder / "home"
        self.home.mkdir(parents=True)
        (folder / "bin").mkdir()
        self.login_shell("sh")
        (folder / "bin/ssh").write_text(SSH)
        (folder / "bin/ssh").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
        monkeypatch.setenv("FAKE", str(folder))
        monkeypatch.setenv("EDGEFER_DEVICES", str(folder / "devices.toml"))
        monkeypatch.setenv("EDGEFER_IDLE_SECONDS", "0")

    def login_shell(self, path: str) -> None:
        """What the board's sshd hands commands to."""
        (self.folder / "shell").write_text(path)

    def fails(self, *messages: str) -> None:
        """The next connections."""
        (self.folder / "fails").write_text("".join(f"{message}\n" for message in messages))

    @property
    def trips(self) -> int:
        """How many connections there were."""
        path = self.folder / "lines"
        return path.read_text().count("BatchMode=yes") if path.exists() else 0

    def engines(self, name: str = "venv") -> Path:
        """An environment whose Python is this one."""
        python = self.home / ".edgefer" / name / "bin/python"
        python.parent.mkdir(parents=True)
        python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        python.chmod(0o755)
        return python

    def tool(self, name: str, script: str) -> None:
        """A program that the board has."""
        path = self.folder / "bin" / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    @property
    def left(self) -> list[str]:
        """What is in edgefer's folder besides environments."""
        return sorted(p.name for p in (self.home / ".edgefer").iterdir() if not p.name.startswith("venv"))
