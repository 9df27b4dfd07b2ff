"""What torch.save writes, told by its content, and turned into safetensors without running code of the file.

A pickle can hold calls of any function. Such a file is read with torch's `weights_only`, which knows tensors and plain
containers, and refused where it needs more.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch
from safetensors.torch import save
from torch import Tensor

from edgefer.runtime.errors import BadWeights, MissingFile, OutputFailed, listed, one_line
from edgefer.runtime.files import write_atomic
from edgefer.runtime.process import quiet
from edgefer.training import torch_pickle

KEYS = ("state_dict", "model_state_dict", "model", "net")  # what trainings call the weights within a checkpoint
PREFIXES = ("module.", "_orig_mod.")  # of DataParallel, and of torch.compile
_ALWAYS, _REPEATED = 2**28, 8  # bytes that tensors may have written out; as a multiple of the file's
_LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # the pickle of the number that torch.save began with before 1.6


@dataclass(frozen=True)
class Converted:
    """The safetensors file; how many tensors and numbers it holds; the key they came from, the prefix left out."""

    file: str
    tensors: int
    parameters: int
    key: str | None
    stripped: str


def describe(path: Path) -> str | None:
    """What a file of torch's, or another pickle, is; None for every other file."""
    with path.open("rb") as file:
        start = file.read(len(_LEGACY))
    try:
        zipped = zipfile.is_zipfile(path)
        if zipped:
            with zipfile.ZipFile(path) as archive:
                names = {name.rpartition("/")[2] for name in archive.namelist()}
    except OSError:
        raise
    except Exception:  # zipfile raises whatever broken bytes provoke
        return None
    if zipped:
        if "data.pkl" not in names:
            return None
        return "a TorchScript archive" if "constants.pkl" in names else "a torch checkpoint"
    if start == _LEGACY:
        return "a torch checkpoint (the format from before torch 1.6)"
    return "a Python pickle" if start[:1] == b"\x80" and start[1:2] in b"\x02\x03\x04\x05" else None


def compressed_part(file: Path | IO[bytes]) -> str | None:
    """A part of a zip archive that is larger unpacked, as torch.save writes none; None: there is none."""
    if not zipfile.is_zipfile(file):
        return None
    with zipfile.ZipFile(file) as archive:
        return next((each.filename for each in archive.infolist() if each.compress_type != zipfile.ZIP_STORED), None)


def advice(path: Path, kind: str) -> str:
    """What to do with such a file where safetensors are wanted."""
    if kind == "a TorchScript archive":
        return (
            "it holds code, which edgefer does not load: where you trust it, write "
            "safetensors.torch.save_file(torch.jit.load(FILE).state_dict(), OUT) yourself"
        )
    return f"convert it with `edgefer weights convert {path}`, and give the file that this writes"


def convert(path: Path, out: Path | None = None, key: str | None = None, keep_prefix: bool = False) -> Converted:
    """Write the weights in `path` as safetensors to `out` (by default beside it), without the prefixes of wrappers.

    `key` names the weights within a checkpoint. Raises MissingFile, BadWeights for what holds no weights or more than
    weights, OutputFailed where another file has the name.
    """
    out = out or path.with_suffix(".safetensors")
    chosen, content = _state_dict(path, _load(path), key)
    _require_room(path, content)
    tensors, stripped = (content, "") if keep_prefix else without_prefixes(content)
    whole = save({name: value.detach().clone().contiguous() for name, value in tensors.items()}, {"format": "pt"})
    if out.exists() and (not out.is_file() or out.read_bytes() != whole):
        raise OutputFailed(f"{out} is there already, with other content: choose another file with --out.")
    write_atomic(out, whole)
    return Converted(str(out), len(tensors), sum(value.numel() for value in tensors.values()), chosen, stripped)


