"""Libraries of a C bundle for an app's platforms, compiled by zig and listed in the manifest; edgefer loads none."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgefer.runtime.c.compiler import library
from edgefer.runtime.engines import c
from edgefer.runtime.errors import UnknownName

FOLDER = "libraries"  # of the bundle


@dataclass(frozen=True)
class Platform:
    """What zig calls it, its library's name, and flags of the linker where it is linked with the system's C library."""

    target: str
    file: str
    link: tuple[str, ...] = ()


_SONAME = ("-dynamic", "-Wl,-soname,libedgefer_{}.so")
_INSTALL_NAME = ("-Wl,-install_name,@rpath/libedgefer_{}.dylib",)
PLATFORMS: Mapping[str, Platform] = {
    "linux-x86_64": Platform("x86_64-linux-gnu", "libedgefer_{}.so"),
    "linux-aarch64": Platform("aarch64-linux-gnu", "libedgefer_{}.so"),
    # Android's C library is called libc.so as musl's is, and has the three functions; its pages may be of 16 KiB.
    "android-arm64": Platform("aarch64-linux-musl", "libedgefer_{}.so", (*_SONAME, "-Wl,-z,max-page-size=16384")),
    "macos-arm64": Platform("aarch64-macos", "libedgefer_{}.dylib", _INSTALL_NAME),
    "macos-x86_64": Platform("x86_64-macos", "libedgefer_{}.dylib", _INSTALL_NAME),
    "wasm32": Platform("wasm32-freestanding", "edgefer_{}.wasm"),
}


def get_platform(name: str) -> Platform:
    """A row of PLATFORMS; raises UnknownName."""
    if name not in PLATFORMS:
        raise UnknownName.of("platform", name, PLATFORMS)
    return PLATFORMS[name]


def libraries(files: Mapping[str, bytes], model: str, names: Sequence[str]) -> dict[str, bytes]:
    """The library of a bundle's C for each platform, by its path in the bundle.

    `files` are the bundle's, `model` the name of its model.c. Raises UnknownName, MissingEngine, CompilerFailed.
    """
    made: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            if "/" not in name:
                (Path(folder) / name).write_bytes(content)
        for name in names:
            platform = get_platform(name)
            network = c.read_network(Path(folder) / model)
            path = f"{FOLDER}/{name}/{platform.file.format(network.name)}"
            if name == "wasm32":
                modules = c.webassembly_modules(Path(folder) / model)
                made |= {path.replace(".wasm", end): content for end, content in modules.items()}
            else:
                link = tuple(flag.format(network.name) for flag in platform.link)
                made[path] = library(network.sources, None, platform.target, link).read_bytes()
    return made
