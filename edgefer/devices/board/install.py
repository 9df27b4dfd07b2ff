"""Makes a virtual environment on a board: sent there as text and run by its Python, which has nothing but itself.

Arguments: edgefer's folder, the stage within it, the environment's name, "offline" or "online", and requirements.
Standard input is a tar with pip.zip and, for offline, the wheels. The environment is made in the stage and renamed:
whole or not at all.
"""

import os
import shutil
import signal
import subprocess
import sys
import tarfile
import venv
from contextlib import suppress
from pathlib import Path

BUSY, CANT = 75, 1  # exit codes
STAGE, PID = ".stage-", "pid"  # the prefix of all stages
PIP = ("--quiet", "--no-deps", "--no-compile", "--no-cache-dir", "--no-warn-script-location")
PATIENCE = ("--disable-pip-version-check", "--retries", "2")


def main(folder: Path, stage: Path, name: str, source: str, requirements: list[str]) -> None:
    """Install, holding a lock on the folder: neither a run nor another setup may be at work there."""
    import fcntl

    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for earlier in folder.glob(f"{STAGE}*"):  # what a power cut left
            if earlier != stage:
                shutil.rmtree(earlier, ignore_errors=True)
        with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as archive:
            for member in archive:  # from the host itself, flat
                archive.extract(member, stage, set_attrs=False)
        environment, target = install(stage, source, requirements), folder / name
        if target.exists():
            target.rename(stage / "earlier")
        environment.rename(target)
    except BlockingIOError:
        sys.exit(BUSY)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        shutil.rmtree(stage, ignore_errors=True)
        with suppress(OSError):
            folder.rmdir()  # if nothing else is in it


def install(stage: Path, source: str, requirements: list[str]) -> Path:
    """The environment, within the stage."""
    environment = stage / "venv"
    venv.create(environment, symlinks=True, with_pip=False)
    offline = ["--no-index", "--find-links", str(stage)] if source == "offline" else []
    python, pip = str(environment / "bin" / "python"), str(stage / "pip.zip" / "pip")
    subprocess.run([python, pip, "install", *PIP, *PATIENCE, *offline, *requirements], check=True, cwd=stage)
    for script in (environment / "bin").iterdir():
        if not script.name.startswith("python"):
            script.unlink()  # it holds the stage's path, and nothing here starts it
    return environment


def _end(number: int, _frame: object) -> None:
    """Ctrl-C on the host: end pip too, then unwind."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)
    sys.exit(128 + number)


if __name__ == "__main__":
    if os.getpid() != os.getpgrp():
        os.setsid()  # a group of its own: `kill -TERM -- -PID` then ends pip as well
    signal.signal(signal.SIGTERM, _end)
    try:
        top = Path(sys.argv[1]).resolve()
        main(top, top / sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5:])
    except subprocess.CalledProcessError:
        sys.exit(CANT)  # pip has said why
    except (OSError, tarfile.TarError) as error:
        sys.exit(str(error))
