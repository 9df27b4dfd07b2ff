"""From the lines that a board prints to what a person reads. EDGEFER_UPDATE_GOLDEN=1 writes tests/golden/ anew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgefer.cli.device import report
from edgefer.devices.board import doctor, setup
from edgefer.devices.board.device import SshBoard
from edgefer.devices.board.ssh import Link
from edgefer.devices.config import RemoteBoard
from edgefer.devices.device import Finding
from edgefer.devices.engine_packages import engine_set
from edgefer.runtime.errors import NotSetUp
from tests.benchmark.made import write
from tests.devices.fake import Fake

PAGES = Path(__file__).parents[2] / "golden"
KITCHEN = RemoteBoard("kitchen", "pi@10.0.0.7", board="rpi4")
READY = """Welcome to the kitchen!
edgefer:facts
architecture aarch64
kernel 6.6.31+rpt-rpi-v8
cores 4
model Raspberry Pi 4 Model B Rev 1.4
glibc glibc 2.36
python 3.11 /usr/bin/python3
python 3.11 /usr/bin/python3.11
governor performance
temperature 51121
temperature -274000
throttled throttled=0x0
memory 3884360 kB
available 3100000 kB
disk /dev/mmcblk0p2     30588656 4823392  24484444      17% /
venv venv ai-edge-litert==2.3.0 ncnn==1.0.20261020 numpy==2.4.6 onnxruntime==1.32.0
venv venv-tflite-runtime numpy==1.26.4 tflite-runtime==2.14.0
"""
POOR = """edgefer:facts
architecture armv7l
kernel 5.10.103-v7+
cores 4
model Raspberry Pi 3 Model B Plus Rev 1.3
glibc glibc 2.24
python 3.9 /usr/bin/python3
governor ondemand
temperature 83200
throttled throttled=0x50005
memory 900000 kB
available 90000 kB
disk /dev/my card 1000000 990000  10000      99% /
run 2026-10-01 12:00:00
"""
BARE = "edgefer:facts\narchitecture aarch64\nkernel 6.1\nthrottled VCHI initialization failed\ndisk ?\nnonsense\n"


def of(said: str) -> list[Finding]:
    return doctor.findings(KITCHEN, doctor.parse_facts(said))


@pytest.mark.parametrize(("name", "said"), [("ready", READY), ("poor", POOR)])
def test_the_page_is_the_golden_one(name: str, said: str) -> None:
    text = report("kitchen", of(said)) + "\n"
    path = PAGES / f"doctor-{name}.txt"
    if os.environ.get("EDGEFER_UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_what_is_needed_and_what_is_advice() -> None:
    assert all(finding.ok for finding in of(READY))
    poor = {finding.subject: finding for finding in of(POOR)}
    needed = {subject for subject, finding in poor.items() if finding.needed and not finding.ok}
    assert needed == {"architecture", "Python", "glibc", "engines", "disk"}
    advice = {subject for subject, finding in poor.items() if not finding.needed and not finding.ok}
    assert advice == {"board", "governor", "temperature", "throttled now", "throttled since boot", "memory", "runs"}


def test_what_a_board_does_not_tell_is_left_out() -> None:
    found = doctor.parse_facts(BARE)
    assert (found.model, found.kind, found.throttled, found.disk, found.python) == (None,) * 5
    assert {finding.subject for finding in of(BARE)} == {
        "reachable", "board", "architecture", "Python", "glibc", "engines", "disk"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("Raspberry Pi 3 Model B Plus Rev 1.3", "rpi3"),
        ("Raspberry Pi 4 Model B Rev 1.5", "rpi4"),
        ("Raspberry Pi 5 Model B Rev 1.0", "rpi5"),
        ("Raspberry Pi Zero 2 W Rev 1.0", "rpizero2w"),
        ("Raspberry Pi Zero W Rev 1.1", None),
        ("Radxa ROCK 5B", None),
    ],
)
def test_the_kind_of_a_board(model: str, kind: str | None) -> None:
    assert doctor.parse_facts(f"edgefer:facts\nmodel {model}\n").kind == kind


def test_the_systems_python_is_taken_if_it_is_new_enough() -> None:
    def chosen(*lines: str) -> str | None:
        found = doctor.parse_facts("edgefer:facts\n" + "".join(f"python {line}\n" for line in lines)).python
        return found and found[1]

    assert chosen("3.11 /usr/bin/python3", "3.13 /opt/python3.13") == "/usr/bin/python3"
    assert chosen("3.9 /usr/bin/python3", "3.13 /opt/python3.13", "3.11 /opt/python3.11") == "/opt/python3.13"
    assert chosen("3.9 /usr/bin/python3") is None


def test_the_script_runs_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake(tmp_path / "fake", monkeypatch)
    fake.engines()
    fake.tool("vcgencmd", "echo throttled=0x20002")
    (fake.home / ".edgefer/runs/abc").mkdir(parents=True)
    (fake.home / ".edgefer/runs/abc/begun").write_text("2026-10-01 12:00:00")
    found = doctor.ask_facts(Link(KITCHEN))
    assert found.architecture == os.uname().machine
    assert found.memory and found.available and found.disk and found.cores
    assert found.throttled == found.since_boot == ["frequency capped"]
    assert "numpy" in found.venvs["venv"]
    assert found.runs == ["2026-10-01 12:00:00"]


def test_a_board_whose_shell_prints_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake(tmp_path / "fake", monkeypatch)
    fake.tool("sh", "echo 'This account is not available.' >&2; exit 1")
    with pytest.raises(NotSetUp, match=r"can't look around on kitchen \(This account is not available\)"):
        doctor.ask_facts(Link(KITCHEN))


@pytest.mark.parametrize(
    ("architecture", "bits", "words"),
    [
        ("aarch64", 32, "aarch64, but a 32-bit system under its kernel: install the 64-bit one"),
        ("x86_64", 32, "x86_64, but a 32-bit system under its kernel: install the 64-bit one"),
        ("armv7l", 32, "armv7l, a 32-bit system: install the 64-bit one"),
        ("armv6l", 32, "armv6l, a 32-bit system on a 32-bit processor"),
        ("riscv64", 64, "riscv64: engines are made for"),
    ],
)
def test_a_system_of_32_bits_is_told_before_anything_is_sent(
    architecture: str, bits: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = Fake(tmp_path / "fake", monkeypatch)
    fake.tool("uname", f"echo {architecture}")
    fake.tool("python3", f"case $2 in *calcsize*) echo {bits} ;; *) echo 3.11 ;; esac")
    with pytest.raises(NotSetUp, match=f"kitchen can't be set up: architecture: {words}"):
        setup.setup(KITCHEN, engine_set(None), True, lambda _: None)
    assert fake.trips == 1 and list(fake.home.iterdir()) == []
    found = next(each for each in SshBoard(KITCHEN).doctor() if each.subject == "architecture")
    assert not found.ok and found.needed


def test_without_a_python_the_c_library_tells_its_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake(tmp_path / "fake", monkeypatch)
    for name in ("python3", *(f"python3.{minor}" for minor in range(11, 15))):
        fake.tool(name, "exit 127")
    fake.tool("getconf", "[ $1 = LONG_BIT ] && echo 32")
    assert doctor.ask_facts(Link(KITCHEN)).bits == 32


def test_a_board_tries_its_engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake(tmp_path / "fake", monkeypatch)
    python = fake.engines()
    write(tmp_path, {"broken/onnxruntime.py": "import os; os.kill(os.getpid(), 4)"})
    python.write_text(python.read_text().replace("exec ", f"PYTHONPATH=$PYTHONPATH:{tmp_path}/broken exec "))
    told = {each.text: each.ok for each in SshBoard(KITCHEN).doctor() if each.subject == "inference"}
    assert told.pop("LiteRT (in venv) runs a network") and told.pop("ncnn (in venv) runs a network")
    (illegal,) = [text for text, ok in told.items() if not ok]
    assert illegal.startswith("ONNX Runtime (in venv): ended with signal 4 (an illegal instruction")
    assert fake.left == []
