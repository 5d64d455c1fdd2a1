"""The report's numbers against the tables by independent computation, and pages of incomplete or odd studies."""

import csv
import json
import math
import re
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffbench.conventions import DiffbenchError
from diffbench.data.pictured import spread_over_ranks
from diffbench.files import store
from diffbench.report.charts.figure import MAXIMUM_ROWS
from diffbench.report.charts.gap import gap_by_step
from diffbench.report.charts.measure_by_step import measure_by_step
from diffbench.report.charts.membership import attacks_over_noise
from diffbench.report.charts.overlap import trajectories
from diffbench.report.charts.pareto import pareto_figure
from diffbench.report.charts.plane import scatters
from diffbench.report.charts.theme import NEUTRAL
from diffbench.report.charts.toolkit import rounded
from diffbench.report.pages import page
from diffbench.report.tables import answers, expenses, outcomes, ranks, slices
from diffbench.report.tables.board import Board, board
from diffbench.report.tables.findings import Findings, find
from diffbench.report.tables.format import interval, number
from diffbench.report.tables.key_numbers import key_numbers
from diffbench.report.tables.packed import pack
from diffbench.report.tables.results import load_results
from diffbench.report.tables.selectable import selectable
from diffbench.report.tables.shown import show
from diffbench.settings.report import ReportSettings
from diffbench.stages import report
from diffbench.study import layout
from diffbench.study.study import Study
from tests.packed_boards import unpacked
from tests.report_studies import SAMPLES, make_study, memorized_hits

