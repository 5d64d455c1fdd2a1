"""Neighbours against float64 brute force, where plain float32 products fail."""

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from diffbench.conventions import DiffbenchError
from diffbench.measures import neighbors
from diffbench.measures.neighbors import nearest
from diffbench.rounding import score_error


def brute_force(queries, references, k):
    distances = cdist(np.asarray(queries, np.float64), np.asarray(references, np.float64))
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(distances, order, axis=1)


def as_dataset(node):
    assert isinstance(node, h5py.Dataset)
    return node


def images(rng, count, dimensions, mean=0.5):
    return rng.normal(mean, 0.5, (count, dimensions)).astype(np.float32)


@pytest.mark.parametrize("dimensions", [2, 10, 11, 20, 64, 3072])
@pytest.mark.parametrize("k", [1, 2, 5])
def test_equals_brute_force(dimensions, k):
    rng = np.random.default_rng(dimensions)
    queries, references = images(rng, 50, dimensions), images(rng, 300, dimensions)
    indices, distances = brute_force(queries, references, k)
    near = nearest(queries, references, k)
    assert np.array_equal(near.indices, indices)
    np.testing.assert_allclose(near.distances, distances, rtol=1e-12)


def test_near_copies_in_3072_dimensions():
    rng = np.random.default_rng(0)
    references = images(rng, 400, 3072, mean=2.0)
    source = rng.integers(0, 400, 60)
    queries = references[source] + rng.normal(0, 1e-3, (60, 3072)).astype(np.float32)
    near = nearest(queries, references, 2)
    _, distances = brute_force(queries, references, 2)
    assert np.array_equal(near.indices[:, 0], source)
    np.testing.assert_allclose(near.distances, distances, rtol=1e-12)
    norms = (references**2).sum(1) - 2 * queries @ references.T + (queries**2).sum(1)[:, None]
    plain = np.sqrt(np.maximum(norms.min(1), 0))
    assert np.abs(plain / distances[:, 0] - 1).max() > 0.05  # the task is one that plain float32 fails


@pytest.mark.parametrize("dimensions", [3, 200])
def test_copies_are_at_zero_and_only_they(dimensions):
    rng = np.random.default_rng(1)
    references = images(rng, 100, dimensions, mean=100.0)
    queries = references[:20].copy()
    queries[10:, 0] = np.nextafter(queries[10:, 0], np.float32(np.inf))
    near = nearest(queries, references, 1)
    assert np.array_equal(near.indices[:, 0], np.arange(20))
    assert (near.distances[:10] == 0).all()
    assert (near.distances[10:] > 0).all()


def test_crowded_candidates_are_settled_exactly():
    """300 near copies of each of two images: float32 cannot tell which is nearest, 8 spare candidates are too few."""
    rng = np.random.default_rng(2)
    centers = images(rng, 2, 500, mean=3.0).astype(np.float64)
    references = np.repeat(centers, 300, axis=0) + rng.normal(0, 1e-5, (600, 500))
    queries = centers[[0, 1, 0]] + rng.normal(0, 1e-5, (3, 500))
    indices, distances = brute_force(queries, references, 3)
    near = nearest(queries, references, 3)
    assert np.array_equal(near.indices, indices)
    np.testing.assert_allclose(near.distances, distances, rtol=1e-12)


@pytest.mark.parametrize("dimensions", [4, 50])
def test_constant_images(dimensions):
    near = nearest(np.ones((3, dimensions)), np.ones((700, dimensions)), 2)
    assert (near.distances == 0).all()
    assert (near.indices[:, 0] != near.indices[:, 1]).all()


@pytest.mark.parametrize("dimensions", [2, 40])
def test_neighbours_inside_one_set_leave_out_the_image_itself(dimensions):
    rng = np.random.default_rng(3)
    points = images(rng, 80, dimensions)
    points[7] = points[3]
    near = nearest(points, points, 2, own=np.arange(80))
    distances = cdist(points.astype(np.float64), points.astype(np.float64))
    np.fill_diagonal(distances, np.inf)
    np.testing.assert_allclose(near.distances, np.sort(distances, axis=1)[:, :2], rtol=1e-12)
    assert near.indices[7, 0] == 3
    assert near.distances[7, 0] == 0


@pytest.mark.parametrize("dimensions", [2, 40])
def test_duplicates_of_an_image_do_not_hide_its_other_neighbours(dimensions):
    points = np.zeros((50, dimensions))
    points[49] = 1.0
    near = nearest(points, points, 49, own=np.arange(50))
    assert (near.indices != np.arange(50)[:, None]).all()
    assert (near.distances[:49, 48] > 0).all()


