"""From values to ranges, on values of any kind."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from edgefer.pipeline.ranges import METHODS, SHRINK, Method, estimate, rounding_error
from edgefer.runtime import contract

values = hnp.arrays(
    np.float32,
    st.integers(1, 200),
    elements=st.floats(-1e4, 1e4, width=32, allow_subnormal=False),
)


@given(st.lists(values, min_size=1, max_size=4), st.sampled_from(METHODS))
def test_ranges_hold_zero_and_never_exceed_what_was_seen(images: list[NDArray[np.float32]], method: Method) -> None:
    low, high = estimate([{"t": image} for image in images], len(images), method)["t"]
    whole = np.concatenate(images)
    assert low <= 0 <= high
    assert low >= min(0.0, float(whole.min())) * (1 + 1e-5) - 1e-9
    assert high <= max(0.0, float(whole.max())) * (1 + 1e-5) + 1e-9


@given(st.lists(values, min_size=1, max_size=4))
def test_min_max_covers_everything(images: list[NDArray[np.float32]]) -> None:
    low, high = estimate([{"t": image} for image in images], len(images), "min-max")["t"]
    whole = np.concatenate(images)
    slack = 1e-5 * float(np.abs(whole).max())
    assert low <= whole.min() + slack
    assert high >= whole.max() - slack


@given(values)
def test_mse_is_no_worse_than_min_max(image: NDArray[np.float32]) -> None:
    chosen = estimate([{"t": image}], 1, "mse")["t"]
    widest = estimate([{"t": image}], 1, "min-max")["t"]
    error, worst = rounding_error(image, *chosen), rounding_error(image, *widest)
    assert error <= worst * (1 + 1e-3) + 1e-9


@pytest.mark.parametrize("seed", range(4))
def test_mse_of_many_values_finds_the_least_error(seed: int) -> None:
    """Many values are counted in bins first: the range must still be the best of all that are tried, of the values."""
    random = np.random.default_rng(seed)
    image = random.standard_t(3, 100_000).astype(np.float32)
    image = np.maximum(image, 0) if seed % 2 else image
    low, high = float(image.min()), float(image.max())
    least = min(rounding_error(image, low * k, high * k) for k in SHRINK)
    assert rounding_error(image, *estimate([{"t": image}], 1, "mse")["t"]) <= 1.001 * least


def test_percentile_ignores_a_single_outlier() -> None:
    image = np.zeros(100_000, np.float32)
    image[:50_000] = np.linspace(0, 1, 50_000)
    image[-1] = 1e6
    assert estimate([{"t": image}], 1, "percentile")["t"][1] == pytest.approx(1.0, rel=1e-3)
    assert estimate([{"t": image}], 1, "min-max")["t"][1] == 1e6


@given(
    hnp.arrays(np.float32, st.integers(1, 50), elements=st.floats(-50, 50, width=32)),
    st.floats(0.01, 1.0),
    st.integers(-128, 127),
)
def test_quantising_and_back_is_within_half_a_step(real: NDArray[np.float32], scale: float, zero_point: int) -> None:
    spec = contract.TensorSpec("t", (len(real),), "int8", scale, zero_point)
    inside = np.clip(real, (-128 - zero_point) * scale, (127 - zero_point) * scale).astype(np.float32)
    back = contract.dequantise(contract.quantise(inside, spec), spec)
    assert np.abs(back - inside).max() <= scale * 0.501 + 1e-4
    assert np.array_equal(contract.quantise(back, spec), contract.quantise(inside, spec))
