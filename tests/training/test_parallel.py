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
from edgefer.runtime.training_record import TrainingRecord
from edgefer.training import parallel
from tests.made import write_csv
from tests.training import parallel_worker

# 5 faces of each of seven classes are four batches of 8 and one of 3, which two processes share unevenly.
FACES = {"Training": 5, "PublicTest": 2, "PrivateTest": 1}
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
WORKER = Path(__file__).with_name("parallel_worker.py")


def torchrun(*line: object) -> str:
    """What two processes print."""
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *TORCHRUN, *map(str, line)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_csv(tmp_path_factory.mktemp("data") / "fer2013.csv", FACES)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, csv: Path) -> tuple[Path, list[str]]:
    """What two processes left when they did all that parallel_worker does, and the lines they printed."""
    folder = tmp_path_factory.mktemp("two")
    return folder, torchrun(WORKER, folder, csv).splitlines()


def saved(path: Path) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = torch.load(path, weights_only=True)
    return tensors


def apart(one: dict[str, Tensor], two: dict[str, Tensor]) -> float:
    """The largest difference between tensors of one name."""
    assert one.keys() == two.keys()
    return max(float((two[name] - value).abs().max()) for name, value in one.items())


def test_a_step_without_batch_norm_and_dropout_is_the_same_but_for_rounding(
    tmp_path: Path, two: tuple[Path, list[str]]
) -> None:
    """In float64, where rounding is small: losses and weights after three steps."""
    parallel_worker.step(tmp_path / "step.pt")
    assert apart(saved(tmp_path / "step.pt"), saved(two[0] / "step.pt")) < 1e-9


@pytest.mark.parametrize("recipe", ["short", "rounds"])
def test_a_training_without_batch_norm_and_dropout_follows_the_curve_of_one(
    tmp_path: Path, csv: Path, two: tuple[Path, list[str]], recipe: str
) -> None:
    """In float32, with augmentation; `rounds` with a running average and a teacher."""
    parallel_worker.train(tmp_path, csv, "plain", recipe)
    folders = (tmp_path, two[0] / f"plain-{recipe}")
    one, both = (records.read(TrainingRecord, folder / "microexpnet-xxs.json") for folder in folders)
    assert [e.lr for e in both.curve] == [e.lr for e in one.curve]
    assert [e.round for e in both.curve] == [e.round for e in one.curve]
    assert [e.loss for e in both.curve] == pytest.approx([e.loss for e in one.curve], rel=1e-5)
    before, after = (load_file(folder / "microexpnet-xxs.safetensors") for folder in folders)
    assert apart(before, after) < 1e-5


def test_all_processes_have_the_same_weights(two: tuple[Path, list[str]]) -> None:
    """Of a network with batch norm, and of one with dropout."""
    assert two[1].count("same True True") == 2


def test_batch_norm_has_the_statistics_of_the_main_process_s_share(two: tuple[Path, list[str]]) -> None:
    """On CPUs. Not those of the batch, as one process has them."""
    kept = saved(two[0] / "norm.pt")
    for count, equal in ((3, True), (6, False)):
        torch.manual_seed(0)
        network = get_arch("ean").build().double().train()
        network(parallel_worker.faces(get_arch("ean"))[0][:count])
        assert (apart(network.state_dict(), kept) < 1e-12) is equal


@pytest.mark.parametrize(
    ("network", "recipe"), [("ean", "rounds"), ("dropout", "short")], ids=["batch norm", "dropout"]
)
def test_two_processes_give_the_same_weights_each_time_and_resume(
    tmp_path: Path, csv: Path, two: tuple[Path, list[str]], network: str, recipe: str
) -> None:
    """These are not the weights of one process."""
    name = f"{parallel_worker.NETWORKS[network].name}.safetensors"
    assert two[1].count("left .checkpoint") == 2
    parallel_worker.train(tmp_path, csv, network, recipe)
    whole, cut = ((two[0] / f"{network}-{how}" / name).read_bytes() for how in ("whole", "cut"))
    assert whole == cut
    assert whole != (tmp_path / name).read_bytes()


def test_the_command_line_writes_once(tmp_path: Path, csv: Path) -> None:
    out = tmp_path / "out"
    short = ("--epochs", "2", "--set", "batch=8", "--set", "warmup=1", "--threads", "1", "--seed", "3")
    said = torchrun("-m", "edgefer", "train", "--arch", "ean", "--data", csv, "--out", out, *short)
    assert said.count("has the weights") == 1
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
