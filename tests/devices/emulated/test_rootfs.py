"""A Debian arm64 root in a folder: made whole or not at all, by a user who is nobody special."""

from __future__ import annotations

import platform
import shutil
import stat
from pathlib import Path

import pytest

from edgefer.devices.emulated import rootfs
from edgefer.runtime import shell
from edgefer.runtime.errors import NotSetUp
from edgefer.runtime.shell import Done


@pytest.fixture
def debian(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host with all tools, whatever this one is."""
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(rootfs, "distribution", lambda: "debian")


def answers(monkeypatch: pytest.MonkeyPatch, **ways: Done | BaseException) -> list[list[str]]:
    """Programs, apt-get by its command, that end as told; an exception is raised."""
    lines: list[list[str]] = []

    def run(line: list[str]) -> Done:
        lines.append(line)
        command = next((word for word in line if word in ways), "")
        done = ways.get(command, Done(0, "", ""))
        if isinstance(done, BaseException):
            raise done
        return done

    monkeypatch.setattr(shell, "run", run)
    return lines


def test_it_is_a_whole_system_of_another_processor(userland_root: Path) -> None:
    version = rootfs.python_version(userland_root)
    header = (userland_root / f"usr/bin/python{version}").read_bytes()[:20]
    assert header[:4] == b"\x7fELF" and header[18] == 0xB7  # EM_AARCH64
    assert (userland_root / "lib").readlink() == Path("usr/lib")
    assert (userland_root / "lib/ld-linux-aarch64.so.1").exists()


def test_it_lists_its_packages_and_keeps_nothing_of_apt(userland_root: Path) -> None:
    listed = (userland_root / rootfs.LISTED).read_text().splitlines()
    assert any(line.startswith("libc6_") and line.endswith("_arm64") for line in listed)
    assert not (userland_root / ".apt").exists()
    assert not list(userland_root.rglob("*.deb"))
    assert not any(stat.S_ISCHR(path.lstat().st_mode) for path in userland_root.rglob("*"))


@pytest.mark.parametrize("tool", rootfs.TOOLS)
def test_a_host_without_a_tool_says_so(tool: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None if name == tool else f"/usr/bin/{name}")
    with pytest.raises(NotSetUp, match=f"{tool} are not here: set it up on Debian"):
        rootfs.make_root(tmp_path / "root")
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("debian")
def test_ubuntu_is_told_honestly(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(rootfs, "distribution", lambda: "ubuntu")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    with pytest.raises(NotSetUp, match=r"can't be made on Ubuntu.*debian:12"):
        rootfs.make_root(tmp_path / "root")


@pytest.mark.usefixtures("debian")
@pytest.mark.parametrize(
    ("ways", "said"),
    [
        (
            {"update": Done(0, "", "W: Failed to fetch http://x Could not resolve 'x'"), "install": Done(100, "", "")},
            "Failed to fetch http://x Could not resolve 'x'",
        ),
        ({"install": Done(100, "", "E: Unable to locate package python3")}, "Unable to locate package python3"),
        ({}, "it said nothing"),
    ],
)
def test_no_network_is_one_line_and_leaves_nothing(
    ways: dict[str, Done], said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answers(monkeypatch, **ways)
    with pytest.raises(NotSetUp, match="apt can't fetch arm64 packages") as caught:
        rootfs.make_root(tmp_path / "root")
    assert said in str(caught.value) and "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("debian")
def test_ctrl_c_leaves_the_earlier_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root/old").touch()
    answers(monkeypatch, install=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        rootfs.make_root(tmp_path / "root")
    assert [path.name for path in tmp_path.rglob("*")] == ["root", "old"]


@pytest.mark.usefixtures("debian")
def test_apt_never_trusts_what_is_not_signed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lines = answers(monkeypatch)
    with pytest.raises(NotSetUp):
        rootfs.make_root(tmp_path / "root", ["python3"])
    assert [line[0] for line in lines] == ["apt-get", "apt-get"]
    for line in lines:
        assert "APT::Get::AllowUnauthenticated=false" in line
        assert "Acquire::AllowInsecureRepositories=false" in line
        assert not any("trusted=yes" in word for word in line)
        assert any(word.startswith("Dir::State=") and str(tmp_path) in word for word in line)


@pytest.mark.parametrize("names", [[], ["python3"], ["python3.11-config"]])
def test_a_folder_without_python_is_no_userland(names: list[str], tmp_path: Path) -> None:
    (tmp_path / "usr/bin").mkdir(parents=True)
    for name in names:
        (tmp_path / "usr/bin" / name).touch()
    with pytest.raises(NotSetUp, match="has no Python"):
        rootfs.python_version(tmp_path)


def test_its_python_has_a_version(tmp_path: Path) -> None:
    (tmp_path / "usr/bin").mkdir(parents=True)
    for name in ("python3", "python3.13", "python3.13-config"):
        (tmp_path / "usr/bin" / name).touch()
    assert rootfs.python_version(tmp_path) == "3.13"
