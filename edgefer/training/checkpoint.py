"""One file an epoch, so that a killed training goes on where it was.

The file is written by this module and read with torch's weights_only loader, which builds tensors
and plain containers and runs no code from it.
"""

from __future__ import annotations

import io
import pickle
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from edgefer.runtime.errors import BadCheckpoint
from edgefer.runtime.files import write_atomic
from edgefer.runtime.records import Epoch
from edgefer.training.loop import State
from edgefer.training.recipes import recorded_settings


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
    if saved != settings:
        other = ", ".join(k for k in settings if saved.get(k) != settings[k]) or "keys"
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
