"""Boards for the tests here, and `edgefer` as a person on this machine runs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgefer.arch import get_arch
from edgefer.devices.emulated import rootfs
from edgefer.pipeline import build, targets
from edgefer.training import weights
from tests.cli.made import PROGRAM, Ran
from tests.devices.ssh.made import PACKAGES, Board, furnish, lacking

TARGET = "tflite-int8"
MakeBoard = Callable[..., Board]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """They are all of one kind."""
    reason = lacking()
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.boards)
            if reason:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The arm64 system that all boards share; nothing is written to it."""
    folder = tmp_path_factory.mktemp("userland") / "root"
    rootfs.make(folder, PACKAGES)
    furnish(folder)
    folder.parent.chmod(0o755)
    return folder


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The user's key, and one that no board knows (wrong)."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("right", "wrong"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    return folder / "right"


@pytest.fixture
def make_board(root: Path, key: Path, tmp_path: Path) -> Iterator[MakeBoard]:
    """Boards that are switched off when the test ends."""
    made: list[Board] = []

    def make(name: str = "kitchen", size: str = "") -> Board:
        board = Board(root, tmp_path / name, key, size)
        made.append(board)
        board.start()
        return board

    yield make
    for board in made:
        board.stop()


@pytest.fixture
def board(make_board: MakeBoard) -> Board:
    """A board as it comes out of the box."""
    return make_board()


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """edgefer as it is now: a run's name follows the sources, and someone may be editing them."""
    top, folder = Path(build.__file__).parents[2], tmp_path_factory.mktemp("installed")
    for name in ("edgefer", "targets"):
        shutil.copytree(top / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


class Host:
    """This machine, with a configuration of its own for ssh and edgefer."""

    def __init__(self, folder: Path, key: Path, installed: Path) -> None:
        self.folder, self.config, self.known = folder, folder / "config", folder / "known_hosts"
        wrapper = folder / "bin/ssh"  # OpenSSH looks for the configuration in the account's home, not in $HOME
        wrapper.parent.mkdir(parents=True)
        wrapper.write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {self.config} "$@"\n')
        wrapper.chmod(0o755)
        self.devices = folder / "devices.toml"
        self.environment = {
            "PATH": f"{wrapper.parent}:{os.environ['PATH']}",
            "EDGEFER_DEVICES": str(self.devices),
            "EDGEFER_IDLE_SECONDS": "0",
            "EDGEFER_LOST_SECONDS": "60",
            "PYTHONPATH": str(installed),
        }
        self.use(key)

    def use(self, key: Path) -> None:
        """Log in with this key."""
        lines = (f"IdentityFile {key}", "IdentitiesOnly yes", f"UserKnownHostsFile {self.known}")
        self.config.write_text("\n".join((*lines, "GlobalKnownHostsFile /dev/null", "")))

    def knows(self, name: str, board: Board) -> None:
        """As if it had been added."""
        had = self.devices.read_text() if self.devices.is_file() else ""
        self.devices.write_text(f'{had}[{name}]\nhost = "pi@127.0.0.1"\nport = {board.port}\nboard = "rpi4"\n')
        scanned = subprocess.run(
            ["ssh-keyscan", "-t", "ed25519", "-p", str(board.port), "127.0.0.1"],
            capture_output=True,
            text=True,
            check=True,
        )
        with self.known.open("a") as file:
            file.write(scanned.stdout)

    def start(self, *arguments: object, **variables: str) -> subprocess.Popen[str]:
        """Begin `edgefer`."""
        line = [sys.executable, *PROGRAM[1:], *map(str, arguments)]
        environment = {**os.environ, **self.environment, **variables}
        return subprocess.Popen(
            line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=self.folder
        )

    def edgefer(self, *arguments: object, **variables: str) -> Ran:
        """Run it to its end."""
        process = self.start(*arguments, **variables)
        out, err = process.communicate(timeout=240)
        return Ran(process.returncode, out, err)

    def set_up(self, *arguments: object) -> Ran:
        """`edgefer device setup`, less what it tells of its progress."""
        ran = self.edgefer("device", "setup", *arguments)
        return ran._replace(err="".join(line for line in ran.err.splitlines(True) if line.startswith("edgefer: ")))


@pytest.fixture
def host(tmp_path: Path, key: Path, installed: Path) -> Host:
    """Knows no board yet."""
    return Host(tmp_path / "host", key, installed)


@pytest.fixture(scope="session")
def engines(root: Path, key: Path, installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The environment that `edgefer device setup --offline` made, on a board that is off by now."""
    folder = tmp_path_factory.mktemp("first")
    board, host = Board(root, folder / "board", key), Host(folder / "host", key, installed)
    board.start()
    try:
        host.knows("first", board)
        ran = host.edgefer("device", "setup", "first", "--offline")
        assert ran.code == 0, ran
        assert sorted(path.name for path in board.home.iterdir()) == [".edgefer", ".ssh"]
    finally:
        board.stop()
    return board.home / ".edgefer/venv"


@pytest.fixture
def kitchen(board: Board, host: Host, engines: Path) -> Iterator[Board]:
    """A board that is set up and known; it must be clean in the end."""
    board.give(engines)
    host.knows("kitchen", board)
    yield board
    assert board.left() == []


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One bundle; tests must not change it."""
    out, arch = tmp_path_factory.mktemp("bundle"), get_arch("ean")
    target = targets.target(TARGET)
    build.build(build.Job(arch, TARGET, target, weights.load(arch, None), build.Calibrate()), out)
    return out / f"ean.{TARGET}"
