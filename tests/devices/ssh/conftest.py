"""Boards for the tests here, and `edgefer` as a person on this machine runs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgefer.devices.emulated import rootfs
from tests.cli.made import PROGRAM, Ran
from tests.conftest import Once
from tests.devices.ssh.made import PACKAGES, Board, furnish, lacking

TOP = Path(__file__).parents[3]
MakeBoard = Callable[..., Board]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """They are all of one kind; on those that have engines every program is slow, and the setup takes minutes."""
    reason = lacking()
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.boards)
            if isinstance(item, pytest.Function) and "engines" in item.fixturenames:
                item.add_marker(pytest.mark.long)
            if reason:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def root(once: Once) -> Path:
    """The arm64 system that all boards share; nothing is written to it."""

    def make(folder: Path) -> None:
        rootfs.make_root(folder / "root", PACKAGES)
        furnish(folder / "root")
        folder.chmod(0o755)

    return once("board", make) / "root"


@pytest.fixture(scope="session")
def key(once: Once) -> Path:
    """The user's key, and one that no board knows (wrong)."""

    def make(folder: Path) -> None:
        for name in ("right", "wrong"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)

    return once("keys", make) / "right"


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
def installed(once: Once) -> Path:
    """edgefer as it is now: a run's name follows the sources, and someone may be editing them."""

    def make(folder: Path) -> None:
        for name in ("edgefer", "targets"):
            shutil.copytree(TOP / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))

    return once("installed", make)


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
def engines(root: Path, key: Path, installed: Path, once: Once) -> Path:
    """The environment that `edgefer device setup --offline` made, on a board that is off by now."""

    def make(folder: Path) -> None:
        board, host = Board(root, folder / "board", key), Host(folder / "host", key, installed)
        board.start()
        try:
            host.knows("first", board)
            ran = host.edgefer("device", "setup", "first", "--offline")
            assert ran.code == 0, ran
            assert sorted(path.name for path in board.home.iterdir()) == [".edgefer", ".ssh"]
        finally:
            board.stop()

    return once("first", make) / "board/home/.edgefer/venv"


@pytest.fixture
def kitchen(board: Board, host: Host, engines: Path) -> Iterator[Board]:
    """A board that is set up and known; it must be clean in the end."""
    board.give(engines)
    host.knows("kitchen", board)
    yield board
    assert board.left() == []


@pytest.fixture(scope="session")
def bundle(dist: Path) -> Path:
    """One bundle; tests must not change it."""
    return dist / "ean.tflite-int8"
