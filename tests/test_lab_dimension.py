"""The local dimension of closed forms: values checked elsewhere, J by differences, the posterior, and its laws."""

import numpy as np
import pytest

from diffbench.data.planar import RADIUS, equidistant, spacing
from diffbench.files.store import StageFile
from diffbench.lab.dimension import local_dimension
from diffbench.lab.ideal import PlanarDenoiser, blurred, optimum
from diffbench.lab.topics.dimension import variables
from diffbench.report.tables.lab_topics import half_dimensions
from diffbench.settings.lab import DimensionTopic

BOTH = equidistant(40)
TRAIN = BOTH[::2]


@pytest.mark.parametrize(
    ("sigma", "at_point", "halfway"),
    [(0.5, 0, 9.849), (1, 0.144, 2.464), (1.5, 0.811, 1.210), (2, 0.998, 1.023), (3, 1.025, 1.025)],
)
def test_twenty_points_of_the_circle(sigma, at_point, halfway):
    assert local_dimension(BOTH[:2], TRAIN, sigma) == pytest.approx([at_point, halfway], abs=6e-4)


def by_differences(denoiser: PlanarDenoiser, x: np.ndarray, sigma: float) -> np.ndarray:
    """Tr J + |x - D|^2 / sigma^2 written out, with J from central differences."""
    step, trace = 1e-5, np.zeros(len(x))
    for axis in range(2):
        ahead, back = (denoiser(x + way * step * np.eye(2)[axis], sigma)[:, axis] for way in (1, -1))
        trace += (ahead - back) / (2 * step)
    return trace + ((x - denoiser(x, sigma)) ** 2).sum(axis=1) / sigma**2


@pytest.mark.parametrize("delta", [0.0, 0.4, 1.6])
@pytest.mark.parametrize("sigma", [0.3, 1.0, 4.0])
def test_it_is_the_definition(delta, sigma):
    x = np.random.default_rng(0).normal(0, RADIUS, (20, 2))
    denoiser = blurred(TRAIN, delta) if delta else optimum(TRAIN)
    expected = by_differences(denoiser, x, sigma)
    np.testing.assert_allclose(local_dimension(x, TRAIN, sigma, delta), expected, rtol=1e-5, atol=1e-5)


def test_a_denoiser_with_an_error_fills_the_plane_at_noise_below_it():
    assert local_dimension(BOTH[:2], TRAIN, 1e-3, 0.8) == pytest.approx([2, 2], abs=1e-3)


@pytest.mark.parametrize("count", [20, 80])
def test_the_dip_that_is_memorization_is_lost_to_an_error_of_a_quarter_of_the_spacing(count):
    train, between = equidistant(count), spacing(count)
    levels = np.geomspace(0.1, 2, 90) * between
    lowest = [
        min(local_dimension(train[:1], train, float(sigma), share * between)[0] for sigma in levels)
        for share in (0.1, 0.2, 0.25)
    ]
    assert lowest[:2] == pytest.approx([0.292, 0.832], abs=0.005)
    assert lowest[2] > 1


def test_the_dimension_halves_at_one_share_of_the_spacing_for_any_number_of_points():
    found = variables(DimensionTopic(point_counts=[20, 40, 160], deltas=[0.4]))
    file = StageFile(None, {name: np.asarray(each.values) for name, each in found.items()}, {})  # pyright: ignore[reportArgumentType]
    assert file["flipd"].shape == (3, 2, 2, len(file["sigma"]))
    assert half_dimensions(file) / [spacing(count) for count in (10, 20, 80)] == pytest.approx(0.399, abs=0.005)


def test_levels_begin_below_the_spacing_of_dense_points():
    """Of 10,000 training points half a dimension lies at a noise of 0.0025."""
    found = variables(DimensionTopic(points=20, point_counts=[20_000], deltas=[0.4]))
    file = StageFile(None, {name: np.asarray(each.values) for name, each in found.items()}, {})  # pyright: ignore[reportArgumentType]
    assert half_dimensions(file) / file["spacing"] == pytest.approx(0.399, abs=0.005)
    few = variables(DimensionTopic())["sigma"].values
    np.testing.assert_array_equal(few, np.geomspace(0.02, 100, 149))


def test_a_topic_has_its_own_number_of_points_once():
    assert variables(DimensionTopic(points=40, point_counts=[40, 20]))["points"].values.tolist() == [20, 40]
