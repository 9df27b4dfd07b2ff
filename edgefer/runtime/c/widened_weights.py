"""The calls of a network whose convolutions read weights that are int16, from memory that each call is given."""

from __future__ import annotations

from edgefer.runtime.c.calls import Calls
from edgefer.runtime.c.memory import aligned
from edgefer.runtime.c.steps import Step, shape_of

_TOGETHER = 64  # outputs that a convolution computes together at most


class WideCalls(Calls):
    """See Calls."""

    def _scratch(self, step: Step) -> int:
        if step.first is not None:
            return aligned(super()._scratch(step)) + sum(self._weights_of(step))
        if step.kind != "CONV_2D" or self._is_point(step):
            return 0
        return self._widened(step, self._sizes[step.source].pixel, _TOGETHER)

    def _is_point(self, step: Step) -> bool:
        """Whether the output is one pixel: weights are read once, as they are."""
        return shape_of(self._layers.tensor(step.output))[:2] == (1, 1)

    def _convolution(self, step: Step, arguments: str) -> str:
        if self._is_point(step):
            return f"k_point(arena, {arguments});"
        return f"k_convolve(arena, {arguments}, {self._rooms[step.output]});"

    def _room(self, step: Step) -> str:
        first = self._rooms[step.output] + aligned(super()._scratch(step))
        return f", {first}, {first + self._weights_of(step)[0]}"

    def _weights_of(self, step: Step) -> tuple[int, int]:
        """Activations that the weights of a fused step's convolutions take."""
        first, last = step.first, step.last
        assert first is not None
        channels = shape_of(self._layers.tensor(first.output))[2]
        before = self._widened(first, self._sizes[first.source].pixel)
        return before, 0 if last is None else self._widened(last, channels)

    def _widened(self, step: Step, pixel: int, most: int | None = None) -> int:
        """Activations that the weights of `most` outputs of a convolution take, of all without it."""
        count, height, width, _ = self._layers.weights(step).shape
        outputs = aligned(count, self._mode.block)
        return aligned((outputs if most is None else min(outputs, most)) * height * aligned(width * pixel, 2))
