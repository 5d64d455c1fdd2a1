"""Galleries of samples whose truth is known, beside images found by brute force; and their page in a real browser."""

import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from diffbench.conventions import DiffbenchError
from diffbench.files import store
from diffbench.report.charts.pictures import SIDE, largest, png
from diffbench.report.pages import samples
from diffbench.report.pages.samples import write_samples
from diffbench.report.tables.findings import find
from diffbench.report.tables.galleries import SPREAD, SUSPICIOUS, Gallery, galleries, pictured_cells
from diffbench.report.tables.results import Results, load_results
from diffbench.settings.report import ReportSettings
from diffbench.stages import plant, summary
from diffbench.stages.chain import run_stage
from diffbench.study.file import parse_study
from diffbench.study.layout import CONDITIONS, DATA, MEMORIZATION, SAMPLES, Kind
from diffbench.study.lineage import Lineage
from diffbench.study.specs import SampleSpec
from tests.report_studies import make_study

DRAWN, TRAINED, HELD_OUT, PLANTED = 96, 64, 192, 24
STUDY: dict[str, Any] = {
    "name": "planted",
    "data": {"name": "digits", "validation": HELD_OUT},
    "models": {
        "copies": {"kind": "planted", "copies": PLANTED / DRAWN, "noise": 0.05},
        "held-out": {"kind": "planted", "copies": 0.0},
    },
    "seeds": [0],
    "steps": [1],
    "center": {"model": "held-out", "train_size": TRAINED, "granularity": "none", "guidance": 0},
    "sweeps": [{"model": ["copies", "held-out"]}],
    "sampling": {"samples": DRAWN, "trajectories": 8},
}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Real digits as samples: noised copies of 24 training images among others, and others alone."""
    folder = tmp_path_factory.mktemp("planted")
    study = parse_study(STUDY, "study")
    lineage = Lineage(study)
    first = study.cells[0].factors
    for stage in ("data", "conditions", "features"):
        run_stage(stage, lineage, first, folder)
    for cell in study.cells:
        spec = SampleSpec.parse_json(lineage.spec_json("plant", cell.factors), "spec")
        places = (folder / kind.of(cell.factors) for kind in (DATA, CONDITIONS, SAMPLES))
        plant.run(spec, *places)
        run_stage("memorization", lineage, cell.factors, folder)
    summary.run(lineage.summary_spec, folder)
    return load_results(folder)


def gallery(results: Results, model: str, count: int) -> Gallery:
    (cell,) = (cell for cell in results.study.cells if cell.checkpoint.run.model == model)
    (found,) = galleries(results, [cell], count)
    return found


def test_planted_copies_come_first_and_are_framed(planted: Results) -> None:
    found = gallery(planted, "copies", PLANTED)
    suspicious = [each for each in found.pictured if SUSPICIOUS in each.views]
    assert len(suspicious) == PLANTED
    assert {each.sample for each in suspicious} == set(range(PLANTED))
    for each in suspicious:
        assert each.memorized
        assert each.train.row == each.sample % TRAINED
        assert each.nearer_to_training
    assert [each.rank for each in suspicious] == list(range(1, PLANTED + 1))


def test_held_out_images_as_samples_are_at_the_floor_and_as_near_to_unseen_images_as_expected(planted: Results) -> None:
    found = gallery(planted, "held-out", DRAWN)
    assert len(found.pictured) == DRAWN
    share = np.mean([each.memorized for each in found.pictured])
    assert share == found.measured["memorized_fraction"].value <= found.measured["memorized_floor"].high
    assert found.by_chance == TRAINED / (TRAINED + HELD_OUT)
    nearer = sum(each.nearer_to_training for each in found.pictured)
    deviation = math.sqrt(DRAWN * found.by_chance * (1 - found.by_chance))
    assert abs(nearer - DRAWN * found.by_chance) < 3 * deviation


@pytest.mark.parametrize("model", ["copies", "held-out"])
def test_images_beside_a_sample_are_those_of_a_search_by_hand(planted: Results, model: str) -> None:
    data = store.read(planted.folder / "data.h5", "data")
    scaled = {
        name: ((data[name].astype(np.float64) - data.attributes["mean"]) * data.attributes["scale"]).reshape(-1, 64)
        for name in ("pool", "validation")
    }
    for each in gallery(planted, model, 6).pictured:
        for near, images, classes in (
            (each.train, scaled["pool"][:TRAINED], data["pool_class"]),
            (each.validation, scaled["validation"], data["validation_class"]),
        ):
            distances = np.sqrt(np.square(images - each.image.reshape(-1)).sum(axis=1))
            assert near.row == distances.argmin()
            assert near.distance == pytest.approx(distances.min(), abs=1e-5)
            assert near.label == str(classes[near.row])
            assert near.image.reshape(-1) == pytest.approx(images[near.row], abs=1e-5)


def test_either_view_has_its_samples_in_order(planted: Results) -> None:
    found = gallery(planted, "copies", 5)
    ranks = {view: [each.rank for each in found.pictured if view in each.views] for view in (SUSPICIOUS, SPREAD)}
    assert ranks == {SUSPICIOUS: [1, 2, 3, 4, 5], SPREAD: [1, 25, 49, 72, 96]}
    assert [each.rank for each in found.pictured] == sorted({*ranks[SUSPICIOUS], *ranks[SPREAD]})
    assert sorted(each.ratio for each in found.pictured) == [each.ratio for each in found.pictured]


def test_near_duplicates_of_a_training_image_are_told_beside_it(
    planted: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Results.read

    def with_pair(results: Results, kind: Kind, factors: Any) -> Any:
        file = read(results, kind, factors)
        others = {"near_duplicate": np.array([[3, 40], [40, 3]])} if kind is MEMORIZATION else {}
        return replace(file, arrays={**file.arrays, **others})

    monkeypatch.setattr(Results, "read", with_pair)
    told = {each.train.row: each.duplicate for each in gallery(planted, "copies", PLANTED).pictured}
    assert told[3] == 40
    assert {row for row, other in told.items() if other is not None} <= {3, 40}


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 32), (3, 300, 200), (1, 97, 40), (5, 9, 7), (16, 64, 64)])
def test_no_picture_is_larger_than_foreseen(shape: tuple[int, ...]) -> None:
    noise = np.random.default_rng(0).random(shape)
    assert 0.6 * largest(shape) < len(png(noise, 0, 1)) <= largest(shape)
    assert largest((64,)) == 0
    assert largest((3, 4000, 4000)) == largest((3, SIDE, SIDE))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up study of 6 settings with two seeds."""
    folder = tmp_path_factory.mktemp("made")
    make_study(folder, {"sweeps": [{"train_size": [32, 128]}, {"guidance": [0.0, 1.0]}], "steps": [100, 1600]})
    return folder


