"""Near duplicates among training images: clusters by brute force, and copies that they no longer hide."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.datasets import load_digits

from diffbench.conventions import DiffbenchError
from diffbench.data.image_set import ImageSet
from diffbench.data.scales import scale_of
from diffbench.files import store
from diffbench.files.estimates import Estimate, undefined
from diffbench.measures.audit import Audit, audit
from diffbench.measures.battery import memorization_battery
from diffbench.measures.memorization import closeness, disagreement, distance_ratios, memorization
from diffbench.measures.near_copies import near_copies
from diffbench.measures.near_duplicates import largest_cluster, looked_at, near_duplicates, surroundings
from diffbench.measures.neighbors import nearest
from diffbench.stages import report, summary
from diffbench.study import layout
from diffbench.study.file import parse_study
from diffbench.study.lineage import Lineage
from tests.jobs import make_all


def greys() -> np.ndarray:
    """Digits (1797, 64) with 256 grey levels, in an order that is not by writer."""
    images = load_digits().data * (255 / 16)  # pyright: ignore[reportAttributeAccessIssue]
    return np.random.default_rng(0).permutation(images.round())


def varied(images: np.ndarray, levels: int, seed: int) -> np.ndarray:
    """Variants that are off by at most so many grey levels."""
    noise = np.random.default_rng(seed).integers(-levels, levels + 1, images.shape)
    return np.clip(images + noise, 0, 255)


def by_hand(images: np.ndarray, train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """d2 and AuthPct's distance by the definition in words, image by image."""
    between = cdist(train, train)
    most = min(50, max(2, int(np.ceil(len(train) / 10)) - 1))
    second, spacing = [], []
    for row in cdist(images, train):
        near = int(row.argmin())
        others = [int(other) for other in between[near].argsort(kind="stable") if other != near]
        members = [near]
        for k in range(1, min(most, len(others))):
            if between[near, others[k - 1]] < between[near, others[k]] / 3:
                members = [near, *others[:k]]
        outside = np.setdiff1d(np.arange(len(train)), members)
        second.append(row[outside].min())
        spacing.append(between[near, outside].min())
    return np.array(second), np.array(spacing)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), dimension=st.sampled_from([2, 8, 40]), clusters=st.integers(0, 12))
def test_second_distances_are_those_of_brute_force(seed: int, dimension: int, clusters: int) -> None:
    """Clusters of two to six images, in which distances may differ by a factor of ten."""
    rng = np.random.default_rng(seed)
    distinct = rng.normal(0, 0.5, (60, dimension))
    sizes = rng.integers(1, 6, clusters)
    variants = np.repeat(distinct[:clusters], sizes, axis=0)
    variants = variants + rng.choice([1e-4, 1e-3], (len(variants), 1)) * rng.normal(size=variants.shape)
    train = rng.permutation(np.concatenate([distinct, variants]))
    images = np.concatenate([rng.normal(0, 0.5, (20, dimension)), train[:30] + 3e-4 * rng.normal(size=(30, dimension))])
    second, spacing = by_hand(images, train)
    close = closeness(images, train)
    np.testing.assert_allclose(close.second, second, rtol=1e-12)
    np.testing.assert_allclose(close.spacing, spacing, rtol=1e-12)


def test_without_near_duplicates_all_distances_are_exactly_the_plain_ones() -> None:
    train, images = greys()[:400].astype(np.float32), greys()[400:900].astype(np.float32)
    rows = np.arange(400)
    assert not surroundings(train, rows).duplicates.any()
    close, plain = closeness(images, train), nearest(images, train, 2)
    others = nearest(train[plain.indices[:, 0]], train, 50, own=plain.indices[:, 0]).distances
    assert np.array_equal(close.first, plain.distances[:, 0])
    assert np.array_equal(close.second, plain.distances[:, 1])
    assert np.array_equal(close.spacing, others[:, 0])
    assert np.array_equal(close.scale, others.mean(axis=1))


def test_noisy_copies_are_memorized_though_every_training_image_has_a_variant() -> None:
    """The case of a training set of 300 images beside 300 variants off by two grey levels."""
    images = greys()
    train = np.concatenate([images[:300], varied(images[:300], 2, 1)])
    copies = images[:300] + np.random.default_rng(2).normal(0, 2, (300, 64))
    first, second = np.sort(cdist(copies, train), axis=1)[:, :2].T
    assert (first / second < 1 / 3).mean() < 0.01, "plain d1/d2 is silent"
    measured = memorization(closeness(copies, train), 0)
    assert measured.fraction.value == 1
    assert measured.mem_auc.value > 0.8
    assert measured.authentic.value == 0


