"""What a board is and has, asked in one round trip with a POSIX shell there; and what of it is well or lacking."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edgefer.devices import config
from edgefer.devices.board.ssh import Link, refused
from edgefer.devices.config import RemoteBoard
from edgefer.devices.device import Finding
from edgefer.devices.engine_packages import ENGINE_TITLES
from edgefer.runtime import units
from edgefer.runtime.machine import TEMPERATURES, throttle_bits

SCRIPT = Path(__file__).with_name("facts.sh")
MARKER = "edgefer:facts\n"  # a login script may have written something before it
DEVICE_TREE = "device tree"  # the fact in boards.toml: how a board's model begins
OLDEST = (3, 11)
TIMEOUT = 90  # seconds; a cold SD card takes its time
WHEELS = ("aarch64", "x86_64")  # what the engines' wheels are made for
NARROW = ("armv7", "armv8l", "i386", "i486", "i586", "i686")  # what uname calls 32-bit systems that may have 64
GLIBC = (2, 28)  # the oldest that they all take
DISK = 500 * 2**20  # bytes that setting up takes at its height
MEMORY = 150 * 2**20  # bytes that an engine and a worker take
WARM = 70.0  # degrees Celsius; a Raspberry Pi slows down from 80 on (3B+: 60)

Version = tuple[int, ...]


@dataclass(frozen=True)
class Facts:
    """Bytes and degrees Celsius; None or empty where the board does not tell.

    architecture  the kernel's; bits, of an address in its programs
    pythons    paths by version, those that are there
    venvs      packages and their versions by the environment's name
    throttled  the firmware's flags that are up now; since_boot, those that were at some time
    runs       when those were begun that nobody has fetched
    """

    architecture: str
    bits: int | None
    kernel: str
    cores: int | None
    model: str | None
    glibc: Version | None
    pythons: dict[Version, str]
    governor: str | None
    temperature: float | None
    throttled: list[str] | None
    since_boot: list[str] | None
    memory: int | None
    available: int | None
    disk: int | None
    venvs: dict[str, dict[str, str]]
    runs: list[str]

    @property
    def python(self) -> tuple[Version, str] | None:
        """The Python that setting up takes: the system's, if it is new enough, else the newest."""
        fit = [(version, path) for version, path in self.pythons.items() if version >= OLDEST]
        return next((each for each in fit if each[1].endswith("python3")), max(fit, default=None))

    @property
    def kind(self) -> str | None:
        """Which kind of board in boards.toml it is."""
        for name, row in config.board_kinds().items():
            begins = row.facts.get(DEVICE_TREE)
            if self.model and begins and self.model.startswith(begins.value):
                return name
        return None


def ask_facts(link: Link) -> Facts:
    """Ask the board; raises what Link.run raises."""
    done = link.run(SCRIPT.read_text(encoding="utf-8"), link.board.folder, timeout=TIMEOUT)
    if MARKER not in done.out:
        raise refused(link, "look around", done)
    return parse_facts(done.out)


def parse_facts(said: str) -> Facts:
    """The script's lines; what is not of the form that it should be counts as not told."""
    values: dict[str, list[str]] = {}
    for line in said.partition(MARKER)[2].splitlines():
        key, _, value = line.partition(" ")
        values.setdefault(key, []).append(value.strip())
    one = {key: first for key, (first, *_) in values.items()}
    now, since_boot = throttle_bits(one.get("throttled", ""))
    return Facts(
        architecture=one.get("architecture", "unknown"),
        bits=_number(one.get("bits")),
        kernel=one.get("kernel", "unknown"),
        cores=_number(one.get("cores")),
        model=one.get("model"),
        glibc=_version(one.get("glibc", "")),
        pythons=_pythons(values.get("python", ())),
        governor=", ".join(one.get("governor", "").split()) or None,
        temperature=_temperature(values.get("temperature", ())),
        throttled=now,
        since_boot=since_boot,
        memory=_kibibytes(one.get("memory")),
        available=_kibibytes(one.get("available")),
        disk=_free_disk(one.get("disk", "")),
        venvs={name: _packages(rest) for name, _, rest in (v.partition(" ") for v in values.get("venv", ()))},
        runs=values.get("run", []),
    )


def _number(word: str | None) -> int | None:
    digits = re.match(r"-?\d+", word or "")
    return None if digits is None else int(digits[0])


def _kibibytes(word: str | None) -> int | None:
    number = _number(word)
    return None if number is None else number * 1024


def _version(text: str) -> Version | None:
    version = re.search(r"\d+(\.\d+)+", text)
    return None if version is None else tuple(map(int, version[0].split(".")))


def _pythons(lines: Iterable[str]) -> dict[Version, str]:
    paths: dict[Version, str] = {}
    for line in lines:
        word, _, path = line.partition(" ")
        version = _version(word)
        if version and path:
            paths.setdefault(version, path)  # python3 is asked for first
    return paths


def _temperature(words: Iterable[str]) -> float | None:
    degrees = [number / 1000 for word in words if (number := _number(word)) is not None]
    return max((d for d in degrees if TEMPERATURES[0] <= d <= TEMPERATURES[1]), default=None)


def _free_disk(line: str) -> int | None:
    """What `df -Pk` says is available; its first column may have spaces, so the columns count from the percent sign."""
    available = re.search(r"(\d+)\s+\d+%", line)
    return None if available is None else int(available[1]) * 1024


