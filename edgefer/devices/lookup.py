"""From a device's name to the device, ready to work."""

from __future__ import annotations

from collections.abc import Sequence

from edgefer.benchmark.run import Device
from edgefer.devices import registry
from edgefer.devices.device import ThisMachine, here
from edgefer.devices.registry import Board, Emulated, Local, Remote
from edgefer.runtime import machine
from edgefer.runtime.errors import NotSetUp

FAMILIES = ("rpi",)  # names for any board of a family


def names(asked: Sequence[str], every: bool) -> list[str]:
    """The devices to measure on: those asked for, every one that is configured, or this machine's processor."""
    if every:
        return configured()
    return list(dict.fromkeys(asked)) or [machine.local_device()]


def configured() -> list[str]:
    """This machine's processor and GPU, the emulated boards that are set up, the user's own."""
    from edgefer.devices import gpu
    from edgefer.devices.emulated import device as emulated

    there = [name for name in registry.emulated() if emulated.is_set_up(name)]
    return [machine.local_device(), *(["gpu"] if gpu.available() else []), *there, *registry.own()]


def find(name: str | None, engine: str | None = None) -> Device:
    """The place called `name`, None is this machine's processor.

    The name of a kind of board (rpi4, or rpi for any) is the configured board of it, if there is one only.
    Raises UnknownName, or NotSetUp where that is none or several.
    """
    if name is None:
        return here()
    device = None if name in FAMILIES else registry.find(name)
    if device is None or isinstance(device, Board):
        return _configured(name, engine)
    return _open(name, device, engine)


def _open(name: str, device: Emulated | Local | Remote, engine: str | None) -> Device:
    if isinstance(device, Remote):
        from edgefer.devices.board.remote import RemotePlace

        return RemotePlace(name, device, engine)
    if isinstance(device, Emulated):
        from edgefer.devices.emulated.device import EmulatedPlace

        return EmulatedPlace(name, device, engine)
    if name == "gpu":
        from edgefer.devices.gpu import GpuPlace

        return GpuPlace(name)
    return ThisMachine(machine.local_device(name))


def _configured(kind: str, engine: str | None) -> Device:
    """The user's one board of a kind or family; raises NotSetUp."""
    found = {name: device for name, device in registry.own().items() if kind in FAMILIES or device.board == kind}
    if len(found) == 1:
        (name,) = found
        return find(name, engine)
    if found:
        raise NotSetUp(f"{kind} may be {' or '.join(found)}: give that name to --device.")
    emulator = next((n for n, row in registry.emulated().items() if kind in {row.board, *FAMILIES}), None)
    instead = f", or measure on --device {emulator}, which needs none (no latency)" if emulator else ""
    raise NotSetUp(f"no {kind} is configured: add one with `edgefer device add NAME --host pi@ADDRESS`{instead}.")
