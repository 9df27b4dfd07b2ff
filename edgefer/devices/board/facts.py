"""What a board is and has, asked in one round trip with nothing but a POSIX shell there."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edgefer.devices import registry
from edgefer.devices.board.ssh import Link, refused
from edgefer.runtime.machine import TEMPERATURES, throttle_bits

SCRIPT = Path(__file__).with_name("facts.sh")
MARKER = "edgefer:facts\n"  # a login script may have written something before it
DEVICE_TREE = "device tree"  # the fact in boards.toml: how a board's model begins
OLDEST = (3, 11)
TIMEOUT = 90  # seconds; a cold SD card takes its time

Version = tuple[int, ...]


@dataclass(frozen=True)
class Facts:
    """Bytes and degrees Celsius; None or empty where the board does not tell.

    pythons    paths by version, those that are there
    venvs      packages and their versions by the environment's name
    throttled  the firmware's flags that are up now; since_boot, those that were at some time
    runs       when those were begun that nobody has fetched
    """

    architecture: str
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
    def board(self) -> str | None:
        """Which kind of board in boards.toml it is."""
        for name, row in registry.boards().items():
            begins = row.facts.get(DEVICE_TREE)
            if self.model and begins and self.model.startswith(begins.value):
                return name
        return None


def ask(link: Link) -> Facts:
    """Ask the board; raises what Link.run raises."""
    done = link.run(SCRIPT.read_text(encoding="utf-8"), link.device.folder, timeout=TIMEOUT)
    if MARKER not in done.out:
        raise refused(link.name, "look around", done)
    return parse(done.out)


def parse(said: str) -> Facts:
    """The script's lines; what is not of the form that it should be counts as not told."""
    told: dict[str, list[str]] = {}
    for line in said.partition(MARKER)[2].splitlines():
        key, _, value = line.partition(" ")
        told.setdefault(key, []).append(value.strip())
    one = {key: values[0] for key, values in told.items()}
    now, since_boot = throttle_bits(one.get("throttled", ""))
    return Facts(
        architecture=one.get("architecture", "unknown"),
        kernel=one.get("kernel", "unknown"),
        cores=_number(one.get("cores")),
        model=one.get("model"),
        glibc=_version(one.get("glibc", "")),
        pythons=_pythons(told.get("python", ())),
        governor=", ".join(one.get("governor", "").split()) or None,
        temperature=_temperature(told.get("temperature", ())),
        throttled=now,
        since_boot=since_boot,
        memory=_kibibytes(one.get("memory")),
        available=_kibibytes(one.get("available")),
        disk=_disk(one.get("disk", "")),
        venvs={name: _packages(rest) for name, _, rest in (v.partition(" ") for v in told.get("venv", ()))},
        runs=told.get("run", []),
    )


def _number(word: str | None) -> int | None:
    found = re.match(r"-?\d+", word or "")
    return None if found is None else int(found[0])


def _kibibytes(word: str | None) -> int | None:
    found = _number(word)
    return None if found is None else found * 1024


def _version(text: str) -> Version | None:
    found = re.search(r"\d+(\.\d+)+", text)
    return None if found is None else tuple(map(int, found[0].split(".")))


def _pythons(lines: Iterable[str]) -> dict[Version, str]:
    found: dict[Version, str] = {}
    for line in lines:
        word, _, path = line.partition(" ")
        version = _version(word)
        if version and path:
            found.setdefault(version, path)  # python3 is asked for first
    return found


def _temperature(words: Iterable[str]) -> float | None:
    degrees = [found / 1000 for word in words if (found := _number(word)) is not None]
    return max((d for d in degrees if TEMPERATURES[0] <= d <= TEMPERATURES[1]), default=None)


def _disk(line: str) -> int | None:
    """What `df -Pk` says is available; its first column may have spaces, so the columns count from the percent sign."""
    found = re.search(r"(\d+)\s+\d+%", line)
    return None if found is None else int(found[1]) * 1024


def _packages(text: str) -> dict[str, str]:
    return dict(word.split("==", 1) for word in text.split() if "==" in word)
