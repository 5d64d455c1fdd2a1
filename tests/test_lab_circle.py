import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffbench.cli import main
from diffbench.conventions import CONFIDENCE, DiffbenchError
from diffbench.data.planar import equidistant, planar_set
from diffbench.lab.circle import (
    find_peak,
    gap_curve,
    ideal_denoiser,
    ring_limit,
    sweep,
    symmetric_curve,
)
from diffbench.lab.ideal import blurred
from diffbench.lab.montecarlo import sampled_gap
from diffbench.lab.profiles import angular_profile, flow_field


def test_converged_values_of_the_symmetric_circle() -> None:
    peak = find_peak(symmetric_curve(20, 1.6))
    assert peak.peak_gap == pytest.approx(0.3627, rel=2e-3)
    assert peak.sigma_at_peak == pytest.approx(1.184, rel=1e-3)
    assert peak.train_error == pytest.approx(1.0668, rel=2e-3)
    assert peak.validation_error == pytest.approx(1.4537, rel=2e-3)
    assert find_peak(symmetric_curve(20, 2.0)).peak_gap == pytest.approx(0.1453, rel=2e-3)
    twelve = find_peak(symmetric_curve(24, 1.6))
    assert twelve.peak_gap == pytest.approx(0.1769, rel=2e-3)
    assert twelve.sigma_at_peak == pytest.approx(0.999, rel=1e-3)


@given(half=st.integers(1, 30), delta=st.floats(0.1, 3.0), sigma=st.floats(0.05, 20.0))
@settings(max_examples=15, deadline=None)
def test_gap_stands_still_when_the_quadrature_is_refined(half: int, delta: float, sigma: float) -> None:
    level = np.array([sigma])
    usual = symmetric_curve(2 * half, delta, sigmas=level)
    fine = symmetric_curve(2 * half, delta, sigmas=level, tolerance=3e-6)
    np.testing.assert_allclose(usual.gap, fine.gap, rtol=1e-3, atol=1e-6)


def test_symmetry_agrees_with_the_mean_over_all_points() -> None:
    train, validation = planar_set("circle-symmetric", 10, 0.0, 0)
    levels = np.array([0.5, 2.0])
    everyone = gap_curve(ideal_denoiser(train, 0.8, 1.5, 0.4), train, validation, levels)
    one = symmetric_curve(10, 0.8, 1.5, 0.4, sigmas=levels)
    np.testing.assert_allclose(one.gap, everyone.gap, rtol=1e-9)
    np.testing.assert_allclose(one.gap_square, everyone.gap_square, rtol=1e-9)


@pytest.mark.parametrize(("delta", "sigma"), [(0.1, 0.1), (1.0, 0.01), (2.0, 5.0), (0.1, 80.0)])
def test_beyond_the_ring_limit_more_points_change_nothing(delta: float, sigma: float) -> None:
    count = ring_limit(delta, sigma)
    rng = np.random.default_rng(0)
    clean = equidistant(997)[:200]
    x = clean + sigma * rng.standard_normal(clean.shape)
    few, many = (blurred(equidistant(n), delta)(x, sigma) for n in (count, 2 * count + 1))
    np.testing.assert_allclose(few, many, atol=1e-11)


def test_monte_carlo_interval_covers_the_quadrature() -> None:
    train, validation = planar_set("circle-random", 8, 0.0, 3)
    denoiser = ideal_denoiser(train, 1.0)
    exact = gap_curve(denoiser, train, validation, np.array([0.8])).gap[0]
    gaps = [sampled_gap(denoiser, train, validation, 0.8, 400, seed) for seed in range(300)]
    covered = np.mean([low <= exact <= high for _, low, high, *_ in gaps])
    assert covered == pytest.approx(CONFIDENCE, abs=0.04)  # three standard errors


