"""Some mutants of every file that edgefer reads: each is read, or refused in one line."""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path

import pytest

from edgefer.runtime.errors import BadData
from tests.torture.harness import outcome, try_reader
from tests.torture.mutate import Distinct, mutant, mutated
from tests.torture.packed import Packed
from tests.torture.readers import READERS, Reader

FEW = {"checkpoint": 6, "onnx": 15}  # mutants of what is slow


@pytest.mark.parametrize("name", READERS)
def test_mutants_are_read_or_refused(name: str) -> None:
    count = FEW.get(name, 40)
    tally = try_reader(READERS[name], range(count))
    assert tally.failures == [] and tally.read + tally.refused == tally.tried == count


@pytest.mark.parametrize("name", READERS)
def test_whole_files_are_read(name: str) -> None:
    reader = READERS[name]
    with tempfile.TemporaryDirectory() as folder:
        for content in reader.whole(Path(folder)):
            path = Path(folder) / reader.file
            path.write_bytes(content if isinstance(content, bytes) else content.pack(content.parts))
            reader.read(path)


def test_mutants_repeat_and_stay_small() -> None:
    content = b'{"a": 12, "b": [1, 2, 3]}' * 9
    for seed in range(300):
        assert mutated(content, seed) == mutated(content, seed)
        assert len(mutated(content, seed)) < len(content) + 10_000
    assert len({mutated(content, seed) for seed in range(300)}) > 250
    assert mutated(b"", 1) is not None


def test_mutants_that_are_alike_count_once() -> None:
    distinct, made = Distinct([b"ab"]), {mutated(b"ab", seed) for seed in range(500)}
    assert distinct.among(500) == len(made - {b"ab"}) < 500
    assert distinct.among(500) == distinct.among(100) and distinct.among(501) <= len(made)


def _dies(path: Path) -> None:
    if path.read_bytes() != b"x" * 64:
        os.kill(os.getpid(), signal.SIGSEGV)


def _says_much(path: Path) -> None:
    raise BadData("a bad\x1b word") if len(path.read_bytes()) % 2 else ValueError("no word of edgefer's")


def test_what_goes_wrong_is_told_and_gone_on_behind() -> None:
    dead = try_reader(Reader("x", lambda _: [b"x" * 64], _dies), range(5))
    assert dead.deaths + dead.read == 5 and dead.deaths > 2 and "the process ended with -11" in dead.failures[0]
    loud = try_reader(Reader("x", lambda _: [b"x" * 64], _says_much), range(9))
    assert loud.refused + loud.tracebacks == 9 and loud.tracebacks == len(loud.failures) > 0
    assert "ValueError: no word of edgefer's (test_readers.py:" in loud.failures[0]


def test_memory_has_a_limit() -> None:
    reader = Reader("x", lambda _: [b"x"], lambda path: bytearray(2**30))
    assert "MemoryError" in try_reader(reader, range(1), memory=2**28).failures[0]


@pytest.mark.parametrize("name", READERS)
def test_a_packed_file_is_put_together_again_around_a_change(name: str) -> None:
    """Some of its mutants are read: what is behind sizes and checksums is reached."""
    reader = READERS[name]
    with tempfile.TemporaryDirectory() as folder:
        for packed in reader.whole(Path(folder)):
            if isinstance(packed, Packed):
                made = [mutant(packed, seed) for seed in range(60)]
                assert made == [mutant(packed, seed) for seed in range(60)] and len(set(made)) > 40
                assert any(outcome(reader, content, Path(folder))[0] == 0 for content in made)