def test_unseen_images_stay_at_their_floor_beside_near_duplicates() -> None:
    images = greys()
    train, unseen, validation = images[:300], images[300:900], images[900:1500]
    doubled = np.concatenate([train, varied(train, 2, 1)])
    plain, beside = closeness(unseen, train), closeness(unseen, doubled)
    assert np.abs(distance_ratios(beside) - distance_ratios(plain)).max() < 0.1
    estimates = memorization_battery(unseen, doubled, validation).estimates
    for name in ("memorized_fraction", "mem_auc", "auth_pct"):
        floor = estimates[name.replace("memorized_fraction", "memorized") + "_floor"]
        assert floor.low <= estimates[name].high, name
        assert estimates[name].low <= floor.high, name
    assert estimates["memorized_fraction"].value < 0.01


def test_the_share_of_near_duplicates_and_its_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    images = greys()
    train = np.concatenate([images[:400], varied(images[:40], 2, 1), varied(images[:10], 2, 2)])

    def of(train: np.ndarray) -> tuple[list[tuple[int, int]], Estimate]:
        rows = looked_at(train, 0)
        found = near_duplicates(surroundings(train, rows), rows, len(train))
        return found.pairs, found.share

    pairs, share = of(train)
    assert share == Estimate(90 / 450, 90 / 450, 90 / 450, 450)
    assert {row for row, _ in pairs} == {*range(40), *range(400, 450)}
    origin = np.array([*range(400), *range(40), *range(10)])
    assert all(origin[row] == origin[other] for row, other in pairs)
    assert of(images[:400]) == ([], Estimate(0, 0, 0, 400))
    monkeypatch.setattr("diffbench.measures.near_duplicates.LOOKED_AT", 100)
    monkeypatch.setattr("diffbench.measures.near_duplicates.MOST_PRODUCTS", 1)
    few, share = of(train)
    assert set(few) < set(pairs)
    assert share.n == 100
    assert share.low < 90 / 450 < share.high


def test_modes_of_the_data_are_no_clusters() -> None:
    """Ten classes far apart, of any size; a group of more than 50 images among very many."""
    rng = np.random.default_rng(0)
    for of_class in (2, 5, 20, 100):
        label = np.arange(10 * of_class) % 10
        train = 100 * np.eye(12)[label] + rng.normal(size=(len(label), 12))
        if largest_cluster(len(train)) > 2:  # among 20 images and fewer, a pair cannot be told from a class
            assert not surroundings(train, np.arange(len(train))).duplicates.any()
    groups = np.repeat(np.arange(20), 51)
    train = 100 * np.eye(24)[groups] + rng.normal(size=(len(groups), 24))
    assert not surroundings(train, np.arange(0, len(train), 51)).duplicates.any()


def test_two_and_three_training_images() -> None:
    two = closeness(np.array([[0.1] * 12]), np.array([[0.0] * 12, [1.0] * 12]))
    assert distance_ratios(two) == pytest.approx([0.1 / 0.9])
    pair = closeness(np.array([[0.1] * 12]), np.array([[0.0] * 12, [0.2] * 12, [9.0] * 12]))
    assert distance_ratios(pair) == pytest.approx([0.1 / 8.9])


SURE, NEVER, HALF = Estimate(0.9, 0.85, 0.95, 100), Estimate(0.01, 0.0, 0.05, 100), Estimate(0.5, 0.4, 0.6, 100)
NO_FLOOR = undefined("needs validation images", 0)


@pytest.mark.parametrize(
    ("fraction", "floor", "calibrated", "calibrated_floor", "said"),
    [
        (NEVER, NEVER, SURE, NEVER, "calibrated criterion tells of copies and d1/d2 does not"),
        (SURE, NEVER, NEVER, NEVER, "d1/d2 tells of copies and the calibrated criterion does not"),
        (NEVER, NO_FLOOR, SURE, NO_FLOOR, "calibrated criterion tells of copies and d1/d2 does not"),
        (SURE, NEVER, SURE, NEVER, ""),
        (NEVER, NEVER, HALF, HALF, ""),  # the calibrated criterion counts more of any images
        (HALF, NEVER, SURE, NEVER, ""),  # both tell of copies
        (NEVER, NO_FLOOR, HALF, NO_FLOOR, ""),
        (SURE, NEVER, undefined("needs more than 50 training images", 100), NEVER, ""),
    ],
)
def test_criteria_disagree_where_one_alone_tells_of_copies(
    fraction: Estimate, floor: Estimate, calibrated: Estimate, calibrated_floor: Estimate, said: str
) -> None:
    names = ("memorized_fraction", "memorized_floor", "calibrated_fraction", "calibrated_floor")
    text = disagreement(dict(zip(names, (fraction, floor, calibrated, calibrated_floor), strict=True)))
    assert said in text
    assert bool(said) == bool(text)


