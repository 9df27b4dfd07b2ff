"""Several devices at once: boards side by side, what runs on this machine in turn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgefer.benchmark import report
from edgefer.benchmark.report import DevicesRecord
from edgefer.benchmark.workload import open_workload
from edgefer.cli.bench import bench
from edgefer.devices import config, schedule
from edgefer.devices.config import RemoteBoard
from edgefer.devices.schedule import Job
from edgefer.runtime import machine, records
from edgefer.runtime.bench_record import Settings

KITCHEN = RemoteBoard("kitchen", "nobody@127.0.0.1", port=9)  # the discard port: nothing listens there


@pytest.fixture(autouse=True)
def own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEFER_DEVICES", str(tmp_path / "devices.toml"))


def job(device: str, folder: Path) -> Job:
    return Job(device, None, (open_workload(folder),), (Settings(samples=3, warmup=1),), 1, None, False)


def test_boards_run_side_by_side_and_the_rest_in_turn() -> None:
    config.save_remote_boards([KITCHEN, replace(KITCHEN, name="hall")])
    jobs = [Job(name, None, (), (Settings(),), 1, None, False) for name in ("x86", "kitchen", "gpu", "hall")]
    groups = [[each.device for each in group] for group in schedule.groups(jobs)]
    assert groups == [["kitchen"], ["hall"], ["x86", "gpu"]]


def test_a_device_that_fails_does_not_stop_the_others(dist: Path) -> None:
    config.save_remote_boards([KITCHEN])
    heard: list[str] = []
    here = machine.local_device()
    jobs = [job(name, dist / "ean.tflite-fp32") for name in ("kitchen", here)]
    found = schedule.measure(jobs, lambda device, what, done, total: heard.append(device))
    assert list(found.records) == [here]
    assert ["kitchen" in str(failure) for failure in found.failures] == [True]
    assert here in heard


def test_the_command_shows_what_it_has_and_fails(dist: Path, tmp_path: Path) -> None:
    config.save_remote_boards([KITCHEN])
    here = machine.local_device()
    words = ["--dist", str(dist), "--no-instructions", "--samples", "3", "--processes", "1", "--out"]
    out = tmp_path / "b.json"
    done = CliRunner().invoke(
        bench, ["ean.tflite-fp32", *words, str(out), "--device", here, "--device", "kitchen", "--device", here]
    )
    assert done.exit_code != 0
    assert f"{here}/ean.tflite-fp32" in done.output
    assert out.is_file()
    assert [found.device for found in report.read_bench(out)] == [here]


def test_options_that_exclude_each_other(dist: Path, tmp_path: Path) -> None:
    base = ["--dist", str(dist), "--save-baseline", str(tmp_path / "b.json"), "--device", "x86", "--device", "gpu"]
    assert CliRunner().invoke(bench, base).exit_code == 2
    assert CliRunner().invoke(bench, ["--dist", str(dist), "--all-devices", "--device", "x86"]).exit_code == 2
    assert not (tmp_path / "b.json").exists()


def test_several_batch_sizes_are_one_record(dist: Path) -> None:
    here = machine.local_device()
    settings = tuple(Settings(mode="batch", batch=batch, samples=3, warmup=1) for batch in (1, 4))
    wanted = Job(here, None, (open_workload(dist / "ean.tflite-fp32"),), settings, 1, None, False)
    found = schedule.measure([wanted], lambda *_: None).records[here]
    assert [result.settings.batch for result in found.results] == [1, 4]


def test_two_devices_are_one_file(dist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = machine.local_device()
    one = schedule.measure([job(here, dist / "ean.tflite-fp32")], lambda *_: None).records[here]
    records.write(tmp_path / "two.json", report.as_one([one, one]))
    assert records.read(DevicesRecord, tmp_path / "two.json").records == [one, one]
