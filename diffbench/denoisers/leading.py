"""Posterior means from the few points that carry all weight, where float32 proves of the others that they carry none.

At low noise nearly all posterior weights vanish. Scores in float32 find those that may not, at half the cost of one
product in float64; the weights of these come from exact float64 differences.
"""

import math

import torch
from torch import Tensor

from diffbench.rounding import score_error
from diffbench.shapes import Bool, Float32, Float64

MOST = 64
"""Points that are gathered for a query at most, and the share of all points where products of all of them cost less."""

NEGLIGIBLE = 40.0
"""All points that are left out weigh less than exp(-NEGLIGIBLE), which float64 cannot tell from 0 beside 1."""

ELEMENTS = 2**20
"""Values of gathered points held at once."""


class LeadingPoints:
    """Finds the points whose posterior weight may not be negligible.

    points: float32, in whatever precision they were given. halves: ||x_i||^2 / 2 of the exact ones.
    """

    def __init__(self, points: Float32[Tensor, "n d"], halves: Float64[Tensor, " n"]) -> None:
        self._points = points
        self._halves = halves.float()
        self._longest = math.sqrt(2 * float(halves.max()))

    def of(self, x: Float64[Tensor, "m d"], sigma: float, allowed: Bool[Tensor, "m n"] | None) -> Bool[Tensor, "m n"]:
        """Which points may carry weight at one noise level; none of a query that float32 cannot hold."""
        scores = torch.addmm(self._halves, x.float(), self._points.T, alpha=-1)
        if allowed is not None:
            scores.masked_fill_(~allowed, math.inf)
        error = score_error(x.shape[1], x.norm(dim=1), self._longest)
        negligible = sigma**2 * (NEGLIGIBLE + math.log(len(self._points)))
        limit = scores.amin(dim=1) + 2 * error + negligible
        return (scores <= limit.clamp(max=torch.finfo(torch.float32).max)[:, None]) & limit.isfinite()[:, None]


def mean_of_leading(
    x: Float64[Tensor, "m d"], points: Float64[Tensor, "n d"], sigma: float, leading: Bool[Tensor, "m n"]
) -> Float64[Tensor, "m d"]:
    """The posterior mean over each row's leading points, at least one, at one noise level sigma > 0."""
    counts = leading.sum(dim=1)
    most = int(counts.max())
    row, point = torch.nonzero(leading, as_tuple=True)
    place = torch.arange(len(row), device=x.device) - (counts.cumsum(0) - counts)[row]
    chosen = torch.zeros(len(x), most, dtype=torch.int64, device=x.device)
    chosen[row, place] = point
    absent = torch.arange(most, device=x.device) >= counts[:, None]
    means = [
        _mean(x[rows], points[chosen[rows]], sigma, absent[rows])
        for rows in torch.arange(len(x), device=x.device).split(max(1, ELEMENTS // (most * x.shape[1])))
    ]
    return torch.cat(means)


def _mean(
    x: Float64[Tensor, "b d"], points: Float64[Tensor, "b c d"], sigma: float, absent: Bool[Tensor, "b c"]
) -> Float64[Tensor, "b d"]:
    """The mean of points (c of each row, some of them absent) by posterior weights."""
    logits = (points - x[:, None]).square_().sum(dim=2) / (-2 * sigma**2)
    weights = logits.masked_fill_(absent, -math.inf).softmax(dim=1)
    return torch.bmm(weights[:, None], points)[:, 0]