MISSING = "mlp-large/n32/classes/seed1/step400"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A study that lacks the files of one checkpoint, with its report."""
    folder = tmp_path_factory.mktemp("study")
    make_study(folder, skip=lambda file: file.startswith(MISSING))
    report.run(ReportSettings(), folder)
    return folder


@pytest.fixture(scope="module")
def rows(folder):
    return outcomes.outcomes(load_results(folder))


def raw(folder: Path, table: str) -> list[dict[str, str]]:
    with (folder / "summary" / f"{table}.csv").open() as file:
        return list(csv.DictReader(file))


def scalars(folder: Path, table: str, measure: str) -> dict[tuple[str, ...], dict[str, str]]:
    """Rows of a scalar by (model, n, granularity, seed, step[, guidance]), read without pandas."""
    names = ["model", "train_size", "granularity", "seed", "step"] + (["guidance"] if table != "denoise" else [])
    rows = (row for row in raw(folder, table) if row["measure"] == measure and not row["sigma"])
    return {tuple(row[name] for name in names): row for row in rows}


def key_of(row: pd.Series, guidance: bool) -> tuple[str, ...]:
    names = ["model", "train_size", "granularity", "seed", "step"]
    return (*(str(row[name]) for name in names), *([str(row["guidance"])] if guidance else []))


def outcome(means: pd.DataFrame, *key: Any) -> Any:
    """The row of a setting and measure."""
    return means.set_index([*slices.SETTING, "measure"]).xs(key)


@pytest.mark.parametrize(
    ("measure", "table"),
    [
        ("memorized_fraction", "memorization"),
        ("fd_floor", "memorization"),
        ("peak_gap", "denoise"),
        ("skill_at_peak", "denoise"),
    ],
)
def test_outcome_of_every_cell_equals_its_row_in_the_table(folder, rows, measure, table):
    expected = scalars(folder, table, measure)
    seen = 0
    for _, row in rows[rows["measure"] == measure].iterrows():
        source = expected.get(key_of(row, table == "memorization"))
        if source is None:
            assert np.isnan(row["value"])
            assert row["reason"] == "missing: not made yet"
            continue
        seen += 1
        for field in ("value", "low", "high", "n"):
            assert row[field] == float(source[field])
    assert seen == len(rows[rows["measure"] == measure]) - 1


@pytest.mark.parametrize(("measure", "curve"), outcomes.CURVES_AT_PEAK.items())
def test_curves_are_read_at_the_level_nearest_to_the_peak_in_log_sigma(folder, rows, measure, curve):
    peaks = scalars(folder, "denoise", "sigma_at_peak")
    curves = defaultdict(list)
    for row in raw(folder, "overlap"):
        if row["measure"] == curve:
            names = ("model", "train_size", "granularity", "seed", "step", "guidance")
            curves[tuple(row[name] for name in names)].append(row)
    for _, row in rows[rows["measure"] == measure].iterrows():
        key = key_of(row, guidance=True)
        if key not in curves:
            continue
        peak = math.log(float(peaks[key[:5]]["value"]))
        nearest = min(curves[key], key=lambda level: abs(math.log(float(level["sigma"])) - peak))
        assert row["sigma"] == float(nearest["sigma"])
        assert row["value"] == float(nearest["value"])
        assert row["low"] == float(nearest["low"])


def test_mean_over_seeds_by_hand(folder, rows):
    means = outcomes.settings(rows)
    setting = ("mlp-small", 32, "classes", 400, "0")
    text = ("mlp-small", "32", "classes", "{}", "400", "0")
    fractions = scalars(folder, "memorization", "memorized_fraction")
    seeds = [fractions[tuple(part.format(seed) for part in text)] for seed in (0, 1)]
    mean = outcome(means, *setting, "memorized_fraction")
    assert mean["value"] == pytest.approx(sum(float(seed["value"]) for seed in seeds) / 2, abs=1e-15)
    assert mean["low"] == min(float(seed["low"]) for seed in seeds)
    assert mean["high"] == max(float(seed["high"]) for seed in seeds)
    assert mean["n"] == 2 * SAMPLES
    assert (mean["seeds"], mean["of"]) == (2, 2)
    peaks = [float(row["value"]) for key, row in scalars(folder, "denoise", "sigma_at_peak").items()
             if key[0] == "mlp-small" and key[1] == "32" and key[4] == "400"]  # fmt: skip
    assert len(set(peaks)) == 2
    sigma = outcome(means, *setting, "sigma_at_peak")["value"]
    assert sigma == pytest.approx(math.sqrt(peaks[0] * peaks[1]), rel=1e-12)


def test_missing_seed_is_left_out_of_the_mean_and_named(rows):
    means = outcomes.settings(rows)
    lacking = outcome(means, "mlp-large", 32, "classes", 400, "0", "memorized_fraction")
    assert (lacking["seeds"], lacking["of"], lacking["n"]) == (1, 2, SAMPLES)
    assert lacking["reason"] == "missing: not made yet"
    shown = show(lacking)
    assert "1 of 2 seeds have a value" in shown.note


@pytest.fixture(scope="module")
def findings(folder) -> Findings:
    return find(load_results(folder))


@pytest.fixture(scope="module")
def whole(findings) -> Board:
    return board(findings)


@pytest.fixture(scope="module")
def packed(findings, whole) -> dict[str, Any]:
    return pack(whole, findings.results.study, findings.means, findings.ranks)


def column(whole: Board, measure: str) -> pd.DataFrame:
    """The settings of a measure of the leaderboard, in its order."""
    return next(each.settings for each in whole.columns if each.measure.name == measure)


def test_leaderboard_is_ranked_and_flags_settings_whose_intervals_lie_above_the_floor(folder, whole, packed):
    study = load_results(folder).study
    assert len(whole.settings) == len({tuple(cell.factors[name] for name in slices.SETTING) for cell in study.cells})
    values = column(whole, "memorized_fraction")["value"].tolist()
    assert values == sorted(values, reverse=True)
    hits = defaultdict(list)
    for cell in study.cells:
        if MISSING not in cell.path:
            hits[tuple(cell.factors[name] for name in slices.SETTING)].append(memorized_hits(cell))
    from scipy.stats import binomtest

    top = binomtest(1, 64).proportion_ci(0.95, "exact").high
    flags = packed["settings"]["memorizes"]
    for setting, value, flag in zip(whole.settings.itertuples(index=False, name=None), values, flags, strict=True):
        copies = hits[setting]
        assert value == pytest.approx(np.mean(copies) / SAMPLES)
        lowest = min(binomtest(hit, SAMPLES).proportion_ci(0.95, "exact").low for hit in copies)
        assert bool(flag) == (lowest > top)
    assert 0 < sum(flags) < len(flags)


def test_leaderboard_has_every_scalar_of_the_tables_and_its_csv_their_means(folder, whole):
    names = {each.measure.name for each in whole.columns} | {measure.name for measure, _ in whole.undefined}
    table = pd.read_csv(folder / "report/data/leaderboard.csv").astype({"guidance": str})
    for of in ("denoise", "memorization"):
        rows = pd.DataFrame(raw(folder, of)).query("sigma == ''")
        assert set(rows["measure"]) <= names
        keys = [name for name in slices.SETTING if of == "memorization" or name != "guidance"]
        for measure, own in rows[rows["value"] != ""].groupby("measure"):
            for key, seeds in own.groupby(keys):
                values = seeds["value"].astype(float)
                mean = np.exp(np.log(values).mean()) if measure in ("sigma_at_peak", "r2_crossing") else values.mean()
                shown = table[
                    np.logical_and.reduce(
                        [table[name].astype(str) == text for name, text in zip(keys, key, strict=True)]
                    )
                ]
                assert shown[measure].to_numpy() == pytest.approx(mean, rel=1e-9), (measure, key)
                assert shown[f"{measure}_low"].to_numpy() == pytest.approx(
                    pd.to_numeric(seeds["low"]).min(), nan_ok=True
                )


def test_page_holds_the_numbers_of_the_table(folder, whole, packed):
    """As they stand in the page, decompressed: values, intervals, n and reasons, of settings and of every cell."""
    held = unpacked(folder / "report/leaderboard.html")
    assert held == json.loads(json.dumps(packed))
    for rows, of in (("settings", lambda each: each.settings), ("cells", lambda each: each.cells)):
        for each in whole.columns:
            shown, own = held[rows]["columns"][each.measure.name], of(each)
            value = np.array([np.nan if number is None else float(number) for number in shown["value"]])
            below = np.array([np.nan if number is None else float(number) for number in shown["below"]])
            assert value == pytest.approx(own["value"].to_numpy(float), rel=1e-6, nan_ok=True)
            finite = np.isfinite(value)
            assert (value - below)[finite] == pytest.approx(own["low"].to_numpy(float)[finite], abs=1e-5, nan_ok=True)
            reasons = {row: held["reasons"][place] for row, place in shown["reasons"].items()}
            assert reasons == {str(row): text for row, text in enumerate(own["reason"]) if text}


def test_costs_of_a_setting_are_those_that_its_jobs_told(folder, whole):
    """Sampling took 3 s each; no training told what it took, which is no 0."""
    assert set(column(whole, "sample_seconds")["value"]) == {3.0}
    weights = pd.read_csv(folder / "summary/models.csv").set_index("model")["parameters"]
    sizes = column(whole, "parameters")
    assert sizes["value"].tolist() == [weights[model] for model in sizes["model"]]
    assert {measure.name: reason for measure, reason in whole.undefined}["train_seconds"] == expenses.UNTOLD


def test_training_costs_all_milestones_up_to_the_checkpoint(folder):
    results = load_results(folder)
    jobs = [f"mlp-small/n32/classes/seed0/step{step}/train" for step in (100, 400)]
    told = pd.DataFrame({"job": jobs, "seconds": [2.0, 5.0], "cpu_seconds": 0.0, "max_rss_mb": 0.0})
    rows = expenses.expenses(replace(results, costs=told)).query("measure == 'train_seconds' and model == 'mlp-small'")
    own = rows.query("train_size == 32 and seed == 0 and guidance == '0'").set_index("step")
    assert own["value"].to_dict() == {100: 2.0, 400: 7.0}
    assert own["n"].to_dict() == {100: 1, 400: 2}
    assert rows.query("seed == 1")["value"].isna().all()


def test_front_holds_the_settings_that_no_other_beats(findings):
    figure = pareto_figure(findings.means, 500)
    assert figure
    points = list(zip(figure.data["quality"], figure.data["memorized"], figure.data["best"], strict=True))
    for quality, memorized, best in points:
        beaten = any(q <= quality and m <= memorized and (q, m) != (quality, memorized) for q, m, _ in points)
        assert best == (not beaten)
    assert 0 < sum(best for *_, best in points) < len(points)


def test_settings_that_are_worse_than_a_linear_filter_are_marked_and_counted(folder, findings, whole, packed):
    """All seeds' intervals below 0: one that reaches 0, or has no value, is not."""
    highs = defaultdict(list)
    for key, row in scalars(folder, "denoise", "skill_at_peak").items():
        highs[key[:3] + key[4:]].append(float(row["high"]))
    flags = packed["settings"]["overfitted"]
    for setting, flag in zip(whole.settings.itertuples(index=False, name=None), flags, strict=True):
        assert bool(flag) == (max(highs[tuple(map(str, setting[:4]))]) < 0)
    worse = sum(flags)
    assert 0 < worse < len(flags)
    where = answers.answers(findings.results, findings.means, findings.effects)[1]
    assert where.sentences[-1] == (
        f"At the peak {worse} of {len(flags)} settings are worse on unseen images than a linear filter of their "
        "training images (skill below 0, and its whole interval): such a gap is plain overfitting."
    )


