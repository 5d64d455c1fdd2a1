"""Comparisons: nothing differs from itself, planted differences are found, and pairs are those that files show."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from diffbench.cli import main
from diffbench.comparison.paired import Difference, differences_of, pairs_of, places_of, shared_rows
from diffbench.comparison.sides import load_sides, side_by_side
from diffbench.conventions import seed_of
from diffbench.files import store
from diffbench.measures.paired import gap_differences, loss_ratios, mean_difference, share_difference
from diffbench.stages import summary
from diffbench.study import layout
from diffbench.study.file import parse_study
from diffbench.study.lineage import Lineage
from tests.damaged_files import copied, edit_sealed, flip, vouch_anew
from tests.jobs import make_all
from tests.packed_boards import unpacked
from tests.report_studies import make_study

PLANTED = {
    "name": "planted",
    "data": {"name": "digits", "validation": 64},
    "seeds": [0],
    "steps": [1],
    "models": {"copies-50": {"kind": "planted", "copies": 0.5}},
    "center": {"model": "optimal", "train_size": 32, "granularity": "none", "guidance": 0},
    "sweeps": [{"model": ["optimal", "constant", "copies-50"]}],
    "sampling": {"samples": 64, "trajectories": 8},
    "measures": {"gap": {"levels": 24, "images": 40, "noises": 1}},
}


@pytest.fixture(scope="module")
def planted(tmp_path_factory) -> Path:
    """Results of closed forms and planted copies."""
    folder = tmp_path_factory.mktemp("planted")
    lineage = Lineage(parse_study(PLANTED, "planted.yaml"))
    make_all(lineage, folder)
    summary.run(lineage.summary_spec, folder)
    return folder


@pytest.fixture(scope="module")
def itself(planted, tmp_path_factory) -> Path:
    """The planted study against itself."""
    out = tmp_path_factory.mktemp("itself") / "comparison"
    assert main(["compare", str(planted), str(planted), "--out", str(out)]) == 0
    return out


def rows_of(out: Path) -> pd.DataFrame:
    return pd.read_csv(out / "data/differences.csv", keep_default_na=False, na_values=[""])


def cell(results: Path, model: str) -> Path:
    (folder,) = results.glob(f"{model}/n32/none/seed0/step*/w0")
    return folder


def test_a_study_differs_from_itself_by_0_everywhere(itself):
    rows = rows_of(itself)
    defined = rows[rows["value"].notna()]
    assert len(defined) > 100
    assert (defined[["value", "low", "high"]] == 0).all(axis=None)
    assert (rows.loc[rows["value"].isna(), "reason"] != "").all()
    losses = defined[(defined["measure"] == "mse_validation") & defined["sigma"].notna()]
    assert set(losses["n"]) == {40}
    assert set(losses["units"]) == {"paired over 40 shared images, on the same noises"}
    words = (itself / "index.html").read_text()
    assert "Nowhere: none of" in words
    assert "and all are 0" in words
    board = unpacked(itself / "leaderboard.html")
    assert len(board["factors"][0]["values"]) == 2
    assert len(board["settings"]["factors"]["study"]) == 6


@pytest.mark.browser
def test_sides_that_are_alike_have_one_score(open_page, itself):
    """Each setting ties with itself on the other side."""
    page = open_page(itself / "leaderboard.html", part="#sort=-score&weights=memorized_fraction:1,auth_pct:2")
    page.wait_for_selector("#board[data-ready]")
    heads = page.eval_on_selector_all("#board thead th", "heads => heads.map(head => head.dataset.name)")
    cells = f"#board tbody tr:not(.room) > :nth-child({1 + heads.index('score')}) > :first-child"
    told = page.eval_on_selector_all(cells, "all => all.map(each => each.textContent)")
    assert len(told) == 6
    assert told[::2] == told[1::2]
    assert page.locator("#weights").is_visible()


def differing(*folders: Path) -> dict[str, list[Difference]]:
    """All differences of the only setting of the other side to that of the first, by measure, without pages."""
    sides = load_sides(folders)
    (pair,) = pairs_of(sides)
    found: dict[str, list[Difference]] = {}
    board = side_by_side(sides)
    for each in differences_of(pair, board, places_of(board)):
        found.setdefault(each.measure, []).append(each)
    return found


def test_cells_are_paired_over_images_and_noises(planted):
    first, other = (cell(planted, model) for model in ("constant", "optimal"))
    found = differing(first, other)
    files = [store.read(each.parent / "denoise.h5", "denoise") for each in (first, other)]
    for measure, split in (("mse_train", "train"), ("mse_validation", "validation")):
        one, two = (file[f"loss_{split}"].mean(axis=1) for file in files)
        told = [each.estimate for each in found[measure]]
        np.testing.assert_allclose([each.value for each in told], two / one - 1, rtol=1e-12)
        assert all(each.low <= each.value <= each.high for each in told)
    means = [[file[f"loss_{split}"].mean(axis=1) for split in ("train", "validation")] for file in files]
    with np.errstate(divide="ignore"):
        one, two = (validation / train - 1 for train, validation in means)
    told = np.array([each.estimate.value for each in found["gap"]])
    defined = np.isfinite(told)  # the optimum's training loss is 0 at the lowest levels
    assert defined.sum() >= 12
    np.testing.assert_allclose(told[defined], (two - one)[defined], rtol=1e-9)
    ratios = [store.read(each / "memorization.h5", "memorization")["distance"] for each in (first, other)]
    copies = [(each[:, 0] < each[:, 1] / 3).astype(float) for each in ratios]
    (fraction,) = found["memorized_fraction"]
    assert fraction.estimate.value == pytest.approx(copies[1].mean() - copies[0].mean())
    assert fraction.estimate.low > 0.5
    assert fraction.units == "paired over 64 noises that samples start from"


def test_planted_copies_are_told_though_no_noise_is_theirs(planted):
    found = differing(cell(planted, "constant"), cell(planted, "copies-50"))
    (fraction,) = found["memorized_fraction"]
    assert fraction.estimate.value == pytest.approx(0.5, abs=0.1)
    assert np.isnan(fraction.estimate.low)
    assert "not drawn from noises" in fraction.units
    assert "denoise.h5: no such file" in found["gap"][0].units


def test_differences_without_an_interval_are_not_taken_for_none(planted, tmp_path, capsys):
    first, other = (cell(planted, model) for model in ("constant", "copies-50"))
    assert main(["compare", str(first), str(other), "--out", str(tmp_path / "out")]) == 0
    assert f": 1 cell of {other}" in capsys.readouterr().out
    rows = rows_of(tmp_path / "out").query("sigma.isna() and low.isna()")
    open_ones = (rows["value"].fillna(0) != 0).sum()
    words = (tmp_path / "out/index.html").read_text()
    assert f"{open_ones} differences are not 0 and have no interval" in words
    assert "Nowhere" not in words


def test_costs_differ_where_all_else_is_the_same(tmp_path):
    for name in ("a", "b"):
        make_study(tmp_path / name, {"seeds": [0, 1], "sweeps": [], "steps": [100]})
    path = tmp_path / "b/summary/costs.csv"
    costs = pd.read_csv(path)
    costs.assign(seconds=costs["seconds"] + 5).to_csv(path, index=False)
    vouch_anew(tmp_path / "b")
    found = differing(tmp_path / "a", tmp_path / "b")
    assert [each.estimate.value for each in found["sample_seconds"]] == [5]
    assert found["sample_seconds"][0].units == "paired over 2 seeds"
    assert found["fd"][0].units == "the same numbers on both sides"


def test_settings_are_paired_over_seeds_where_files_hold_no_images(tmp_path):
    make_study(tmp_path / "a", {"seeds": [0, 1, 2], "sweeps": [{"train_size": [32, 128]}], "steps": [100]})
    make_study(tmp_path / "b", {"seeds": [3, 4], "sweeps": [], "steps": [100], "name": "other"})
    summarized = pd.concat([pd.read_csv(tmp_path / f"{each}/summary/denoise.csv") for each in "ab"])
    peaks = summarized.query("measure == 'peak_gap'").set_index(["train_size", "seed"])["value"]
    few, many = ([peaks[n, seed] for seed in range(3)] for n in (32, 128))
    sizes = [Path(f"{tmp_path}/a:train_size={n}") for n in (32, 128)]
    (found,) = differing(*sizes)["peak_gap"]
    expected = stats.ttest_rel(many, few)
    assert found.estimate.value == pytest.approx(np.mean(many) - np.mean(few))
    assert (found.estimate.low, found.estimate.high) == pytest.approx(tuple(expected.confidence_interval()))
    assert (found.estimate.n, found.units) == (3, "paired over 3 seeds")
    (found,) = differing(sizes[0], tmp_path / "b")["peak_gap"]
    expected = stats.ttest_ind([peaks[32, 3], peaks[32, 4]], few, equal_var=False)
    assert (found.estimate.low, found.estimate.high) == pytest.approx(tuple(expected.confidence_interval()))
    assert found.units == "not paired: no seeds in common"


def test_sides_that_differ_in_one_factor_are_paired_over_all_others(tmp_path):
    make_study(tmp_path / "a", {"sweeps": [{"train_size": [32, 128]}], "steps": [50, 100]})
    sides = load_sides([tmp_path / "a/mlp-small/n32", Path(f"{tmp_path}/a:train_size=128,guidance=0")])
    assert [side.name for side in sides] == ["made-up: mlp-small/n32", "made-up: train_size=128, guidance=0"]
    settings = [(one[1], two[1], one[3], two[3]) for one, two in (pair.settings for pair in pairs_of(sides))]
    assert settings == [(32, 128, 50, 50), (32, 128, 100, 100)]


def test_files_of_another_schema_are_told_and_not_paired(planted, tmp_path):
    other = copied(planted, tmp_path / "other")
    first, second = (cell(folder, "constant") for folder in (planted, other))
    edit_sealed(second.parent / "denoise.h5", lambda file: file.attrs.__setitem__("schema_version", 1))
    found = differing(first, second)
    assert "has schema version 1, this diffbench reads" in found["gap"][0].units
    assert found["memorized_fraction"][0].estimate.value == 0


def test_other_images_and_settings_are_told(planted, tmp_path):
    """Sides without a setting in common stand beside each other, and no difference is made up."""
    make_study(tmp_path / "a", {"data": {"name": "digits", "validation": 32}})
    assert main(["compare", str(planted), str(tmp_path / "a"), "--out", str(tmp_path / "out")]) == 0
    words = (tmp_path / "out/index.html").read_text()
    assert "nothing is paired" in words
    assert "made-up has other settings than planted: data" in words
    assert "No setting of planted is on another side." in (tmp_path / "out/differences.html").read_text()
    assert "have no setting in common" in (tmp_path / "out/curves.html").read_text()
    board = unpacked(tmp_path / "out/leaderboard.html")
    assert board["factors"][0]["values"] == ["planted", "made-up"]


def test_differences_agree_with_other_computations():
    rng = np.random.default_rng(0)
    first, other = rng.gamma(2, size=(2, 3, 60))
    estimate = mean_difference(first[0], other[0])
    expected = stats.ttest_rel(other[0], first[0]).confidence_interval()
    assert (estimate.low, estimate.high) == pytest.approx((expected.low, expected.high))
    ratio = stats.bootstrap(
        (first[0], other[0]),
        lambda a, b, axis=-1: b.mean(axis=axis) / a.mean(axis=axis) - 1,
        paired=True,
        method="percentile",
        n_resamples=4000,
        rng=1,
    ).confidence_interval
    mine = loss_ratios(first, other, seed_of("test"))[0]
    assert (mine.low, mine.high) == pytest.approx((ratio.low, ratio.high), abs=0.04)
    curve, area = gap_differences((first, 2 * first), (first, 3 * first), np.array([0.1, 1.0, 10.0]), 0)
    for each in curve:  # the gaps are 1 and 2 in every resample but for their own resamples of either split
        assert each.value == pytest.approx(1)
    assert area.value == pytest.approx(np.log(100))


def test_no_copies_on_either_side_is_no_proof_of_none():
    none = share_difference(np.zeros(100), np.zeros(100), 0)
    assert none.value == 0
    assert none.low < 0 < none.high
    assert none.high == pytest.approx(1 - 0.025 ** (1 / 100), abs=1e-3)


def test_images_are_matched_by_what_they_are():
    one, two = shared_rows([b"a", b"b", b"c", b"d"], [b"d", b"x", b"b"])
    assert (one.tolist(), two.tolist()) == ([1, 3], [2, 0])


def test_what_cannot_be_compared_is_told_in_one_line(planted, tmp_path, capsys):
    damaged = tmp_path / "damaged"
    make_study(damaged)
    flip(damaged / layout.table("memorization", "h5"), 3000)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/mine.txt").touch()
    told = {
        (planted,): "one result alone",
        (planted, tmp_path / "absent"): "no such folder",
        (planted, tmp_path): "no results with a summary",
        (planted, planted / "optimum"): "no cell of the study lies in it",
        (planted, damaged): "damaged: not what the summary wrote",
        (planted, f"{planted}:sead=0"): "'sead' is no factor; give some of model, train_size, granularity, seed",
        (planted, f"{planted}:model=none"): "no cell with model=none; there are constant; copies-50; optimal",
    }
    for folders, words in told.items():
        assert main(["compare", *map(str, folders), "--out", str(tmp_path / "out")]) == 1
        said = capsys.readouterr().err
        assert words in said
        assert said.count("\n") == 1
        assert not (tmp_path / "out").exists()
    assert main(["compare", str(planted), str(planted), "--out", str(tmp_path / "taken")]) == 1
    assert "holds mine.txt, which is of no comparison" in capsys.readouterr().err


@pytest.mark.browser
@pytest.mark.parametrize("page", ["index", "leaderboard", "differences", "curves"])
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_pages_draw_and_fit(itself, open_page, page, width, scheme):
    opened = open_page(itself / f"{page}.html", scheme, width=width)
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    if page in ("leaderboard", "differences"):
        opened.wait_for_selector("#board[data-ready]")
        assert opened.locator("#board tbody tr:not(.room)").count() >= 3
    if page == "curves":
        assert opened.locator("[data-figure] .mark-line path").count() > 4
