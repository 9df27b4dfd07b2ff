"""What FER+'s ten votes on a face say of the label that FER2013 gave it.

FER+ labels the same faces anew, and its majority is FER2013's label on 63 % of them only: taken as they are the votes
teach another labelling. Calibrated, they are soft labels for FER2013's own: a multinomial logistic regression from the
votes to the labels, fitted on the other folds of Training, so that no face's own label is in its soft label.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

FOLDS = 5
RIDGE = 1e-5
STEPS = 150


def calibrated(votes: Tensor, labels: Tensor, classes: int) -> Tensor:
    """int (N, 10) votes and int64 (N,) labels -> float32 (N, classes), each row from a fit without its fold."""
    x = _features(votes)
    fold = torch.randperm(len(x), generator=torch.Generator().manual_seed(0)) % FOLDS
    out = torch.empty(len(x), classes)
    for number in range(FOLDS):
        others, mine = fold != number, fold == number
        out[mine] = _predict(x[mine], *_fit(x[others], labels[others], classes))
    return out


def plain(votes: Tensor, known: Tensor) -> Tensor:
    """FER+'s own distribution: float32 (N, classes), the share of the votes for the class of column `known[k]`.

    Votes for contempt, unknown and no face are left out; a face that has no others gets the same share of every class.
    """
    mine = votes[:, known].float()
    total = mine.sum(1, keepdim=True)
    return torch.where(total > 0, mine / total.clamp_min(1), 1 / len(known))


def _features(votes: Tensor) -> Tensor:
    """Shares, their roots and squares: a logistic regression is linear, and the tenth vote says less than the first."""
    share = votes.float() / votes.sum(1, keepdim=True).clamp_min(1)
    return torch.cat([share, share.sqrt(), share**2], 1)


def _fit(x: Tensor, labels: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    weight = torch.zeros(x.shape[1], classes, requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = functional.cross_entropy(x @ weight + bias, labels) + RIDGE * (weight**2).sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call, unused-ignore]
    return weight.detach(), bias.detach()


def _predict(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return torch.softmax(x @ weight + bias, 1)