def test_leaderboard_has_the_rank_of_every_setting_that_was_compared(rows, whole, packed):
    by_outcome = ranks.ranks(rows)
    assert packed["settings"]["ranks"].keys() == by_outcome.keys()
    for measure, by_setting in by_outcome.items():
        told = packed["settings"]["ranks"][measure]
        for setting, rank in zip(whole.settings.itertuples(index=False, name=None), told, strict=True):
            assert rank[:3] == [by_setting[setting].group, by_setting[setting].low, by_setting[setting].high]


def test_answer_counts_what_the_leaderboard_flags(findings, whole, packed):
    first = answers.answers(findings.results, findings.means, findings.effects)[0]
    flags = np.array(packed["settings"]["memorizes"], bool)
    assert first.short == f"{flags.sum()} of {len(flags)} settings memorize beyond their floor"
    top = slices.short_name(whole.settings[flags].iloc[0])
    value = column(whole, "memorized_fraction")["value"].to_numpy()[flags][0]
    assert first.examples[0].startswith(f"{top}: {number(value)}")


def test_numbers_to_read_first_are_the_ends_over_settings_beside_their_floors(folder, findings, whole):
    seeds = defaultdict(list)
    for key, row in scalars(folder, "memorization", "memorized_fraction").items():
        seeds[key[:3] + key[4:]].append(float(row["value"]))
    means = {key: np.mean(values) for key, values in seeds.items()}
    first, *others = key_numbers(whole, findings.results.study)
    assert first.measure.name == "memorized_fraction"
    assert (first.least.shown.value, first.largest.shown.value) == pytest.approx(
        (min(means.values()), max(means.values()))
    )
    assert first.settings == first.of == len(whole.settings)
    floors = column(whole, "memorized_floor")
    assert first.largest.floor
    assert first.largest.floor.value in floors["value"].to_numpy()
    assert [each.measure.name for each in others if each.measure.floor and not each.least.floor] == []


