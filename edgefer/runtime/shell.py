"""The only door to other processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from edgefer.runtime.files import PACKAGE


@dataclass(frozen=True)
class Done:
    """How a process ended and what it wrote."""

    code: int
    out: str
    err: str

    def last_line(self, otherwise: str = "it said nothing") -> str:
        """The last line of its standard error, where programs say why they failed; `otherwise` if it is empty."""
        return last_line(self.err, otherwise)


def last_line(text: str, otherwise: str = "it said nothing") -> str:
    """The last line of what a program wrote; `otherwise` if that is empty."""
    return (text.strip().splitlines() or [otherwise])[-1]


def module_command(module: str, python: Sequence[str] = (sys.executable,)) -> list[str]:
    """The command line that runs a module of edgefer's, without the working folder on its path."""
    return [*python, "-P", "-m", module]


def environment() -> dict[str, str]:
    """This process's, so changed that a Python finds this very edgefer."""
    path = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(PACKAGE.parent), *([path] if path else [])])}


def run(
    line: Sequence[str],
    stdin: str | IO[bytes] = "",
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    timeout: float | None = None,
    apart: bool = False,
) -> Done:
    """Run a program to its end, `stdin` (a text, or an open file) on its standard input; `timeout` is in seconds.

    An interrupt ends the program too; where it is `apart` from this process's terminal, only after this process
    has heard of it. Raises FileNotFoundError if there is no such program and subprocess.TimeoutExpired.
    """
    done = subprocess.run(
        line,
        input=stdin if isinstance(stdin, str) else None,
        stdin=None if isinstance(stdin, str) else stdin,
        env=environment,
        cwd=folder,
        timeout=timeout,
        capture_output=True,
        encoding="utf-8",  # whatever the terminal's is
        errors="replace",
        check=False,
        start_new_session=apart,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def run_or_none(line: Sequence[str], timeout: float = 5) -> str | None:
    """A program's standard output, or None if it is not there, fails or takes longer than `timeout` seconds."""
    try:
        done = run(line, timeout=timeout)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.out.strip() if done.code == 0 else None