def audited(samples: np.ndarray, train: np.ndarray, validation: np.ndarray | None) -> Audit:
    def of(name: str, images: np.ndarray) -> ImageSet:
        values = (images / 255).astype(np.float32)
        return ImageSet(name, "", values, (8, 8), scale_of(values, DiffbenchError))

    held_out = None if validation is None else of("validation", validation)
    return audit(of("samples", samples), of("train", train), held_out)


def test_an_audit_names_near_duplicates_and_copies_across_the_split() -> None:
    images = greys()
    train = np.concatenate([images[:200], varied(images[:200], 2, 1)])
    validation = np.concatenate([images[400:600], varied(images[7:9], 2, 5)])
    found = audited(varied(images[:100], 2, 3), train, validation)
    assert found.estimates["near_duplicate_share"].value == 1
    assert found.estimates["memorized_fraction"].value == 1
    assert found.estimates["memorized_floor"].value == 2 / 202
    assert [note.partition(" training images are")[0] for note in found.notes] == [
        "400 of 400",
        "2 of 202 validation images are near copies of training images, and raise the floor (validation ~ train: "
        + ", ".join(f"{row} ~ {found_of(train, validation[row])}" for row in (200, 201))
        + ")",
    ]
    assert "0 ~ 200, 1 ~ 201" in found.notes[0]
    assert audited(images[600:700], images[:200], images[400:600]).notes == ()


def found_of(train: np.ndarray, image: np.ndarray) -> int:
    """Row of the nearest training image."""
    return int(np.linalg.norm(train - image, axis=1).argmin())


@pytest.mark.parametrize("with_validation", [True, False])
def test_an_audit_says_where_the_criteria_disagree(with_validation: bool) -> None:
    """Sixty variants of each of twelve images are too many for a cluster; the calibrated criterion sees copies."""
    images = greys()
    rng = np.random.default_rng(1)
    train = np.repeat(images[:12], 60, axis=0) + rng.normal(0, 2, (720, 64))
    samples = train[::7] + rng.normal(0, 1.2, train[::7].shape)
    found = audited(samples, train, images[400:600] if with_validation else None)
    assert found.estimates["memorized_fraction"].value < 0.02
    assert any("the calibrated criterion tells of copies and d1/d2 does not" in note for note in found.notes)


def test_near_copies_across_a_split_are_seen_beside_near_duplicates() -> None:
    images = greys()
    references = np.concatenate([images[:200], varied(images[:200], 1, 1)]).astype(np.uint8)
    others = np.concatenate([images[300:330], varied(images[:20], 1, 2)]).astype(np.uint8)
    found = near_copies(others, references)
    assert [row for row, _ in found.pairs] == list(range(30, 50))
    assert all(other % 200 == row - 30 for row, other in found.pairs)


def test_a_study_reports_near_duplicates(tmp_path: Path) -> None:
    images = greys().reshape(-1, 8, 8).astype(np.uint8)
    pool = np.concatenate([images[:100], varied(images[:100], 2, 1)]).astype(np.uint8)
    np.save(tmp_path / "train.npy", pool)
    np.save(tmp_path / "new.npy", np.concatenate([images[200:300], varied(images[3:4], 2, 4).astype(np.uint8)]))
    data = {"name": "file", "path": str(tmp_path / "train.npy"), "held_out": str(tmp_path / "new.npy")}
    raw: dict[str, Any] = {
        "name": "doubled",
        "data": data | {"validation": 101},
        "seeds": [0],
        "steps": [1],
        "models": {"copied": {"kind": "planted", "copies": 1, "noise": 0.01}},
        "center": {"model": "copied", "train_size": 200, "granularity": "none", "guidance": 0},
        "sampling": {"samples": 100, "trajectories": 10},
    }
    lineage, results = Lineage(parse_study(raw, "test")), tmp_path / "results"
    make_all(lineage, results)
    (cell,) = lineage.study.cells
    file = store.read(results / layout.MEMORIZATION.of(cell.factors), "memorization")
    value = dict(zip(file["measure"], file["value"], strict=True))
    assert value["near_duplicate_share"] == value["memorized_fraction"] == 1
    assert value["memorized_floor"] == pytest.approx(1 / 101)
    assert file["near_duplicate"].shape == (200, 2)
    summary.run(lineage.summary_spec, results)
    report.run(lineage.study.report, results)
    page = (results / layout.page("index")).read_text()
    ((held_out, train),) = file["near_copy"].tolist()
    assert "n = 200: held-out images are near copies of training images, and raise the floor" in page
    assert f"counted from 0: {held_out} ~ {train})." in page
    assert "n = 200: training images are near duplicates of others" in page
    account = store.read(results / layout.DATA.pattern, "data").attributes["account"]
    assert len(account["near"]) == 1