def test_any_measure_over_milestones_is_its_mean_over_seeds_at_the_centre(folder, findings, whole):
    figure = measure_by_step(findings.results.study, selectable(whole), 500)
    assert figure
    drawn = figure.data.query("measure == 'FD'").set_index(["train_size", "step"])["value"].dropna()
    seeds = defaultdict(list)
    for (model, size, granularity, _, step, guidance), row in scalars(folder, "memorization", "fd").items():
        if (model, granularity, guidance) == ("mlp-small", "classes", "0"):
            seeds[int(size), int(step)].append(float(row["value"]))
    assert drawn.to_dict() == pytest.approx({key: np.mean(values) for key, values in seeds.items()})
    assert len(drawn) >= 4


def test_answer_tells_where_train_likeness_is_0_because_all_states_lie_outside(folder, rows):
    flat = rows.copy()
    at_peak = flat["measure"] == outcomes.AT_PEAK
    flat.loc[at_peak, ["value", "low", "high"]] = 0.0
    means = outcomes.settings(flat)
    results = load_results(folder)
    last = answers.answers(results, means, answers.effects(results, means))[-1]
    assert last.short == "In none of 8 settings"
    assert "In 8 all states lie outside, and it is 0 however far: see the shell radius." in last.sentences
    assert any(text.startswith("Where the gap is largest the states' shell radius is") for text in last.sentences)


