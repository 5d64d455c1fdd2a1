"""Topics of the laboratory as the DAG runs them: files against independent computation, and what a study may say."""

import json

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from diffbench import cli
from diffbench.conventions import DiffbenchError
from diffbench.data.planar import RADIUS, equidistant
from diffbench.data.scaling import Scaling
from diffbench.data.training_set import TrainingSet
from diffbench.denoisers.build import load_denoiser
from diffbench.files import store
from diffbench.files.estimates import rows
from diffbench.lab.ideal import blurred, guided
from diffbench.settings.lab import TOPICS
from diffbench.settings.models import Autoguided
from diffbench.study.file import parse_study
from tests.lab_studies import CIRCLE, all_topics, circle_study, measure_closed_form


@pytest.fixture(scope="module")
def topics(tmp_path_factory):
    folder = all_topics(tmp_path_factory)
    return {topic: store.read(folder / "lab" / f"{topic}.h5", "lab") for topic in TOPICS}


def test_gap_holds_each_setting_of_the_sweeps_once_and_the_converged_values(topics):
    gap = topics["gap"]
    settings = list(zip(gap["points"], gap["delta"], gap["guidance"], strict=True))
    assert settings == [(20, 0.6, 0.0), (20, 1.6, 0.0), (20, 2.4, 0.0), (24, 1.6, 0.0), (20, 1.6, 0.4)]
    np.testing.assert_allclose(gap["peak_gap"][[1, 3]], [0.3627, 0.1769], rtol=2e-3)
    np.testing.assert_allclose(gap["gap"].max(axis=1), gap["peak_gap"], rtol=1e-12)
    assert gap["sigma"].shape == (120,)
    width = gap["check_high"] - gap["check_low"]
    assert (np.abs(gap["check_gap"] - gap["check_exact"]) < width).all()  # four standard errors


def test_flow_s_density_is_the_mixture_s_and_its_field_the_score_s(topics):
    flow = topics["flow"]
    error = list(flow["scene"]).index("error")
    variance = flow["sigma"][1] ** 2 + 1.6**2
    parts = [multivariate_normal(point, variance * np.eye(2)).pdf(flow["cells"]) for point in equidistant(10)]
    np.testing.assert_allclose(flow["log_density"][error, 1], np.log(np.mean(parts, axis=0)), rtol=1e-5, atol=1e-5)
    few = flow["points"][(flow["point_scene"] == error) & (flow["point_role"] == 0)]
    np.testing.assert_allclose(few, equidistant(10), atol=1e-12)
    expected = (flow["positions"] - blurred(few, 1.6)(flow["positions"], 1.0)) / 1.0
    np.testing.assert_allclose(flow["velocity"][error, 1], expected, atol=1e-5)


def test_trajectories_of_the_optimum_end_on_training_points_and_have_a_state_at_each_picture(topics):
    flow = topics["flow"]
    assert np.isin(flow["sigma"], flow["level"]).all()
    optimum = list(flow["scene"]).index("optimum")
    ends = flow["path"][optimum, -1]
    distances = np.linalg.norm(ends[:, None] - equidistant(10), axis=2).min(axis=1)
    assert np.median(distances) < 0.02


def test_profile_is_symmetric_about_the_validation_point(topics):
    norm = topics["profile"]["norm"]
    np.testing.assert_allclose(norm, norm[..., ::-1], rtol=1e-3)
    assert topics["profile"]["angle"][-1] == pytest.approx(36)
    assert norm[0, 0, 2] > 2 * norm[0, 0, 0]  # a small delta tells them apart


def test_discretization_shows_the_optimum_that_euler_fakes(topics):
    solvers = topics["discretization"]
    best = dict(zip(solvers["solver"], solvers["best_delta"], strict=True))
    assert best["exact"] == best["heun"] == solvers["delta"][0]
    assert best["euler"] > 2
    exact = solvers["distance"][list(solvers["solver"]).index("exact")]
    # Covariance R^2/2 + delta^2 against R^2/2: 2 (sqrt(a) - sqrt(b))^2.
    expected = 2 * (np.sqrt(RADIUS**2 / 2 + solvers["delta"] ** 2) - np.sqrt(RADIUS**2 / 2)) ** 2
    np.testing.assert_allclose(exact, expected, atol=1e-9)


def test_recall_falls_with_error_and_with_dense_support(topics):
    recall = topics["recall"]["recall"]
    assert recall[0, 0] == pytest.approx(1, abs=1e-6)
    assert (np.diff(recall, axis=1) < 0).all()
    assert (recall[1] < recall[0]).all()


