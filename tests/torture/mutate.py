"""Broken variants of a file, each by its seed: bits, blocks and numbers that are others, parts gone or twice."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

from tests.torture.packed import Packed

_NUMBERS = (b"0", b"-1", b"1e999", b"NaN", b"2147483648", b"18446744073709551616", b"1e-320", b'"1"', b"null", b"[]")
_TEXTS = (b'"', b"\\", b"{", b"]", b"\n", b"\x00", b"\xff\xfe", b"\x1b[31m", b"../..", b"[/red]", b"\xe2\x80\xae")
_SIZES = (0, 1, 127, 128, 255, 32767, 65535, 2**31 - 1, 2**31, 2**32 - 1)
_VALUES = (*_NUMBERS, b"true", b"{}", b'""', b'["a"]', b'{"a": 1}', b"[" * 2_000, b'"' + b"x" * 5_000 + b'"')
_NUMBER = re.compile(rb"-?\d+(\.\d+)?")
_TOKEN = re.compile(rb'"[^"\n]{0,999}"|-?\d[\d.eE+-]*|\b(true|false|null)\b')
_FEW = 64  # bytes of a part


class Distinct:
    """Counts the mutants of whole files that differ from each other and from the files."""

    def __init__(self, whole: Sequence[bytes | Packed]) -> None:
        self._whole, self._tried = whole, 0
        self._seen = {hash(each) for each in whole if isinstance(each, bytes)}
        self._files = len(self._seen)

    def among(self, tried: int) -> int:
        """Of the seeds from 0 on."""
        for seed in range(self._tried, tried):
            self._seen.add(hash(mutant(self._whole[seed % len(self._whole)], seed)))
        self._tried = max(self._tried, tried)
        return len(self._seen) - self._files


def mutated(content: bytes, seed: int) -> bytes:
    """The variant of this seed, with one to four changes; never larger than the content by more than a few KB."""
    draw = random.Random(seed)
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        content = draw.choice(_CHANGES)(content, draw)
    return content


def mutant(whole: bytes | Packed, seed: int) -> bytes:
    """The variant of a whole file; of a packed one a part is changed, and the rest fits to that."""
    if isinstance(whole, bytes):
        return mutated(whole, seed)
    parts = list(whole.parts)
    place = random.Random(seed).randrange(len(parts))
    parts[place] = mutated(parts[place], seed)
    return whole.pack(parts)


def _place(content: bytes, draw: random.Random) -> int:
    """More often near the begin and the end, where formats keep what they are made of."""
    if not content:
        return 0
    near = min(len(content), 512)
    return draw.choice((draw.randrange(near), len(content) - 1 - draw.randrange(near), draw.randrange(len(content))))


def _flip(content: bytes, draw: random.Random) -> bytes:
    place = _place(content, draw)
    changed = bytes(each ^ 1 << draw.randrange(8) for each in content[place : place + 1])
    return content[:place] + changed + content[place + 1 :]


def _other_bytes(content: bytes, draw: random.Random) -> bytes:
    place, size = _place(content, draw), draw.randrange(1, _FEW)
    return content[:place] + draw.randbytes(size) + content[place + size :]


def _cut(content: bytes, draw: random.Random) -> bytes:
    return content[: _place(content, draw)]


def _without(content: bytes, draw: random.Random) -> bytes:
    place = _place(content, draw)
    return content[:place] + content[place + draw.randrange(1, _FEW) :]


def _twice(content: bytes, draw: random.Random) -> bytes:
    place, size = _place(content, draw), draw.randrange(1, 16 * _FEW)
    return content[: place + size] + content[place:]


def _moved(content: bytes, draw: random.Random) -> bytes:
    place, other, size = _place(content, draw), _place(content, draw), draw.randrange(1, _FEW)
    return content[:other] + content[place : place + size] + content[other + size :]


def _size(content: bytes, draw: random.Random) -> bytes:
    """A binary number that is at a limit."""
    place, width = _place(content, draw), draw.choice((1, 2, 4, 8))
    number: int = draw.choice(_SIZES) % (1 << 8 * width)
    value = number.to_bytes(width, draw.choice(("little", "big")))
    return content[:place] + value + content[place + width :]


def _number(content: bytes, draw: random.Random) -> bytes:
    """A written number that is another one."""
    return _replaced(_NUMBER, _NUMBERS, content, draw)


def _value(content: bytes, draw: random.Random) -> bytes:
    """A value of JSON or TOML that is another one, of the same file or not."""
    other = _TOKEN.search(content, _place(content, draw))
    return _replaced(_TOKEN, (*_VALUES, *([other[0]] * 9 if other else [])), content, draw)


def _replaced(what: re.Pattern[bytes], values: tuple[bytes, ...], content: bytes, draw: random.Random) -> bytes:
    found = what.search(content, _place(content, draw)) or what.search(content)
    return content[: found.start()] + draw.choice(values) + content[found.end() :] if found else _flip(content, draw)


def _text(content: bytes, draw: random.Random) -> bytes:
    place = _place(content, draw)
    return content[:place] + draw.choice(_TEXTS) * draw.choice((1, 1, 3, 500)) + content[place:]


_CHANGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _flip,
    _flip,
    _other_bytes,
    _cut,
    _without,
    _twice,
    _moved,
    _size,
    _number,
    _value,
    _value,
    _text,
)