def test_effect_of_a_factor_is_the_largest_difference_on_its_slice(folder, rows):
    means = outcomes.settings(rows)
    effects = {(effect.factor, effect.measure): effect for effect in answers.effects(load_results(folder), means)}
    value = means.set_index([*slices.SETTING, "measure"])["value"]
    small, large = (value[("mlp-small", n, "classes", 400, "0", "peak_gap")] for n in (32, 128))
    assert effects["train_size", "peak_gap"].size == pytest.approx(small - large)
    assert effects["train_size", "peak_gap"].lowest["factor_value"] == "128"
    assert ("guidance", "peak_gap") not in effects


def test_slices_hold_the_centre_and_the_last_step(folder):
    cuts = {cut.factor: cut for cut in slices.slices(load_results(folder).study)}
    assert set(cuts) == {"model", "train_size", "step", "guidance"}
    assert cuts["train_size"].values == (32, 128)
    assert cuts["train_size"].fixed == {"model": "mlp-small", "granularity": "classes", "step": 400, "guidance": "0"}
    assert cuts["model"].values == ("mlp-small", "mlp-large")


def test_bands_of_training_and_validation_losses_are_two(folder):
    figure = gap_by_step(load_results(folder), 500)
    assert figure
    _, own = figure.chart.to_dict()["hconcat"][0]["layer"]
    (band,) = [layer for layer in own["layer"] if layer["mark"]["type"] == "area"]
    assert band["encoding"]["detail"]["field"] == "measure"


def test_closed_forms_are_drawn_once_for_all_steps(folder):
    """In grey beside the losses of a run, with the values of its table."""
    figure = gap_by_step(load_results(folder), 500)
    assert figure
    expected = defaultdict(list)
    for row in raw(folder, "denoise"):
        if row["measure"] == "mse_wiener_validation" and row["step"] == "100":
            expected[row["model"], int(row["train_size"]), float(row["sigma"])].append(float(row["value"]))
    shown = figure.data[figure.data["measure"] == "mse_wiener_validation"]
    assert len(shown) == len(expected) > 0
    for row in shown.itertuples():
        assert row.value == pytest.approx(np.mean(expected[row.model, row.train_size, row.sigma]), rel=1e-12)
    for part in figure.chart.to_dict()["hconcat"][0]["layer"]:
        assert part["transform"] == [{"filter": "datum.run == run"}]
        grey = [layer["mark"]["type"] for layer in part["layer"] if layer["mark"].get("color") == NEUTRAL]
        assert grey == (["line", "circle"] if len(part["layer"]) == 2 else [])


def test_table_beside_the_gap_chart_is_the_mean_over_seeds(folder):
    figure = gap_by_step(load_results(folder), 500)
    assert figure
    losses = defaultdict(list)
    for row in raw(folder, "denoise"):
        if row["measure"] == "mse_train":
            key = (row["model"], int(row["train_size"]), int(row["step"]), float(row["sigma"]))
            losses[key].append(float(row["value"]))
    shown = figure.data[figure.data["measure"] == "mse_train"]
    assert len(shown) == len(losses)
    for row in shown.itertuples():
        assert row.value == pytest.approx(np.mean(losses[row.model, row.train_size, row.step, row.sigma]), rel=1e-12)
    written = pd.read_csv(folder / "report" / "data" / "gap-by-step.csv")
    assert written["value"].to_numpy() == pytest.approx(figure.data["value"].to_numpy(), nan_ok=True)


