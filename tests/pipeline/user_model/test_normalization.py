"""Mean and deviation against the range that they are said to be of."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefer.pipeline.user_model.contract_file import read_contract_file
from edgefer.pipeline.user_model.normalization import USUAL, Range, require_statistics
from edgefer.runtime.errors import BadRecord
from tests.pipeline.user_model.conftest import Run

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PIXELS = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


@pytest.mark.parametrize(
    ("limits", "mean", "std", "said", "fits"),
    [
        ((0, 1), PIXELS[0], None, "the mean 123.675 ", "[0, 255]"),
        ((0, 1), None, PIXELS[1], "the std 58.395 ", "[0, 255]"),
        ((-1, 1), *PIXELS, "the mean 123.675 ", "[0, 255]"),
        ((-1, 1), None, (127.5,), "the std 127.5 ", "[0, 255]"),
        ((0, 255), *IMAGENET, "the mean 0.485, 0.456, 0.406 is ImageNet's", "[0, 1]"),
        ((-1, 1), *IMAGENET, "the mean 0.485, 0.456, 0.406 is ImageNet's", "[0, 1]"),
        ((0, 255), (0.485,), None, "the mean 0.485 ", "[0, 1]"),
        ((0, 255), None, (0.5,), "the std 0.5 ", "[0, 1]"),
        ((0, 255), (0.5,), (0.5,), "the mean 0.5 ", "[0, 1]"),
        ((0, 1), (-0.1,), (0.4,), "the mean -0.1 ", "[-1, 1]"),
    ],
)
def test_refused_with_the_range_that_fits(
    limits: Range, mean: tuple[float, ...] | None, std: tuple[float, ...] | None, said: str, fits: str
) -> None:
    with pytest.raises(BadRecord) as caught:
        require_statistics(limits, mean, std)
    assert said in str(caught.value) and f"range = {fits} fits" in str(caught.value)


def test_refused_where_no_usual_range_fits() -> None:
    with pytest.raises(BadRecord, match=r"the mean 5000 .* \[0, 1\]; .* none of the usual ranges"):
        require_statistics((0, 1), (5000,), None)


@pytest.mark.parametrize(
    ("limits", "mean", "std"),
    [
        ((0, 255), (127.5,), (128.0,)),
        ((0, 255), (0.0,), (256.0,)),
        ((0, 255), (104.0, 117.0, 123.0), None),  # Caffe's: a mean alone
        ((0, 255), *PIXELS),
        ((0, 1), (0.5,), (0.5,)),
        ((0, 1), *IMAGENET),
        ((0, 1), (0.0,), (1 / 255,)),
        ((-1, 1), (0.5,), (0.5,)),
        ((-1, 1), (-0.05,), (0.6,)),
        ((3, 4), None, None),
    ],
)
def test_honest_ones_pass(limits: Range, mean: tuple[float, ...] | None, std: tuple[float, ...] | None) -> None:
    require_statistics(limits, mean, std)


@given(limits=st.sampled_from(USUAL), mean=st.floats(0.02, 1), std=st.floats(0.005, 0.5))
def test_statistics_of_faces_pass_in_the_range_they_were_taken_in(limits: Range, mean: float, std: float) -> None:
    low, high = limits
    require_statistics(limits, (low + mean * (high - low),), (std * (high - low),))


@given(limits=st.tuples(st.floats(-300, 0), st.floats(1, 300)))
def test_no_statistics_pass_in_every_range(limits: Range) -> None:
    require_statistics(limits, (0.0,) * 3, (1.0,) * 3)


def test_contract_and_command(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text('labels = ["a", "b"]\nrange = [0, 1]\nmean = [123.675]\n')
    with pytest.raises(BadRecord):
        read_contract_file(path)
    ran = run("build", "--onnx", tmp_path / "x.onnx", "--contract", path, "--target", "onnx-fp32")
    ran.fails(16, "the mean 123.675 can't be that of faces with the range [0, 1]", "range = [0, 255] fits")
