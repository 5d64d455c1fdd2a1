"""Trajectories that are looked at: planted ones, those of models whose end is known, their page, and what it lacks."""

import base64
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from diffbench.conventions import karras_sigmas
from diffbench.data.pictured import BYTES, KINDS, LEVELS, TRAJECTORIES, as_bytes, kept, spread_over_levels
from diffbench.data.training_set import read_images
from diffbench.files import store
from diffbench.measures.pictured import pictured
from diffbench.report.charts.journeys import journeys
from diffbench.report.pages.trajectories import write_trajectories
from diffbench.report.tables import outcomes
from diffbench.report.tables.findings import find
from diffbench.report.tables.results import load_results
from diffbench.settings.report import ReportSettings
from diffbench.stages import summary
from diffbench.study import layout
from diffbench.study.file import parse_study
from diffbench.study.grid import Cell
from diffbench.study.lineage import Lineage
from tests.jobs import make_all
from tests.report_studies import make_study
from tests.test_train_stage import some_images

SIGMAS = karras_sigmas(18)
COPYING, MIXING = "optimal", "blend"
IMAGES: dict[str, Any] = {
    "name": "looked-at",
    "data": {"name": "digits", "validation": 20},
    "seeds": [0],
    "steps": [1],
    "models": {MIXING: {"kind": "blurred", "delta": 2.0}},
    "center": {"model": COPYING, "train_size": 16, "granularity": "none", "guidance": 0},
    "sweeps": [{"model": [COPYING, MIXING]}],
    "sampling": {"samples": 24, "trajectories": 20, "steps": 12},
    "measures": {"gap": {"levels": 4, "images": 16, "noises": 1}},
}
PLANE = IMAGES | {"name": "plane", "data": {"name": "circle-random", "points": 40, "validation": 20}}


def finished(folder: Path, study: dict[str, Any]) -> Path:
    """Results of a study, with the page."""
    lineage = Lineage(parse_study(study, "looked-at.yaml"))
    make_all(lineage, folder)
    summary.run(lineage.summary_spec, folder)
    return with_page(folder)


def with_page(folder: Path) -> Path:
    write_trajectories(find(load_results(folder)), ReportSettings())
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("images"), IMAGES)


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("plane"), PLANE)


def cell_of(folder: Path, model: str) -> Cell:
    return next(cell for cell in load_results(folder).study.cells if cell.checkpoint.run.model == model)


def read(folder: Path, model: str, kind: layout.Kind) -> store.StageFile:
    return store.read(folder / kind.of(cell_of(folder, model).factors), kind.stage)


def shown(folder: Path) -> Any:
    results = load_results(folder)
    return journeys(results, outcomes.settings(outcomes.outcomes(results)), 500)


def page_of(folder: Path) -> str:
    return (folder / "report/trajectories.html").read_text()


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 256, 256), (16, 64, 64), (4, 9, 5)])
def test_pictures_of_a_cell_are_bounded(shape: tuple[int, int, int]) -> None:
    trajectories, levels, stride = kept(shape, 100, 40)
    _, height, width = np.empty(shape)[:, ::stride, ::stride].shape
    assert trajectories * levels * len(KINDS) * shape[0] * height * width <= BYTES
    assert levels == LEVELS
    assert 1 <= trajectories <= TRAJECTORIES
    assert stride == 1 or max(shape) > 32
    assert kept((5,), 100, 40).trajectories == 0
    assert kept(shape, 1, 3)[:2] == (1, 3)


@pytest.mark.parametrize("steps", [2, 3, 8, 18, 200])
def test_levels_are_spread_from_the_first_to_the_last(steps: int) -> None:
    places = spread_over_levels(karras_sigmas(steps), 8)
    assert places[0] == 0
    assert places[-1] == steps - 1
    assert places == sorted(set(places))
    assert len(places) == min(8, steps)


def test_bytes_run_from_black_to_white() -> None:
    image = np.array([[[[-9.0, -1.0, 0.0, 1.0, 9.0]]]])
    assert as_bytes(image, -1.0, 1.0, 1).tolist() == [[[[0, 0, 128, 255, 255]]]]
    assert as_bytes(image, -1.0, 1.0, 2).tolist() == [[[[0, 128, 255]]]]


def planted(ends: np.ndarray) -> np.ndarray:
    """States (levels, m, *shape) that are noised ends at every level."""
    noise = np.random.default_rng(3).standard_normal(ends.shape).astype(np.float32)
    return np.stack([ends + np.float32(sigma) * noise for sigma in SIGMAS.tolist()])


