"""Muon: momentum whose update of a weight matrix is orthogonalised, so that all of its directions learn alike.

K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024, as its authors train convolutional
networks: a convolution's weights are a matrix (outputs, inputs x kernel), and its norm is held. torch.optim.Muon takes
two-dimensional parameters only, and no others beside them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

SHARE = 0.3  # of the rate that the parameters beside the matrices have
STEPS = 5
COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic whose repetition takes singular values near 1


class Muon(torch.optim.Optimizer):
    """Muon for the groups with `matrices`, SGD with Nesterov momentum for the others."""

    def __init__(self, groups: list[dict[str, Any]], lr: float, momentum: float) -> None:
        super().__init__(groups, {"lr": lr, "momentum": momentum, "weight_decay": 0.0, "matrices": False})

    def step(self, closure: Any = None) -> Any:
        """Update every parameter that has a gradient; `closure` computes the loss, which is returned."""
        with torch.enable_grad():
            loss = None if closure is None else closure()
        with torch.no_grad():
            for group in self.param_groups:
                for parameter in group["params"]:
                    if parameter.grad is not None:
                        self._update(parameter, parameter.grad, group)
        return loss

    def _update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(gradient)
        if group["weight_decay"] and not group["matrices"]:
            gradient = gradient.add(parameter, alpha=group["weight_decay"])
        momentum = state["momentum_buffer"].mul_(group["momentum"]).add_(gradient)
        update = gradient.add(momentum, alpha=group["momentum"])
        if group["matrices"]:
            parameter.mul_(min(_matrix_shape(parameter)) ** 0.5 / parameter.norm().clamp_min(1e-7))
            update = orthogonalize(update.reshape(_matrix_shape(parameter))).reshape(parameter.shape)
        parameter.add_(update, alpha=-group["lr"])


def _matrix_shape(parameter: Tensor) -> tuple[int, int]:
    return parameter.shape[0], parameter[0].numel()


def orthogonalize(matrix: Tensor) -> Tensor:
    """The matrix (M, N) with singular values near 1 and the same singular vectors, by Newton and Schulz's iteration."""
    a, b, c = COEFFICIENTS
    wide: Tensor = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x: Tensor = wide / wide.norm().clamp_min(1e-7)
    for _ in range(STEPS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x if matrix.shape[0] <= matrix.shape[1] else x.T


def parameter_groups(network: nn.Module, lr: float, weight_decay: float) -> list[dict[str, Any]]:
    """Matrices (dense convolutions and products), then what SGD learns: depthwise convolutions, then vectors."""
    matrices, kernels, vectors = [], [], []
    for parameter in network.parameters():
        if parameter.ndim <= 1:
            vectors.append(parameter)
        elif min(_matrix_shape(parameter)) > 1 and parameter[0].shape[0] > 1:
            matrices.append(parameter)
        else:
            kernels.append(parameter)
    return [
        {"params": matrices, "lr": lr * SHARE, "share": SHARE, "matrices": True},
        {"params": kernels, "weight_decay": weight_decay},
        {"params": vectors},
    ]
