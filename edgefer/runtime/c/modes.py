"""How kernels store activations and weights."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mode:
    """How activations are stored, and how many outputs and inputs of weights lie side by side.

    layout    the C of what depends on it
    bytes     of an activation
    block     outputs of weights side by side
    group     inputs of weights side by side
    offset    between a stored activation and TFLite's int8; None: it is stored less its zero point
    aligned   activations of which every map begins at a multiple (a cache line, for vectors of that length)
    by_rows   layers with windows are computed row by row, and the frame is read where the caller has it
    halved    weights of a convolution's last eight outputs lie as two groups of inputs an output, where it is not fused
    widened   weights are read as int16, from the arena, where a layer has several pixels
    relaxed   blocks of sixteen where that adds no output, as other kernels have them; fours of rows in depthwise layers
    """

    name: str
    layout: str
    bytes: int
    block: int
    group: int
    offset: int | None
    aligned: int = 32
    by_rows: bool = False
    widened: bool = False
    halved: bool = False
    relaxed: bool = False

    def zero(self, zero_point: int) -> int:
        """What zero is stored as."""
        return 0 if self.offset is None else zero_point + self.offset

    def side_by_side(self, outputs: int) -> int:
        """Outputs of weights side by side in a layer of so many."""
        return 16 if self.relaxed and -(-outputs // 8) % 2 == 0 else self.block

    def ring(self, channels: int, width: int) -> int:
        """Activations of a row between two fused layers."""
        if self.relaxed:  # one before it and three behind, of which two are read only
            return channels * (width + 4)
        columns = (width + 3) // 2 * 2 if self.group == 2 else (width + 1) // 2 * 4
        return -(-channels // self.block) * self.block * columns


PAIRS = Mode("pairs", "pairs", bytes=2, block=8, group=2, offset=None, widened=True)
UNSIGNED = Mode("unsigned", "bytes", bytes=1, block=16, group=4, offset=128, aligned=64, halved=True)
SIGNED = Mode("signed", "bytes", bytes=1, block=16, group=4, offset=0)
RELAXED_UNSIGNED = Mode("relaxed_unsigned", "bytes", bytes=1, block=8, group=4, offset=128, relaxed=True)
RELAXED_SIGNED = Mode("relaxed_signed", "bytes", bytes=1, block=8, group=4, offset=0, relaxed=True)
WORDS = Mode("words", "words", bytes=1, block=2, group=4, offset=128, by_rows=True)
LANES = Mode("lanes", "lanes", bytes=1, block=4, group=16, offset=0, by_rows=True)
MODES = (UNSIGNED, SIGNED, PAIRS, RELAXED_UNSIGNED, RELAXED_SIGNED, WORDS, LANES)
