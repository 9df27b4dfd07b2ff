"""What is known of a bundle without running it: bytes, parameters, operations, operators."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from edgefer import arch, package
from edgefer.bench.selection import Subject
from edgefer.files import sha256


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
    """The figures of a bundle from its manifest; raises what package.read raises."""
    if subject.folder is None:
        return _eager(subject.eager or "")
    manifest = package.read(subject.folder).manifest
    return Exact(
        bundle_sha256=sha256(subject.folder / package.MANIFEST),
        files={name: entry.bytes for name, entry in manifest.files.items()},
        model_bytes=manifest.model_bytes,
        parameters=manifest.parameters,
        macs=manifest.macs,
        operators=manifest.dtypes.operators,
        tensors=manifest.dtypes.tensors,
    )


def _eager(name: str) -> Exact:
    """The unfolded network: its modules for operators, the shipped weights for a file."""
    from edgefer.arch.count import count
    from edgefer.train import weights

    row = arch.get(name)
    path = weights.find(row, None)
    loaded = weights.load(row, None)
    counted = count(loaded.network, row.crop)
    leaves = [m for m in loaded.network.modules() if not list(m.children())]
    size = path.stat().st_size
    return Exact(
        bundle_sha256=loaded.sha256,
        files={path.name: size},
        model_bytes=size,
        parameters=counted.parameters,
        macs=counted.macs,
        operators=dict(sorted(Counter(f"{type(m).__name__} float32" for m in leaves).items())),
        tensors=dict(Counter(str(t.dtype).removeprefix("torch.") for t in loaded.network.state_dict().values())),
    )
