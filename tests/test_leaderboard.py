"""The leaderboard's own: scores of weights against another computation, its charts, in a real browser."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from diffbench.report.charts import ranking
from diffbench.report.charts.ranking import ranking_figure
from diffbench.report.pages.leaderboard import write_leaderboard
from diffbench.report.tables import packed
from diffbench.report.tables.board import Board, board
from diffbench.report.tables.catalog import LESS, MEASURES, MORE
from diffbench.report.tables.findings import find
from diffbench.report.tables.format import number
from diffbench.report.tables.results import load_results
from diffbench.report.tables.slices import SETTING
from diffbench.settings.report import ReportSettings
from tests.report_studies import make_study

WEIGHTS = {"fd": 2.0, "memorized_fraction": 1.0, "skill_at_peak": 0.5}
ADDRESS = "#sort=-score&weights=" + ",".join(f"{name}:{weight:g}" for name, weight in WEIGHTS.items())

browsing = pytest.mark.browser


def written(folder: Path, changes: dict, skip: Callable[[str], bool] = lambda file: False) -> Board:
    """The leaderboard's page of a made-up study, in `folder`/pages, and its board."""
    make_study(folder, changes, skip=skip)
    findings = find(replace(load_results(folder), written_to=folder / "pages"))
    whole = board(findings)
    write_leaderboard(findings, whole, ReportSettings())
    return whole


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, Board]:
    """Six settings and two seeds; one setting lacks its samples, of another one seed does."""
    folder = tmp_path_factory.mktemp("made")
    changes = {"sweeps": [{"train_size": [32, 128]}, {"guidance": [0.0, 1.0]}], "steps": [100, 1600]}

    def skip(file: str) -> bool:
        return "memorization" in file and (
            "n128/classes/seed0/step100/" in file or ("n128" in file and "seed1" in file)
        )

    return folder / "pages/leaderboard.html", written(folder, changes, skip)


def scores_by_seed(whole: Board) -> pd.DataFrame:
    """SETTING, seed and score of each cell: weighted mean of scipy's mean ranks, as shares of the seed's others."""
    columns = {column.measure.name: column.cells for column in whole.columns}
    cells = whole.cells.assign(**{name: columns[name]["value"].to_numpy() for name in WEIGHTS})

    def of_seed(rows: pd.DataFrame) -> pd.DataFrame:
        total = np.zeros(len(rows))
        for name, weight in WEIGHTS.items():
            values = rows[name] * {LESS: -1, MORE: 1}[MEASURES[name].better]
            ranks = np.full(len(rows), np.nan)
            known = values.notna().to_numpy()
            ranks[known] = (stats.rankdata(values[known]) - 1) / (known.sum() - 1)
            total += weight * ranks
        return rows.assign(score=total / sum(WEIGHTS.values()))

    return pd.concat([of_seed(rows) for _, rows in cells.groupby("seed")])[[*SETTING, "seed", "score"]]


def exported(page, folder: Path) -> pd.DataFrame:
    with page.expect_download() as download:
        page.click("#export")
    download.value.save_as(folder / "rows.csv")
    return pd.read_csv(folder / "rows.csv", dtype={"guidance": object})


def shown(page) -> list[list[str]]:
    page.wait_for_selector("#board[data-ready]")
    return page.eval_on_selector_all(
        "#board tbody tr:not(.room)",
        "rows => rows.map(row => [...row.cells].map(cell => cell.firstElementChild.textContent.trim()))",
    )


@browsing
def test_scores_are_those_of_another_computation(open_page, made, tmp_path):
    path, whole = made
    page = open_page(path, part=ADDRESS)
    lines = shown(page)
    heads = page.locator("#board thead th").all_inner_texts()
    assert heads[4].startswith("weighted score")
    by_seed = scores_by_seed(whole)
    expected = by_seed.groupby(SETTING)["score"].agg(["mean", "min", "max", "count"]).reset_index()
    rows = exported(page, tmp_path).merge(expected, on=SETTING)
    assert len(rows) == 6
    one_seed = (rows["count"] < 2).to_numpy()
    assert 0 < one_seed.sum() < 6
    for name, other in (("score", "mean"), ("score_low", "min"), ("score_high", "max")):
        truth = rows[other].where(~one_seed | (name == "score"))
        np.testing.assert_allclose(rows[name], truth, rtol=1e-9, atol=1e-12)
    told = [float(line[4]) for line in lines if line[4] != "undefined"]
    assert told == sorted(told, reverse=True)
    assert len(told) == (rows["count"] > 0).sum() == 5
    assert lines[-1][4] == "undefined", "a setting that lacks a weighted measure has no score"
    last = page.locator("#board tbody tr").last.locator("td").nth(3).locator(".undefined")
    assert "no score: FD, memorized fraction: undefined" in last.get_attribute("title")
    assert "1 of 2 seeds" in " ".join(page.eval_on_selector_all("#board [title]", "all => all.map(each => each.title)"))
    page.check("[data-filter=cells]")
    cells = exported(page, tmp_path).merge(by_seed, on=[*SETTING, "seed"], suffixes=("", "_truth"))
    assert len(cells) == 12
    np.testing.assert_allclose(cells["score"], cells["score_truth"], rtol=1e-9, atol=1e-12)


