"""What a board has and lacks, line by line: each is well, or says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgefer.devices.board import facts
from edgefer.devices.board.facts import OLDEST, Facts
from edgefer.devices.board.ssh import Link
from edgefer.devices.registry import Remote
from edgefer.runtime import units
from edgefer.runtime.engines import ENGINES

WHEELS = ("aarch64", "x86_64")  # what the engines' wheels are made for
GLIBC = (2, 28)  # the oldest that they all take
DISK = 500 * 2**20  # bytes that setting up takes at its height
MEMORY = 150 * 2**20  # bytes that an engine and a worker take
WARM = 70.0  # degrees Celsius; a Raspberry Pi slows down from 80 on (3B+: 60)
# The packages that show that an engine is there, with its title.
ENGINE_TITLES = {package.name: package.title for engine in ENGINES.values() for package in engine.packages}


@dataclass(frozen=True)
class Finding:
    """One line: what about, whether it is well, and what was found or is to be done.

    Where it is not well: `needed` is what nothing works without, else it is advice.
    """

    subject: str
    ok: bool
    text: str
    needed: bool = True


def doctor(name: str, device: Remote) -> list[Finding]:
    """Look at the user's board; raises Unreachable, AccessDenied or NotSetUp where that is not possible."""
    return findings(name, device, facts.ask(Link(name, device)))


def findings(name: str, device: Remote, found: Facts) -> list[Finding]:
    """What the facts mean."""
    return [
        Finding("reachable", True, f"{device.host} answers"),
        _board(device, found),
        _architecture(found),
        _python(found),
        _glibc(found),
        *_engines(name, found),
        *_state(found),
        _disk(name, device, found),
        *_memory(found),
        *(
            Finding("runs", False, f"one begun {run} waits: the command that began it picks it up", False)
            for run in found.runs
        ),
    ]


def _board(device: Remote, found: Facts) -> Finding:
    kind, cores = found.board, f", {found.cores} cores" if found.cores else ""
    text = f"{found.model or 'a machine without a device tree'}{cores}, kernel {found.kernel}"
    if device.board and kind and device.board != kind:
        return Finding("board", False, f"{text}: it is a {kind}, devices.toml calls it a {device.board}", False)
    return Finding("board", True, text)


def _architecture(found: Facts) -> Finding:
    if found.architecture in WHEELS:
        return Finding("architecture", True, found.architecture)
    text = f"{found.architecture}: engines are made for {' and '.join(WHEELS)}; install a 64-bit system"
    return Finding("architecture", False, text)


def _python(found: Facts) -> Finding:
    chosen, oldest = found.python, ".".join(map(str, OLDEST))
    if chosen is not None:
        return Finding("Python", True, f"{'.'.join(map(str, chosen[0]))} ({chosen[1]})")
    there = ", ".join(".".join(map(str, version)) for version in sorted(found.pythons)) or "none"
    text = f"{there}, {oldest} or newer is needed: `sudo apt install python3`, on Raspberry Pi OS 12 or newer"
    return Finding("Python", False, text)


def _glibc(found: Facts) -> Finding:
    oldest = ".".join(map(str, GLIBC))
    if found.glibc is None:
        return Finding("glibc", False, f"not found, engines need {oldest}: install a system with glibc (Debian has it)")
    version = ".".join(map(str, found.glibc))
    if found.glibc < GLIBC:
        return Finding("glibc", False, f"{version}, engines need {oldest}: install a newer system")
    return Finding("glibc", True, version)


def _engines(name: str, found: Facts) -> Iterator[Finding]:
    there = {venv: _known(packages) for venv, packages in found.venvs.items()}
    for venv, engines in there.items():
        if engines:
            yield Finding("engines", True, f"{', '.join(engines)} (in {venv})")
    if not any(there.values()):
        yield Finding("engines", False, f"none: run `edgefer device setup {name}`")


def _known(packages: dict[str, str]) -> list[str]:
    return [f"{title} {packages[key]}" for key, title in ENGINE_TITLES.items() if key in packages]


def _state(found: Facts) -> Iterator[Finding]:
    if found.governor is not None:
        steady = found.governor == "performance"
        advice = "" if steady else ": performance keeps the clock steady; latencies vary without it"
        yield Finding("governor", steady, f"{found.governor}{advice}", False)
    if found.temperature is not None:
        cool = found.temperature < WARM
        advice = "" if cool else ": give it air, or a fan; it slows down when it is hot"
        yield Finding("temperature", cool, f"{units.celsius(found.temperature)}{advice}", False)
    if found.throttled is not None:
        now = ", ".join(found.throttled)
        text = f"{now}: {_remedy(found.throttled)}; runs are invalid meanwhile" if now else "no"
        yield Finding("throttled now", not now, text, False)
    if found.since_boot is not None:
        ever = ", ".join(found.since_boot)
        text = f"{ever}: {_remedy(found.since_boot)}; a restart clears it" if ever else "no"
        yield Finding("throttled since boot", not ever, text, False)


def _remedy(flags: list[str]) -> str:
    return "use its own power supply and a short cable" if "under-voltage" in flags else "cool it"


def _disk(name: str, device: Remote, found: Facts) -> Finding:
    if found.disk is None:
        return Finding("disk", False, "free space is not told", False)
    free = units.mebibytes(found.disk)
    if found.disk >= DISK or (any(found.venvs.values()) and found.disk >= DISK // 10):
        return Finding("disk", True, f"{free} free")
    text = (
        f"{free} free for {device.folder}, `edgefer device setup {name}` takes {units.mebibytes(DISK)}: free some space"
    )
    return Finding("disk", False, text)


def _memory(found: Facts) -> Iterator[Finding]:
    if found.available is not None and found.memory is not None:
        enough = found.available >= MEMORY
        advice = "" if enough else ": close what runs there"
        text = f"{units.mebibytes(found.available)} of {units.mebibytes(found.memory)} free{advice}"
        yield Finding("memory", enough, text, False)