FIGURES = {
    "leaderboard": {"pareto", "ranking"},
    "noise": {
        *("gap-by-factor", "gap-by-step", "absolute-gap-by-factor", "share-by-factor", "skill-by-factor"),
        "attacks-over-noise",
        *("closed-forms", "likeness-by-factor", "trajectories"),
    },
    "factors": {"outcomes-by-factor", "gap-against-memorized", "measures-by-factor", "heat-maps"},
    "training": {"loss-by-step", "outcomes-by-step", "measure-by-step", "time-scales", "gap-onset"},
    "costs": {"cost-against-outcome"},
}
"""Charts by page; the others of a study have none, or tests of their own."""


def test_every_chart_has_title_description_few_rows_and_a_table(folder):
    for path in (folder / "report").glob("*.html"):
        name, html = path.stem, path.read_text()
        assert len(html) < 8e6
        inlined = re.search(r'<script type="application/json" id="specifications">(.*?)</script>', html, re.DOTALL)
        specifications = json.loads(inlined[1]) if inlined else {}
        if name not in ("claims", "risk"):
            assert set(specifications) == FIGURES.get(name, set())
        assert ("vegaEmbed" in html) == bool(specifications), "a page without charts is small"
        for figure, specification in specifications.items():
            assert specification["title"]
            assert len(specification["description"]) > 40
            assert sum(map(len, specification["datasets"].values())) <= MAXIMUM_ROWS
            assert (folder / "report" / "data" / f"{figure}.csv").stat().st_size > 100


def test_charts_of_many_settings_show_fewer_and_say_so(folder, monkeypatch):
    monkeypatch.setattr("diffbench.report.charts.overlap.MAXIMUM_ROWS", 600)
    monkeypatch.setattr("diffbench.report.charts.gap.MAXIMUM_ROWS", 400)
    results = load_results(folder)
    means = outcomes.settings(outcomes.outcomes(results))
    chosen, of_all = trajectories(results, means, 500), gap_by_step(results, 500)
    assert chosen
    assert "1 of 4 settings" in chosen.caption
    assert len(chosen.data) <= 600
    assert of_all
    assert "2 of 3 runs" in of_all.caption
    assert len(of_all.data) <= 400


def test_page_says_what_is_missing_and_where_it_comes_from(folder):
    html = (folder / "report" / "index.html").read_text()
    assert "15 of 16 cells complete" in " ".join(html.split())
    assert f"{MISSING}/w0/memorization.h5" in html
    assert "not made yet" in html
    manifest = json.loads((folder / "summary" / "manifest.json").read_text())
    assert manifest["provenance"]["git_commit"] in html
    html = (folder / "report" / "costs.html").read_text()
    costs = re.search(r"<th scope=\"row\">sample</th><td>(\d+)</td><td>(.*?)</td>", html)
    assert costs
    assert costs.groups() == ("16", "48.0 s")


def test_pages_refer_to_nothing_outside_and_to_each_other(folder):
    """One navigation: every page links to all pages that there are, and to nothing else but their parts and tables."""
    pages = {path.name for path in (folder / "report").glob("*.html")}
    assert pages == {f"{name}.html" for name in layout.PAGES}
    for name in pages:
        html = (folder / "report" / name).read_text()
        markup = re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL)
        assert set(re.findall(r'(?:src|href)="(?!data:image/png|data/|#)([^"#]*)', markup)) == pages
        for other, part in re.findall(r'href="([^"#]*)#([^"=]*)"', markup):
            assert f'id="{part}"' in (folder / "report" / (other or name)).read_text(), (name, other, part)
        assert "default-src 'none'" in markup
        assert markup.count("aria-current=page") == 1


