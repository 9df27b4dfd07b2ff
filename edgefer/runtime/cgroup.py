"""The processor quota of a container or a CI job, and how often it stopped this process: Linux's cgroups, v1 and v2."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from edgefer.runtime import proc
from edgefer.runtime.bench_record import Quota


@dataclass(frozen=True)
class Mount:
    """A hierarchy with processors in it: where it is mounted, and which of its groups is shown there."""

    point: Path
    top: PurePosixPath
    unified: bool


def quota(root: Path = proc.ROOT) -> Quota | None:
    """The tightest quota of this process's group and those above it; None where there is none.

    Each level with a quota counts its own periods: those are added up.
    """
    levels = [found for folder, unified in _folders(root) if (found := _level(folder, unified)) is not None]
    if not levels:
        return None
    cores, periods, throttled = zip(*levels, strict=True)
    return Quota(min(cores), sum(periods), sum(throttled))


def _level(folder: Path, unified: bool) -> tuple[float, int, int] | None:
    """Cores, periods so far, and those in which the group was stopped; None without a quota."""
    if unified:
        limit, period = [*(proc.text(folder / "cpu.max") or "max").split(), "100000"][:2]
    else:
        limit = proc.text(folder / "cpu.cfs_quota_us") or "-1"
        period = proc.text(folder / "cpu.cfs_period_us") or "100000"
    if not limit.isdigit() or not period.isdigit() or not int(period):  # max, or -1
        return None
    words = [line.split() for line in (proc.text(folder / "cpu.stat") or "").splitlines()]
    counts = {line[0]: int(line[1]) for line in words if len(line) == 2 and line[1].isdigit()}
    return int(limit) / int(period), counts.get("nr_periods", 0), counts.get("nr_throttled", 0)


def _folders(root: Path) -> Iterator[tuple[Path, bool]]:
    """This process's group and those above it, as far as they are shown; with whether they are of v2."""
    paths = dict(_paths(root))
    for mount in _mounts(root):
        path = paths.get(mount.unified)
        if path is None:
            continue
        # A container sees its own group at the top, and may still be told its path from the host's top.
        inside = path.relative_to(mount.top) if path.is_relative_to(mount.top) else PurePosixPath()
        for part in (inside, *inside.parents):
            yield mount.point / part, mount.unified


def _paths(root: Path) -> Iterator[tuple[bool, PurePosixPath]]:
    """The groups that rule processors, cgroups(7): `0::/path` of v2, `4:cpu,cpuacct:/path` of v1."""
    for line in (proc.text(root / "proc/self/cgroup") or "").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" or "cpu" in controllers.split(","):
            yield number == "0", PurePosixPath(path)


def _mounts(root: Path) -> Iterator[Mount]:
    """Where these hierarchies are, proc_pid_mountinfo(5)."""
    for line in (proc.text(root / "proc/self/mountinfo") or "").splitlines():
        before, _, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        if len(fields) < 5 or len(kind) < 3:
            continue
        if kind[0] == "cgroup2" or (kind[0] == "cgroup" and "cpu" in kind[2].split(",")):
            yield Mount(root / fields[4].lstrip("/"), PurePosixPath(fields[3]), kind[0] == "cgroup2")