def test_a_trajectory_that_ends_in_a_training_image_has_it_beside_it_and_one_of_a_held_out_image_has_that() -> None:
    rng = np.random.default_rng(1)
    held_out = rng.normal(0, 0.5, (9, 1, 4, 4)).astype(np.float32)
    images = replace(some_images(), validation=held_out)
    ends = np.stack([held_out[7], images.train[5] + np.float32(0.001)])
    found = pictured(SIGMAS, planted(ends), ends, images)
    assert found is not None
    assert found.trajectories.tolist() == [1, 0], "the copy stands first"
    low = SIGMAS[found.levels] < 0.05
    assert low.sum() >= 2
    assert (found.nearest["train"][low, 0] == 5).all()
    assert (found.nearest["validation"][low, 1] == 7).all()
    held = {"states": np.array([1.0, 3.0]), "train": np.array([1.0, 2.0, 3.0, 4.0]), "validation": np.array([2.0, 3.5])}
    numbers = found.numbers(held, ends.reshape(2, -1), held_out[[7, 7]].reshape(2, -1), 0.5)
    assert numbers["radius"].tolist() == [3.0, 1.0]
    assert numbers["beyond_train"].tolist() == [0.5, 1.0]
    assert numbers["beyond_validation"].tolist() == [0.5, 1.0]
    assert numbers["radius_validation"][0] == 0
    assert numbers["radius_validation"][1] == pytest.approx(np.linalg.norm(ends[1] - held_out[7]) / (0.5 * 4))


def test_nothing_is_chosen_of_vectors_nor_where_states_are_not_finite() -> None:
    ends = some_images((5,)).train[:4]
    assert pictured(SIGMAS, planted(ends), ends, some_images((5,))) is None
    ends = some_images().train[:4]
    assert pictured(SIGMAS, planted(np.full_like(ends, np.nan)), ends, some_images()) is None


@pytest.mark.parametrize("model", [COPYING, MIXING])
def test_trajectories_end_where_the_samples_measures_say(made: Path, model: str) -> None:
    """The last D is the sample: its d1/d2 and its nearest image are those of the memorization's file."""
    file, measured = read(made, model, layout.OVERLAP), read(made, model, layout.MEMORIZATION)
    samples = file["pictured"]
    ratios = measured["distance"][:, 0] / measured["distance"][:, 1]
    assert file["pictured_ratio"][-1] == pytest.approx(ratios[samples], rel=1e-4, abs=1e-9)
    assert file["pictured_ratio"][-1].tolist() == sorted(file["pictured_ratio"][-1])
    assert ratios[samples[[0, -1]]].tolist() == [ratios[:20].min(), ratios[:20].max()]
    assert file["neighbor_train"][-1].tolist() == measured["nearest"][samples].tolist()
    assert (ratios[samples] < 1 / 3).all() == (model == COPYING)


def test_states_of_the_optimum_stay_among_noised_training_images_and_blends_leave_them(made: Path) -> None:
    inside = read(made, COPYING, layout.OVERLAP)["pictured_beyond_train"][-2:]
    outside = read(made, MIXING, layout.OVERLAP)["pictured_beyond_train"][-2:]
    assert (inside > 0.05).mean() > 0.7
    assert (outside == 0).all()


def test_pictures_are_those_of_the_images(made: Path) -> None:
    """The optimum sends a slightly noised training image to that image, and its D is what is kept."""
    file = read(made, COPYING, layout.OVERLAP)
    images = read_images(made / layout.DATA.pattern, 16)
    low, high = images.train.min(), images.train.max()
    pictures = {kind: file["pictures"][:, :, place] for place, kind in enumerate(KINDS)}
    expected = (images.train[file["neighbor_train"]] - low) / (high - low) * 255
    assert pictures["train"] == pytest.approx(expected, abs=0.51)
    assert pictures["denoised_train"][-1] == pytest.approx(expected[-1], abs=1)
    assert pictures["denoised"][-1] == pytest.approx(expected[-1], abs=1)
    held_out = (images.validation[file["neighbor_validation"]] - low) / (high - low) * 255
    noise = pictures["noised_validation"][-1] - held_out[-1].clip(0, 255)
    assert np.abs(noise).max() <= 255 * 8 * 0.002 / (high - low) + 1


def test_the_page_says_how_each_trajectory_goes_and_shows_its_pictures(made: Path) -> None:
    file = read(made, COPYING, layout.OVERLAP)
    found = shown(made)
    assert [each.name.split(" ")[0] for each in found.sheets] == [COPYING, MIXING]
    first = found.sheets[0].journeys[0]
    assert first.sample == file["pictured"][0]
    assert first.memorized
    last = file["neighbor_train"][-1, 0]
    assert f"Nearest to them is training image {last} " in first.words
    assert "It ends as a copy of it (d1/d2 = " in first.words
    assert found.sheets[1].journeys[-1].words.endswith(": no copy.")
    assert "outside them " in found.sheets[1].journeys[-1].words
    uri = first.steps[-1].pictures["denoised"]
    image = np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))
    assert (image == file["pictures"][-1, 0, KINDS.index("denoised"), 0]).all()
    (row,) = np.flatnonzero(file["curve"] == "train_likeness")
    at = np.flatnonzero(file["sigma"] == file["pictured_sigma"][-1])[0]
    assert first.steps[-1].likeness.value == pytest.approx(file["curve_value"][row, at], nan_ok=True)
    assert page_of(made).count('class="journey ') == 8


