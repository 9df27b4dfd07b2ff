"""An emulated board's file system: a Debian arm64 root, and beside it the board's own /proc and /sys.

The root: apt fetches the packages, dpkg-deb unpacks them; no debootstrap, and nobody has to be root. apt works on a
state of its own with this host's sources and keyrings, so that the packages are those that the host trusts, and
nothing of the host changes. No maintainer script runs: there are no users, no alternatives.

/proc and /sys: what engines read of a processor, as the board has it. qemu-user's -L looks for each absolute path
below that folder first. Without these files engines read the host's: LiteRT and ONNX Runtime crash on it, ncnn cuts
its work by the size of the host's caches.
"""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgefer.devices.config import Cache, EmulatedProcessor
from edgefer.devices.device import Say
from edgefer.runtime import shell
from edgefer.runtime.errors import NotSetUp
from edgefer.runtime.files import staged_folder

PYTHON = ("python3", "libstdc++6", "libgomp1")  # what the engines' wheels need besides Python
TOOLS = ("apt-get", "dpkg-deb", "tar", "bash")
MERGED = ("bin", "lib", "sbin")  # links into usr that Debian's installer makes, and no package of Debian 12
LISTED = "packages.txt"
LINKED = ("bin", "lib", "sbin", "usr")
ARM = 0x41  # implementer in MIDR_EL1
ARMV8 = 0xF  # its architecture field: "see the ID registers"
CPU = "sys/devices/system/cpu"
_WORK = ".apt"  # within the staged folder, gone when it is done
# Each package in turn, as the root's own dpkg would; a folder that is a link (lib) stays one.
_UNPACK = """set -euo pipefail
root=$1; shift
for package; do
    dpkg-deb --fsys-tarfile "$package" | tar -x -C "$root" --no-same-owner --keep-directory-symlink
done"""


def make_root(folder: Path, packages: Sequence[str] = PYTHON, say: Say = lambda _: None) -> None:
    """Unpack `packages` and all that they need into `folder`, whole or not at all; an earlier folder is replaced.

    Takes 10 s and 100 MB for PYTHON. folder/packages.txt lists the packages with their versions. Raises NotSetUp
    if this host has no apt for arm64 or can't reach its servers, OutputFailed.
    """
    require_host()
    with staged_folder(folder, durable=False) as root:
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


def python_version(folder: Path) -> str:
    """The version of the root's Python, 3.11 for example; raises NotSetUp if it has none."""
    names = sorted(path.name.removeprefix("python") for path in (folder / "usr/bin").glob("python3.[0-9]*"))
    versions = [name for name in names if name.replace(".", "").isdigit()]
    if not versions:
        raise NotSetUp(f"{folder} is no whole root, it has no Python: remove that folder and set the device up.")
    return versions[-1]


def require_host() -> None:
    """Raise NotSetUp where no arm64 packages can be had."""
    lacking = [tool for tool in TOOLS if shutil.which(tool) is None]
    if lacking:
        raise NotSetUp(
            f"an arm64 root is made of Debian's packages, and {' and '.join(lacking)} are not here: "
            "set it up on Debian or Raspberry Pi OS, or in a container of debian:12."
        )
    kind = distribution()
    if kind == "ubuntu" and platform.machine() != "aarch64":
        raise NotSetUp(
            "an arm64 root can't be made on Ubuntu: its arm64 packages are not on the servers of this host's "
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
        reason = done.last_line()
        raise NotSetUp(f"an arm64 package can't be unpacked ({reason}): mend that, then set the device up again.")


def _refusal(fetched: shell.Done, refreshed: shell.Done) -> str:
    """What apt says is wrong. That some source could not be read matters only if a package is missing for it."""
    errors = [line for done in (refreshed, fetched) for line in done.err.splitlines() if line[:2] in ("E:", "W:")]
    reason = (errors[0] if errors else fetched.last_line()).removeprefix("E:").removeprefix("W:").strip()
    return f"apt can't fetch arm64 packages ({reason}): mend what apt complains of, then try again."


def make_sysfs(folder: Path, root: Path, processor: EmulatedProcessor) -> None:
    """Write the folder anew, whole or not at all; the links to `root` are relative. Raises OutputFailed."""
    with staged_folder(folder, durable=False) as stage:
        for name in LINKED:
            (stage / name).symlink_to(os.path.relpath(root / name, folder))
        for path, content in sysfs_files(processor).items():
            (stage / path).parent.mkdir(parents=True, exist_ok=True)
            (stage / path).write_text(content, encoding="utf-8")


def sysfs_files(processor: EmulatedProcessor) -> dict[str, str]:
    """Path and content of all that is not a link."""
    cores = processor.board_kind.cores
    content = {
        "etc/ld.so.cache": "",  # the host's lists its own libraries
        "proc/cpuinfo": cpuinfo(processor, cores),
        "proc/device-tree/model": processor.title,
        **{f"{CPU}/{name}": f"{_up_to(cores)}\n" for name in ("possible", "present", "online")},
        f"{CPU}/kernel_max": "255\n",
    }
    for core in range(cores):
        content |= {f"{CPU}/cpu{core}/{name}": f"{text}\n" for name, text in _core(core, processor, cores)}
    return content


def cpuinfo(processor: EmulatedProcessor, cores: int) -> str:
    """As arm64 kernels write it."""
    lines = {
        "BogoMIPS": "108.00",
        "Features": processor.features,
        "CPU implementer": f"{ARM:#x}",
        "CPU architecture": "8",
        "CPU variant": processor.variant,
        "CPU part": processor.part,
        "CPU revision": processor.revision,
    }
    features = "".join(f"{name:<16}: {value}\n" for name, value in lines.items())
    return (
        "".join(f"processor       : {core}\n{features}\n" for core in range(cores))
        + f"Model           : {processor.title}\n"
    )


def midr(processor: EmulatedProcessor) -> int:
    """MIDR_EL1, the processor's identification register."""
    return (
        ARM << 24
        | int(processor.variant, 16) << 20
        | ARMV8 << 16
        | int(processor.part, 16) << 4
        | int(processor.revision)
    )


def _core(core: int, processor: EmulatedProcessor, cores: int) -> Iterator[tuple[str, str]]:
    """One core's files by their path below its folder."""
    yield "regs/identification/midr_el1", f"{midr(processor):#018x}"
    for name in ("cpuinfo_max_freq", "cpuinfo_min_freq"):
        yield f"cpufreq/{name}", str(processor.megahertz * 1000)
    yield "cpufreq/stats/time_in_state", f"{processor.megahertz * 1000} 1"
    yield "topology/core_id", str(core)
    yield "topology/physical_package_id", "0"
    yield "topology/thread_siblings_list", str(core)
    yield "topology/core_cpus_list", str(core)
    for name in ("cluster_cpus_list", "core_siblings_list", "package_cpus_list"):
        yield f"topology/{name}", _up_to(cores)
    for index, cache in enumerate(processor.caches):
        yield from ((f"cache/index{index}/{name}", content) for name, content in _cache(cache, core))


def _cache(cache: Cache, core: int) -> Iterator[tuple[str, str]]:
    yield "level", str(cache.level)
    yield "type", cache.kind
    yield "size", f"{cache.kibibytes}K"
    yield "shared_cpu_list", str(core) if cache.cores == 1 else _up_to(cache.cores)
    yield "shared_cpu_map", f"{1 << core if cache.cores == 1 else (1 << cache.cores) - 1:x}"


def _up_to(cores: int) -> str:
    return f"0-{cores - 1}" if cores > 1 else "0"
