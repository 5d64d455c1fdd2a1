"""The split: nested, class-balanced, disjoint, without duplicates, scaled, and the same for the same seed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffbench.conventions import DiffbenchError
from diffbench.data import raw_images
from diffbench.data.raw_images import RawImages, unlabelled, without_duplicates
from diffbench.data.scaling import Scaling, fitted_scaling
from diffbench.data.subsets import balanced_order, split

labels_of_images = st.lists(st.integers(0, 4), min_size=12, max_size=80).map(np.array)


def _numbered(classes: np.ndarray) -> RawImages:
    """Images that are all different and tell their own index."""
    images = np.arange(len(classes) * 4, dtype=np.int32).reshape(-1, 1, 2, 2)
    return RawImages(images, classes, int(classes.max()) + 1)


def _indices(raw: RawImages) -> list[int]:
    return (raw.images[:, 0, 0, 0] // 4).tolist()


@settings(max_examples=60)
@given(labels_of_images, st.integers(0, 3))
def test_every_prefix_is_balanced_to_within_one_image(classes: np.ndarray, seed: int) -> None:
    order = balanced_order(classes, seed)
    kinds = np.unique(classes)
    counts = np.cumsum(classes[order][:, None] == kinds, axis=0)
    assert (np.ptp(counts, axis=1) <= 1).all()
    assert len(set(order.tolist())) == len(order) == len(kinds) * np.bincount(classes)[kinds].min()


@settings(max_examples=60)
@given(labels_of_images, st.integers(2, 4))
def test_split_is_disjoint_nested_balanced_and_keeps_classes(classes: np.ndarray, validation: int) -> None:
    smallest = np.bincount(classes)[np.unique(classes)].min()
    if smallest * len(np.unique(classes)) < validation + 2:
        with pytest.raises(DiffbenchError, match=r"data\.validation"):
            split(_numbered(classes), validation, 0)
        return
    parts = split(_numbered(classes), validation, 0)
    assert parts.validation is not None
    held_out, pool = _indices(parts.validation), _indices(parts.pool)
    assert len(held_out) == validation
    assert not set(held_out) & set(pool)
    assert parts.pool.classes.tolist() == classes[pool].tolist()
    assert parts.validation.classes.tolist() == classes[held_out].tolist()
    # The pool goes on where validation ends: amid a round, unless the number of classes divides it.
    kinds = np.unique(classes)
    counts = np.cumsum(parts.pool.classes[:, None] == kinds, axis=0)
    assert (np.ptp(counts, axis=1) <= (2 if validation % len(kinds) else 1)).all()


def test_a_split_repeats_for_its_seed_and_differs_for_another() -> None:
    raw = _numbered(np.arange(200) % 5)
    first, again, other = (split(raw, 20, seed) for seed in (3, 3, 4))
    assert _indices(first.pool) == _indices(again.pool)
    assert _indices(first.pool) != _indices(other.pool)


def test_scaled_pool_has_mean_zero_and_the_standard_deviation_of_the_convention(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(raw_images, "BLOCK_VALUES", 100)  # 11 images
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (700, 1, 3, 3)).astype(np.uint8)
    scaling = fitted_scaling(images)
    scaled = (images.astype(np.float64) - scaling.mean) * scaling.scale
    assert scaled.mean() == pytest.approx(0, abs=1e-12)
    assert scaled.std() == pytest.approx(0.5, rel=1e-12)
    assert scaling.mean == pytest.approx(images.mean(dtype=np.float64), rel=1e-14)


def test_scaling_leads_there_and_back() -> None:
    raw, scaling = np.array([[0, 7, 255]], np.uint8), Scaling(mean=100.0, scale=0.01)
    scaled = scaling.scaled(raw)
    assert scaled.dtype == np.float32
    assert scaled[0].tolist() == pytest.approx([-1.0, -0.93, 1.55])
    assert scaling.raw(scaled)[0].tolist() == pytest.approx([0, 7, 255], abs=1e-4)
    assert scaling.scaled_lengths(50.0) == 0.5
    assert scaling.raw_lengths(np.array([0.5, 1.0])).tolist() == [50, 100]
    assert Scaling.of(scaling.attributes | {"classes": 3}) == scaling


def test_a_constant_pool_cannot_be_scaled() -> None:
    with pytest.raises(DiffbenchError, match="constant"):
        fitted_scaling(np.full((5, 1, 2, 2), 7, np.uint8))


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40), st.booleans())
def test_of_identical_images_the_first_is_kept_in_order(rows: list[tuple[int, int]], floats: bool) -> None:
    images = np.array(rows, np.float32 if floats else np.uint8).reshape(-1, 1, 1, 2)
    raw = RawImages(images, np.arange(len(rows)), len(rows))
    kept = without_duplicates(raw)
    expected = np.sort(np.unique(images.reshape(-1, 2), axis=0, return_index=True)[1])
    assert kept.classes.tolist() == expected.tolist()
    assert np.array_equal(kept.images, images[expected])


def test_no_duplicate_stands_on_both_sides_of_the_split() -> None:
    rng = np.random.default_rng(1)
    images = rng.integers(0, 2, (400, 1, 2, 3)).astype(np.uint8)  # 64 different images at most
    parts = split(without_duplicates(unlabelled(images)), 10, 0)
    assert parts.validation is not None
    seen = [tuple(image.ravel()) for image in (*parts.pool.images, *parts.validation.images)]
    assert len(set(seen)) == len(seen) == len(np.unique(images.reshape(400, -1), axis=0))
