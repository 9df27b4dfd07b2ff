"""From names to devices."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from edgefer.devices import config, gpu, registry
from edgefer.devices.config import RemoteBoard
from edgefer.runtime import machine
from edgefer.runtime.errors import NoGpu, NotSetUp, UnknownName


@pytest.fixture(autouse=True)
def own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEFER_DEVICES", str(tmp_path / "devices.toml"))


def test_no_name_is_this_machine() -> None:
    assert registry.ready_device(None).name == machine.local_device()
    assert registry.names((), every=False) == [machine.local_device()]
    assert registry.names(("a", "b", "a"), every=False) == ["a", "b"]


@pytest.mark.parametrize("name", ["rpi", "rpi4"])
def test_a_board_that_is_not_configured_says_how(name: str) -> None:
    with pytest.raises(NotSetUp) as caught:
        registry.ready_device(name)
    assert "edgefer device add NAME --host pi@ADDRESS" in str(caught.value)
    assert "--device rpi" in str(caught.value)
    assert "-emulated" in str(caught.value)


def test_a_kind_of_board_is_the_one_that_is_configured() -> None:
    four, five = (RemoteBoard(name, "pi@10.0.0.7", board=kind) for name, kind in (("kitchen", "rpi4"), ("x", "rpi5")))
    config.save_remote_boards([four, five])
    assert registry.ready_device("rpi4").name == "kitchen"
    assert registry.ready_device("rpi5").name == "x"
    with pytest.raises(NotSetUp, match="rpi may be kitchen or x"):
        registry.ready_device("rpi")
    with pytest.raises(NotSetUp, match="no rpi3 is configured"):
        registry.ready_device("rpi3")
    for words in ("did you mean kitchen", "edgefer devices"):
        with pytest.raises(UnknownName, match=words):
            registry.ready_device("kitchn")


@pytest.mark.parametrize("name", config.all_rows())
def test_every_device_is_opened_or_says_what_it_lacks(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "has_vulkan", lambda root: True)
    try:
        assert registry.ready_device(name).name
    except (NotSetUp, UnknownName) as error:
        assert str(error)


def test_the_gpu_is_opened_where_there_is_a_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    for look in ("has_nvidia", "has_render_node", "has_vulkan"):
        monkeypatch.setattr(gpu, look, lambda root: False)
    with pytest.raises(NoGpu, match="no GPU here"):
        registry.ready_device("gpu")
    for look in ("has_nvidia", "has_render_node", "has_vulkan"):
        with pytest.MonkeyPatch.context() as one:
            one.setattr(gpu, look, lambda root: True)
            assert registry.ready_device("gpu").name == "gpu"


def test_this_machine_has_a_name_on_every_architecture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert registry.names((), every=False) == ["aarch64"]
    assert registry.ready_device("aarch64").name == "aarch64"
    with pytest.raises(UnknownName, match="aarch64"):
        registry.ready_device("x86")


@pytest.mark.parametrize("name", [machine.local_device(), "gpu"])
def test_nothing_is_set_up_on_this_machine(name: str) -> None:
    heard: list[str] = []
    done = registry.device(name).setup(False, heard.append)
    assert "nothing to set up" in done and name in done
    assert heard == []
    assert all(finding.text for finding in registry.device(name).doctor())
