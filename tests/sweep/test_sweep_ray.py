"""A sweep on Ray: two nodes on this machine, one of which is killed midway."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from edgefer.data.load import load
from edgefer.runtime import records
from edgefer.runtime.errors import Unreachable
from edgefer.runtime.training_record import TrainingRecord
from edgefer.sweep import remote, runs
from edgefer.sweep.runs import Outcome, Run, SweepOptions, grid
from tests.made import write_csv

ray = pytest.importorskip("ray", reason="needs the extra ray")
EPOCHS, SEEDS = 20, 5


@pytest.mark.long
def test_no_run_is_lost_or_done_twice_when_a_node_dies(tmp_path: Path) -> None:
    from ray.cluster_utils import Cluster

    csv = write_csv(tmp_path / "fer2013.csv", {"Training": 20, "PublicTest": 1, "PrivateTest": 1})
    sweep = grid(["microexpnet-xxs"], "plain", {})
    planned = runs.expand(sweep, SweepOptions({"epochs": str(EPOCHS), "batch": "16"}, SEEDS, threads=1))
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    second = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    killed: list[float] = []

    def kill() -> None:
        """When one run has ended and two are under way, one on each node."""
        folders = [run.folder(tmp_path) for run in planned]
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            under_way = [folder for folder in folders if [p.suffix for p in folder.glob("m*")] == [".checkpoint"]]
            if len(under_way) == 2 and any(list(folder.glob("*.png")) for folder in folders):
                break
            time.sleep(0.02)
        cluster.remove_node(second, allow_graceful=False)
        killed.append(time.monotonic())

    killer = threading.Thread(target=kill)
    outcomes: list[tuple[Run, Outcome]] = []
    try:
        killer.start()
        remote.perform_on_ray(
            planned, {96: load(csv, 96)}, tmp_path, cluster.address, lambda *what: outcomes.append(what)
        )
        ended = time.monotonic()
    finally:
        killer.join()
        cluster.shutdown()
    logs = [runs.attempts(run.folder(tmp_path)) for run in planned]
    assert killed and killed[0] < ended, "the node was killed midway"
    assert sorted(log.count("resumed") for log in logs) == [0] * (SEEDS - 1) + [1], logs
    assert all(log[0] == "started" and log.count("finished") == 1 and log[-1] == "finished" for log in logs), logs
    assert sorted(run.name for run, _ in outcomes) == sorted(run.name for run in planned)
    for run in planned:
        record = records.read(TrainingRecord, run.folder(tmp_path) / "microexpnet-xxs.json")
        assert [epoch.epoch for epoch in record.curve] == list(range(1, EPOCHS + 1))
    assert not list(tmp_path.glob(".*")), "the mark is gone"


def test_a_cluster_that_is_not_there_is_reported(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match=r"no Ray cluster at 127\.0\.0\.1:1 .*ray start --head"):
        remote.perform_on_ray([], {}, tmp_path, "127.0.0.1:1", lambda _run, _outcome: None)
    assert not list(tmp_path.iterdir())
