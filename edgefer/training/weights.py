"""Loading weights into a network: the shipped ones or a user's, from safetensors, never from a pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load, save
from torch import Tensor, nn

from edgefer.arch import Arch, get_arch
from edgefer.runtime import records
from edgefer.runtime.errors import BadWeights, EdgeferError, MissingFile
from edgefer.runtime.files import digest, sha256, shipped_folder
from edgefer.runtime.progress import SILENT, Progress
from edgefer.runtime.training_record import TrainingRecord
from edgefer.training import torch_file

Tensors = dict[str, Tensor]
CHECKSUM = "edgefer_sha256"  # in the metadata: of the file, with zeros in its own place
_DIGITS = 64


@dataclass(frozen=True)
class TrainedModel:
    """A network with its weights, in evaluation mode; the checksum is of the file.

    untrained is the seed of random weights, which come from no file; None where they were trained.
    """

    network: nn.Module
    sha256: str
    record: TrainingRecord | None
    untrained: int | None = None


def weights_path(arch: Arch, path: Path | None) -> Path:
    """`path`, or the shipped weights of the network; raises MissingFile if there are none."""
    if path is None:
        path = shipped_folder("weights") / f"{arch.name}.safetensors"
        if not path.is_file():
            raise MissingFile(
                f"edgefer ships no weights for {arch.name}: train some "
                f"(edgefer train --arch {arch.name} --data PATH) and give them with --weights; "
                "`edgefer build --untrained` takes random ones, to measure what the network costs."
            )
    if not path.is_file():
        raise MissingFile(f"no weights at {path}: give a .safetensors file.")
    return path


def serialize(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """A .safetensors file that holds its own checksum."""
    content = save(dict(tensors), dict(metadata))
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start]) | {"__metadata__": {**metadata, CHECKSUM: "0" * _DIGITS}}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that the values stay aligned
    whole: bytes = len(text).to_bytes(8, "little") + text + content[start:]
    return whole.replace(_entry("0" * _DIGITS), _entry(digest(whole)), 1)


def _entry(checksum: str) -> bytes:
    return f'"{CHECKSUM}":"{checksum}"'.encode()


def _require_unchanged(path: Path, content: bytes) -> None:
    """Raise BadWeights if the file holds a checksum and it is of other bytes."""
    before, key, after = content.partition(_entry("")[:-1])
    stored, rest = after[:_DIGITS], after[_DIGITS:]
    if key and digest(before + key + b"0" * _DIGITS + rest).encode() != stored:
        raise BadWeights(f"{path} is not as it was written, its checksum is of other bytes: get or train it again.")


def read_tensors(path: Path) -> Tensors:
    """The tensors of a .safetensors file; raises MissingFile or BadWeights."""
    try:
        content = path.read_bytes()
        _require_unchanged(path, content)
        return dict(load(content))
    except EdgeferError:
        raise
    except OSError as error:
        raise MissingFile(f"can't read {path} ({error.strerror or error}): give a .safetensors file.") from error
    except Exception as error:  # SafetensorError, and what torch raises of types and sizes that it has not
        kind = torch_file.describe(path)
        if kind is not None:
            advice = torch_file.advice(path, kind)
            raise BadWeights(f"{path} is {kind}, edgefer reads safetensors: {advice}.") from error
        raise BadWeights(f"{path} is not a whole safetensors file ({error!s:.200}): get or train it again.") from error


def arch_of_weights(path: Path) -> Arch:
    """The network that a weights file of edgefer's says it is of, with its labels.

    Raises MissingFile, BadWeights or UnknownName.
    """
    read_tensors(path)
    with safe_open(path, "pt") as opened:  # type: ignore[no-untyped-call, unused-ignore]
        name = (opened.metadata() or {}).get("arch")
    if name is None:
        raise BadWeights(f"{path} does not say of which network it is: give weights that edgefer trained.")
    return labelled(get_arch(name), path)


def labelled(arch: Arch, path: Path | None, labels: tuple[str, ...] | None = None) -> Arch:
    """The network with the labels of its weights: those of the record beside them, else `labels`, else its own.

    `path` is None for the shipped weights. Raises MissingFile, BadRecord, BadWeights if the record has other labels.
    """
    path = weights_path(arch, path)
    record = _record(path, arch)
    recorded = () if record is None else tuple(record.data.get("classes", ()))
    if recorded and labels is not None and labels != recorded:
        raise BadWeights(
            f"{path} was trained on {len(recorded)} classes ({', '.join(recorded)}), as the record beside it says, and "
            f"{len(labels)} labels are given ({', '.join(labels)}): leave --labels out."
        )
    return arch.with_labels(recorded or labels or arch.labels)


def require_finite(path: Path, tensors: Tensors) -> None:
    """Raise BadWeights if a value is none that can be computed with."""
    broken = sorted(name for name, value in tensors.items() if not value.isfinite().all())
    if broken:
        raise BadWeights(f"{path} has values in {broken[0]} that are nan or infinite: get or train it again.")


def named_as(expected: Mapping[str, object], path: Path, tensors: Tensors, progress: Progress) -> Tensors:
    """The tensors of `path` by the names of a network, which has the names `expected`.

    If their names are others only by a wrapper's prefix (module., _orig_mod.), it is left out, and a note says so.
    """
    bare, prefix = torch_file.without_prefixes(tensors)
    if not prefix or tensors.keys() & expected.keys() or not bare.keys() & expected.keys():
        return tensors
    progress.note(f"note: {prefix} was left out of the name of every tensor in {path}")
    return bare


def load_trained_model(arch: Arch, path: Path | None, progress: Progress = SILENT) -> TrainedModel:
    """Build the network and fill it; raises BadWeights if the file is broken or of another network."""
    path = weights_path(arch, path)
    network = arch.build()
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    tensors = named_as(expected, path, read_tensors(path), progress)
    shapes = {name: tuple(value.shape) for name, value in tensors.items()}
    if shapes != expected:
        _require_classes(arch, path, shapes)
        wrong = sorted(k for k in expected.keys() | shapes.keys() if expected.get(k) != shapes.get(k))
        raise BadWeights(
            f"{path} holds the weights of another network: {wrong[0]} is {shapes.get(wrong[0], 'missing')}, "
            f"{arch.name} has {expected.get(wrong[0], 'no such tensor')}; name its network with --arch."
        )
    require_finite(path, tensors)
    network.load_state_dict(tensors)
    return TrainedModel(network.eval(), sha256(path), _record(path, arch))


def _require_classes(arch: Arch, path: Path, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raise BadWeights if these are the shapes of `arch` with another number of classes."""
    for classes in sorted({shape[0] for shape in shapes.values() if shape} - {len(arch.labels)}):
        with torch.device("meta"):
            other = arch.build(classes=classes).state_dict()
        if shapes == {name: tuple(value.shape) for name, value in other.items()}:
            raise BadWeights(
                f"{path} tells {classes} classes, and there are {len(arch.labels)} labels ({', '.join(arch.labels)}): "
                "give a label for each of its outputs, in their order, with --labels."
            )


def _record(path: Path, arch: Arch) -> TrainingRecord | None:
    """The training record beside the weights, if it is theirs."""
    beside = path.with_suffix(".json")
    if not beside.is_file():
        return None
    record = records.read(TrainingRecord, beside)
    if record.weights_sha256 == sha256(path) and record.arch == arch.name:
        return record
    if path.parent == shipped_folder("weights"):
        raise BadWeights(f"{path} is not the file that edgefer ships: install edgefer again.")
    return None
