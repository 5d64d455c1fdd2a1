"""Noise is a pure function of what it is for."""

import numpy as np
from scipy import stats

from diffbench.conventions import karras_sigmas, log_sigmas, seed_of
from diffbench.noise import gap_noise, overlap_noise, sample_noise


def test_an_image_has_the_same_noise_whatever_the_number_of_images():
    np.testing.assert_array_equal(gap_noise("train", 3, 1, 100, 7)[:40], gap_noise("train", 3, 1, 40, 7))


def test_a_sample_has_the_same_noise_in_any_batch():
    whole = sample_noise(0, 20, 5)
    np.testing.assert_array_equal(whole, np.concatenate([sample_noise(0, 7, 5), sample_noise(7, 13, 5)]))


def test_streams_are_standard_normal_and_independent():
    streams = [
        gap_noise("train", 0, 0, 2000, 5),
        gap_noise("validation", 0, 0, 2000, 5),
        gap_noise("train", 1, 0, 2000, 5),
    ]
    streams += [
        gap_noise("train", 0, 1, 2000, 5),
        overlap_noise("train", 0, 2000, 5),
        sample_noise(0, 2000, 5),
    ]
    for stream in streams:
        assert stats.kstest(stream.ravel(), "norm").pvalue > 1e-3
    correlations = np.corrcoef([stream.ravel() for stream in streams])
    assert np.abs(correlations - np.eye(len(streams))).max() < 0.05


def test_seeds_tell_numbers_from_text_and_parts_from_joins():
    seeds = {seed_of("a", 1), seed_of("a", "1"), seed_of("a1"), seed_of(1, "a"), seed_of("a/1")}
    assert len(seeds) == 5
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_karras_grid_ends_exactly_where_it_is_told_to():
    for highest in (2.0, 3.0, 10.0, 80.0):  # the formula rounds the ends of the second and third up
        assert karras_sigmas(18, 0.002, highest)[[0, -1]].tolist() == [highest, 0.002]


def test_grids_have_their_ends_and_the_values_of_the_paper():
    grid = karras_sigmas(18)
    np.testing.assert_allclose(grid[[0, -1]], [80, 0.002])
    i = np.arange(18)  # Karras et al. 2022, eq. 5, written out
    expected = (80 ** (1 / 7) + i / 17 * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7
    np.testing.assert_allclose(grid, expected, rtol=1e-12)
    assert np.allclose(np.diff(np.log(log_sigmas(24))), np.log(80 / 0.002) / 23)
