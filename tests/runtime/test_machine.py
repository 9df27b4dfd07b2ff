"""What is read from /proc and /sys, on machines that are made here."""

from __future__ import annotations

import platform
from dataclasses import replace
from pathlib import Path

import pytest

from edgefer.runtime import machine, proc
from edgefer.runtime.bench_record import Quota
from edgefer.runtime.errors import UnknownName
from tests.benchmark.made import state, write

PI = {
    "proc/cpuinfo": "processor\t: 0\nBogoMIPS\t: 108.00\n\nModel\t\t: Raspberry Pi 4 Model B Rev 1.4\n",
    "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0",
    "proc/meminfo": "MemTotal:        3884360 kB\nMemFree:         1000000 kB\n",
    "proc/loadavg": "0.52 0.58 0.59 1/489 12345\n",
    "proc/stat": "cpu  100 200 300 40000 5 60 70 80 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n",
    "sys/class/thermal/thermal_zone0/temp": "51121\n",
    "sys/class/thermal/thermal_zone1/temp": "-274000\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "ondemand\n",
    "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor": "performance\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "600000\n",
    "sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq": "1500000\n",
    "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": "3\n",
    "sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count": "4\n",
    "proc/self/status": "Name:\tpython\nVmHWM:\t   52800 kB\nVmRSS:\t   50000 kB\n",
}


def test_a_board(tmp_path: Path) -> None:
    root = write(tmp_path, PI)
    found = machine.describe(root)
    assert (found.cpu, found.board) == ("Raspberry Pi 4 Model B Rev 1.4",) * 2
    assert found.memory == 3884360 * 1024
    now = machine.state(root)
    assert now.load_average == 0.52
    assert now.governor == "ondemand, performance"
    assert now.frequency == 1.5e9
    assert now.temperature == pytest.approx(51.121)
    assert now.throttles == 7
    assert now.busy is not None
    assert now.stolen is not None
    assert now.busy / now.stolen == pytest.approx((100 + 200 + 300 + 60 + 70) / 80)
    assert proc.resident(root) == 50000 * 1024
    assert proc.peak(root) == 52800 * 1024


def test_a_desktop_without_cpufreq(tmp_path: Path) -> None:
    root = write(tmp_path, {"proc/cpuinfo": "model name\t: Some CPU @ 2.60GHz\ncpu MHz\t\t: 2599.998\n"})
    assert machine.describe(root).cpu == "Some CPU @ 2.60GHz"
    assert machine.state(root).frequency == pytest.approx(2.599998e9)


@pytest.mark.parametrize(
    ("cpuinfo", "name"),
    [
        (
            "cpu family\t: 26\nmodel\t\t: 2\nmodel name\t: AMD EPYC\nstepping\t: 1\n",
            "AMD EPYC (family 26, model 2, stepping 1)",
        ),
        (
            "cpu family\t: 6\nmodel\t\t: 85\nmodel name\t: Intel(R) Xeon(R) CPU @ 2.00GHz\nstepping\t: 0\n",
            "Intel(R) Xeon(R) CPU @ 2.00GHz (family 6, model 85, stepping 0)",
        ),
        (
            "CPU implementer\t: 0x41\nCPU variant\t: 0x1\nCPU part\t: 0xd40\nCPU revision\t: 1\n",
            "a name (implementer 0x41, part 0xd40, variant 0x1, revision 1)",
        ),
        ("CPU part\t: 0xd08\nHardware\t: BCM2835\nModel\t: Raspberry Pi 4 Model B\n", "Raspberry Pi 4 Model B"),
    ],
)
def test_processors_of_one_name_are_told_apart(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cpuinfo: str, name: str
) -> None:
    monkeypatch.setattr(platform, "processor", lambda: "a name")
    assert machine.describe(write(tmp_path, {"proc/cpuinfo": cpuinfo})).cpu == name


@pytest.mark.parametrize(
    ("system", "told", "name"),
    [
        ("Darwin", "Apple M2 Pro", "Apple M2 Pro"),
        ("Darwin", None, "arm"),
        ("Windows", "never asked", "arm"),
    ],
)
def test_a_processor_without_cpuinfo(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, system: str, told: str | None, name: str
) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "processor", lambda: "arm")
    monkeypatch.setattr("edgefer.runtime.shell.run_or_none", lambda line: told if line[0] == "sysctl" else None)
    assert machine.describe(tmp_path).cpu == name


def test_a_system_that_tells_nothing(tmp_path: Path) -> None:
    now = machine.state(write(tmp_path, {"proc/stat": "intr 1 2\n", "proc/loadavg": "?\n"}))
    assert (now.load_average, now.governor, now.frequency, now.temperature) == (None,) * 4
    assert (now.busy, now.stolen, now.throttles) == (None,) * 3
    assert machine.describe(tmp_path).memory is None
    assert machine.describe(tmp_path).cpu
    assert machine.warnings_between(now, now, 4) == []


@pytest.mark.parametrize(
    ("said", "now", "since"),
    [
        ("throttled=0x0", [], []),
        ("throttled=0x50005", ["under-voltage", "throttled"], ["under-voltage", "throttled"]),
        ("throttled=0x80002", ["frequency capped"], ["soft temperature limit"]),
        ("VCHI initialization failed", None, None),
    ],
)
def test_throttle_bits(said: str, now: list[str] | None, since: list[str] | None) -> None:
    assert machine.throttle_bits(said) == (now, since)