def test_gap_falls_with_delta_and_points_and_rises_with_guidance() -> None:
    by_delta = [row.peak.peak_gap for row in sweep([20], [1.2, 1.6, 2.0])]
    by_points = [row.peak.peak_gap for row in sweep([16, 20, 24], [1.6])]
    by_guidance = [row.peak.peak_gap for row in sweep([20], [1.6], 2.2, [0.0, 0.2, 0.4])]
    assert by_delta == sorted(by_delta, reverse=True)
    assert by_points == sorted(by_points, reverse=True)
    assert by_guidance == sorted(by_guidance)
    assert by_delta[1] == by_points[1] == by_guidance[0]


def test_a_gap_below_rounding_is_undefined() -> None:
    peak = find_peak(symmetric_curve(200, 3.0, sigmas=np.array([0.5, 1.0])))
    assert abs(peak.peak_gap) < 1e-12
    assert np.isnan([peak.sigma_at_peak, peak.train_error, peak.validation_error]).all()


def test_memory_is_bounded_with_many_training_points() -> None:
    """20,000 rows against 20,000 points would be 3.2 GB of weights at once."""
    import tracemalloc

    train = planar_set("dense-sparse", 40_000, 0.0, 0).train
    tracemalloc.start()
    blurred(train, 0.5)(train[:500], 0.1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * 2**20


def _printed(capsys: pytest.CaptureFixture[str], line: str) -> str:
    assert main(["circle", *line.split()]) == 0
    return capsys.readouterr().out


def test_command_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    values = json.loads(_printed(capsys, "--points 20 --delta 1.6 --guide-delta 2.2 --guidance 0.4 --json"))
    assert list(values) == [
        "peak_gap",
        "sigma_at_peak",
        "train_error",
        "validation_error",
        "peak_gap_mse",
        "sigma_at_peak_mse",
    ]
    assert values["peak_gap"] == pytest.approx(values["validation_error"] / values["train_error"] - 1)


def test_command_prints_undefined_values_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(_printed(capsys, "--points 100 --delta 3 --json"))["sigma_at_peak"] is None
    assert "undefined" in _printed(capsys, "--points 100 --delta 3")


@pytest.mark.parametrize(
    ("points", "delta", "guide_delta", "guidance", "word"),
    [
        (21, 1.0, None, 0.0, "odd"),
        (0, 1.0, None, 0.0, "too few"),
        (20, 0.0, None, 0.0, "delta"),
        (20, -1.0, None, 0.0, "delta"),
        (20, 1.0, 0.0, 0.4, "delta"),
        (20, 1.0, None, 0.4, "guide_delta"),
        (20, 1.0, 2.0, float("nan"), "guidance"),
    ],
)
def test_bad_input_is_refused(points: int, delta: float, guide_delta: float | None, guidance: float, word: str) -> None:
    with pytest.raises(DiffbenchError, match=word):
        symmetric_curve(points, delta, guide_delta, guidance)


def test_error_along_the_circle_is_least_at_training_points() -> None:
    denoiser = blurred(equidistant(6), 1.0)
    angles = np.linspace(0, np.pi / 3, 7)
    profile = angular_profile(denoiser, 1.0, angles)
    np.testing.assert_allclose(profile.norm, profile.norm[::-1], rtol=1e-3)
    assert np.argmin(profile.norm) in (0, 6)
    assert np.argmax(profile.norm) == 3


def test_flow_field_is_minus_sigma_times_the_score() -> None:
    train, sigma, step = equidistant(5), 2.0, 1e-5
    field = flow_field(blurred(train, 0.7), sigma, 5)

    def log_density(x: np.ndarray) -> np.ndarray:
        square = ((x[:, None] - train) ** 2).sum(axis=2)
        return np.log(np.exp(-square / (2 * (sigma**2 + 0.7**2))).sum(axis=1))

    for axis in range(2):
        shift = step * np.eye(2)[axis]
        score = (log_density(field.positions + shift) - log_density(field.positions - shift)) / (2 * step)
        np.testing.assert_allclose(field.velocities[:, axis], -sigma * score, atol=1e-6)