def test_undefined_values_are_shown_with_their_reason_and_never_as_zero(tmp_path):
    make_study(tmp_path, {"sweeps": [{"train_size": [32, 128]}], "steps": [100], "seeds": [0]}, blank=True)
    report.run(ReportSettings(), tmp_path)
    html = (tmp_path / "report" / "leaderboard.html").read_text()
    row = re.search(r'<table class="plain" id="plain">.*?</table>', html, re.DOTALL)
    assert row
    fields = re.findall(r'<span class="(value|undefined)" title="(.*?)">(.*?)</span>', row[0])
    assert fields == [], "no measure that is shown at first has a value"
    undefined = re.search(r'<details id="undefined">.*?</details>', html, re.DOTALL)
    assert undefined
    assert "<li>memorized fraction: made up without a value</li>" in undefined[0]
    held = unpacked(tmp_path / "report/leaderboard.html")
    assert "memorized_floor" in held["settings"]["columns"]
    assert "memorized_fraction" not in held["settings"]["columns"]
    html = (tmp_path / "report" / "index.html").read_text()
    assert "No setting has a memorized fraction" in html
    assert "No setting has a gap with a finite peak" in html
    assert "No setting has both a memorized fraction and an FD." in (tmp_path / "report/leaderboard.html").read_text()


def test_single_cell_gives_a_page_without_charts_of_factors(tmp_path):
    make_study(tmp_path, {"sweeps": [], "steps": [100], "seeds": [0]})
    report.run(ReportSettings(), tmp_path)
    assert "The study varies no factor." in (tmp_path / "report" / "factors.html").read_text()
    html = (tmp_path / "report" / "index.html").read_text()
    assert "1 of 1 cells complete" in " ".join(html.split())


def test_plane_is_pictured_as_points(tmp_path):
    make_study(tmp_path, {"sweeps": [], "steps": [100], "seeds": [0]}, shape=(2,))
    results = load_results(tmp_path)
    ((_, figure),) = scatters(results, results.study.cells, 500)
    data = figure.data
    samples = store.read(tmp_path / results.study.cells[0].path / "samples.h5", "sample")["samples"]
    generated = data.loc[data["kind"] == "generated", ["x", "y"]].to_numpy()
    assert generated == pytest.approx(samples)
    assert set(data["kind"]) == {"training", "unseen", "generated"}
    radii = np.hypot(data["x"], data["y"])[data["kind"] == "training"]
    assert radii.std() < 0.05 * radii.mean()  # a circle stays one under scaling, as its mean is near 0


def test_model_without_a_denoiser_is_told_from_one_that_failed(tmp_path):
    models = {"copies": {"kind": "planted", "copies": 0.5}}
    make_study(
        tmp_path,
        {"models": models, "sweeps": [{"model": ["mlp-small", "copies"]}], "steps": [100], "seeds": [0]},
        skip=lambda file: "denoise" in file,
    )
    rows = outcomes.outcomes(load_results(tmp_path))
    reasons = rows[rows["measure"] == "peak_gap"].set_index("model")["reason"]
    assert reasons["copies"] == "this model has no denoise measures"
    assert reasons["mlp-small"] == "missing: not made yet"


def test_unbounded_gap_is_shown_as_such(tmp_path):
    make_study(tmp_path, {"sweeps": [{"model": ["mlp-small", "optimal"]}], "steps": [100], "seeds": [0]})
    findings = find(load_results(tmp_path))
    whole = board(findings)
    place = whole.settings["model"].tolist().index("optimal")
    peak = show(column(whole, "peak_gap").iloc[place])
    assert peak.text == "∞"
    assert peak.note.startswith("unbounded: the training loss is 0 at sigma = 0.002")
    number = next(each for each in key_numbers(whole, findings.results.study) if each.measure.name == "peak_gap")
    assert (number.settings, number.of) == (1, 1)  # the optimum, which would be the largest, stands aside
    assert number.largest.shown.drawable
    alone = replace(whole, settings=whole.settings.assign(model="optimal"))
    number = next(each for each in key_numbers(alone, findings.results.study) if each.measure.name == "peak_gap")
    assert (number.settings, number.largest.shown.text) == (2, "∞")
    at_peak = show(column(whole, outcomes.AT_PEAK).iloc[place])
    assert at_peak.note.startswith("the gap has no peak: unbounded")
    packed = pack(whole, findings.results.study, findings.means, findings.ranks)["settings"]
    assert packed["columns"]["peak_gap"]["value"][place] == "Infinity"
    for chart in (trajectories(findings.results, findings.means, 300), attacks_over_noise(findings.results, 300)):
        assert chart
        rows = [row for rows in chart.specification()["datasets"].values() for row in rows if "sigma" in row]
        chosen = [row["step"] for row in rows if row.get("setting", row.get("run", "")).startswith("optimal")]
        assert set(chosen) == {100}  # nothing trains it: it is the same at the step that the reader chooses
        assert 0 in set(chart.data["step"])
    report.run(ReportSettings(), tmp_path)
    html = (tmp_path / "report" / "noise.html").read_text()
    assert "Infinity" not in html.partition('id="specifications">')[2].partition("</script>")[0]


