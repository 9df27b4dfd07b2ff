"""Libraries that a host compiled for a board, which has no compiler: what is sent, and how it is found there.

The host generates the C from the bundle's TFLite file as everywhere; nothing that a bundle brought is compiled. What is
sent is a folder: a library for each kind of machine, and a record of all networks with their checksums.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgefer.runtime import records
from edgefer.runtime.c.compiler import cross_compiler, library
from edgefer.runtime.errors import NotSetUp
from edgefer.runtime.files import digest, digest_contents, sha256

FOLDER = "compiled"
VARIABLE = "EDGEFER_COMPILED"  # of a worker's environment: that folder
BOARDS = {"aarch64": "aarch64-linux-gnu", "x86_64": "x86_64-linux-gnu"}  # what zig calls what uname calls so


@dataclass(frozen=True)
class CompiledNetwork:
    """A network's libraries: checksums by the kind of machine, what compiled them, and kernels that were forced."""

    compiler: str
    kernel: str | None
    sha256: dict[str, str]


def compile_for_boards(
    sources: Mapping[str, bytes], kernel: str | None, machines: tuple[str, ...] = tuple(BOARDS)
) -> dict[str, bytes]:
    """The files of the folder, by name, for one network; raises what compiler.library raises."""
    key, found = _key(sources), {}
    for machine in machines:
        found[machine] = library(sources, kernel, BOARDS[machine]).read_bytes()
    sums = {machine: digest(content) for machine, content in found.items()}
    title = cross_compiler(BOARDS[machines[0]]).title
    record = records.dumps(CompiledNetwork(title, kernel, sums)).encode()
    return {f"{key}.json": record} | {f"{key}-{machine}.so": content for machine, content in found.items()}


def find_compiled(folder: Path, sources: Mapping[str, bytes]) -> tuple[Path, CompiledNetwork]:
    """A network's library for this machine; raises NotSetUp if the folder has none, or another one than was sent."""
    key, machine = _key(sources), platform.machine()
    path = folder / f"{key}.json"
    if not path.is_file():
        raise NotSetUp("the host sent no library of this network: start the run again from there.")
    network = records.parse(CompiledNetwork, path.read_text(encoding="utf-8"), path.name)
    made = folder / f"{key}-{machine}.so"
    if machine not in network.sha256:
        raise NotSetUp(
            f"the host compiled this network for {' and '.join(network.sha256)}, and this is {machine}: "
            "use another board."
        )
    if not made.is_file() or sha256(made) != network.sha256[machine]:
        raise NotSetUp(f"{made.name} is not the library that the host sent: start the run again from there.")
    return made, network


def _key(sources: Mapping[str, bytes]) -> str:
    return digest_contents(sources)[:16]