def test_many_small_blocks_read_from_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr(neighbors, "BLOCK_ROWS", 37)
    rng = np.random.default_rng(4)
    queries, references = images(rng, 100, 30), images(rng, 900, 30)
    indices, distances = brute_force(queries, references, 4)
    with h5py.File(tmp_path / "images.h5", "w") as file:
        file["queries"], file["references"] = queries, references
        near = nearest(as_dataset(file["queries"]), as_dataset(file["references"]), 4)
    assert np.array_equal(near.indices, indices)
    np.testing.assert_allclose(near.distances, distances, rtol=1e-12)


@pytest.mark.parametrize("k", [1, 3, 40])
@pytest.mark.parametrize("rows", [29, 4096])
def test_ties_go_to_the_lower_index_in_any_block(monkeypatch, rows, k):
    """Images of zeros and ones: most distances occur often, and are exact; no image is in its own list."""
    monkeypatch.setattr(neighbors, "BLOCK_ROWS", rows)
    points = np.random.default_rng(5).integers(0, 2, (300, 12)).astype(np.float32)
    squared = ((points[:, None] - points) ** 2).sum(axis=2)
    np.fill_diagonal(squared, np.inf)
    order = np.argsort(squared, axis=1, kind="stable")[:, :k]
    near = nearest(points, points, k, own=np.arange(300))
    assert np.array_equal(near.indices, order)
    assert np.array_equal(near.distances, np.sqrt(np.take_along_axis(squared, order, axis=1).astype(np.float64)))


@pytest.mark.parametrize("dimensions", [30, 3000])
def test_the_bound_covers_the_error_of_scores(dimensions):
    """||r||^2/2 - q.r in float32 against float64, where terms cancel most: r beside q, all values of one sign."""
    rng = np.random.default_rng(6)
    queries = (1 + rng.random((40, dimensions))).astype(np.float32)
    references = queries + rng.normal(0, 1e-3, queries.shape).astype(np.float32)
    halves = (references * references).sum(axis=1) / 2
    scores = halves - queries @ references.T
    wide = references.astype(np.float64)
    exact = (wide**2).sum(axis=1) / 2 - queries.astype(np.float64) @ wide.T
    norms = np.linalg.norm(queries.astype(np.float64), axis=1)
    bound = score_error(dimensions, norms, float(np.linalg.norm(wide, axis=1).max()))
    assert (np.abs(scores - exact) <= bound[:, None]).all()
    assert np.abs(scores - exact).max() > 0


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    dimensions=st.integers(11, 40),
    count=st.integers(2, 500),
    exponent=st.integers(-30, 30),
    offset=st.floats(-1e3, 1e3),
    duplicates=st.integers(0, 60),
)
def test_any_scale_offset_and_duplication(seed, dimensions, count, exponent, offset, duplicates):
    rng = np.random.default_rng(seed)
    references = rng.normal(size=(count, dimensions))
    references[: min(duplicates, count)] = references[0]
    references = (references + offset) * 2.0**exponent
    queries = references[rng.integers(0, count, 5)] + 2.0**exponent * rng.normal(
        0, rng.choice([0, 1e-9, 1e-3, 1]), (5, dimensions)
    )
    near = nearest(queries, references, 2)
    _, distances = brute_force(queries, references, 2)
    np.testing.assert_allclose(near.distances, distances, rtol=1e-9)
    picked = np.linalg.norm(queries[:, None] - references[near.indices], axis=2)
    np.testing.assert_allclose(picked, near.distances, rtol=1e-12)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_rotating_and_permuting_changes_no_distance(seed):
    rng = np.random.default_rng(seed)
    queries, references = rng.normal(size=(6, 12)), rng.normal(size=(40, 12))
    rotation, _ = np.linalg.qr(rng.normal(size=(12, 12)))
    order = rng.permutation(40)
    plain = nearest(queries, references, 3)
    turned = nearest(queries @ rotation, (references @ rotation)[order], 3)
    np.testing.assert_allclose(turned.distances, plain.distances, rtol=1e-10)
    assert np.array_equal(order[turned.indices], plain.indices)


@pytest.mark.usefixtures("shapes_unchecked")
def test_bad_input_is_named():
    good = np.zeros((3, 10))
    with pytest.raises(DiffbenchError, match="need at least 4 references, got 3"):
        nearest(good, good, 4)
    with pytest.raises(DiffbenchError, match="need at least 4 references, got 3"):
        nearest(good, good, 3, own=np.arange(3))
    with pytest.raises(DiffbenchError, match="10 dimensions, references 11"):
        nearest(good, np.zeros((3, 11)), 1)
    with pytest.raises(DiffbenchError, match="flatten"):
        nearest(np.zeros((3, 5, 2)), good, 1)
    for value in (np.nan, np.inf):
        bad = good.copy()
        bad[1, 2] = value
        with pytest.raises(DiffbenchError, match="references: NaN or infinite"):
            nearest(good, bad, 1)
        with pytest.raises(DiffbenchError, match="queries: NaN or infinite"):
            nearest(bad, good, 1)
