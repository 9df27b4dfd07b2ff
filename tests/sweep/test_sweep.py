"""Sweeps: what they are, and that a run is done once, whoever does it and however often it is stopped."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edgefer.data.load import load
from edgefer.runtime import records
from edgefer.runtime.errors import BadCheckpoint, BadSetting, MissingEngine
from edgefer.runtime.files import shipped_folder
from edgefer.runtime.training_record import Epoch
from edgefer.sweep import remote, report, runs
from edgefer.sweep.report import SweepRecord
from edgefer.sweep.runs import Row, Run, Sweep, SweepOptions, grid
from edgefer.training.run import Listener
from tests.cli import made
from tests.made import write_csv

GRID = grid(["microexpnet-xxs"], "plain", {"lr": ["0.01", "0.02"]})
TINY = SweepOptions({"epochs": "2", "batch": "16", "warmup": "0"}, seeds=1, threads=1)
SILENT = Listener(lambda _epoch: None, lambda _loss: None)


@pytest.fixture(scope="module")
def csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_csv(
        tmp_path_factory.mktemp("data") / "fer2013.csv", {"Training": 3, "PublicTest": 1, "PrivateTest": 1}
    )


@pytest.fixture(scope="module")
def faces(csv: Path) -> runs.Faces:
    return {96: load(csv, 96)}


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(BadSetting, match="comes twice"):
        grid(["ean"], "plain", {"lr": ["1", "1"]})
    with pytest.raises(BadSetting, match="sets lr itself"):
        runs.expand(GRID, SweepOptions({"lr": "3"}, 1, 1))
    with pytest.raises(BadSetting, match="no row like"):
        runs.expand(GRID, SweepOptions({}, 1, 1, only=("M*",)))


def perform_all(out: Path, faces: runs.Faces) -> tuple[dict[str, runs.Outcome], list[int]]:
    epochs: list[int] = []

    @contextlib.contextmanager
    def listener_of(_run: Run) -> Iterator[Listener]:
        yield Listener(lambda epoch: epochs.append(epoch.epoch), lambda _loss: None)

    return runs.one_by_one(runs.expand(GRID, TINY), faces, out, listener_of), epochs


class Killed(BaseException):
    """Stands for a kill between two epochs."""


def test_a_sweep_goes_on_where_it_stopped_and_does_nothing_twice(faces: runs.Faces, tmp_path: Path) -> None:
    first, second = runs.expand(GRID, TINY)

    def stop(_epoch: Epoch) -> None:
        raise Killed

    with pytest.raises(Killed):
        runs.perform(first, faces[96], first.folder(tmp_path), Listener(stop, lambda _loss: None))
    early = report.collect(GRID, [first, second], tmp_path, "edgefer sweep")
    assert [row.missing for row in early.rows] == [1, 1]
    outcomes, epochs = perform_all(tmp_path, faces)
    assert (list(outcomes.values()), epochs) == (["trained", "trained"], [1, 2, 1, 2])
    assert runs.attempts(first.folder(tmp_path)) == ["started", "resumed", "finished"]
    assert perform_all(tmp_path, faces) == ({first.name: "found", second.name: "found"}, [])
    assert runs.attempts(second.folder(tmp_path)) == ["started", "finished"]


def test_a_run_cut_off_while_it_writes_is_finished(faces: runs.Faces, tmp_path: Path) -> None:
    run = runs.expand(GRID, TINY)[0]
    folder = run.folder(tmp_path)
    checkpoint = folder / "microexpnet-xxs.checkpoint"
    kept: list[bytes] = []
    keep = Listener(lambda _epoch: kept.append(checkpoint.read_bytes()), lambda _loss: None)
    runs.perform(run, faces[96], folder, keep)
    checkpoint.write_bytes(kept[-1])  # as if killed between the record and the curves
    (folder / "microexpnet-xxs.png").unlink()
    assert runs.finished(run, folder) is None
    epochs: list[Epoch] = []
    assert runs.perform(run, faces[96], folder, Listener(epochs.append, lambda _loss: pytest.fail())) == "trained"
    assert [epoch.epoch for epoch in epochs] == [1, 2]
    assert runs.finished(run, folder) is not None
    assert (folder / "microexpnet-xxs.png").is_file()


def test_two_processes_never_do_the_same_run(faces: runs.Faces, tmp_path: Path) -> None:
    run = runs.expand(GRID, TINY)[0]
    folder = run.folder(tmp_path)
    code = f"""
import os, sys; from pathlib import Path; from edgefer.sweep.runs import run_lock
with run_lock(Path({str(folder)!r}), False):
    print("held", flush=True); sys.stdin.read(); os.kill(os.getpid(), 9)
