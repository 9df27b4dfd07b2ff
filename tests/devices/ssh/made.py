"""A board in a folder: an arm64 userland under qemu-user, with a true SSH server on the loopback.

The server runs in mount and process namespaces of its own: what is mounted and started there ends with it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PACKAGES = (
    "python3", "libstdc++6", "libgomp1", "bash", "dash", "coreutils", "findutils", "sed", "grep", "tar", "gzip",
    "util-linux", "procps", "libc-bin", "dropbear-bin",
)  # fmt: skip
ACCOUNT = 1000
# What an engine's detection of the processor reads, instead of this machine's.
CORE = """processor\t: {core}
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm crc32 cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd08
CPU revision\t: 3

"""
CORES = 4
MODEL = "Raspberry Pi 4 Model B Rev 1.5"
# dropbear drops the environment, and only this knows which processor to emulate.
ENTRY = '#!/bin/sh\nexport QEMU_CPU=cortex-a72\nexec sh -c "$SSH_ORIGINAL_COMMAND"\n'
VCGENCMD = '#!/bin/sh\n[ -x "$HOME/vcgencmd" ] && exec "$HOME/vcgencmd" "$@"\nexit 1\n'
# The first process of the namespaces; where the file `down` is, connections are refused.
SERVE = """set -e
mount -t proc proc "$ROOT/proc"
mount --bind "$CPUINFO" "$ROOT/proc/cpuinfo"
mount --bind "$BOARD" "$ROOT/home/pi"
[ -z "$SIZE" ] || mount -t tmpfs -o "size=$SIZE,uid=1000,gid=1000" tmpfs "$ROOT/home/pi/.edgefer"
while :; do
    [ -e "$CONTROL/down" ] || chroot "$ROOT" /usr/sbin/dropbear -F -E -m -s -r "$KEY" -p "127.0.0.1:$PORT" || :
    sleep 0.1
