"""One file an epoch, so that a killed training goes on where it was.

The file is written by this module and read with torch's weights_only loader, which builds tensors
and plain containers and runs no code from it.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from edgefer.runtime.errors import BadCheckpoint
from edgefer.runtime.files import write_atomic
from edgefer.runtime.records import Epoch
from edgefer.training.loop import State
from edgefer.training.recipes import recorded_settings

TO_ZERO = ("linear", "cosine")  # schedules whose every rate depends on the number of epochs
CHECKSUM = 64  # hexadecimal digits of a SHA-256


def save_checkpoint(path: Path, state: State, settings: dict[str, Any]) -> None:
    """Write the state and the settings it belongs to, atomically."""
    content = io.BytesIO()
    parts = {
        "settings": settings,
        "network": state.network.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "average": None if state.average is None else state.average.state_dict(),
        "best": state.best,
        "teacher": state.teacher,
        "round": state.round,
        "curve": [asdict(epoch) for epoch in state.curve],
    }
    torch.save(parts, content)
    write_atomic(path, content.getvalue())


def load_checkpoint(path: Path, state: State, settings: dict[str, Any]) -> None:
    """Fill `state` from the file; raises BadCheckpoint if it is broken or of other settings."""
    try:
        parts = torch.load(path, map_location="cpu", weights_only=True)
        saved = {**parts["settings"], "recipe": recorded_settings(parts["settings"]["recipe"])}
        teacher = parts["teacher"] if "teacher" in parts else parts["master"]  # the older name
    except (OSError, RuntimeError, KeyError, EOFError, pickle.UnpicklingError) as error:
        raise BadCheckpoint(f"{path} can't be read: remove it to start again.") from error
    if saved != settings and not _goes_on_longer(parts["round"], len(parts["curve"]), saved, settings):
        other = "; ".join(text for key in {**settings, **saved} for text in _other(key, saved, settings))
        raise BadCheckpoint(
            f"{path} belongs to a training with another {other}: "
            "use the same settings, another --out, or remove it to start again."
        )
    state.network.load_state_dict(parts["network"])
    state.optimizer.load_state_dict(parts["optimizer"])
    if state.average is not None:
        state.average.load_state_dict(parts["average"])
    state.best, state.teacher, state.round = parts["best"], teacher, parts["round"]
    state.curve = [Epoch(**epoch) for epoch in parts["curve"]]


def _goes_on_longer(number: int, done: int, saved: dict[str, Any], settings: dict[str, Any]) -> bool:
    """Whether only the number of epochs differs, and what was done is the same for both."""
    recipe, epochs = settings["recipe"], settings["recipe"]["epochs"]
    same = {**saved, "recipe": {**saved["recipe"], "epochs": epochs}} == settings
    return same and recipe["schedule"] not in TO_ZERO and number == 0 and epochs >= done


def _other(key: str, saved: dict[str, Any], settings: dict[str, Any]) -> Iterator[str]:
    """A setting that differs, with both values; of a recipe or data set, what differs in it."""
    before, now = saved.get(key), settings.get(key)
    if before == now:
        return
    if isinstance(before, dict) and isinstance(now, dict):
        parts = [text for name in {**now, **before} for text in _other(name, before, now)]
        reason = ""
        if key == "recipe" and before["epochs"] != now["epochs"] and now["schedule"] in TO_ZERO:
            reason = f": the rate of the schedule {now['schedule']} is zero at the last epoch, and all depend on it"
        yield f"{key} ({', '.join(parts)}{reason})"
    else:
        yield f"{key} {_value(before)} there, {_value(now)} now"


def _value(value: object) -> str:
    """A value of a setting; of a checksum the first digits."""
    if isinstance(value, list):
        return ", ".join(map(_value, value)) or "none"
    text = "none" if value is None else str(value)
    return text[:8] if len(text) == CHECKSUM else text
