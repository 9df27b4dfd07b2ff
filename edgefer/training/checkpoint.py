"""One file an epoch, so that a killed training goes on where it was.

The file is written by this module and read with torch's weights_only loader, which builds tensors
and plain containers and runs no code from it. Behind torch's own bytes stands their checksum.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from edgefer.runtime.errors import BadCheckpoint
from edgefer.runtime.files import digest, write_atomic
from edgefer.runtime.process import library_errors
from edgefer.runtime.training_record import Epoch
from edgefer.training import torch_file, torch_pickle
from edgefer.training.loop import State
from edgefer.training.recipes import recorded_settings

TO_ZERO = ("linear", "cosine")  # schedules whose every rate depends on the number of epochs
CHECKSUM = 64  # hexadecimal digits of a SHA-256
_MARK = b"\nedgefer checkpoint, SHA-256 "
_END, _END_SIZE = b"PK\x05\x06", 22  # the last record of a zip archive, where it has no comment
_AGAIN = "remove it to start again"


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
    written = content.getvalue()
    write_atomic(path, written + _mark(written))


def _mark(content: bytes) -> bytes:
    return _MARK + digest(content).encode()


def load_checkpoint(
    path: Path, state: State, settings: dict[str, Any], note: Callable[[str], None] = lambda _: None
) -> None:
    """Fill `state` from the file; raises BadCheckpoint if it is broken or of other settings.

    `note` hears of a file of an earlier edgefer, which has no checksum.
    """

    def explain(reason: str) -> BadCheckpoint:
        return BadCheckpoint(f"{path} can't be read ({reason}): {_AGAIN}.")

    with library_errors(explain):  # torch raises whatever broken bytes provoke
        content = _content(path, note)
        torch_pickle.require_kept(io.BytesIO(content), len(content))
        parts = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        saved = {**parts["settings"], "recipe": recorded_settings(parts["settings"]["recipe"])}
        _require_settings(path, parts, saved, settings)
        _fill(state, parts)


def _content(path: Path, note: Callable[[str], None]) -> bytes:
    """Torch's own bytes of a checkpoint, as they were written; raises BadCheckpoint."""
    content = path.read_bytes()
    size = len(_MARK) + CHECKSUM
    checked, mark = content[:-size], content[-size:]
    if mark == _mark(checked):
        return checked
    if content[-_END_SIZE:][:4] != _END:  # an earlier edgefer's file ends with the archive
        raise BadCheckpoint(f"{path} can't be read, it is not as it was written: {_AGAIN}.")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        damaged = torch_file.compressed_part(io.BytesIO(content)) or archive.testzip()
    if damaged is not None:
        raise BadCheckpoint(f"{path} can't be read, {damaged} in it is not as it was written: {_AGAIN}.")
    note(f"{path} is of an earlier edgefer and has no checksum of the whole; its parts' own hold")
    return content


def _require_settings(path: Path, parts: dict[str, Any], saved: dict[str, Any], settings: dict[str, Any]) -> None:
    if saved != settings and not _goes_on_longer(parts["round"], len(parts["curve"]), saved, settings):
        other = "; ".join(text for key in {**settings, **saved} for text in _other(key, saved, settings))
        raise BadCheckpoint(
            f"{path} belongs to a training with another {other}: "
            "use the same settings, another --out, or remove it to start again."
        )


def _fill(state: State, parts: dict[str, Any]) -> None:
    state.network.load_state_dict(parts["network"])
    state.optimizer.load_state_dict(parts["optimizer"])
    if state.average is not None:
        state.average.load_state_dict(parts["average"])
    state.best, state.round = parts["best"], parts["round"]
    state.teacher = parts["teacher"] if "teacher" in parts else parts["master"]  # the older name
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