def test_files_of_before_and_missing_ones_are_told_in_words(tmp_path: Path) -> None:
    make_study(tmp_path, {"sweeps": [{"train_size": [32, 128]}], "steps": [100], "seeds": [0]})
    found = shown(tmp_path)
    assert (found.sheets, found.earlier) == ((), 2)
    with_page(tmp_path)
    assert "their overlap was measured before they were kept" in page_of(tmp_path)
    assert not load_results(tmp_path).faults
    make_study(tmp_path / "none", {"sweeps": [], "steps": [100], "seeds": [0]}, skip=lambda file: "overlap" in file)
    assert "are missing, or cannot be read" in shown(tmp_path / "none").why
    center = IMAGES["center"] | {"model": "copies"}
    alone = {"models": {"copies": {"kind": "planted", "copies": 0.5}}, "center": center, "sweeps": [], "steps": [1]}
    make_study(tmp_path / "planted", alone)
    assert shown(tmp_path / "planted").why == "No model of this study has trajectories that were measured."


def test_vectors_are_told_in_words(tmp_path: Path) -> None:
    make_study(tmp_path, {"sweeps": [], "steps": [100], "seeds": [0]}, shape=(2,))
    fingerprint = Lineage(load_results(tmp_path).study).fingerprint(layout.DATA, {})
    pool = {"pool": store.Variable(np.zeros((40, 5)), ("image", "axis0"), "training pool")}
    store.write(tmp_path / layout.DATA.pattern, "data", pool, {}, fingerprint)
    assert shown(tmp_path).why.startswith("Vectors are not pictured.")


def test_paths_in_the_plane_are_those_of_the_file(plane: Path) -> None:
    file, samples = read(plane, COPYING, layout.OVERLAP), read(plane, COPYING, layout.SAMPLES)["samples"]
    sheet = shown(plane).sheets[0]
    assert sheet.figure is not None
    table = sheet.figure.data
    last = table[table["sigma"] == file["pictured_sigma"][-1]]
    assert last[["denoised_x", "denoised_y"]].to_numpy() == pytest.approx(samples[last["trajectory"]], abs=1e-5)
    train = read_images(plane / layout.DATA.pattern, 16).train
    assert table[["train_x", "train_y"]].to_numpy() == pytest.approx(train[table["nearest_train"]])
    distance = np.hypot(table["state_x"] - table["train_x"], table["state_y"] - table["train_y"])
    assert table["radius"].to_numpy() == pytest.approx(distance / (table["sigma"] * np.sqrt(2)), rel=1e-4)
    written = pd.read_csv(plane / "report" / sheet.figure.table)
    assert len(written) == len(table) == 12 * 12


@pytest.mark.browser
def test_choosers_show_one_trajectory_and_their_address_can_be_sent(open_page: Any, made: Path) -> None:
    path = made / "report/trajectories.html"
    page = open_page(path)
    visible = ".journey:visible"
    assert page.locator(visible).count() == 1
    before = page.inner_text(visible)
    assert page.eval_on_selector_all(".journey img", "images => images.every(image => image.naturalWidth === 8)")
    page.select_option("#chooser [name=view]", "4")
    assert page.inner_text(visible) != before
    page.select_option("#chooser [name=model]", MIXING)
    assert "no copy" in page.inner_text(visible)
    sent = open_page(path, "dark", page.evaluate("location.hash"), 390)
    assert sent.inner_text(visible) == page.inner_text(visible)
    assert sent.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.browser
def test_paths_grow_with_the_slider(open_page: Any, plane: Path) -> None:
    page = open_page(plane / "report/trajectories.html", width=390, part="#level=2.5")
    assert "level=2.5" in page.inner_text("#passed-over")
    assert "undefined" not in page.inner_text("#paths-1")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    lines = "#paths-1 .mark-line path"
    before = page.locator(lines).first.get_attribute("d")
    page.evaluate("""() => {
        const slider = document.querySelector('#paths-1 input[type=range]');
        slider.value = slider.max;
        slider.dispatchEvent(new Event('input'));
    }""")
    page.wait_for_function(
        "([lines, before]) => document.querySelector(lines).getAttribute('d').length > before.length",
        arg=[lines, before],
    )
    assert "σ = 0.002" in page.text_content("#paths-1 svg")
