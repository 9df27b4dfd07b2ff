"""Padded max-pooling as TFLite needs it, for networks that pool wherever they like."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from edgefer.pipeline.export.to_tflite import pad_apart
from edgefer.pipeline.fold import DeployableModel
from tests.made import shake
from tests.pipeline.user_model.test_preprocess import OWN


class Pooled(nn.Module):
    """One module of max-pooling that is called twice: behind a norm, and behind a ReLU."""

    def __init__(self, **pooling: Any) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 6, 3, padding=1)
        self.norm, self.pool = nn.BatchNorm2d(6), nn.MaxPool2d(**pooling)
        self.classify = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.norm(self.first(x)) - 4)  # all negative: zeros would be seen
        answer: Tensor = self.classify(self.pool(torch.relu(self.second(x))).mean((2, 3)))
        return answer


BARE = (0, False)


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        # What is left of padding and ceil_mode is TFLite's own SAME: at 22 pixels, and of what comes behind.
        ({"kernel_size": 3, "stride": 2, "padding": 1}, [(1, False), BARE]),
        ({"kernel_size": 2, "stride": 2, "padding": 1}, [BARE, BARE]),
        ({"kernel_size": 5, "stride": 1, "padding": 2}, [(2, False)]),
        ({"kernel_size": 3, "stride": 3, "padding": 1}, [(1, False), BARE]),
        ({"kernel_size": 3, "stride": 2, "padding": 0, "ceil_mode": True}, [(0, True), BARE]),
        ({"kernel_size": 2, "stride": 2, "padding": 1, "ceil_mode": True}, [BARE, BARE]),
    ],
)
def test_same_numbers_and_no_padding_left_but_tflites_own(
    pooling: dict[str, int], expected: list[tuple[int, bool]]
) -> None:
    torch.manual_seed(0)
    network = shake(Pooled(**pooling)).eval()
    deployed = DeployableModel(network, user_model=dataclasses.replace(OWN, mean=(0.0, 0.0, 0.0))).eval()
    apart, pixels = pad_apart(deployed, 24), torch.randint(0, 256, (2, 3, 24, 24)).float()
    with torch.inference_mode():
        assert torch.equal(apart(pixels), deployed(pixels))
    called = {str(node.target) for node in apart.network.graph.nodes if node.op == "call_module"}
    pools = [module for name, module in apart.network.named_modules() if name in called]
    left = [(m.padding, m.ceil_mode) for m in pools if isinstance(m, nn.MaxPool2d)]
    assert left == expected
