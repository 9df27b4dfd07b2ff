"""torch on a GPU, with a made one: what is copied, recorded, replayed, waited for. CUDA itself is not run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from edgefer.arch import get_arch
from edgefer.benchmark import torch_worker
from edgefer.benchmark.torch_worker import OnGpu
from edgefer.benchmark.workload import Workload, static_metrics
from edgefer.runtime.bench_record import Settings
from edgefer.runtime.errors import GoldenMismatch, NoGpu, UnknownName, WorkerFailed

SHAPE = (2, 3, 8, 8)


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Remembers every operation and the tensors it wrote, as a CUDA graph does."""

    def __init__(self, into: list[Any]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.into = into

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self.into.append((func, args, kwargs or {}, out))
        return out


class Graph:
    """A CUDAGraph: replaying it computes anew into the same tensors."""

    def __init__(self) -> None:
        self.operations: list[Any] = []
        self.replays = 0

    def replay(self) -> None:
        self.replays += 1
        for func, args, kwargs, out in self.operations:
            again = func(*args, **kwargs)
            if isinstance(out, torch.Tensor) and again.data_ptr() != out.data_ptr():
                out.copy_(again)


class Cuda:
    """What torch.cuda has, on the processor; `log` is what was asked of it."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.graphs: list[Graph] = []
        self.clock = 0.0

    def synchronize(self) -> None:
        self.log.append("synchronize")

    def Stream(self) -> Any:
        return SimpleNamespace(wait_stream=lambda other: self.log.append("side waits"))

    def current_stream(self) -> Any:
        return SimpleNamespace(wait_stream=lambda other: self.log.append("main waits"))

    @contextmanager
    def stream(self, side: Any) -> Iterator[None]:
        self.log.append("side")
        yield

    def CUDAGraph(self) -> Graph:
        self.graphs.append(Graph())
        return self.graphs[-1]

    @contextmanager
    def graph(self, graph: Graph) -> Iterator[None]:
        self.log.append("capture")
        with Recorder(graph.operations):
            yield

    def Event(self, enable_timing: bool) -> Any:
        assert enable_timing
        return Event(self)


class Event:
    """A CUDA event on a clock that passes 2 ms at each reading."""

    def __init__(self, cuda: Cuda) -> None:
        self.cuda = cuda
        self.at = 0.0

    def record(self) -> None:
        self.cuda.clock += 2.0
        self.at = self.cuda.clock

    def synchronize(self) -> None:
        self.cuda.log.append("event")

    def elapsed_time(self, other: Event) -> float:
        return other.at - self.at


def network() -> torch.nn.Module:
    torch.manual_seed(1)
    layers = torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(256, 7)
    return torch.nn.Sequential(*layers).eval()


def on_gpu(graph: bool, cuda: Cuda) -> OnGpu:
    return OnGpu(network(), SHAPE, graph, cuda, "cpu")


@pytest.mark.parametrize("graph", [False, True])
def test_the_answer_is_the_network_s_for_every_input(graph: bool) -> None:
    cuda = Cuda()
    placed = on_gpu(graph, cuda)
    for seed in range(3):
        given = torch.rand(SHAPE, generator=torch.Generator().manual_seed(seed))
        with torch.inference_mode():
            expected = network()(given)
        torch.testing.assert_close(placed.run(given), expected)
    assert [made.replays for made in cuda.graphs] == ([4] if graph else [])


@pytest.mark.parametrize("graph", [False, True])
def test_a_run_ends_when_the_gpu_is_done(graph: bool) -> None:
    cuda = Cuda()
    placed = on_gpu(graph, cuda)
    cuda.log.clear()
    first = placed.run(torch.zeros(SHAPE))
    assert cuda.log == ["synchronize"]
    kept = first.clone()
    placed.run(torch.ones(SHAPE))
    assert torch.equal(first, kept)  # a copy: the next run does not change it


def test_a_graph_is_captured_after_warming_up_on_a_side_stream() -> None:
    cuda = Cuda()
    on_gpu(True, cuda)
    assert cuda.log == ["side waits", "side", "main waits", "capture", "synchronize"]


def test_the_gpu_s_own_time_is_that_between_its_events() -> None:
    cuda = Cuda()
    placed = on_gpu(False, cuda)
    assert placed.device_seconds(3) == pytest.approx([0.002] * 3)
    assert cuda.log.count("event") == 3


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Cuda:
    """A torch that has a GPU, made of the processor."""
    cuda = Cuda()

    def placed(network: torch.nn.Module, shape: tuple[int, ...], graph: bool) -> OnGpu:
        return OnGpu(network, shape, graph, cuda, "cpu")

    monkeypatch.setattr(torch_worker, "require_gpu", lambda found: None)
    monkeypatch.setattr(torch_worker, "OnGpu", placed)
    return cuda


@pytest.mark.parametrize("provider", ["cuda", "cuda-graph"])
def test_a_batch_is_one_inference(made: Cuda, monkeypatch: pytest.MonkeyPatch, provider: str) -> None:
    loaded = torch_worker.load_on_gpu("ean", Settings(mode="batch", batch=5), provider)
    answer = loaded.step()
    assert isinstance(answer, torch.Tensor)
    assert answer.shape == (5, 7)
    assert loaded.provider == {"cuda": "eager, CUDA", "cuda-graph": "CUDA graph"}[provider]
    assert loaded.warm_seconds > 0
    assert loaded.on_device is not None
    assert len(loaded.on_device()) == torch_worker.EVENTS


@pytest.mark.parametrize("provider", ["cuda", "cuda-graph"])
def test_end_to_end_gives_the_processor_s_label(made: Cuda, provider: str) -> None:
    settings = Settings(scope="end-to-end")
    assert (
        torch_worker.load_on_gpu("ean", settings, provider).step() == torch_worker.load_on_cpu("ean", settings).step()
    )


def test_the_golden_picture_is_checked(made: Cuda, monkeypatch: pytest.MonkeyPatch) -> None:
    assert torch_worker.check_on_gpu("ean", "cuda-graph").difference < 1e-5
    monkeypatch.setattr(torch_worker, "TOLERANCE", -1.0)
    with pytest.raises(GoldenMismatch, match=r"torch's answer on the GPU \(cuda\) is 0.0000 off"):
        torch_worker.check_on_gpu("ean", "cuda")


@pytest.mark.parametrize("name", ["model_b", "microexpnet-m", "mini-xception-44"])  # 3 channels, 1, and from -1 to 1
def test_a_network_without_weights_gets_random_ones_and_says_so(made: Cuda, name: str) -> None:
    loaded = torch_worker.load_on_gpu(name, Settings(mode="batch", batch=2), "cuda")
    assert list(map(str, loaded.notes)) == [f"weights: none are shipped for {name}, random ones (seed 0) take as long"]
    answer = loaded.step()
    assert isinstance(answer, torch.Tensor)
    assert answer.shape == (2, 7)
    assert static_metrics(Workload(network=name, provider="cuda")).files.keys() == {"random weights, seed 0"}
    arch = get_arch(name)
    assert float(torch_worker.golden_face(arch).min()) >= arch.input_min
    assert torch_worker.golden_face(arch).shape[1] == arch.channels


def test_an_unknown_network_is_refused(made: Cuda) -> None:
    with pytest.raises(UnknownName, match="ean"):
        torch_worker.load_on_gpu("eam", Settings(), "cuda")


def test_what_torch_can_not_place_is_one_line(made: Cuda, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: object) -> OnGpu:
        raise RuntimeError("CUDA out of memory.\nTried to allocate 2 GiB")

    monkeypatch.setattr(torch_worker, "OnGpu", full)
    with pytest.raises(WorkerFailed, match=r"ean: torch can't run it as cuda \(CUDA out of memory. Tried"):
        torch_worker.load_on_gpu("ean", Settings(), "cuda")


@pytest.mark.parametrize(("built", "why"), [(None, "was built without CUDA"), ("13.0", "finds no GPU")])
def test_a_torch_that_has_no_gpu_says_why(built: str | None, why: str) -> None:
    fake: Any = SimpleNamespace(
        __version__="2.13.0",
        cuda=SimpleNamespace(is_available=lambda: False),
        version=SimpleNamespace(cuda=built),
    )
    with pytest.raises(NoGpu, match=f"torch 2.13.0 {why}.*install NVIDIA's driver"):
        torch_worker.require_gpu(fake)
    fake.cuda.is_available = lambda: True
    torch_worker.require_gpu(fake)
