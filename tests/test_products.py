"""Two factors together: which products a study has, and what their heat maps say, against counts worked out by hand."""

from pathlib import Path
from typing import Any

import pytest

from diffbench.report.charts.heat_maps import LARGEST, heat_maps, without_maps
from diffbench.report.charts.measures import measures_by_factor
from diffbench.report.tables.board import Board, board
from diffbench.report.tables.findings import find
from diffbench.report.tables.products import Product, products
from diffbench.report.tables.results import load_results
from diffbench.report.tables.selectable import selectable
from diffbench.report.tables.slices import slices
from diffbench.study.file import parse_study
from diffbench.study.study import Study
from tests.report_studies import SAMPLES, make_study, memorized_hits

CENTER = {"model": "mlp-small", "train_size": 32, "granularity": "classes", "guidance": 0}


def study_of(*sweeps: dict[str, Any], steps: tuple[int, ...] = (100,)) -> Study:
    raw = {"name": "s", "steps": list(steps), "seeds": [0, 1], "center": CENTER, "sweeps": list(sweeps)}
    return parse_study(raw, "s.yaml")


def test_a_star_has_no_product() -> None:
    star = study_of({"train_size": [32, 64, 128]}, {"guidance": [0, 1]}, {"model": ["mlp-small", "mlp-large"]})
    assert products(star) == []


def test_factors_of_one_sweep_make_a_product_and_the_rest_of_the_star_does_not_widen_it() -> None:
    sweep = {"train_size": [128, 32, 64], "guidance": [2, 0]}
    found = products(study_of(sweep, {"train_size": [256]}, {"guidance": [1]}))
    held = {"model": "mlp-small", "granularity": "classes", "step": 100}
    assert found == [Product(("train_size", "guidance"), ((32, 64, 128), ("0", "2")), held)]


def test_milestones_make_products_and_of_three_factors_each_pair_has_one_nearest_to_the_centre() -> None:
    sweep = {"train_size": [32, 64], "model": ["mlp-small", "mlp-large"]}
    found = {product.factors: product for product in products(study_of(sweep, steps=(100, 400)))}
    assert set(found) == {("model", "train_size"), ("model", "step"), ("train_size", "step")}
    assert found["model", "train_size"].fixed["step"] == 400
    assert found["model", "step"].fixed["train_size"] == 32
    assert found["train_size", "step"].fixed["model"] == "mlp-small"


def test_a_product_is_found_where_two_sweeps_overlap() -> None:
    (found,) = products(
        study_of({"train_size": [32], "guidance": [0, 1, 2]}, {"train_size": [64], "guidance": [1, 2, 3]})
    )
    assert found.values == ((32, 64), ("1", "2"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Board]:
    """A study of one product, in which a training has failed."""
    folder: Path = tmp_path_factory.mktemp("product")
    sweeps = [{"train_size": [32, 128], "guidance": [0.0, 1.0]}]
    study = make_study(folder, {"steps": [3000], "sweeps": sweeps}, skip=lambda file: "n128/classes/seed1" in file)
    return study, board(find(load_results(folder)))


def test_a_map_has_the_mean_over_seeds_beside_its_floor(made: tuple[Study, Board]) -> None:
    study, whole = made
    figure = heat_maps(products(study), selectable(whole), 300)
    assert figure
    rows = figure.data[figure.data["measure"] == "memorized fraction"].set_index(["first", "second"])
    assert len(rows) == 4
    for (size, weight), row in rows.iterrows():  # pyright: ignore[reportGeneralTypeIssues]
        hits = [
            memorized_hits(cell) / SAMPLES
            for cell in study.cells
            if str(cell.checkpoint.run.train_size) == size
            and cell.guidance.text == weight
            and (size == "32" or cell.checkpoint.run.seed == 0)
        ]
        assert row["value"] == pytest.approx(sum(hits) / len(hits))
        assert (row["seeds"], row["of"]) == (len(hits), 2)
        assert ("missing" in row["reason"]) is (size == "128")
    assert set(rows["against_floor"]) <= {"intervals overlap", "above it, with intervals apart"}
    assert rows.loc[("32", "1"), "against_floor"] == "above it, with intervals apart"
    assert rows.loc[("128", "0"), "against_floor"] == "intervals overlap"
    none = figure.data[figure.data["measure"] == "peak gap"]
    assert set(none["against_floor"]) == {"this measure has none"}


def test_outcomes_and_main_measures_can_be_chosen_but_no_floors_and_costs(made: tuple[Study, Board]) -> None:
    study, whole = made
    titles = {each.measure.title for each in selectable(whole)}
    assert {"memorized fraction", "FD", "peak gap", "MemAUC", "inference gap"} <= titles
    assert not {"memorized fraction, floor", "weights", "sampling, s"} & titles
    figure = measures_by_factor(slices(study), selectable(whole), 300)
    assert figure
    assert set(figure.data["measure"]) == titles
    assert set(figure.data["seed"]) == {0, 1}
    assert heat_maps([], selectable(whole), 300) is None


def test_a_product_too_large_to_draw_is_not_told_as_none(made: tuple[Study, Board]) -> None:
    study, whole = made
    sizes = {"train_size": [*range(16, 17 + LARGEST // 2)], "guidance": [0, 1]}
    (large,) = products(study_of(sizes))
    assert large.size > LARGEST
    assert heat_maps([large], selectable(whole), 300) is None
    assert "more than 500 combinations" in without_maps([large])
    assert "No two factors were varied together" in without_maps([])
    assert "finite value" in without_maps(products(study))