def _packages(text: str) -> dict[str, str]:
    return dict(word.split("==", 1) for word in text.split() if "==" in word)


def findings(board: RemoteBoard, facts: Facts) -> list[Finding]:
    """What the facts mean."""
    return [
        Finding("reachable", True, f"{board.host} answers"),
        _kind(board, facts),
        _architecture(facts),
        _python(facts),
        _glibc(facts),
        *_engines(board, facts),
        *_state(facts),
        _disk(board, facts),
        *_memory(facts),
        *(
            Finding("runs", False, f"one begun {run} waits: the command that began it picks it up", False)
            for run in facts.runs
        ),
    ]


def _kind(board: RemoteBoard, facts: Facts) -> Finding:
    kind, cores = facts.kind, f", {facts.cores} cores" if facts.cores else ""
    text = f"{facts.model or 'a machine without a device tree'}{cores}, kernel {facts.kernel}"
    if board.board and kind and board.board != kind:
        return Finding("board", False, f"{text}: it is a {kind}, devices.toml calls it a {board.board}", False)
    return Finding("board", True, text)


def _architecture(facts: Facts) -> Finding:
    made = f"engines are made for {' and '.join(WHEELS)}"
    if facts.architecture in WHEELS and facts.bits in (None, 64):
        return Finding("architecture", True, facts.architecture)
    if facts.architecture in WHEELS:
        text = f"{facts.architecture}, but a {facts.bits}-bit system under its kernel: install the 64-bit one, {made}"
    elif facts.architecture.startswith("armv6"):
        text = f"{facts.architecture}, a 32-bit system on a 32-bit processor: {made}, take a board that has 64 bits"
    elif facts.architecture.startswith(NARROW):
        text = f"{facts.architecture}, a 32-bit system: install the 64-bit one, {made}"
    else:
        text = f"{facts.architecture}: {made}"
    return Finding("architecture", False, text)


def _python(facts: Facts) -> Finding:
    chosen, oldest = facts.python, ".".join(map(str, OLDEST))
    if chosen is not None:
        return Finding("Python", True, f"{'.'.join(map(str, chosen[0]))} ({chosen[1]})")
    there = ", ".join(".".join(map(str, version)) for version in sorted(facts.pythons)) or "none"
    text = f"{there}, {oldest} or newer is needed: `sudo apt install python3`, on Raspberry Pi OS 12 or newer"
    return Finding("Python", False, text)


def _glibc(facts: Facts) -> Finding:
    oldest = ".".join(map(str, GLIBC))
    if facts.glibc is None:
        return Finding("glibc", False, f"not found, engines need {oldest}: install a system with glibc (Debian has it)")
    version = ".".join(map(str, facts.glibc))
    if facts.glibc < GLIBC:
        return Finding("glibc", False, f"{version}, engines need {oldest}: install a newer system")
    return Finding("glibc", True, version)


def _engines(board: RemoteBoard, facts: Facts) -> Iterator[Finding]:
    there = {venv: _titles(packages) for venv, packages in facts.venvs.items()}
    for venv, engines in there.items():
        if engines:
            yield Finding("engines", True, f"{', '.join(engines)} (in {venv})")
    if not any(there.values()):
        yield Finding("engines", False, f"none: run `edgefer device setup {board.name}`")


def _titles(packages: dict[str, str]) -> list[str]:
    return [f"{title} {packages[key]}" for key, title in ENGINE_TITLES.items() if key in packages]


def _state(facts: Facts) -> Iterator[Finding]:
    if facts.governor is not None:
        steady = facts.governor == "performance"
        advice = "" if steady else ": performance keeps the clock steady; latencies vary without it"
        yield Finding("governor", steady, f"{facts.governor}{advice}", False)
    if facts.temperature is not None:
        cool = facts.temperature < WARM
        advice = "" if cool else ": give it air, or a fan; it slows down when it is hot"
        yield Finding("temperature", cool, f"{units.celsius(facts.temperature)}{advice}", False)
    if facts.throttled is not None:
        now = ", ".join(facts.throttled)
        text = f"{now}: {_remedy(facts.throttled)}; runs are invalid meanwhile" if now else "no"
        yield Finding("throttled now", not now, text, False)
    if facts.since_boot is not None:
        ever = ", ".join(facts.since_boot)
        text = f"{ever}: {_remedy(facts.since_boot)}; a restart clears it" if ever else "no"
        yield Finding("throttled since boot", not ever, text, False)


def _remedy(flags: list[str]) -> str:
    return "use its own power supply and a short cable" if "under-voltage" in flags else "cool it"


def _disk(board: RemoteBoard, facts: Facts) -> Finding:
    if facts.disk is None:
        return Finding("disk", False, "free space is not told", needed=False)
    free = units.mebibytes(facts.disk)
    if facts.disk >= DISK or (any(facts.venvs.values()) and facts.disk >= DISK // 10):
        return Finding("disk", True, f"{free} free")
    needed = f"`edgefer device setup {board.name}` takes {units.mebibytes(DISK)}: free some space"
    return Finding("disk", False, f"{free} free for {board.folder}, {needed}")


def _memory(facts: Facts) -> Iterator[Finding]:
    if facts.available is not None and facts.memory is not None:
        enough = facts.available >= MEMORY
        advice = "" if enough else ": close what runs there"
        text = f"{units.mebibytes(facts.available)} of {units.mebibytes(facts.memory)} free{advice}"
        yield Finding("memory", enough, text, False)
