"""Compiles generated C into a library in edgefer's cache, by zig's C compiler or one that is installed."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from edgefer.runtime import files
from edgefer.runtime.errors import CompilerFailed, MissingEngine, one_line

# zig compiles for the very processor that it runs on unless told otherwise, but kernels are chosen when they run: an
# emulator that counts instructions, or another machine with the same cache, has another processor.
ZIG = ("-m", "ziglang", "cc", "-mcpu=baseline")
FLAGS = ("-O3", "-std=c99", "-ffp-contract=off", "-fPIC", "-shared")
# Small before all: -O3 is 3 KB larger and in Chromium not faster. The stack is for a few vectors.
WEBASSEMBLY = (
    "-Os", "-std=c99", "-ffp-contract=off", "-target", "wasm32-freestanding", "-mcpu=generic+simd128+bulk_memory",
    "-nostdlib", "-Wl,--no-entry", "-Wl,--strip-all", "-Wl,-z,stack-size=16384",
)  # fmt: skip
RELAXED = ("-mcpu=generic+simd128+bulk_memory+relaxed_simd",)  # takes the place of the other one
# A library for another machine is linked with none: whoever loads it has memcpy, memset and getauxval.
LINK = ("-nostdlib", "-shared", "-s")
INSTALLED = ("cc", "gcc", "clang")
_SECONDS = 300.0


@dataclass(frozen=True)
class Compiler:
    """A C compiler: its command, and its name with the version."""

    command: tuple[str, ...]
    title: str
    target: str = ""  # another machine than this one
    link: tuple[str, ...] = ()  # flags with which its libraries are linked with its C library, else with none


@cache
def find_compiler() -> Compiler:
    """That of the variable CC, else zig's from the package ziglang, else an installed one; raises MissingEngine."""
    chosen = shlex.split(os.environ.get("CC", ""))
    if chosen:
        return _installed(chosen)
    try:
        return Compiler((sys.executable, *ZIG), f"zig {metadata.version('ziglang')}")
    except metadata.PackageNotFoundError:
        for name in INSTALLED:
            if shutil.which(name):
                return _installed([name])
    raise MissingEngine(
        "no C compiler is here (the package ziglang, cc, gcc or clang): run pip install 'edgefer[c]', or set CC to one."
    )


def cross_compiler(target: str, link: tuple[str, ...] = ()) -> Compiler:
    """zig's, for another machine, `target` as zig calls it; raises MissingEngine without the package ziglang."""
    return Compiler((sys.executable, *ZIG, "-target", target), _zig(f"a library for {target}"), target, link)


def _zig(what: str) -> str:
    """zig with its version; raises MissingEngine without it, naming what it was to compile."""
    try:
        return f"zig {metadata.version('ziglang')}"
    except metadata.PackageNotFoundError as error:
        raise MissingEngine(
            f"{what} is compiled by zig, and the package ziglang is not here: run pip install 'edgefer[c]'."
        ) from error


def _installed(command: Sequence[str]) -> Compiler:
    path = shutil.which(command[0])
    if path is None:
        raise MissingEngine(f"the C compiler {command[0]} of the variable CC is not installed: set CC to one that is.")
    said = _run([path, *command[1:], "--version"], command[0]).splitlines()
    return Compiler((path, *command[1:]), one_line(said[0]) if said else command[0])


def _run(line: Sequence[str], title: str) -> str:
    try:
        done = subprocess.run(line, capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CompilerFailed(
            f"the C compiler {title} can't be run ({one_line(error)}): set CC to another one."
        ) from error
    if done.returncode:
        raise CompilerFailed(
            f"the C compiler {title} ended with {done.returncode} ({complaint(done.stderr)}): set CC to another one."
        )
    return done.stdout


def complaint(said: str) -> str:
    """What a compiler or linker complains of: its first line with an error, or the last one, at most 200 characters."""
    lines = said.splitlines()
    word = next((line for line in lines if "error" in line), lines[-1] if lines else "it says nothing")
    return one_line(word)[:200]


def library(
    sources: Mapping[str, bytes], kernel: str | None = None, target: str | None = None, link: tuple[str, ...] = ()
) -> Path:
    """The compiled library of `sources` in the cache, made if it is not there yet.

    It is found by a checksum of the sources, the compiler's version, its flags and this platform. `kernel` leaves only
    the kernels of that name in, `target` is another machine than this one, `link` how it links. Raises MissingEngine,
    CompilerFailed, OutputFailed.
    """
    flags = [*FLAGS, *(() if kernel is None else _only(kernel))]
    if target is not None:
        return _cached(sources, cross_compiler(target, link), flags, ".so")
    return _cached(sources, find_compiler(), flags, ".dll" if os.name == "nt" else ".so")


def _only(kernel: str) -> tuple[str, ...]:
    """The flag that leaves only these kernels in."""
    return (f"-DEDGEFER_KERNEL=EDGEFER_{kernel.upper()}",)


def webassembly(sources: Mapping[str, bytes], kernel: str | None = None) -> Path:
    """`sources` as WebAssembly in the cache, made if it is not there yet: equal bytes on any machine with that zig.

    `kernel` is that of relaxed SIMD which is in it instead of the one for every browser.

    Raises MissingEngine without zig (other compilers have no linker for WebAssembly), CompilerFailed, OutputFailed.
    """
    compiler = Compiler((sys.executable, *ZIG[:-1]), _zig("WebAssembly"))
    relaxed = () if kernel is None else (*RELAXED, *_only(kernel))
    return _cached(sources, compiler, [*WEBASSEMBLY, *relaxed], ".wasm")


def _cached(sources: Mapping[str, bytes], compiler: Compiler, flags: Sequence[str], suffix: str) -> Path:
    made_by = [compiler.title, *compiler.command[1:], *flags, *compiler.link]
    key = files.digest_contents(sources, *made_by, sys.platform, platform.machine())
    made = files.cache_folder() / "c" / f"{key}{suffix}"
    if not made.is_file():
        compile_to(made, compiler, flags, sources)
    return made


def compile_to(made: Path, compiler: Compiler, flags: Sequence[str], sources: Mapping[str, bytes]) -> None:
    """Compile beside `made`, then rename: there is never a library that is not whole."""
    with files.writing(made):
        made.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=made.parent) as folder:
            for name, content in sources.items():
                (Path(folder) / name).write_bytes(content)
            written = [str(Path(folder) / name) for name in sources if name.endswith(".c")]
            library = str(Path(folder) / made.name)
            if compiler.target:
                written = [_object(compiler, flags, source) for source in written]
                flags = ("-shared", "-s", *compiler.link) if compiler.link else LINK
            _run([*compiler.command, *flags, "-o", library, *written], compiler.title)
            (Path(folder) / made.name).replace(made)


def _object(compiler: Compiler, flags: Sequence[str], source: str) -> str:
    made = f"{source}.o"
    _run([*compiler.command, *(flag for flag in flags if flag != "-shared"), "-c", source, "-o", made], compiler.title)
    return made
