"""From a device's name to the device."""

from __future__ import annotations

from collections.abc import Sequence

from edgefer.devices import config, gpu
from edgefer.devices.board.device import SshBoard
from edgefer.devices.device import Device, ThisMachine
from edgefer.devices.emulated.device import EmulatedBoard
from edgefer.devices.gpu import LocalGpu
from edgefer.devices.microcontroller.device import EmulatedMicrocontroller
from edgefer.runtime import machine
from edgefer.runtime.errors import NotSetUp, UnknownName


def names(asked: Sequence[str], every: bool) -> list[str]:
    """The devices to measure on: those asked for, every one that is configured, or this machine's processor."""
    if every:
        return configured_names()
    return list(dict.fromkeys(asked)) or [machine.local_device()]


def configured_names() -> list[str]:
    """This machine's processor and GPU, the emulated boards that are set up, the user's own."""
    emulated = [name for name, processor in config.emulated_processors().items() if EmulatedBoard(processor).is_set_up]
    return [machine.local_device(), *([gpu.NAME] if gpu.available() else []), *emulated, *config.remote_boards()]


def ready_device(name: str | None, engine: str | None = None) -> Device:
    """The device of that name, ready to measure; raises what `device` and Device.require_ready raise."""
    found = device(name, engine)
    found.require_ready()
    return found


def device(name: str | None, engine: str | None = None) -> Device:
    """The device of that name, set up or not, with a set of engines; None is this machine's processor.

    The name of a kind of board (rpi4, or rpi for any) is the configured board of it, if there is one only.
    Raises UnknownName for the device or the set, NotSetUp where of a kind there is none or several.
    """
    if name is None or name == machine.local_device():
        return ThisMachine()
    if name in config.remote_boards():
        return SshBoard(config.remote_boards()[name], engine)
    if name in config.emulated_processors():
        return EmulatedBoard(config.emulated_processors()[name], engine)
    if name in config.microcontrollers():
        return EmulatedMicrocontroller(config.microcontrollers()[name], engine)
    if name == gpu.NAME:
        return LocalGpu()
    if name in config.local_devices():  # another machine's processor
        raise UnknownName.of("device", name, [machine.local_device()])
    kind = name if name in config.FAMILIES else config.row(name).name
    return device(_one_of_kind(kind), engine)


def _one_of_kind(kind: str) -> str:
    """The name of the user's one board of a kind or family; raises NotSetUp."""
    boards = config.remote_boards().values()
    matching = [board.name for board in boards if kind in config.FAMILIES or board.board == kind]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise NotSetUp(f"{kind} may be {' or '.join(matching)}: give that name to --device.")
    processors = config.emulated_processors().values()
    emulated = next((each.name for each in processors if kind in {each.board, *config.FAMILIES}), None)
    instead = f", or measure on --device {emulated}, which needs none (no latency)" if emulated else ""
    raise NotSetUp(f"no {kind} is configured: add one with `edgefer device add NAME --host pi@ADDRESS`{instead}.")
