"""Measuring a table's networks: in turn, resumed, reduced, left out. No worker is started and nothing is built here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edgefer.arch import Arch
from edgefer.devices.device import ThisMachine
from edgefer.papers import measure
from edgefer.papers.measure import MeasureOptions
from edgefer.papers.protocols import protocol
from edgefer.runtime import machine, records
from edgefer.runtime.bench_record import BenchRecord, RunWarning, Settings, WarningKind
from edgefer.runtime.errors import BadRecord, EdgeferError, ExportFailed
from edgefer.runtime.files import sha256
from edgefer.runtime.progress import SILENT
from edgefer.runtime.protocol import Answer, Request
from tests.benchmark.made import bundle as made_bundle
from tests.benchmark.made import record, run

NETWORKS = 7
BUNDLES = 3 * NETWORKS
ONE = MeasureOptions(processes=1)


class Machine:
    """A machine whose runs take no time; it can be interrupted after so many of them."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.tried: list[str] = []
        self.settings: list[Settings] = []
        self.stop_after: int | None = None
        self.slow: str | None = None

    def ask(self, wanted: Request, *_: object) -> Answer:
        name = Path(wanted.folder or "?").name
        if wanted.settings.samples == 1:
            self.tried.append(name)
            return Answer(replace(run(), samples=[1.0 if name == self.slow else 0.001]), None, {}, None)
        if self.stop_after is not None and len(self.asked) == self.stop_after:
            raise KeyboardInterrupt
        self.asked.append(name)
        self.settings.append(wanted.settings)
        return Answer(run(), record([]).machine, {"python": "3"}, None)


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """The machine; bundles are models that are none, but for one that can't be built."""
    made = Machine()

    def bundle(arch: Arch, name: str, out: Path, stage: Callable[[str], None]) -> Path:
        if (arch.name, name) == ("squeezenet-44", "tflite-int8"):
            raise ExportFailed("squeezenet-44 can't be converted.")
        folder = out / f"{arch.name}.{name}"
        return folder if folder.is_dir() else made_bundle(folder).folder

    monkeypatch.setattr(measure, "table_bundle", bundle)
    monkeypatch.setattr("edgefer.runtime.protocol.ask", made.ask)
    monkeypatch.setattr(machine, "describe", lambda: record([]).machine)
    return made


def go(folder: Path, options: MeasureOptions) -> BenchRecord:
    device = ThisMachine()
    device.name = "x86"
    return measure.measure("ean-5", options, folder / "ean-5.json", device, SILENT, folder / "bundles")


def kept(folder: Path) -> BenchRecord:
    return records.read(BenchRecord, folder / "ean-5.json")


def test_all_bundles_in_turn_under_the_protocol(there: Machine, tmp_path: Path) -> None:
    made = go(tmp_path, MeasureOptions(processes=2))
    assert there.asked[:4] == [
        "vgg16-bn-44.onnx-fp32",
        "vgg16-bn-44.tflite-fp32",
        "vgg16-bn-44.tflite-int8",
        "resnet18-44.onnx-fp32",
    ]
    assert there.asked[: BUNDLES - 1] * 2 == there.asked
    assert set(map(repr, there.settings)) == {repr(protocol("ean-table5").settings(1))}
    assert {(len(each.runs), each.protocol) for each in made.results} == {(2, "ean-table5")}
    assert made.left_out == ["squeezenet-44.tflite-int8: not built: squeezenet-44 can't be converted."]
    assert kept(tmp_path) == made


def test_a_second_call_measures_nothing_again(there: Machine, tmp_path: Path) -> None:
    first = go(tmp_path, ONE)
    asked, tried = list(there.asked), list(there.tried)
    assert go(tmp_path, ONE) == first
    assert (there.asked, there.tried) == (asked, tried)
    go(tmp_path, replace(ONE, again=True))
    assert there.asked == asked * 2


def test_what_was_finished_before_an_interrupt_is_kept_and_gone_on_with(there: Machine, tmp_path: Path) -> None:
    there.stop_after = 25
    with pytest.raises(KeyboardInterrupt):
        go(tmp_path, MeasureOptions(processes=2))
    assert sum(len(each.runs) for each in kept(tmp_path).results) == 25
    assert kept(tmp_path).interrupted
    there.stop_after = None
    done = go(tmp_path, MeasureOptions(processes=2))
    assert len(there.asked) == 2 * (BUNDLES - 1)
    assert {len(each.runs) for each in done.results} == {2}
    assert not done.interrupted


def test_a_bundle_that_became_another_is_measured_again(there: Machine, tmp_path: Path) -> None:
    go(tmp_path, ONE)
    manifest = tmp_path / "ean-5.json"
    manifest.write_text(
        manifest.read_text().replace(sha256(tmp_path / "bundles/ean.onnx-fp32/manifest.json"), "0" * 64)
    )
    there.asked.clear()
    done = go(tmp_path, ONE)
    assert there.asked == ["ean.onnx-fp32"]
    assert len(done.results) == BUNDLES - 1


def test_runs_on_a_busy_machine_are_measured_again_by_the_next_call(there: Machine, tmp_path: Path) -> None:
    first = go(tmp_path, MeasureOptions(processes=2))
    others = RunWarning(WarningKind.BUSY, "other processes used 1.00 of 2 cores")
    busy = replace(first.results[3].runs[1], warnings=[others])
    results = [*first.results]
    results[3] = replace(results[3], runs=[results[3].runs[0], busy])
    records.write(tmp_path / "ean-5.json", replace(first, results=results))
    there.asked.clear()
    assert go(tmp_path, MeasureOptions(processes=2)) == first
    assert there.asked == [first.results[3].bundle]


def test_fewer_samples_are_written_into_the_record(there: Machine, tmp_path: Path) -> None:
    made = go(tmp_path, replace(ONE, samples=10, seconds=5.0))
    assert {(r.settings.samples, r.settings.warmup, r.settings.seconds) for r in made.results} == {(10, 10, 5.0)}
    assert MeasureOptions(samples=5000).settings(protocol("ean-table5")).samples == 1000


def test_a_bundle_that_takes_too_long_is_left_out(there: Machine, tmp_path: Path) -> None:
    there.slow = "vgg16-bn-44.onnx-fp32"
    made = go(tmp_path, ONE)
    assert made.left_out[1] == "vgg16-bn-44.onnx-fp32: it would take about 17.0 min, more than 10"
    assert there.slow not in there.asked
    there.asked.clear()
    go(tmp_path, replace(ONE, seconds=30.0))
    assert there.slow in there.asked


def test_a_record_of_another_machine_is_not_added_to(there: Machine, tmp_path: Path) -> None:
    other = replace(record([]).machine, cpu="Another processor")
    records.write(tmp_path / "ean-5.json", replace(record([]), machine=other))
    with pytest.raises(BadRecord, match="--results"):
        go(tmp_path, ONE)
    assert go(tmp_path, replace(ONE, again=True)).machine == record([]).machine


def test_nothing_measured_is_an_error(there: Machine, tmp_path: Path) -> None:
    with pytest.raises(EdgeferError, match=r"nothing of ean-5 was measured: .* more than 1e-09"):
        go(tmp_path, replace(ONE, minutes=1e-9))
    assert not (tmp_path / "ean-5.json").exists()