done
"""


def furnish(root: Path) -> None:
    """What a userland lacks for people to log in: devices, an account, host keys."""
    for name in (
        "proc",
        "sys/devices/system/cpu",
        "sys/firmware/devicetree/base",
        "dev",
        "tmp",
        "home/pi",
        "usr/local/bin",
    ):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)
    for name, minor in (("null", 3), ("zero", 5), ("random", 8), ("urandom", 9)):
        os.mknod(root / "dev" / name, 0o20666, os.makedev(1, minor))
        (root / "dev" / name).chmod(0o666)
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\npi:x:1000:1000::/home/pi:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\npi:x:1000:\n")
    (root / "etc/shells").write_text("/bin/sh\n")
    for name in ("possible", "present", "online"):
        (root / "sys/devices/system/cpu" / name).write_text(f"0-{CORES - 1}\n")
    (root / "sys/firmware/devicetree/base/model").write_text(f"{MODEL}\0")
    (root / "cpuinfo").write_text("".join(CORE.format(core=core) for core in range(CORES)))
    for path, content in (("usr/local/bin/entry", ENTRY), ("usr/bin/vcgencmd", VCGENCMD)):
        (root / path).write_text(content)
        (root / path).chmod(0o755)
    for name in ("hostkey", "otherkey"):
        subprocess.run(
            ["chroot", root, "/usr/bin/dropbearkey", "-t", "ed25519", "-f", f"/etc/{name}"],
            check=True,
            capture_output=True,
        )


class Board:
    """A home folder and the server that leads there; `home` is that folder on this machine."""

    def __init__(self, root: Path, folder: Path, key: Path, size: str = "") -> None:
        self.root, self.home, self._control, self.size = root, folder / "home", folder / "control", size
        self.hostkey = "/etc/hostkey"
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        (self.home / ".ssh").mkdir(parents=True)
        self._control.mkdir()
        public = key.with_suffix(".pub").read_text()
        (self.home / ".ssh/authorized_keys").write_text(f'command="/usr/local/bin/entry" {public}')
        if size:
            (self.home / ".edgefer").mkdir()
        self.own()

    def own(self) -> None:
        """Everything in the home folder belongs to its user."""
        subprocess.run(["chown", "-R", f"{ACCOUNT}:{ACCOUNT}", self.home], check=True)

    def give(self, folder: Path) -> None:
        """A copy of another board's engines."""
        inside = self.inside / ".edgefer"
        inside.mkdir(exist_ok=True)
        subprocess.run(["cp", "-a", folder, inside / folder.name], check=True)
        subprocess.run(["chown", "-R", f"{ACCOUNT}:{ACCOUNT}", inside], check=True)

    @property
    def inside(self) -> Path:
        """The home folder as the board itself sees it, with what is mounted in it."""
        if self._process is None or not self.size:
            return self.home
        first = int(Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()[0])
        return Path(f"/proc/{first}/root{self.root}/home/pi")

    def start(self) -> None:
        """Serve; returns when it answers."""
        given = {
            "ROOT": self.root, "BOARD": self.home, "CPUINFO": self.root / "cpuinfo", "KEY": self.hostkey,
            "PORT": self.port, "CONTROL": self._control, "SIZE": self.size,
        }  # fmt: skip
        self._process = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private", "sh", "-c", SERVE],
            env={**os.environ, **{key: str(value) for key, value in given.items()}},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        until(lambda: _answers(self.port), "the board's server answers")

    def stop(self) -> None:
        """Switch it off."""
        if self._process is not None:
            self._process.kill()  # and with it, all that runs in its namespaces
            self._process.wait()
            self._process = None

    def cut(self) -> None:
        """Break every connection; new ones are welcome."""
        for process in self._servers()[1:]:
            os.kill(process, signal.SIGKILL)

    def down(self) -> None:
        """Break every connection and refuse new ones; what runs there runs on."""
        (self._control / "down").touch()
        for process in self._servers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        until(lambda: not _answers(self.port), "the server is gone")

    def up(self) -> None:
        """Undo `down`."""
        (self._control / "down").unlink()
        until(lambda: _answers(self.port), "the server is back")

    def processes(self, word: str) -> list[int]:
        """Those on the board whose command line holds `word`."""
        assert self._process is not None
        return [each for each in _tree(self._process.pid) if word in _command(each)]

    def _servers(self) -> list[int]:
        """The server, then one process for each connection."""
        return [each for each in self.processes(" -F -E -m -s -r ") if "mount" not in _command(each)]

    def left(self) -> list[str]:
        """What is in edgefer's folder besides environments."""
        folder = self.inside / ".edgefer"
        top = [path for path in folder.iterdir() if not path.name.startswith("venv")] if folder.is_dir() else []
        return sorted(str(p.relative_to(folder)) for path in top for p in (path, *path.glob("*"), *path.glob("*/*")))


def until(true: Callable[[], object], what: str, limit: float = 60) -> None:
    """Wait for something to become true."""
    give_up = time.monotonic() + limit
    while not true():
        assert time.monotonic() < give_up, f"waited {limit} s until {what}"
        time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as connection:
            return bool(connection.recv(3))
    except OSError:
        return False


def _tree(process: int) -> Iterator[int]:
    """A process and all below it, parents first; those that end meanwhile are left out."""
    yield process
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        return
    for child in children:
        yield from _tree(int(child))


def _command(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def lacking() -> str | None:
    """Why there can be no such board here."""
    if os.geteuid() != 0:
        return "not root: a chroot and mounts need it"
    tools = [
        tool for tool in ("unshare", "chroot", "ssh", "ssh-keygen", "apt-get", "dpkg-deb") if not shutil.which(tool)
    ]
    if tools:
        return f"{', '.join(tools)} not installed"
    if not Path("/proc/sys/fs/binfmt_misc/qemu-aarch64").is_file():
        return (
            "arm64 programs don't run here: apt-get install qemu-user-static, mount binfmt_misc, and "
            "cat /usr/lib/binfmt.d/qemu-aarch64.conf > /proc/sys/fs/binfmt_misc/register"
        )
    return None
