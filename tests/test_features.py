"""Feature spaces: PCA, the suite's classifier and external encoders against independent ones; stage and battery."""

import math
import warnings

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from sklearn.neural_network import MLPClassifier

from diffbench.conventions import DiffbenchError
from diffbench.data.scaling import Scaling
from diffbench.data.training_set import read_images
from diffbench.files.estimates import rows
from diffbench.files.store import read
from diffbench.measures.features.encoder import Encoder, read_encoder
from diffbench.measures.features.fitting import fit_classifier, fit_pca
from diffbench.measures.features.spaces import Layer, Layered, Pixels
from diffbench.measures.quality_battery import quality_battery
from diffbench.settings.measures import QualitySettings
from diffbench.stages import data as data_stage
from diffbench.stages import features as features_stage
from diffbench.stages.summary import feature_space
from diffbench.study import layout
from diffbench.study.file import parse_study
from diffbench.study.lineage import Lineage
from diffbench.study.specs import DataSpec, FeaturesSpec
from diffbench.summary.reading import Reader
from tests.jobs import make
from tests.snakemake_runs import TINY


def images(seed, count, dimensions=20):
    """Images that vary most along few directions, about a mean of 3."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).normal(size=(4, dimensions))
    values = 3 + rng.normal(size=(count, 4)) @ mixing + 0.1 * rng.normal(size=(count, dimensions))
    return values.astype(np.float32)


def test_pca_equals_the_singular_value_decomposition():
    x = images(0, 300)
    space = fit_pca([x[:100], x[100:]], 4, seed=0)
    assert space.name == "pca-4"
    centred = x - x.mean(axis=0, dtype=np.float64)
    expected = centred @ np.linalg.svd(centred, full_matrices=False)[2][:4].T
    np.testing.assert_allclose(np.abs(space.transform(x)), np.abs(expected), atol=1e-3)
    np.testing.assert_array_equal(fit_pca([x[:100], x[100:]], 4, seed=0).transform(x), space.transform(x))


def test_pca_has_no_more_dimensions_than_the_images_span():
    assert fit_pca([images(0, 6)], 32, seed=0).name == "pca-5"
    assert fit_pca([images(0, 50)], 32, seed=0).name == "pca-20"


def test_pca_of_both_sets_gives_neither_an_advantage():
    """In white noise the components are all chance: images that they were fitted to vary more along them."""
    rng = np.random.default_rng(0)
    train, validation = (rng.normal(size=(count, 300)).astype(np.float32) for count in (800, 200))
    ratios = [
        float(np.divide(*(fit_pca(sets, 16, seed=0).transform(x).var() for x in (train, validation))))
        for sets in ([train], [train, validation])
    ]
    assert ratios[0] > 1.5
    assert ratios[1] == pytest.approx(1, abs=0.12)


def test_layers_compute_a_networks_last_hidden_layer_and_survive_their_arrays():
    rng = np.random.default_rng(0)
    x, classes = images(0, 200), rng.integers(0, 3, 200)
    space = fit_classifier(x, classes, x, classes, 5, seed=3).space
    with warnings.catch_warnings(action="ignore"):
        model = MLPClassifier((20, 5), max_iter=1000, random_state=3).fit(x, classes)
    logits = space.transform(x) @ np.asarray(model.coefs_[-1]) + np.asarray(model.intercepts_[-1])
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(odds / odds.sum(axis=1, keepdims=True), np.asarray(model.predict_proba(x)), atol=1e-4)
    again = Layered.of(space.name, space.arrays(), space.rectified)
    np.testing.assert_array_equal(again.transform(x), space.transform(x))


def test_a_classifier_knows_separate_classes_and_not_random_ones():
    rng = np.random.default_rng(0)
    classes = np.arange(400) % 2
    x = (rng.normal(size=(400, 6)) + 6 * classes[:, None]).astype(np.float32)
    known = fit_classifier(x[:300], classes[:300], x[300:], classes[300:], 4, seed=0)
    assert known.accuracy.value == 1
    assert known.accuracy.n == 100
    shuffled = rng.permutation(classes)
    unknown = fit_classifier(x[:300], shuffled[:300], x[300:], shuffled[300:], 4, seed=0)
    assert unknown.accuracy.low < 0.5 < unknown.accuracy.high


def test_images_of_another_size_are_refused():
    space = Layered("pca-1", (Layer(np.ones((4, 1)), np.zeros(1)),), rectified=False)
    with pytest.raises(DiffbenchError, match=r"'pca-1' takes images of 4 values, not of shape \(5,\)"):
        space.transform(np.zeros((3, 5)))


class Pooling(torch.nn.Module):
    """Means over rows: (m, 1, 4, 5) to (m, 5)."""

    def forward(self, x):
        return x.mean(dim=2).flatten(1)


class Wrong(torch.nn.Module):
    """Features that are images."""

    def forward(self, x):
        return x


class Infinite(torch.nn.Module):
    """Features that overflow."""

    def forward(self, x):
        return x.flatten(1) + math.inf


pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")


@pytest.fixture(scope="module")
def encoders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoders")
    example = torch.zeros(2, 1, 4, 5)
    for network in (Pooling(), Wrong(), Infinite()):
        torch.jit.save(torch.jit.trace(network, example), str(folder / f"{type(network).__name__}.pt"))
    batch = {"x": {0: torch.export.Dim("batch")}}
    torch.export.save(torch.export.export(Pooling(), (example,), dynamic_shapes=batch), folder / "dynamic.pt2")
    torch.export.save(torch.export.export(Pooling(), (torch.zeros(3, 1, 4, 5),)), folder / "static.pt2")
    (folder / "text.pt").write_text("no network")
    (folder / "text.pt2").write_text("no network")
    return folder


@pytest.mark.parametrize("file", ["Pooling.pt", "dynamic.pt2"])
def test_encoders_see_images_in_the_units_and_shape_of_the_data(encoders, file):
    raw = np.random.default_rng(0).uniform(0, 255, (300, 1, 4, 5))
    encoder = read_encoder(encoders / file, (1, 4, 5), Scaling(mean=100.0, scale=0.01))
    assert encoder.name == f"encoder:{file}"
    scaled = ((raw - 100.0) * 0.01).reshape(300, -1)
    np.testing.assert_allclose(encoder.transform(scaled), raw.mean(axis=2)[:, 0], rtol=1e-5)
    again = Encoder(file, encoder.content, (1, 4, 5), encoder.scaling)
    np.testing.assert_array_equal(again.transform(scaled), encoder.transform(scaled))


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("missing.pt", "missing.pt: No such file"),
        ("text.pt", "text.pt: neither TorchScript"),
        ("text.pt2", "text.pt2: neither TorchScript"),
        ("Wrong.pt", r"Wrong.pt: gives \(2, 1, 4, 5\) for 2 images; features must be \(2, k\)"),
        ("Infinite.pt", "Infinite.pt: gives NaN or infinite features"),
        ("static.pt2", r"static.pt2: fails on images of shape \(2, 1, 4, 5\)"),
    ],
)
def test_bad_encoders_are_refused(encoders, file, message):
    with pytest.raises(DiffbenchError, match=message) as error:
        read_encoder(encoders / file, (1, 4, 5), Scaling(0.0, 1.0))
    assert "\n" not in str(error.value)


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    path = tmp_path_factory.mktemp("digits") / "data.h5"
    data_stage.run(DataSpec(validation=200), path)
    return path


@pytest.mark.parametrize(
    ("settings", "name", "count"),
    [
        (FeaturesSpec(), "classifier", 32),
        (FeaturesSpec(dimensions=8), "classifier", 8),
        (FeaturesSpec(space="pca"), "pca-32", 32),
        (FeaturesSpec(space="pca", dimensions=64), "pixels", 64),
        (FeaturesSpec(space="pixels"), "pixels", 64),
    ],
)
def test_the_stage_writes_the_space_and_the_features_of_all_images(digits, tmp_path, settings, name, count):
    features_stage.run(settings, digits, tmp_path / "features.h5")
    training_set = read_images(digits, 100)
    reference = features_stage.read_reference(tmp_path / "features.h5", digits, training_set)
    assert reference.space.name == name
    assert reference.train.shape == (100, count)
    assert reference.validation.shape == (200, count)
    again = reference.space.transform(training_set.flat_validation)
    np.testing.assert_allclose(again, reference.validation, rtol=1e-5, atol=1e-5)
    measures = {row["measure"]: row for row in rows(read(tmp_path / "features.h5", "features"))}
    if name == "classifier":
        assert measures["held_out_accuracy"]["space"] == "classifier"
        assert measures["held_out_accuracy"]["low"] > 0.85
    else:
        assert not measures


def test_the_manifest_reports_the_classifiers_accuracy(tmp_path):
    lineage = Lineage(parse_study(TINY | {"measures": {"quality": {"dimensions": 4}}}, "study"))
    assert feature_space(Reader(lineage, tmp_path)) is None
    make(lineage, layout.FEATURES, {}, tmp_path)
    known = feature_space(Reader(lineage, tmp_path))
    assert known is not None
    assert known["name"] == "classifier"
    accuracy = known["held_out_accuracy"]
    assert isinstance(accuracy, dict)
    assert 0.3 < accuracy["low"] < accuracy["value"] < accuracy["high"] <= 1


def test_an_encoders_file_travels_with_the_features(digits, tmp_path):
    encoder = tmp_path / "rows.pt"
    torch.jit.save(torch.jit.trace(Pooling(), torch.zeros(2, 1, 8, 8)), str(encoder))
    settings = FeaturesSpec(space="encoder", encoder=str(encoder))
    features_stage.run(settings, digits, tmp_path / "features.h5")
    encoder.unlink()
    training_set = read_images(digits, 100)
    reference = features_stage.read_reference(tmp_path / "features.h5", digits, training_set)
    assert reference.space.name == "encoder:rows.pt"
    raw = read(digits, "data")["pool"][:100]
    np.testing.assert_allclose(reference.train, raw.mean(axis=2, dtype=float)[:, 0], atol=1e-4)


def test_features_of_other_images_are_refused(digits, tmp_path):
    features_stage.run(FeaturesSpec(space="pca"), digits, tmp_path / "features.h5")
    data_stage.run(DataSpec(validation=200, split_seed=1), tmp_path / "data.h5")
    other = read_images(tmp_path / "data.h5", 100)
    with pytest.raises(DiffbenchError, match="not those of the images in"):
        features_stage.read_reference(tmp_path / "features.h5", tmp_path / "data.h5", other)


def test_points_of_the_plane_are_compared_as_they_are(tmp_path, encoders):
    data_stage.run(DataSpec(name="circle-symmetric", points=240), tmp_path / "data.h5")
    features_stage.run(FeaturesSpec(), tmp_path / "data.h5", tmp_path / "features.h5")
    training_set = read_images(tmp_path / "data.h5", 60)
    reference = features_stage.read_reference(tmp_path / "features.h5", tmp_path / "data.h5", training_set)
    assert isinstance(reference.space, Pixels)
    np.testing.assert_array_equal(reference.validation, training_set.flat_validation)
    settings = FeaturesSpec(space="encoder", encoder=str(encoders / "Pooling.pt"))
    with pytest.raises(DiffbenchError, match="points, not images"):
        features_stage.run(settings, tmp_path / "data.h5", tmp_path / "features.h5")
    with pytest.raises(DiffbenchError, match="no classes"):
        features_stage.run(FeaturesSpec(space="classifier"), tmp_path / "data.h5", tmp_path / "features.h5")


@pytest.mark.parametrize("settings", [{"space": "encoder"}, {"encoder": "a.pt"}, {"space": "pca", "dimensions": 1}])
def test_bad_settings_are_refused(settings):
    with pytest.raises(ValidationError):
        QualitySettings.model_validate(settings)


AGAINST_TRAIN = (
    "kid_train",
    "kid_standardized_train",
    "precision_train",
    "recall_train",
    "density_train",
    "coverage_train",
)
SIGNS = {
    "fd": 1,
    "fd_ratio": 1,
    "kid": 1,
    "kid_standardized": 1,
    "precision": -1,
    "recall": -1,
    "density": -1,
    "coverage": -1,
    "fld": 1,
}
"""Quality, against validation images: 1 where lower is better."""


def test_quality_of_few_images_is_undefined_with_a_reason_and_never_an_error():
    for count in (1, 3, 5, 20, 39):
        estimates = quality_battery(images(0, count), images(1, count), images(2, count))
        reasons = {name: estimate.reason for name, estimate in estimates.items() if estimate.reason}
        assert {"fd", "fd_train", "fd_gap", "kid", "kid_train"} <= reasons.keys(), count
        assert ("precision" in reasons) == ("precision_train" in reasons) == (count < 6), count
        assert ("fld" in reasons) == (count < 4), count
        assert reasons["fd"] == f"needs 40 samples, got {count}"
    assert not any(e.reason for e in quality_battery(images(0, 128), images(1, 64), images(2, 128)).values())
    few = quality_battery(images(0, 50), images(1, 19), images(2, 50))
    assert few["fd_gap"].reason == "needs references of 10 class-matched images, half of the smaller set, got 9"
    assert not few["fd"].reason


def test_quality_without_validation_images_leaves_what_is_told_against_training_images():
    samples, train, validation = images(0, 100), images(1, 300), images(2, 200)
    without, with_them = quality_battery(samples, train, None), quality_battery(samples, train, validation)
    assert without.keys() == with_them.keys()
    for name, estimate in without.items():
        if name in AGAINST_TRAIN:
            assert estimate == with_them[name], name
        else:
            assert math.isnan(estimate.value), name
            assert estimate.reason == "needs validation images"


def test_quality_changes_sides_with_the_reference():
    samples, train, validation = images(0, 100), images(1, 300), images(2, 200)
    one, other = quality_battery(samples, train, validation), quality_battery(samples, validation, train)
    for name in AGAINST_TRAIN:
        assert one[name].value == pytest.approx(other[name.removesuffix("_train")].value), name


def test_quality_of_samples_does_not_depend_on_the_training_size():
    samples, train, validation = images(0, 200), images(1, 400), images(2, 200)
    large, small = (quality_battery(samples, train[:n], validation) for n in (400, 60))
    for name in SIGNS.keys() - {"fld"}:  # which is fitted to training images
        assert large[name] == small[name], name


def test_copies_of_training_images_win_no_quality_over_fresh_images():
    """Few training images copied often are worse, and many copied once no better than fresh images by chance."""
    for n, clearly in ((60, ("fd", "recall", "coverage", "fld")), (300, ("fld",))):
        worse = []
        for seed in range(12):
            train, validation, fresh = (images(100 * seed + part, size) for part, size in enumerate((n, 300, 300)))
            copies = np.resize(train, fresh.shape)
            own, theirs = (quality_battery(samples, train, validation, seed) for samples in (copies, fresh))
            worse.append([sign * (own[name].value - theirs[name].value) for name, sign in SIGNS.items()])
        means, errors = np.mean(worse, axis=0), np.std(worse, axis=0, ddof=1) / math.sqrt(12)
        for name, mean, error in zip(SIGNS, means, errors, strict=True):
            assert mean > -3 * error, (n, name)
            assert mean > 3 * error or name not in clearly, (n, name)


def test_quality_tells_good_samples_from_copies_and_from_noise():
    train, validation = images(1, 400), images(2, 400)
    good, copies, noise = (quality_battery(s, train, validation) for s in (images(3, 400), train, images(4, 400) * 2))
    assert good["fd_gap"].low < 0 < good["fd_gap"].high
    assert copies["fd_gap"].value > good["fd_gap"].value
    assert copies["fld_gap"].low > good["fld_gap"].high
    assert copies["precision_train"].value == copies["coverage_train"].value == 1
    assert noise["precision"].value < 0.1
    for name in ("fd", "fd_validation", "fld"):
        assert noise[name].low > good[name].high, name
    assert noise["kid"].low > max(0, good["kid"].high)
    assert good["fd"].low < good["fd_floor"].value < good["fd"].high
