"""Memory of a program that runs in qemu-user: its own, without the emulator's.

Linux knows one process, the emulator with the guest inside, and VmRSS counts both: QEMU's translated code alone
is larger than a small model. QEMU answers the guest's /proc/self/maps itself, with the guest's mappings at the
guest's addresses; /proc/thread-self/smaps it leaves to Linux, which tells how much of every mapping of the
process is resident. A file that stands in both tells how far guest addresses are shifted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgefer.runtime import proc


@dataclass(frozen=True)
class Mapping:
    """Addresses from start to end, the offset in the file that lies there, that file, and resident bytes."""

    start: int
    end: int
    offset: int
    path: str
    resident: int = 0


def resident(root: Path = proc.ROOT) -> int | None:
    """Bytes of this process that are the guest's; None if the two tables can't be brought together.

    A mapping of Linux's that holds guest and other pages is counted by the share of the guest's addresses in it.
    """
    guest = list(_read(root / "proc/self/maps"))
    process = list(_read(root / "proc/thread-self/smaps"))
    shift = _shift(guest, process)
    if shift is None:
        return None
    return sum(_within(each, guest, shift) for each in process)


def _read(path: Path) -> Iterator[Mapping]:
    """The mappings of a maps or smaps file, proc_pid_maps(5)."""
    found: Mapping | None = None
    for line in (proc.text(path) or "").splitlines():
        words = line.split(maxsplit=5)
        first, dash, last = words[0].partition("-") if words else ("", "", "")
        if dash and len(words) >= 5:
            if found is not None:
                yield found
            found = Mapping(int(first, 16), int(last, 16), int(words[2], 16), words[5] if len(words) > 5 else "")
        elif words and words[0] == "Rss:" and found is not None:
            found = Mapping(found.start, found.end, found.offset, found.path, int(words[1]) * 1024)
    if found is not None:
        yield found


def _shift(guest: list[Mapping], process: list[Mapping]) -> int | None:
    """What to add to a guest address for one of the process: that at which most of the guest's files lie."""
    there = {(each.path, each.offset): each.start for each in process if each.path.startswith("/")}
    shifts = [there[key] - each.start for each in guest if (key := (each.path, each.offset)) in there]
    return max(set(shifts), key=shifts.count) if shifts else None


def _within(each: Mapping, guest: list[Mapping], shift: int) -> int:
    """Resident bytes of `each` in the guest's mappings."""
    size = each.end - each.start
    shared = sum(max(0, min(each.end, g.end + shift) - max(each.start, g.start + shift)) for g in guest)
    return each.resident * min(size, shared) // size if size else 0
