"""What the main page shows of closed forms: one panel per size and step, words that hold, a table of crossings."""

import csv
import json
import math
import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from diffbench.report.charts.closed_forms import FORMS, closed_forms
from diffbench.report.tables.closed_forms import CROSSING, crossings
from diffbench.report.tables.results import Results, load_results
from diffbench.settings.report import ReportSettings
from diffbench.stages import report
from tests.report_studies import make_study


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    make_study(folder)
    report.run(ReportSettings(), folder)
    return folder


def panels(folder: Path) -> list[dict[str, Any]]:
    figure = closed_forms(load_results(folder), 500)
    assert figure
    return [panel for row in figure.chart.to_dict()["vconcat"] for panel in row["hconcat"]]


def titles(folder: Path) -> list[str]:
    """Of panels, but for the step that those of a chosen step add."""
    texts = [panel["title"]["text"] for panel in panels(folder)]
    return [text if isinstance(text, str) else json.loads(text["expr"].split(" + ")[0]).split(",")[0] for text in texts]


def by_seed(folder: Path, measure: str) -> dict[tuple[int, int, str], list[float]]:
    """Values of the centre's model by training size, step and level."""
    values = defaultdict(list)
    with (folder / "summary" / "denoise.csv").open() as file:
        for row in csv.DictReader(file):
            if row["measure"] == measure and row["model"] == "mlp-small" and row["value"]:
                values[int(row["train_size"]), int(row["step"]), row["sigma"]].append(float(row["value"]))
    return values


def test_a_panel_per_size_and_per_step(folder: Path) -> None:
    assert titles(folder) == ["training-set size 32", "training-set size 128", "training step 100", "training step 400"]


def test_curves_are_means_over_seeds(folder: Path) -> None:
    figure = closed_forms(load_results(folder), 500)
    assert figure
    assert set(figure.data["measure"]) == set(FORMS)
    expected = by_seed(folder, "r2_labelled_optimum")
    shown = figure.data[figure.data["measure"] == "r2_labelled_optimum"]
    assert len(shown) == 6 * 24, "each size at each step, and each step"
    means = {(n, step, float(level)): np.mean(values) for (n, step, level), values in expected.items()}
    for row in shown.to_dict("records"):
        assert row["value"] == pytest.approx(means[row["train_size"], row["step"], row["sigma"]], rel=1e-12)


def test_an_upright_line_stands_where_there_is_a_crossing(folder: Path) -> None:
    specification = closed_forms(load_results(folder), 500)
    assert specification
    datasets = specification.chart.to_dict()["datasets"]
    places = [panel["layer"][0].get("data") or panel["layer"][1]["data"] for panel in panels(folder)]
    lines = [{row["step"]: row["value"] for row in datasets[place["name"]]} for place in places]
    assert [sorted(line) for line in lines] == [[100, 400], [], [100], [400]]  # of 128 images there is none
    assert lines[0][400] == pytest.approx(mean_crossing(folder, 32, 400), rel=1e-4)


def mean_crossing(folder: Path, size: int, step: int) -> float:
    return math.exp(np.mean(np.log(by_seed(folder, "r2_crossing")[size, step, ""])))


def test_words_say_where_the_optimum_overtakes(folder: Path) -> None:
    figure = closed_forms(load_results(folder), 500)
    assert figure
    said = figure.chart.to_dict()["title"]["subtitle"]
    found = re.fullmatch(
        r"mlp-small · n 32 · classes · step 400: below σ = (\S+) \[(\S+), (\S+)\] the linear filter explains it "
        r"better, above it the optimum for the label\.",
        said,
    )
    assert found
    assert float(found[1]) == pytest.approx(mean_crossing(folder, 32, 400), rel=0.01)


def without(
    results: Results, undefined: Callable[[pd.DataFrame], pd.Series], monkeypatch: pytest.MonkeyPatch
) -> Results:
    """The results with some values undefined."""
    of = results.estimates.of

    def blanked(*measures: Any, **factors: Any) -> pd.DataFrame:
        rows = of(*measures, **factors)
        rows.loc[undefined(rows), ["value", "low", "high"]] = math.nan
        return rows

    monkeypatch.setattr(results.estimates, "of", blanked)
    return results


def test_words_say_how_many_seeds_cross(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def of_one_seed(rows: pd.DataFrame) -> pd.Series:
        return (rows["measure"] == CROSSING) & (rows["seed"] == 1)

    figure = closed_forms(without(load_results(folder), of_one_seed, monkeypatch), 500)
    assert figure
    assert "(1 of 2 seeds) the linear filter explains" in figure.chart.to_dict()["title"]["subtitle"]


def test_the_table_has_the_crossings(folder: Path) -> None:
    table = crossings(load_results(folder))
    assert table
    assert (table.held, table.steps) == ("mlp-small · classes", (100, 400))
    assert [size for size, _ in table.rows] == [32, 128]
    for step, shown in zip(table.steps, table.rows[0][1], strict=True):
        assert shown
        assert shown.value == pytest.approx(mean_crossing(folder, 32, step))
    undefined = table.rows[1][1][0]
    assert undefined
    assert undefined.text == "undefined"
    assert "up to the highest level" in undefined.note
    html = (folder / "report/noise.html").read_text()
    assert undefined.note in html


def test_one_label_has_one_optimum(tmp_path: Path) -> None:
    center = {"model": "mlp-small", "train_size": 128, "granularity": "none", "guidance": 0.0}
    make_study(tmp_path, {"center": center, "sweeps": [{"model": ["mlp-small", "mlp-large"]}], "steps": [400]})
    figure = closed_forms(load_results(tmp_path), 500)
    assert figure
    assert set(figure.data["measure"]) == set(FORMS) - {"r2_optimum"}
    (panel,) = panels(tmp_path)
    assert panel["title"]["text"]["expr"].endswith(', step " + (step === null ? 400 : step)')
    assert "none · step 400: the Wiener filter explains it better up to" in figure.chart.to_dict()["title"]["subtitle"]


def test_one_optimum_stands_once_also_where_it_has_no_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    center = {"model": "mlp-small", "train_size": 128, "granularity": "none", "guidance": 0.0}
    make_study(tmp_path, {"center": center, "sweeps": [], "steps": [400]})
    figure = closed_forms(without(load_results(tmp_path), lambda rows: rows["sigma"] > 10, monkeypatch), 500)
    assert figure
    assert set(figure.data["measure"]) == set(FORMS) - {"r2_optimum"}


def test_nothing_is_shown_where_nothing_has_a_value(tmp_path: Path) -> None:
    make_study(tmp_path, skip=lambda file: file.endswith("denoise.h5"))
    results = load_results(tmp_path)
    assert closed_forms(results, 500) is None
    assert crossings(results) is None


def test_many_levels_leave_room_for_fewer_panels(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("diffbench.report.charts.closed_forms.MAXIMUM_ROWS", 3 * 4 * 24)
    assert titles(folder) == ["training-set size 32", "training step 100"]
