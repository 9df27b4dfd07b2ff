"""`edgefer bench` on the command line; the measuring itself is replaced."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edgefer.benchmark import run as runner
from edgefer.benchmark.run import Plan
from edgefer.cli.bench import bench
from edgefer.devices.bench import BenchOptions, bench_devices
from edgefer.runtime import machine, peak, records
from edgefer.runtime.bench_record import BenchRecord, Settings
from edgefer.runtime.peak import Peak
from tests.benchmark.made import bundle, record, result, run


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """What the command asked for."""
    heard: list[Plan] = []

    def measure(plan: Plan, tick: object, say: object) -> BenchRecord:
        heard.append(plan)
        stopped = plan.processes == 99
        return record([replace(result("ean.tflite-int8", [run()]), settings=plan.settings)], interrupted=stopped)

    monkeypatch.setattr(runner, "bench", measure)
    return heard


def call(folder: Path, *words: str) -> Result:
    dist = bundle(folder / "dist/ean.tflite-int8").folder.parent
    return CliRunner().invoke(bench, ["--dist", str(dist), "--no-instructions", *words])


def test_the_defaults(tmp_path: Path, plans: list[Plan]) -> None:
    done = call(tmp_path)
    assert done.exit_code == 0, done.output
    assert plans[0].settings == Settings()
    assert (plans[0].processes, plans[0].device.name, plans[0].count) == (3, machine.local_device(), None)
    assert "x86/ean.tflite-int8" in done.output


@pytest.mark.parametrize(
    ("words", "settings"),
    [
        (["--threads", "2"], Settings(threads=2)),
        (["--threads", "all"], Settings(threads=machine.usable_cores())),
        (["--fps", "30"], Settings(mode="paced", fps=30.0)),
        (["--batch", "8"], Settings(mode="batch", batch=8)),
        (["--end-to-end", "--samples", "7"], Settings(scope="end-to-end", samples=7, seconds=None)),
        (["--protocol", "mit-table2"], Settings(mode="batch", batch=48, samples=300, warmup=10, seconds=None)),
    ],
)
def test_options_become_settings(tmp_path: Path, plans: list[Plan], words: list[str], settings: Settings) -> None:
    done = call(tmp_path, *words)
    assert done.exit_code == 0, done.output
    assert plans[0].settings == settings


@pytest.mark.parametrize(
    "words",
    [
        ["--fps", "30", "--batch", "2"],
        ["--fps", "0"],
        ["--protocol", "ean-table5", "--samples", "3"],
        ["--protocol", "ean-table5", "--batch", "3"],
        ["--batch", "2", "--end-to-end"],
        ["--threads", "many"],
        ["--threads", "0"],
        ["--processes", "0"],
    ],
)
def test_what_excludes_itself_is_a_usage_error(tmp_path: Path, plans: list[Plan], words: list[str]) -> None:
    assert call(tmp_path, *words).exit_code == 2
    assert not plans


def test_files(tmp_path: Path, plans: list[Plan]) -> None:
    paths = [tmp_path / name for name in ("b.json", "base.json", "b.md", "b.csv")]
    options = ("--out", "--save-baseline", "--markdown", "--csv")
    done = call(tmp_path, *(word for pair in zip(options, map(str, paths), strict=True) for word in pair))
    assert done.exit_code == 0, done.output
    assert records.read(BenchRecord, paths[0]) == records.read(BenchRecord, paths[1])
    assert json.loads(paths[0].read_text())["schema"] == "edgefer/bench/1"
    assert paths[2].read_text().startswith("# Bench\n")
    assert paths[3].read_text().startswith("id,model_bytes,")


def test_a_file_that_can_not_be_written_is_told_before_measuring(tmp_path: Path, plans: list[Plan]) -> None:
    (tmp_path / "file").write_text("")
    assert call(tmp_path, "--out", str(tmp_path / "file" / "b.json")).exit_code != 0
    assert not plans


def test_an_interrupt_writes_what_is_measured(tmp_path: Path, plans: list[Plan]) -> None:
    done = call(tmp_path, "--processes", "99", "--out", str(tmp_path / "b.json"))
    assert done.exit_code == 1  # click's own Abort here; edgefer's main makes it 130
    assert records.read(BenchRecord, tmp_path / "b.json").interrupted
    assert "interrupted: not everything" in done.output


def test_json_prints_the_record_and_nothing_else(tmp_path: Path, plans: list[Plan]) -> None:
    done = call(tmp_path, "--json", "ean.*", "--markdown", str(tmp_path / "b.md"))
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["schema"] == BenchRecord.schema
    assert done.stderr == f"wrote {tmp_path / 'b.md'}\n"


@pytest.mark.parametrize("words", [["--json", "{}"], ["--json={}"]])
def test_the_old_form_of_json_still_writes_a_file_and_says_so(
    tmp_path: Path, plans: list[Plan], words: list[str]
) -> None:
    path = tmp_path / "b.json"
    done = call(tmp_path, *(word.format(path) for word in words))
    assert done.exit_code == 0, done.output
    assert json.loads(path.read_text())["schema"] == BenchRecord.schema
    assert done.stderr == "edgefer: --json FILE is --out FILE now; --json alone prints the record.\n"
    assert f"wrote {path}" in done.stdout


def test_the_roofline_is_of_this_processor_on_as_many_threads(
    tmp_path: Path, plans: list[Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peak, "measure", lambda threads: Peak(threads, 1e9, "made", None, "made"))
    monkeypatch.setattr(machine, "local_device", lambda: "x86")
    done = call(tmp_path, "--roofline", "--threads", "2", "--json")
    assert [each["threads"] for each in json.loads(done.stdout)["peaks"]] == [2]
    assert json.loads(call(tmp_path, "--json").stdout)["peaks"] == []
    monkeypatch.setattr(machine, "local_device", lambda: "here")
    options = BenchOptions(dist=tmp_path / "dist", roofline=True, instructions=False)
    (measured,) = bench_devices(options).records.values()  # its record says x86
    assert measured.peaks == [] and "roofline: only the peak" in measured.left_out[0]