@pytest.mark.parametrize(("most", "settings", "seeds"), [(1000, 6, 2), (12, 6, 2), (11, 6, 1), (4, 4, 1), (1, 1, 1)])
def test_cells_are_bounded_and_as_many_seeds_are_pictured_of_each_setting(
    made: Path, most: int, settings: int, seeds: int
) -> None:
    results = load_results(made)
    means = find(results).means
    every, chosen = ([cell.factors for cell in pictured_cells(results, means, count)] for count in (1000, most))
    assert len(chosen) == settings * seeds <= most
    assert {each["seed"] for each in chosen} == set(range(seeds))
    assert chosen[0] == every[0]
    if settings > 1:
        assert chosen[-1] == every[-1] | {"seed": seeds - 1}


@pytest.fixture(scope="module")
def pages(made: Path) -> Path:
    """The page of that study with fewer cells than there are."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(samples, "MAXIMUM_CELLS", 5)
        write_samples(find(load_results(made)), ReportSettings(pictured_samples=4))
    return made / "report/samples.html"


@pytest.mark.browser
def test_a_reader_chooses_by_factors_and_the_address_keeps_it(open_page: Any, pages: Path) -> None:
    page = open_page(pages)
    assert page.locator(".sheet:visible").count() == 1
    page.select_option("#chooser [name=train_size]", "128")
    shown = page.locator(".sheet:visible")
    assert shown.get_attribute("data-train_size") == "128"
    page.select_option("#chooser [name=view]", "spread")
    tiles = shown.locator(".tile:visible")
    assert tiles.count() == 4
    ranks = [int(text.split()[-1]) for text in tiles.locator("div:first-child span").all_inner_texts()]
    assert ranks[0] == 1
    assert ranks[-1] == 40
    name = shown.locator("h3").inner_text()
    sent = open_page(pages, part=page.evaluate("location.hash"))
    assert sent.locator(".sheet:visible h3").inner_text() == name
    assert sent.locator(".sheet:visible .tile:visible").count() == 4
    page.evaluate("location.hash = '#train_size=32&view=suspicious'")
    page.wait_for_selector(".sheet[data-train_size='32']:visible")
    assert page.eval_on_selector_all(
        "#pictures .gallery img", "images => images.every(each => each.naturalWidth === 8 && each.alt.length > 20)"
    )


@pytest.mark.browser
def test_what_is_not_pictured_is_said(open_page: Any, pages: Path) -> None:
    page = open_page(pages)
    there = page.eval_on_selector_all(".sheet", "all => all.map(each => ({...each.dataset}))")
    assert "5 of 12 cells" in page.inner_text("#pictures")
    assert "seed 1" in page.inner_text("#not-pictured")
    wanted = next(
        {"train_size": size, "step": step, "guidance": weight}
        for size in ("32", "128") for step in ("100", "1600") for weight in ("0", "1")
        if not any((one["train_size"], one["step"], one["guidance"]) == (size, step, weight) for one in there)
    )  # fmt: skip
    page.evaluate(
        "part => { location.hash = part }", "#" + "&".join(f"{name}={value}" for name, value in wanted.items())
    )
    page.wait_for_function("document.querySelector('#chooser output').value.startsWith('None is pictured')")


@pytest.mark.browser
def test_pictures_are_enlarged_by_key_and_by_click(open_page: Any, pages: Path) -> None:
    page = open_page(pages)
    button = page.locator(".enlarge:visible").first
    small = page.locator(".tile:visible img").first.bounding_box()["width"]
    button.focus()
    page.keyboard.press("Enter")
    assert page.locator("#enlarged img").count() == 3
    assert page.locator("#enlarged img").first.bounding_box()["width"] > 2 * small
    page.keyboard.press("Escape")
    assert not page.is_visible("#enlarged")
    page.locator(".tile:visible img").nth(1).click()
    assert page.is_visible("#enlarged")
    page.click("#enlarged button")
    assert not page.is_visible("#enlarged")


def test_vectors_are_told_in_words(tmp_path: Path) -> None:
    make_study(tmp_path, {"sweeps": [], "seeds": [0]}, shape=(64,))
    write_samples(find(load_results(tmp_path)), ReportSettings())
    html = (tmp_path / "report/samples.html").read_text(encoding="utf-8")
    assert "d1/d2" in html
    assert "training no. " in html
    assert "data:image" not in html


def test_a_missing_file_of_images_is_told(planted: Results, tmp_path: Path) -> None:
    shutil.copytree(planted.folder, tmp_path / "study")
    (tmp_path / "study/data.h5").unlink()
    results = load_results(tmp_path / "study")
    write_samples(find(results), ReportSettings())
    assert "No samples can be pictured" in (tmp_path / "study/report/samples.html").read_text(encoding="utf-8")
    assert "data.h5" in results.faults
    with pytest.raises(DiffbenchError), results.stored(TRAINED):
        pass
