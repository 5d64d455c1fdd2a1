"""Guidance: which weight, interval and label each of the two denoisers sees."""

import pytest
import torch
from torch import Tensor

from diffbench.conventions import DiffbenchError
from diffbench.denoisers.guidance import Guided


class Recorder:
    """Returns factor * x, and keeps what it was asked."""

    def __init__(self, factor: float) -> None:
        self.factor = factor
        self.calls: list[tuple[Tensor, Tensor | None]] = []

    def __call__(self, x: Tensor, sigma: Tensor, label: Tensor | None = None) -> Tensor:
        """Remember sigma and label."""
        self.calls.append((sigma, label))
        return self.factor * x


X = torch.arange(1.0, 9.0).view(4, 1, 2)
SIGMA = torch.tensor([0.1, 1.0, 2.0, 3.0])
LABEL = torch.tensor([0, 1, 2, 3])


def test_weight_extrapolates_away_from_the_negative() -> None:
    guided = Guided(Recorder(1.0), Recorder(0.5), 2.0)
    torch.testing.assert_close(guided(X, SIGMA, LABEL), X * (1 + 2 * 0.5))


def test_weight_zero_never_evaluates_the_negative() -> None:
    negative = Recorder(0.5)
    torch.testing.assert_close(Guided(Recorder(1.0), negative, 0.0)(X, SIGMA, LABEL), X)
    assert negative.calls == []


def test_interval_is_open_below_and_closed_above_sample_by_sample() -> None:
    negative = Recorder(0.0)
    result = Guided(Recorder(1.0), negative, 1.0, (1.0, 2.0))(X, SIGMA, LABEL)
    torch.testing.assert_close(result, X * torch.tensor([1.0, 1.0, 2.0, 1.0]).view(-1, 1, 1))
    ((sigma, label),) = negative.calls
    assert sigma.tolist() == [2.0]
    assert label is not None
    assert label.tolist() == [2]


def test_outside_the_interval_the_negative_rests() -> None:
    negative = Recorder(0.0)
    torch.testing.assert_close(Guided(Recorder(1.0), negative, 1.0, (5.0, 6.0))(X, SIGMA), X)
    assert negative.calls == []


def test_label_is_withheld_for_classifier_free_and_passed_for_autoguidance() -> None:
    for rule, expected in (("none", None), ("same", LABEL)):
        negative = Recorder(0.0)
        Guided(Recorder(1.0), negative, 1.0, negative_label=rule)(X, SIGMA, LABEL)  # pyright: ignore
        assert negative.calls[0][1] is expected


@pytest.mark.parametrize("interval", [(2.0, 1.0), (1.0, 1.0), (-1.0, 2.0)])
def test_empty_interval_is_refused(interval: tuple[float, float]) -> None:
    with pytest.raises(DiffbenchError, match="interval"):
        Guided(Recorder(1.0), Recorder(0.0), 1.0, interval)