def test_vcgencmd_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(
        "edgefer.runtime.shell.run_or_none", lambda line: "throttled=0x4" if line[0] == "vcgencmd" else None
    )
    assert machine.state(tmp_path).throttled == ["throttled"]


def test_a_quiet_machine_has_no_warnings() -> None:
    assert machine.warnings_between(state(), state(clock=101.0, busy=51.0, own=2.0), 2) == []


def test_others_make_it_busy() -> None:
    found = machine.warnings_between(state(), state(clock=101.0, busy=51.5, own=2.0), 2)
    assert list(map(str, found)) == ["busy: other processes used 0.49 of 2 cores"]
    assert machine.warnings_between(state(), state(clock=101.0, busy=51.5, own=2.0), 16) == []


def test_a_run_too_short_for_ticks_goes_by_the_load_average() -> None:
    (found,) = machine.warnings_between(state(load_average=3.5), state(clock=100.05, busy=50.1), 2)
    assert str(found) == "busy: the load average was 3.50 on 2 cores"


def test_other_virtual_machines_make_it_busy() -> None:
    (found,) = machine.warnings_between(state(), state(clock=101.0, busy=51.0, own=2.0, stolen=0.3), 2)
    assert str(found) == "busy: other virtual machines took 0.29 of 2 cores"


def test_throttling_shows_even_if_it_is_over() -> None:
    rose = machine.invalid_between(state(since_boot=[]), state(since_boot=["under-voltage"]))
    assert list(map(str, rose)) == ["throttled: under-voltage"]
    (now,) = machine.invalid_between(state(throttled=[]), state(throttled=["throttled"]))
    assert str(now) == "throttled: throttled"
    old = state(throttled=[], since_boot=["under-voltage"])
    assert machine.invalid_between(old, old) == []
    assert machine.warnings_between(state(), state(throttled=["throttled"]), 4) == []
    counted = machine.warnings_between(state(throttles=7), state(throttles=9), 4)
    assert list(map(str, counted)) == ["throttled: the processor slowed down 2 times"]


def test_an_unsteady_governor_is_told() -> None:
    (found,) = machine.warnings_between(state(), state(governor="ondemand"), 4)
    assert str(found).startswith("governor: the clock is ruled by ondemand")
    assert machine.warnings_between(state(), state(governor="performance"), 4) == []


def test_the_local_device_is_named_honestly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    assert machine.local_device() == machine.local_device("x86") == "x86"
    with pytest.raises(UnknownName, match="rpi4"):
        machine.local_device("rpi4")
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert machine.local_device() == "aarch64"
    with pytest.raises(UnknownName, match="x86"):
        machine.local_device("x86")


STAT = "nr_periods 329\nnr_throttled {}\nthrottled_{} 1\n"
GROUPS = {
    "v2": {
        "proc/self/cgroup": "0::/job/step\n",
        "proc/self/mountinfo": "30 25 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
        "sys/fs/cgroup/job/cpu.max": "10000 100000\n",
        "sys/fs/cgroup/job/cpu.stat": STAT.format(249, "usec"),
        "sys/fs/cgroup/job/step/cpu.max": "max 100000\n",
    },
    "v2 in a container": {
        "proc/self/cgroup": "0::/\n",
        "proc/self/mountinfo": "30 25 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
        "sys/fs/cgroup/cpu.max": "10000 100000\n",
        "sys/fs/cgroup/cpu.stat": STAT.format(249, "usec"),
    },
    "v1": {
        "proc/self/cgroup": "5:memory:/docker/1\n4:cpu,cpuacct:/docker/1\n0::/\n",
        "proc/self/mountinfo": "33 25 0:29 /docker/1 /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n",
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "5000\n",
        "sys/fs/cgroup/cpu/cpu.cfs_period_us": "50000\n",
        "sys/fs/cgroup/cpu/cpu.stat": STAT.format(249, "time"),
    },
}


@pytest.mark.parametrize("kind", GROUPS)
def test_a_processor_quota(tmp_path: Path, kind: str) -> None:
    assert machine.state(write(tmp_path, GROUPS[kind])).quota == Quota(0.1, 329, 249)


@pytest.mark.parametrize("limit", ["max 100000", "-1", "?"])
def test_no_quota(tmp_path: Path, limit: str) -> None:
    files = {**GROUPS["v2 in a container"], "sys/fs/cgroup/cpu.max": limit}
    assert machine.state(write(tmp_path, files)).quota is None


def test_a_run_that_a_quota_stopped_is_invalid() -> None:
    before, after = (replace(state(), quota=Quota(0.1, *counts)) for counts in ((100, 20), (429, 269)))
    (found,) = machine.invalid_between(before, after)
    assert str(found) == "throttled: the processor quota of 0.1 cores was used up in 249 of 329 periods"
    assert machine.invalid_between(after, after) == []
    assert [str(each) for each in machine.warnings_between(after, after, 2)] == [
        "quota: a processor quota allows 0.1 of 2 cores"
    ]
