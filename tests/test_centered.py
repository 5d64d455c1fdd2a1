"""Distances to the nearest of images that were made ready, against the general search and an oracle in longdouble."""

import numpy as np
import pytest

from diffbench.conventions import DiffbenchError
from diffbench.measures import centered
from diffbench.measures.centered import Centered
from diffbench.measures.neighbors import nearest


def exact(points: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Distance to the nearest image, every pair measured with more digits than float64."""
    differences = points[:, None].astype(np.longdouble) - images[None].astype(np.longdouble)
    return np.sqrt((differences**2).sum(axis=2).min(axis=1))


@pytest.mark.parametrize("dimension", [2, 5, 300])
@pytest.mark.parametrize("shift", [0.0, 1e4])
def test_distances_are_exact_near_copies_and_far_from_the_origin(dimension: int, shift: float) -> None:
    rng = np.random.default_rng(0)
    images = (rng.normal(size=(40, dimension)) + shift).astype(np.float32)
    images[20:30] = np.nextafter(images[:10], np.float32(np.inf))  # near duplicates
    points = np.concatenate([images[:25], images[5:15] + np.float32(1e-3), rng.normal(0, 1e4, (20, dimension))])
    found = Centered.of(images).nearest_distances(points, "points")
    np.testing.assert_allclose(found, exact(points, images).astype(np.float64), rtol=1e-12)
    assert (found[:25] == 0).all()


def test_the_general_search_says_the_same_to_the_last_bit() -> None:
    rng = np.random.default_rng(1)
    images, points = (rng.normal(size=(n, 50)).astype(np.float32) for n in (200, 90))
    np.testing.assert_array_equal(
        Centered.of(images).nearest_distances(points, "points"), nearest(points, images, 1).distances[:, 0]
    )


def test_blocks_and_equal_images_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    images, points = np.repeat(rng.normal(size=(5, 20)), 6, axis=0), rng.normal(size=(33, 20))
    whole = Centered.of(images).nearest_distances(points, "points")
    monkeypatch.setattr(centered, "BLOCK_ELEMENTS", 7 * len(images))
    monkeypatch.setattr(centered, "CACHED_ELEMENTS", 3 * 20)
    np.testing.assert_array_equal(Centered.of(images).nearest_distances(points, "points"), whole)
    np.testing.assert_allclose(whole, exact(points, images).astype(np.float64), rtol=1e-12)


def test_values_that_are_not_finite_are_named() -> None:
    with pytest.raises(DiffbenchError, match="train: NaN"):
        Centered.of(np.full((3, 2), np.nan), "train")
    with pytest.raises(DiffbenchError, match="predictions: NaN"):
        Centered.of(np.ones((3, 2))).nearest_distances(np.full((3, 2), np.inf), "predictions")