def test_collapse_has_every_setting(topics):
    collapse = topics["collapse"]
    assert collapse["measured"].shape == (2, 2, 1)
    np.testing.assert_allclose(collapse["measured"][:, :, 0] / collapse["theory"], 1, atol=0.35)


@pytest.mark.parametrize("delta", [0.8, 1.6])
def test_the_equivalent_delta_of_y_delta_is_its_own(tmp_path, delta):
    losses = measure_closed_form(tmp_path, delta, noises=16)
    spec = {"factors": {"model": "m", "train_size": 10}, "noises": 16}
    files = ["--data", tmp_path / "data.h5", "--conditions", tmp_path / "conditions.h5", "--losses", losses]
    out = tmp_path / "equivalent.h5"
    assert cli.main(["equivalent", "--spec", json.dumps(spec), *map(str, files), "--out", str(out)]) == 0
    file = store.read(out, "equivalent")
    assert file["sigma"][0] == pytest.approx(0.02 * RADIUS / 2**0.5 / 0.5)
    for row in rows(file):
        assert row["value"] == pytest.approx(delta, rel=5e-3), row
        assert row["low"] <= row["value"] <= row["high"]


def test_equivalent_refuses_images(tmp_path, capsys):
    data, labels = tmp_path / "data.h5", tmp_path / "conditions.h5"
    subset = json.dumps({"factors": {"train_size": 4, "granularity": "none"}, "seed": 0})
    cli.main(["data", "--spec", '{"name": "digits"}', "--out", str(data)])
    cli.main(["conditions", "--spec", subset, "--data", str(data), "--out", str(labels)])
    arguments = ["--data", str(data), "--conditions", str(labels), "--losses", "none.h5", "--out", "x.h5"]
    assert cli.main(["equivalent", "--spec", '{"factors": {}, "noises": 1}', *arguments]) == 1
    assert "the laboratory needs points" in capsys.readouterr().err


def test_autoguided_model_is_the_laboratory_s_in_scaled_units():
    scale = 0.05
    train = equidistant(6)
    images, labels = (scale * train).astype(np.float32), np.zeros(6, np.int64)
    training_set = TrainingSet(
        images, labels, images, labels, 1, images, Scaling(0.0, scale), "float64", labels, labels
    )
    definition = Autoguided(delta=1.2, guide_delta=2.5, guidance=0.7)
    model = load_denoiser(definition, training_set, None, torch.device("cpu"))
    x = np.random.default_rng(0).normal(0, 8, (5, 2))
    denoised = model(torch.from_numpy(scale * x), torch.full((5,), scale * 3.0, dtype=torch.float64))
    expected = guided(blurred(train, 1.2), blurred(train, 2.5), 0.7)(x, 3.0)
    np.testing.assert_allclose(denoised.numpy() / scale, expected, rtol=1e-5, atol=1e-5)


def test_a_laboratory_adds_its_files_and_no_other_study_changes():
    study = circle_study()
    added = {f"lab/{topic}.h5" for topic in TOPICS} | {"mlp-small/n10/none/seed0/step4/equivalent.h5"}
    plain = parse_study({key: value for key, value in CIRCLE.items() if key != "lab"}, "plane.yaml")
    assert set(study.files) - set(plain.files) == added
    assert plain.lab is None


def test_the_laboratory_stands_beside_any_data_but_only_planar_models_have_an_equivalent_delta():
    study = parse_study({"name": "t", "steps": [10], "lab": {}}, "t.yaml")
    assert "lab/recall.h5" in study.files
    assert not [name for name in study.files if name.endswith("equivalent.h5")]


def test_models_that_are_not_trained_have_one_seed():
    study = parse_study(CIRCLE | {"seeds": [3, 1]}, "plane.yaml")
    seeds = {(run.model, run.seed) for run in study.runs}
    assert seeds == {("mlp-small", 1), ("mlp-small", 3), ("blurred-1.6", 3)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lab": {"gap": {"points": 21}}}, "key 'lab.gap.points': half of the circle's points train"),
        ({"lab": {"gap": {"delta": 0.0}}}, "key 'lab.gap.delta': input should be greater than 0"),
        ({"lab": {"flow": {"sigmas": []}}}, "key 'lab.flow.sigmas'"),
        ({"lab": {"flows": {}}}, "key 'lab.flows' is unknown"),
        ({"models": {"g": {"kind": "autoguided", "delta": 1.0}}}, "models.g.autoguided.guide_delta"),
    ],
)
def test_mistakes_are_named(changes, message):
    with pytest.raises(DiffbenchError) as caught:
        parse_study(CIRCLE | changes, "plane.yaml")
    assert message in str(caught.value)
