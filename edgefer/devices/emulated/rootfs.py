"""A Debian arm64 root in a folder: apt fetches the packages, dpkg-deb unpacks them; no root, no debootstrap.

apt works on a state of its own with this host's sources and keyrings, so that the packages are those that the
host trusts, and nothing of the host changes. No maintainer script runs: there are no users, no alternatives.
"""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from edgefer.runtime import shell
from edgefer.runtime.errors import NotSetUp
from edgefer.runtime.files import staged_folder

Say = Callable[[str], None]
PYTHON = ("python3", "libstdc++6", "libgomp1")  # what the engines' wheels need besides Python
TOOLS = ("apt-get", "dpkg-deb", "tar", "bash")
MERGED = ("bin", "lib", "sbin")  # links into usr that Debian's installer makes, and no package of Debian 12
LISTED = "packages.txt"
_WORK = ".apt"  # within the staged folder, gone when it is done
# Each package in turn, as the root's own dpkg would; a folder that is a link (lib) stays one.
_UNPACK = """set -euo pipefail
root=$1; shift
for package; do
    dpkg-deb --fsys-tarfile "$package" | tar -x -C "$root" --no-same-owner --keep-directory-symlink
done"""


def make(folder: Path, packages: Sequence[str] = PYTHON, say: Say = lambda _: None) -> None:
    """Unpack `packages` and all that they need into `folder`, whole or not at all; an earlier folder is replaced.

    Takes 10 s and 100 MB for PYTHON. folder/packages.txt lists the packages with their versions. Raises NotSetUp
    if this host has no apt for arm64 or can't reach its servers, OutputFailed.
    """
    require_host()
    with staged_folder(folder) as root:
        work = root / _WORK
        say("fetching the lists of arm64 packages")
        refreshed = _apt(work, "update")
        say(f"fetching {', '.join(packages)} and what they need, for arm64")
        fetched = _apt(work, "install", "--yes", "--download-only", "--no-install-recommends", *packages)
        files = sorted((work / "cache" / "archives").glob("*.deb"))
        if fetched.code != 0 or not files:
            raise NotSetUp(_refusal(fetched, refreshed))
        say(f"unpacking {len(files)} packages")
        _unpack(root, files)
        shutil.rmtree(work)
        (root / LISTED).write_text("".join(f"{file.stem}\n" for file in files), encoding="utf-8")


def python(folder: Path) -> str:
    """The version of the root's Python, 3.11 for example; raises NotSetUp if it has none."""
    found = sorted(path.name.removeprefix("python") for path in (folder / "usr/bin").glob("python3.[0-9]*"))
    found = [version for version in found if version.replace(".", "").isdigit()]
    if not found:
        raise NotSetUp(f"{folder} is no whole userland, it has no Python: remove that folder and set the device up.")
    return found[-1]


def require_host() -> None:
    """Raise NotSetUp where no arm64 packages can be had."""
    lacking = [tool for tool in TOOLS if shutil.which(tool) is None]
    if lacking:
        raise NotSetUp(
            f"an arm64 userland is made of Debian's packages, and {' and '.join(lacking)} are not here: "
            "set it up on Debian or Raspberry Pi OS, or in a container of debian:12."
        )
    kind = distribution()
    if kind == "ubuntu" and platform.machine() != "aarch64":
        raise NotSetUp(
            "an arm64 userland can't be made on Ubuntu: its arm64 packages are not on the servers of this host's "
            "own; set it up on Debian, or in a container of debian:12."
        )


def distribution() -> str:
    """This host's, as /etc/os-release calls it: debian, ubuntu; `unknown` if it does not tell."""
    try:
        return platform.freedesktop_os_release().get("ID", "unknown")
    except OSError:
        return "unknown"


def _apt(work: Path, *words: str) -> shell.Done:
    """apt-get on a state of its own for arm64, with the host's sources, keyrings and proxies."""
    for name in ("state/lists/partial", "cache/archives/partial"):
        (work / name).mkdir(parents=True, exist_ok=True)
    (work / "state/status").touch()  # no package is installed
    settings = {
        "APT::Architecture": "arm64",
        "APT::Architectures": "arm64",
        "APT::Sandbox::User": "",  # that user may not enter this folder
        "Dir::State": str(work / "state"),
        "Dir::State::status": str(work / "state/status"),
        "Dir::Cache": str(work / "cache"),
        "Dir::Log": str(work),
        "Acquire::AllowInsecureRepositories": "false",
        "APT::Get::AllowUnauthenticated": "false",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
    }
    options = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
    return shell.run(["apt-get", "-qq", *options, *words])


def _unpack(root: Path, files: Sequence[Path]) -> None:
    for name in MERGED:
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    done = shell.run(["bash", "-c", _UNPACK, "unpack", str(root), *map(str, files)])
    if done.code != 0:
        raise NotSetUp(f"an arm64 package can't be unpacked ({done.last_line()}): free some space and try again.")


def _refusal(fetched: shell.Done, refreshed: shell.Done) -> str:
    """What apt says is wrong. That some source could not be read matters only if a package is missing for it."""
    errors = [line for done in (refreshed, fetched) for line in done.err.splitlines() if line[:2] in ("E:", "W:")]
    said = (errors[0] if errors else fetched.last_line()).removeprefix("E:").removeprefix("W:").strip()
    return f"apt can't fetch arm64 packages ({said}): check the network and this host's apt sources, then try again."
