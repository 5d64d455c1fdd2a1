"""Labels at every granularity, for training and validation images."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from diffbench.conventions import DiffbenchError
from diffbench.data.conditions import Conditions, conditions
from diffbench.settings.granularity import Granularity

CENTRES = np.array([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0], [9.0, 9.0]])
CLASSES = 6


def _labels(name: str, n: int = 48, v: int = 21, classes: int = CLASSES, seed: int = 0) -> Conditions:
    """Conditions of points around four far centres: images 0, 4, 8, ... around the first one, and so on."""
    return conditions(Granularity.parse(name), _images(n, 1), _true(n), _images(v, 2), _true(v), classes, seed)


def _images(count: int, seed: int) -> np.ndarray:
    noise = 0.3 * np.random.default_rng(seed).standard_normal((count, 2))
    return (CENTRES[np.arange(count) % 4] + noise).astype(np.float32)


def _true(count: int) -> np.ndarray:
    return np.arange(count) % CLASSES


def test_none_gives_everyone_the_one_label() -> None:
    labels = _labels("none")
    assert labels.count == 1
    assert not labels.train.any()
    assert not labels.validation.any()


def test_classes_are_the_true_ones() -> None:
    labels = _labels("classes")
    assert labels.count == CLASSES
    assert labels.train.tolist() == _true(48).tolist()
    assert labels.validation.tolist() == _true(21).tolist()


@pytest.mark.parametrize(
    ("name", "group_of_class"), [("groups-2", [0, 0, 0, 1, 1, 1]), ("groups-3", [0, 0, 1, 1, 2, 2])]
)
def test_groups_join_neighbouring_classes(name: str, group_of_class: list[int]) -> None:
    labels = _labels(name)
    assert labels.count == max(group_of_class) + 1
    assert labels.train.tolist() == np.array(group_of_class)[_true(48)].tolist()
    assert labels.validation.tolist() == np.array(group_of_class)[_true(21)].tolist()


def test_kmeans_finds_planted_clusters_and_predicts_those_of_validation_images() -> None:
    labels = _labels("kmeans-4")
    assert labels.count == 4
    of_centre = labels.train[:4]  # the first image of each centre tells that centre's number
    assert sorted(of_centre) == [0, 1, 2, 3]
    assert labels.train.tolist() == of_centre[np.arange(48) % 4].tolist()
    assert labels.validation.tolist() == of_centre[np.arange(21) % 4].tolist()


def test_unique_gives_validation_images_the_label_of_the_nearest_training_image() -> None:
    labels = _labels("unique")
    assert labels.count == 48
    assert labels.train.tolist() == list(range(48))
    assert labels.validation.tolist() == cdist(_images(21, 2), _images(48, 1)).argmin(axis=1).tolist()


def test_random_labels_use_the_whole_range_and_depend_on_neither_image_nor_class() -> None:
    labels = _labels("random-3", n=3000, v=3000)
    for drawn in (labels.train, labels.validation):
        assert set(drawn.tolist()) == {0, 1, 2}
        table = np.array([np.bincount(drawn[_true(3000) == kind], minlength=3) for kind in range(CLASSES)])
        assert np.abs(table / table.sum(axis=1, keepdims=True) - 1 / 3).max() < 0.1  # 4.7 standard errors


def test_random_labels_of_nested_subsets_agree() -> None:
    small, large = _labels("random-5", n=10), _labels("random-5", n=48)
    assert small.train.tolist() == large.train[:10].tolist()
    assert small.validation.tolist() == large.validation.tolist()


@pytest.mark.parametrize("name", ["kmeans-5", "random-7", "unique"])
def test_labels_repeat_for_their_seed(name: str) -> None:
    first, again = _labels(name), _labels(name)
    assert np.array_equal(first.train, again.train)
    assert np.array_equal(first.validation, again.validation)


def test_random_labels_differ_between_seeds() -> None:
    assert not np.array_equal(_labels("random-7").train, _labels("random-7", seed=1).train)


@given(st.sampled_from(["none", "classes", "groups-4", "kmeans-3", "unique", "random-9"]), st.integers(12, 30))
def test_labels_stand_below_their_count(name: str, n: int) -> None:
    labels = _labels(name, n=n)
    assert len(labels.train) == n
    for drawn in (labels.train, labels.validation):
        assert drawn.dtype == np.int64
        assert 0 <= drawn.min() <= drawn.max() < labels.count


@pytest.mark.parametrize("name", ["classes", "groups-2"])
def test_classes_that_the_data_do_not_have_are_refused(name: str) -> None:
    with pytest.raises(DiffbenchError, match="no classes"):
        _labels(name, classes=0)


@pytest.mark.parametrize("name", ["kmeans", "kmeans-0", "class", "random-x", "unique-3", ""])
def test_an_unknown_granularity_is_refused_with_the_forms(name: str) -> None:
    with pytest.raises(DiffbenchError, match="kmeans-K"):
        Granularity.parse(name)


def test_clusters_of_many_images_are_those_of_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound every image goes to the cluster that the first ones found: the same four groups here."""
    monkeypatch.setattr("diffbench.data.conditions.CLUSTERED", 24)
    few, many = _labels("kmeans-4", n=24), _labels("kmeans-4", n=48)
    assert many.validation.tolist() == few.validation.tolist()
    assert many.train.tolist() == few.train[:4].tolist() * 12
