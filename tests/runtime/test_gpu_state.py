"""What nvidia-smi says, in the words of several drivers, and what is made of it. No GPU is needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from edgefer.runtime import gpu_state, machine, shell
from edgefer.runtime.bench_record import Gpu, GpuState, MachineState, Settings
from edgefer.runtime.gpu_state import COUNTERS, FIELDS, Card
from edgefer.runtime.workload import Load, LoadedWorkload
from tests.benchmark.made import record, run, state

H200 = (
    "0, GPU-0a1b, NVIDIA H200, 580.159.03, 143771, 4, 1980, 3201, 41, 123.45, 0x0000000000000004, 2000000, 0, 0, [N/A]"
)
T4 = "0, GPU-11, Tesla T4, 470.82.01, 15109, 3, 585, 5000, 50, 28.11, 0x0000000000000060"
LAPTOP = "0, GPU-22, NVIDIA GeForce MX150, 390.157, 2002, 120, 139, 405, 45, [Not Supported]"
DARK = "1, GPU-33, NVIDIA A100 MIG, 535.1, [N/A], [Insufficient Permissions], [N/A], [N/A], [N/A], [N/A], [N/A]"
MIB = 2**20
UNKNOWN = 'Field "clocks_event_reasons.active" is not a valid field to query.'


def driver(monkeypatch: pytest.MonkeyPatch, said: str, knows: Callable[[str], bool]) -> list[str]:
    """An nvidia-smi that refuses a question with a field that it does not know; what it was asked."""
    asked: list[str] = []

    def answer(line: Sequence[str], timeout: float = 5) -> str | None:
        assert line[0] == "nvidia-smi"
        assert line[2] == "--format=csv,noheader,nounits"
        asked.append(line[1].removeprefix("--query-gpu="))
        return said if knows(line[1]) else None

    monkeypatch.setattr(shell, "run_or_none", answer)
    return asked


def test_a_new_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = driver(monkeypatch, H200, lambda line: True)
    (card,) = gpu_state.cards()
    assert len(asked) == 1
    assert card.gpu == Gpu("NVIDIA H200", "580.159.03", 143771 * MIB)
    assert card.used == 4 * MIB
    assert card.state == GpuState(1980e6, 3201e6, 41.0, 123.45, ["power cap"])
    assert card.held == pytest.approx(
        {"power cap": 2.0, "software thermal slowdown": 0, "hardware thermal slowdown": 0}
    )


def test_an_old_driver_calls_the_reasons_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = driver(monkeypatch, T4, lambda line: "event" not in line)
    (card,) = gpu_state.cards()
    assert len(asked) == 3
    assert card.state.throttled == ["software thermal slowdown", "hardware thermal slowdown"]
    assert card.held == {}


def test_a_driver_that_knows_no_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = driver(monkeypatch, LAPTOP, lambda line: "reasons" not in line)
    (card,) = gpu_state.cards()
    assert asked[-1] == ",".join(FIELDS)
    assert (card.state.power, card.state.throttled) == (None, None)
    assert card.state.clock == 139e6


def test_figures_that_are_not_told_are_none() -> None:
    question = (*FIELDS, "clocks_event_reasons.active")
    (card,) = gpu_state.parse_cards(DARK, question)
    assert (card.gpu.memory, card.used) == (None, None)
    assert card.state == GpuState(None, None, None, None, None)


@pytest.mark.parametrize("said", ["", "No devices were found", UNKNOWN, "NVIDIA-SMI has failed, because, of, this"])
def test_what_is_no_card_is_none(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    driver(monkeypatch, said, lambda line: True)
    assert gpu_state.cards() == []


def test_units_may_stay_and_several_cards_are_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    second = H200.replace("0, GPU-0a1b", "1, GPU-0c1d").replace(" 1980,", " 1980 MHz,")
    driver(monkeypatch, f"{H200}\n{second}\n", lambda line: True)
    found = gpu_state.cards()
    assert [card.index for card in found] == [0, 1]
    assert found[1].state.clock == 1980e6


def test_reasons_of_a_mask() -> None:
    assert gpu_state.reasons("0x0000000000000001") == []  # idle is no fault
    assert gpu_state.reasons("0x1ff") == list(gpu_state.REASONS.values())
    assert gpu_state.reasons("Active") is None
    assert set(COUNTERS.values()) <= set(gpu_state.REASONS.values())


def card(index: int = 0, name: str = "A card", throttled: list[str] | None = None, **held: float) -> Card:
    counted = {reason.replace("_", " "): seconds for reason, seconds in held.items()}
    gpu, now = Gpu(name, "1", 2**30), GpuState(1e9, 1e9, 50.0, 100.0, throttled)
    return Card(index, f"GPU-{index}a", gpu, 100 * MIB, now, counted)


CARDS = [card(0), card(1, "B card"), card(2, "B card")]


@pytest.mark.parametrize(
    ("provider", "told", "visible", "index"),
    [
        ("cuda", None, None, 0),
        ("tensorrt", None, "2,0", 2),
        ("cuda-graph", None, "GPU-1", 1),
        ("cuda", None, "7", None),
        ("cuda", None, "", None),
        ("vulkan", Gpu("B card", "x", None), "0", 1),
        ("vulkan", Gpu("llvmpipe", "x", None, software=True), None, None),
        ("gpu", None, None, None),
    ],
)
def test_the_card_that_runs_it(provider: str, told: Gpu | None, visible: str | None, index: int | None) -> None:
    found = gpu_state.choose(CARDS, provider, told, visible)
    assert (None if found is None else found.index) == index


def test_memory_that_was_taken() -> None:
    assert gpu_state.memory_taken(card(), replace(card(), used=612 * MIB)) == 512 * MIB
    assert gpu_state.memory_taken(replace(card(), used=None), card()) is None
    assert gpu_state.memory_taken(None, card()) is None


def invalid(before: Card | None, after: Card | None) -> list[str]:
    return list(map(str, machine.gpu_throttled(gpu_state.held_down(before, after))))


def capped_lines(before: Card | None, after: Card | None) -> list[str]:
    return list(map(str, machine.gpu_capped(gpu_state.held_down(before, after))))


def test_heat_makes_a_run_invalid_and_a_power_limit_does_not() -> None:
    hot, capped = card(throttled=["hardware thermal slowdown"]), card(throttled=["power cap", "sync boost"])
    assert invalid(card(), hot) == ["throttled: the GPU's clock was held down (hardware thermal slowdown)"]
    assert capped_lines(card(), hot) == []
    assert capped_lines(card(), capped) == ["capped: the GPU's clock was held down (power cap, sync boost)"]
    assert invalid(card(), capped) == []
    assert invalid(hot, None) != []
    assert invalid(None, None) == capped_lines(card(), card()) == []


def test_what_rose_between_the_looks_counts_too() -> None:
    before = card(power_cap=3.0, software_thermal_slowdown=1.0)
    after = card(power_cap=3.0, software_thermal_slowdown=1.25)
    assert invalid(before, after) == ["throttled: the GPU's clock was held down (software thermal slowdown for 0.25 s)"]
    assert capped_lines(before, after) == []
    assert invalid(card(), after) == []  # a counter that only the second look has says nothing


def test_every_reason_has_its_place() -> None:
    assert set(machine.SLOWED) < set(gpu_state.REASONS.values())


def test_a_step_runs_while_the_driver_is_asked() -> None:
    steps: list[int] = []

    def ask() -> str:
        while len(steps) < 3:
            pass
        return "answer"

    assert gpu_state.while_working(lambda: steps.append(1), ask) == "answer"
    assert len(steps) >= 3


@pytest.mark.parametrize("told", [None, Gpu("llvmpipe", "0.0.1", None, software=True)])
def test_a_watched_run(monkeypatch: pytest.MonkeyPatch, told: Gpu | None) -> None:
    order: list[str] = []
    used = iter([100, 600, 700])

    def cards() -> list[Card]:
        order.append("card")
        return [replace(card(throttled=["power cap"]), used=next(used) * MIB)]

    def look(root: object = None) -> MachineState:
        order.append("machine")
        return state()

    def measure(load: Load, settings: Settings, look: gpu_state.Look) -> object:
        order.append("load")
        load()
        before = look()
        order.append("sample")
        return replace(run(warnings=["busy: x"]), before=before, after=look())

    monkeypatch.setattr(gpu_state, "cards", cards)
    monkeypatch.setattr(machine, "state", look)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)  # it would hide the card
    loaded = LoadedWorkload("torch 2.0", "eager", None, lambda: None, [], told, 0.0, lambda: [3.0, 1.0, 2.0])
    provider = "vulkan" if told else "cuda"
    found, describe = gpu_state.measure(measure, lambda: loaded, Settings(), provider)  # type: ignore[arg-type]
    assert order == ["card", "load", "card", "machine", "sample", "machine", "card"]
    assert found.device_seconds == 2.0
    here = describe(record([]).machine)
    if told:
        assert here.gpu == told
        assert found.memory.gpu is None
        software = "software: llvmpipe computes on the processor, these figures say nothing of a GPU"
        assert str(found.warnings[0]) == software
    else:
        assert here.gpu == Gpu("A card", "1", 2**30)
        assert found.memory.gpu == 600 * MIB
        assert found.before.gpu == found.after.gpu == card(throttled=["power cap"]).state
        assert list(map(str, found.warnings)) == ["busy: x", "capped: the GPU's clock was held down (power cap)"]
