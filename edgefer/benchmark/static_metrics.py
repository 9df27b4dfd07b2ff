"""What is known of a bundle without running it: bytes, parameters, operations, operators."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgefer.arch import Arch, get_arch
from edgefer.benchmark.selection import Subject
from edgefer.runtime.bundle import MANIFEST, read_bundle
from edgefer.runtime.files import sha256

if TYPE_CHECKING:
    from edgefer.training.weights import Weights


@dataclass(frozen=True)
class Exact:
    """See record.Result, whose fields these are."""

    bundle_sha256: str
    files: dict[str, int]
    model_bytes: int
    parameters: int
    macs: int
    operators: dict[str, int]
    tensors: dict[str, int]


def read(subject: Subject) -> Exact:
    """The figures of a bundle from its manifest; raises what read_bundle raises."""
    if subject.folder is None:
        return _eager(subject.eager or "") if subject.provider is None else _on_gpu(subject.eager or "")
    manifest = read_bundle(subject.folder).manifest
    return Exact(
        bundle_sha256=sha256(subject.folder / MANIFEST),
        files={name: entry.bytes for name, entry in manifest.files.items()},
        model_bytes=manifest.model_bytes,
        parameters=manifest.parameters,
        macs=manifest.macs,
        operators=manifest.dtypes.operators,
        tensors=manifest.dtypes.tensors,
    )


def _eager(name: str) -> Exact:
    """The unfolded network with the shipped weights; raises MissingFile if there are none."""
    from edgefer.training import weights

    arch = get_arch(name)
    path = weights.find(arch, None)
    return _network(arch, weights.load(arch, None), {path.name: path.stat().st_size})


def _on_gpu(name: str) -> Exact:
    """The same, or with random weights, whose bytes are then no file's."""
    from edgefer.training import stand_in

    arch = get_arch(name)
    loaded, random = stand_in.load(arch)
    if not random:
        return _eager(name)
    held = sum(tensor.numel() * tensor.element_size() for tensor in loaded.network.state_dict().values())
    return _network(arch, loaded, {f"random weights, seed {stand_in.SEED}": held})


def _network(arch: Arch, loaded: Weights, files: dict[str, int]) -> Exact:
    """Its modules for operators, its weights for a file."""
    from edgefer.arch.count import count

    counted = count(loaded.network, arch.crop, arch.channels)
    leaves = [m for m in loaded.network.modules() if not list(m.children())]
    return Exact(
        bundle_sha256=loaded.sha256,
        files=files,
        model_bytes=sum(files.values()),
        parameters=counted.parameters,
        macs=counted.macs,
        operators=dict(sorted(Counter(f"{type(m).__name__} float32" for m in leaves).items())),
        tensors=dict(Counter(str(t.dtype).removeprefix("torch.") for t in loaded.network.state_dict().values())),
    )