def test_study_whose_every_cell_failed_gives_a_page_that_says_so(tmp_path):
    make_study(tmp_path, {"seeds": [0], "steps": [100]}, skip=lambda file: True)
    report.run(ReportSettings(), tmp_path)
    html = (tmp_path / "report" / "index.html").read_text()
    assert "0 of 4 cells complete" in " ".join(html.split())
    assert html.count("<td>missing</td><td>not made yet</td>") > 10
    assert "No gap was measured." in (tmp_path / "report" / "noise.html").read_text()


def test_no_summary_is_one_clear_error(tmp_path):
    with pytest.raises(DiffbenchError, match="no readable summary"):
        load_results(tmp_path)


@given(st.integers(1, 300), st.integers(2, 40))
def test_ranks_are_spread_from_first_to_last(count, limit):
    ranks = spread_over_ranks(count, limit)
    assert ranks[0] == 0
    assert ranks[-1] == count - 1
    assert len(ranks) == len(set(ranks)) == min(count, limit)


def test_infinite_values_are_named_and_never_written_into_charts():
    table = pd.DataFrame({"value": [math.inf, 1.23456789, math.nan]})
    assert rounded(table)["value"].to_numpy() == pytest.approx([math.nan, 1.2346, math.nan], nan_ok=True)
    row = pd.Series({"value": math.inf, "low": math.nan, "high": math.nan, "n": 7, "reason": "unbounded"})
    shown = show(row)
    assert (shown.text, shown.interval, shown.note, shown.drawable) == ("∞", "", "unbounded; n = 7", False)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.12345, "0.123"),
        (-0.5, "−0.500"),
        (12.345, "12.3"),
        (1234567.0, "1\u202f234\u202f567"),
        (6.1e-8, "6.1e−8"),
        (math.nan, "undefined"),
        (-math.inf, "−∞"),
    ],
)
def test_numbers_as_shown(value, text):
    assert number(value) == text


def test_interval_without_ends_is_not_shown():
    assert interval(math.nan, 1.0) == ""
    assert interval(0.0, 0.25) == "[0, 0.250]"


@given(st.recursive(st.none() | st.text(), lambda inner: st.dictionaries(st.text(), inner), max_leaves=5))
def test_inlined_json_cannot_end_its_script(value):
    text = page.inline_json({"value": value})
    assert "<" not in text
    assert json.loads(text) == {"value": value}


def test_study_of_the_manifest_is_the_study(folder):
    manifest = json.loads((folder / "summary" / "manifest.json").read_text())
    assert load_results(folder).study == Study.model_validate_json(json.dumps(manifest["study"]))


def test_a_new_report_leaves_nothing_of_the_old_one_beside_it(tmp_path):
    make_study(tmp_path, {"sweeps": [], "steps": [100], "seeds": [0]})
    report.run(ReportSettings(), tmp_path)
    expected = sorted((tmp_path / "report").glob("**/*.*"))
    for name in ("lab.html", "data/effect-of-a-factor-no-longer-varied.csv"):
        (tmp_path / "report" / name).write_text("of an earlier study")
    report.run(ReportSettings(), tmp_path)
    assert sorted((tmp_path / "report").glob("**/*.*")) == expected
