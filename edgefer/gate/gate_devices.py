"""The devices of a gate: this machine's processor, and emulated boards."""

from __future__ import annotations

from collections.abc import Sequence

from edgefer.devices import registry
from edgefer.devices.registry import Emulated
from edgefer.runtime import machine
from edgefer.runtime.bench_record import BenchRecord
from edgefer.runtime.errors import BadRecord, NotSetUp


def names(asked: Sequence[str], known: BenchRecord | None) -> list[str]:
    """The devices that were asked for; none is this machine's processor, or the emulated board of a baseline.

    Raises UnknownName; NotSetUp for other devices, where BASE and HEAD can't run close together; BadRecord for a
    baseline of another one.
    """
    here, emulated = machine.local_device(), registry.emulated()
    found = list(dict.fromkeys(asked))
    for name in found:
        if name != here and not isinstance(registry.find(name), Emulated):
            raise NotSetUp(
                f"the gate compares on {here} and on emulated boards ({', '.join(emulated)}), not on {name}: "
                f"measure there with `edgefer bench --device {name}`."
            )
    if known is None or not emulated.keys() & {known.device, *found}:
        return found or [here]
    if found and known.device not in found:
        raise BadRecord(f"the baseline is of {known.device}, not of {', '.join(found)}: give --device {known.device}.")
    return found or [known.device]