def _require_room(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Raise BadWeights where the tensors, each written out, are far more than the file: one number can be repeated."""
    count, size = sum(value.numel() * value.element_size() for value in tensors.values()), path.stat().st_size
    if count > max(_ALWAYS, _REPEATED * size):
        raise BadWeights(
            f"{path} has {size:,} bytes and would be {count:,} as safetensors, its tensors repeat their values: save "
            "them without expand()."
        )


def without_prefixes(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], str]:
    """The tensors without the PREFIXES that all their names begin with, and what was left out of each name."""
    names, left_out = dict(tensors), ""
    while prefix := next((each for each in PREFIXES if names and all(name.startswith(each) for name in names)), ""):
        names = {name.removeprefix(prefix): value for name, value in names.items()}
        left_out += prefix
    return names, left_out


def _load(path: Path) -> Any:
    if not path.is_file():
        raise MissingFile(f"no file at {path}: give what torch.save wrote (.pth, .pt, .bin or .ckpt).")
    try:
        kind = describe(path)
    except OSError as error:
        raise MissingFile(f"can't read {path} ({error.strerror or error}): check its permissions.") from error
    if kind is None:
        raise BadWeights(
            f"{path} is no file of torch.save: safetensors need no conversion, other formats have none here."
        )
    if kind == "a TorchScript archive":
        raise BadWeights(f"{path} is {kind}: {advice(path, kind)}.")
    try:
        packed = compressed_part(path)
        if packed is not None:
            raise BadWeights(f"{path} has a compressed part ({packed:.100}), torch.save writes none: get it again.")
        torch_pickle.require_kept(path, path.stat().st_size)
        with quiet():  # it warns of pickles of another protocol
            return torch.load(path, map_location="cpu", weights_only=True)
    except BadWeights:
        raise
    except Exception as error:  # torch raises whatever broken bytes provoke
        raise BadWeights(_why_not(path, error)) from error


def _why_not(path: Path, error: Exception) -> str:
    """One line about a file that `weights_only` refuses: by the names of what it holds besides, where they are told."""
    try:
        held = sorted(torch.serialization.get_unsafe_globals_in_checkpoint(path))
    except Exception:  # not a whole zip file: only torch's own words are left
        held = []
    if not held:
        return f"{path} can't be read as weights ({one_line(error)[:200]}): save the state_dict alone, or get it again."
    return (
        f"{path} holds more than weights ({listed(held)}), and reading that could run code: where you trust the file, "
        "load it yourself and save only its state_dict."
    )


def _state_dict(path: Path, content: Any, key: str | None) -> tuple[str | None, dict[str, Tensor]]:
    """The tensors by name, and the key that they were found under."""
    if not isinstance(content, Mapping):
        raise BadWeights(f"{path} holds a {type(content).__name__}, no dict of tensors: save the network's state_dict.")
    if key is None:
        found = [each for each in KEYS if _has_tensors(content.get(each))]
        if len(found) > 1:
            raise BadWeights(f"{path} has weights under {' and '.join(found)}: choose with --key {found[0]}.")
        key = found[0] if found else None
    elif key not in content:
        raise BadWeights(f"{path} has no {key}: it has {listed(list(content))}.")
    weights = content if key is None else content[key]
    if not isinstance(weights, Mapping) or not weights:
        raise BadWeights(
            f"{path} has no tensors{'' if key is None else f' under {key}'}: save the network's state_dict."
        )
    others = [name for name, value in weights.items() if not isinstance(name, str) or not _is_plain(value)]
    if others:
        where = "" if key is None else f" under {key}"
        raise BadWeights(
            f"{path} has keys{where} that are no dense tensors: {listed(others)}; "
            "--key chooses the part that has the weights."
        )
    return key, dict(weights)


def _has_tensors(value: object) -> bool:
    return isinstance(value, Mapping) and any(isinstance(each, Tensor) for each in value.values())


def _is_plain(value: object) -> bool:
    return isinstance(value, Tensor) and value.layout is torch.strided and not value.is_quantized
