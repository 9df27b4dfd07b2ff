"""torchrun: in what two processes that train together are equal to one, and in what they are not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from edgefer.arch import get_arch
from edgefer.runtime import records
from edgefer.runtime.errors import BadSetting
from edgefer.runtime.records import TrainingRecord
from edgefer.training import parallel
from tests.made import write_csv
from tests.training.parallel_worker import faces

# 5 faces of each of seven classes are four batches of 8 and one of 3, which two processes share unevenly.
FACES = {"Training": 5, "PublicTest": 2, "PrivateTest": 1}
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
WORKER = Path(__file__).with_name("parallel_worker.py")


def start(processes: int, *line: object) -> str:
    command = [sys.executable, *(TORCHRUN if processes > 1 else ()), *map(str, line)]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_csv(tmp_path_factory.mktemp("data") / "fer2013.csv", FACES)


def saved(path: Path) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = torch.load(path, weights_only=True)
    return tensors


def apart(one: dict[str, Tensor], two: dict[str, Tensor]) -> float:
    """The largest difference between tensors of one name."""
    assert one.keys() == two.keys()
    return max(float((two[name] - value).abs().max()) for name, value in one.items())


def test_a_step_without_batch_norm_and_dropout_is_the_same_but_for_rounding(tmp_path: Path) -> None:
    """In float64, where rounding is small: losses and weights after three steps."""
    for processes in (1, 2):
        start(processes, WORKER, "step", tmp_path / f"{processes}.pt")
    assert apart(saved(tmp_path / "1.pt"), saved(tmp_path / "2.pt")) < 1e-9


@pytest.mark.long
@pytest.mark.parametrize("recipe", ["short", "rounds"])
def test_a_training_without_batch_norm_and_dropout_follows_the_curve_of_one(
    tmp_path: Path, csv: Path, recipe: str
) -> None:
    """In float32, with augmentation; `rounds` with a running average and a teacher."""
    name = "microexpnet-xxs"
    for processes in (1, 2):
        start(processes, WORKER, "train", tmp_path / str(processes), csv, "plain", recipe)
    one, two = (records.read(TrainingRecord, tmp_path / out / f"{name}.json") for out in ("1", "2"))
    assert [e.lr for e in two.curve] == [e.lr for e in one.curve]
    assert [e.round for e in two.curve] == [e.round for e in one.curve]
    assert [e.loss for e in two.curve] == pytest.approx([e.loss for e in one.curve], rel=1e-5)
    before, after = (load_file(tmp_path / out / f"{name}.safetensors") for out in ("1", "2"))
    assert apart(before, after) < 1e-5


@pytest.mark.long
@pytest.mark.parametrize("network", ["ean", "dropout"], ids=["batch norm", "dropout"])
def test_all_processes_have_the_same_weights(network: str) -> None:
    assert start(2, WORKER, "same", network).count("same") == 2


def test_batch_norm_has_the_statistics_of_the_main_process_s_share(tmp_path: Path) -> None:
    """On CPUs. Not those of the batch, as one process has them."""
    start(2, WORKER, "norm", tmp_path / "2.pt")
    kept = saved(tmp_path / "2.pt")
    for count, equal in ((3, True), (6, False)):
        torch.manual_seed(0)
        network = get_arch("ean").build().double().train()
        network(faces(get_arch("ean"))[0][:count])
        assert (apart(network.state_dict(), kept) < 1e-12) is equal


@pytest.mark.long
@pytest.mark.parametrize(
    ("network", "recipe"), [("ean", "rounds"), ("dropout", "short")], ids=["batch norm", "dropout"]
)
def test_two_processes_give_the_same_weights_each_time_and_resume(
    tmp_path: Path, csv: Path, network: str, recipe: str
) -> None:
    """These are not the weights of one process."""
    name = {"ean": "ean", "dropout": "microexpnet-xxs"}[network]
    whole, cut, alone = tmp_path / "whole", tmp_path / "cut", tmp_path / "alone"
    start(2, WORKER, "train", whole, csv, network, recipe)
    assert start(2, WORKER, "train", cut, csv, network, recipe, 1).count("stopped") == 2
    assert [path.name for path in cut.iterdir()] == [f"{name}.checkpoint"]
    start(2, WORKER, "train", cut, csv, network, recipe)
    start(1, WORKER, "train", alone, csv, network, recipe)
    weights = [(out / f"{name}.safetensors").read_bytes() for out in (whole, cut, alone)]
    assert weights[0] == weights[1]
    assert weights[0] != weights[2]


def test_the_command_line_writes_once(tmp_path: Path, csv: Path) -> None:
    out = tmp_path / "out"
    short = ("--epochs", "2", "--set", "batch=8", "--set", "warmup=1", "--threads", "1", "--seed", "3")
    said = start(2, "-m", "edgefer", "train", "--arch", "ean", "--data", csv, "--out", out, *short)
    assert said.count("wrote") == 1
    assert {p.suffix for p in out.iterdir()} == {".json", ".md", ".png", ".safetensors"}
    record = records.read(TrainingRecord, out / "ean.json")
    assert record.curve[1].loss < record.curve[0].loss
    assert record.command.startswith("torchrun --nproc-per-node 2 -m edgefer train")


def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("WORLD_SIZE", "2"), ("LOCAL_WORLD_SIZE", "2"), ("RANK", "1"), ("LOCAL_RANK", "1")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with (
        pytest.raises(BadSetting, match="2 processes on a machine with 1 GPU: start one"),
        parallel.process_group("cuda"),
    ):
        pass