@browsing
def test_weights_are_typed_and_stand_in_the_address(open_page, made):
    page = open_page(made[0])
    first = shown(page)
    assert "weighted score" not in page.inner_text("#board thead")
    page.focus("#weights summary")
    page.keyboard.press("Enter")
    page.focus("#weights input[name=fd]")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Tab")
    assert page.url.endswith("#weights=fd:1&sort=-score")
    assert page.locator("#board th[data-name=score]").get_attribute("aria-sort") == "descending"
    again = open_page(made[0], part="#weights=fd:1,c_t:3,nothing:1,recall:-2,mem_auc:x")
    assert "weighted score" in again.inner_text("#board thead")
    assert again.input_value("#weights input[name=fd]") == "1"
    assert "passed over: weights=fd:1,c_t:3" in again.inner_text("#passed-over")
    odd = [0.0, 0.1999999, 0.09996, 999.7, -0.00999999, 1e-5, -3e-9, 1234.6, 0.2, 5e7, -1000.0, 12.345, 99.95]
    assert again.evaluate("list => list.map(number)", odd) == [number(value) for value in odd]
    assert again.locator("#weights input[name=fd_floor]").count() == 0, "a floor has no better direction"
    page.click("#weights button")
    assert shown(page) == first
    assert page.evaluate("location.hash") == ""


@browsing
def test_without_rows_for_seeds_means_are_scored_and_the_page_says_so(open_page, made, tmp_path, monkeypatch):
    monkeypatch.setattr(packed, "CELLS", 0)
    folder = made[0].parent.parent
    findings = find(replace(load_results(folder), written_to=tmp_path))
    write_leaderboard(findings, board(findings), ReportSettings())
    page = open_page(tmp_path / "leaderboard.html", part="#weights=peak_gap:1")
    shown(page)
    rows = exported(page, tmp_path)
    gaps = board(findings).settings.merge(findings.means[findings.means["measure"] == "peak_gap"], on=SETTING)
    truth = gaps.assign(truth=(stats.rankdata(-gaps["value"]) - 1) / (len(gaps) - 1))[[*SETTING, "truth"]]
    merged = rows.merge(truth, on=SETTING)
    np.testing.assert_allclose(merged["score"], merged["truth"])
    assert rows["score_low"].isna().all()
    titles = page.eval_on_selector_all("#board tbody [title]", "all => all.map(each => each.title)")
    assert any("holds no single seeds" in title for title in titles)


@browsing
def test_filters_of_the_table_pale_the_chart_of_quality_on_paper_too(open_page, made, tmp_path):
    page = open_page(made[0], part="#guidance=1")
    pale = (
        "[...document.querySelectorAll('#pareto .mark-symbol path')].filter(each => each.getAttribute('opacity') < 0.5)"
    )
    page.wait_for_function(f"{pale}.length === 3")
    assert page.evaluate("forPaper('pareto').then(({ view }) => Object.keys(view.signal('kept')).length)") == 2
    page.click("#filters button[type=reset]")
    page.wait_for_function(f"{pale}.length === 0")


def test_chart_ranks_settings_by_each_measure(made, monkeypatch):
    """In the order of their ranks, or best first; what is not drawn is counted."""
    _, whole = made
    findings = find(load_results(made[0].parent.parent))
    figure = ranking_figure(whole, findings.ranks, 300)
    assert figure
    columns = {column.measure.title: column for column in whole.columns}
    most_first = {"memorized fraction": True, "FD": False, "skill at peak": True, "peak gap": True}
    for title, rows in figure.data.groupby("measure"):
        finite = columns[str(title)].settings["value"]
        finite = finite[np.isfinite(finite)]
        assert sorted(finite) in (rows["value"].tolist(), rows["value"].tolist()[::-1])
        if title in most_first:
            assert rows["value"].is_monotonic_decreasing == most_first[str(title)]
        assert rows["place"].tolist() == list(range(1, len(finite) + 1))
    fd = figure.data[figure.data["measure"] == "FD"].merge(columns["FD"].settings, on=SETTING, suffixes=("", "_truth"))
    assert (fd["value"] == fd["value_truth"]).all()
    ranks = {key: f"G{rank.group} · {rank.low}–{rank.high}" for key, rank in findings.ranks["fd"].items() if rank.group}
    assert [ranks.get(key, "") for key in fd[SETTING].itertuples(index=False, name=None)] == fd["rank"].tolist()
    monkeypatch.setattr(ranking, "DRAWN", 2)
    fewer = ranking_figure(whole, findings.ranks, 300)
    assert fewer
    assert fewer.data.equals(figure.data[figure.data["place"] <= 2].reset_index(drop=True))
    specification = fewer.specification()
    texts = [row for rows in specification["datasets"].values() for row in rows if row["measure"] == "FD"]
    assert sum("place" in row for row in texts) == 2
    assert [row["told"] for row in texts if "told" in row] == [
        "least first; the first 2 of 5; 1 without a finite value"
    ]


def test_chart_of_one_seed_says_so_and_groups_nothing(tmp_path):
    whole = written(tmp_path, {"seeds": [0], "sweeps": [{"guidance": [0.0, 1.0]}], "steps": [100]})
    figure = ranking_figure(whole, {}, 300)
    assert figure
    assert figure.caption.startswith("One seed: bars are its 95 % intervals over images")
    assert set(figure.data["rank"]) == {""}


def test_every_direction_is_one_that_a_reader_is_told():
    for each in MEASURES.values():
        assert each.better in (LESS, MORE, "")
        assert not (each.better and each.name in {other.floor for other in MEASURES.values()}), each.name
        if f"{LESS} is better" in each.meaning or f"{MORE} is better" in each.meaning:
            assert f"{each.better} is better" in each.meaning, each.name