"""
    other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout is not None and other.stdin is not None and other.stdout.readline() == b"held\n"
    assert runs.perform(run, faces[96], folder, SILENT) == "elsewhere"
    other.stdin.close()
    assert other.wait(60) == -9
    assert runs.perform(run, faces[96], folder, SILENT) == "trained", "a killed process leaves no lock"


def test_a_finished_run_of_other_faces_is_refused(faces: runs.Faces, csv: Path, tmp_path: Path) -> None:
    perform_all(tmp_path, faces)
    run = runs.expand(GRID, TINY)[0]
    less = load(csv, 96).take(faces[96].rows[:-1])
    with pytest.raises(BadCheckpoint, match="another data: use another --out"):
        runs.perform(run, less, run.folder(tmp_path), SILENT)


def test_a_run_with_settings_of_older_names_is_not_done_again(faces: runs.Faces, tmp_path: Path) -> None:
    """Its folder and its record are named as turn and zoom once were."""
    (run,) = runs.expand(grid(["microexpnet-xxs"], "plain", {"rotation": ["5"]}), TINY)
    made = run.folder(tmp_path / "made")
    runs.perform(run, faces[96], made, SILENT)
    older = tmp_path / "runs" / run.name.replace("_rotation=5.0", "").replace("_warmup", "_turn=5.0_warmup")
    shutil.copytree(made, older)
    record = json.loads((older / "microexpnet-xxs.json").read_text())
    record["recipe"]["turn"], record["recipe"]["zoom"] = record["recipe"].pop("rotation"), record["recipe"].pop("scale")
    (older / "microexpnet-xxs.json").write_text(json.dumps(record))
    assert run.folder(tmp_path) == older
    assert runs.perform(run, faces[96], run.folder(tmp_path), SILENT) == "found"


def test_a_machine_without_the_folder_sends_its_files(faces: runs.Faces, tmp_path: Path) -> None:
    """The teacher's file isn't there either."""
    sweep = Sweep("s", "", "", "distill", (Row("r", "microexpnet-xxs"),), taught=True)
    content = (shipped_folder("weights") / "teacher.safetensors").read_bytes()
    teacher = tmp_path / "teacher.safetensors"
    teacher.write_bytes(content)
    run = runs.expand(sweep, replace(TINY, teachers=(teacher,)))[0]
    teacher.unlink()
    answer = remote.work(remote.Job(run, tmp_path / "unknown", f".{tmp_path.name}", (content,)), faces[96])
    assert answer.outcome == "trained"
    teacher.write_bytes(content)
    assert {"microexpnet-xxs.json", "microexpnet-xxs.safetensors", runs.LOG} <= answer.files.keys()
    folder = run.folder(tmp_path)
    folder.mkdir(parents=True)
    for name, content in answer.files.items():
        (folder / name).write_bytes(content)
    assert runs.finished(run, folder) is not None
    assert not (tmp_path / "unknown").exists()


def test_ray_that_is_not_installed_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingEngine, match=r"pip install 'edgefer\[ray\]'"):
        remote.perform_on_ray([], {}, tmp_path, "local", lambda _run, _outcome: None)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def edgefer(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[made.Run]:
    """`edgefer` with arguments, in this process."""
    yield from made.in_process(made.Ran, monkeypatch, capfd)


def test_the_command_makes_the_table(edgefer: made.Run, csv: Path, tmp_path: Path) -> None:
    line = ("sweep", "ean-table2", "--only", "EAN", "--only", "iter_trans_c", "--out", tmp_path, "--threads", 1)
    short = ("--epochs", 1, "--set", "round_epochs=1", "--set", "batch=16")
    assert "0/1" in edgefer(*line, *short).out, "without --data the table of what there is"
    done = edgefer(*line, *short, "--data", csv)
    assert done.code == 0, done.err
    record = records.read(SweepRecord, tmp_path / "ean-table2.json")
    assert [(row.name, row.printed, row.printed_of, row.missing) for row in record.rows] == [
        ("EAN", "69.74", "FER2013", 0),
        ("iter_trans_c", "70.63", "FER2013", 0),
    ]
    assert len(record.rows[1].runs[0].rounds) > 1
    assert "| iter\\_trans\\_c | ean | epochs=1 batch=16 round\\_epochs=1" in (tmp_path / "ean-table2.md").read_text()
    assert json.loads(edgefer(*line, *short, "--json").out)["rows"][0]["runs"][0]["seed"] == 0


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        (("ean-tabel2",), 3, "did you mean ean-table2"),
        (("ean-table2", "--arch", "ean"), 2, "leave --arch"),
        (("--arch", "ean", "--grid", "alpha"), 2, "--grid"),
        (("--arch", "ean", "--grid", "alhpa=1,2"), 27, "no setting 'alhpa'"),
        (("--arch", "ean", "--grid", "alpha=0.1,x"), 27, "alpha=x: it must be a number"),
        (("ean-table2", "--data", "/none.csv"), 4, "no data at"),
    ],
)
def test_a_wrong_command_line_is_refused_and_does_nothing(
    edgefer: made.Run, tmp_path: Path, line: tuple[str, ...], code: int, said: str
) -> None:
    done = edgefer("sweep", *line, "--out", tmp_path / "out")
    assert done.code == code
    assert said in done.err
    assert not (tmp_path / "out").exists()


def test_a_run_that_diverges_is_marked_and_the_others_go_on(faces: runs.Faces, tmp_path: Path) -> None:
    sweep = grid(["microexpnet-xxs"], "plain", {"lr": ["1e30", "0.1"]})
    both = runs.expand(sweep, replace(TINY, settings={**TINY.settings, "epochs": "1"}))
    listener = contextlib.nullcontext(SILENT)
    outcomes = runs.one_by_one(both, faces, tmp_path, lambda _run: listener)
    assert list(outcomes.values()) == ["diverged", "trained"]
    (failure,) = runs.divergences(both, outcomes, tmp_path)
    assert (failure.exit_code, f"{both[0].name} diverged: the loss is" in str(failure)) == (29, True)
    assert runs.attempts(both[0].folder(tmp_path))[-1].startswith("diverged: the loss is")
    assert [row.missing for row in report.collect(sweep, both, tmp_path, "edgefer sweep").rows] == [1, 0]
