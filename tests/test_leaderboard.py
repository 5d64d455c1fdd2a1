"""The leaderboard's own: scores of weights against another computation, its charts, in a real browser."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from diffbench.report.pages.leaderboard import write_leaderboard
from diffbench.report.tables import packed
from diffbench.report.tables.board import Board, board
from diffbench.report.tables.catalog import LESS, MEASURES, MORE
from diffbench.report.tables.findings import find
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


def test_every_direction_is_one_that_a_reader_is_told():
    for each in MEASURES.values():
        assert each.better in (LESS, MORE, "")
        assert not (each.better and each.name in {other.floor for other in MEASURES.values()}), each.name
        if f"{LESS} is better" in each.meaning or f"{MORE} is better" in each.meaning:
            assert f"{each.better} is better" in each.meaning, each.name
