"""The page of extraction and risk says what files say, computed independently; it is bounded, whatever a study has."""

import math
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from diffbench.files import store
from diffbench.report.pages.risk import write_risk
from diffbench.report.pages.samples import write_samples
from diffbench.report.tables import risk
from diffbench.report.tables.exposed import PICTURED, exposed_over_seeds
from diffbench.report.tables.findings import find
from diffbench.report.tables.format import number
from diffbench.report.tables.results import Results, load_results, shown_factors
from diffbench.settings.report import ReportSettings
from diffbench.study.grid import Cell, Run
from diffbench.study.layout import MEMORIZATION, Kind
from tests.damaged_files import without_array
from tests.report_studies import SAMPLES, make_study

ATTACKED = 20
"""Training images that attacks were tried on: fewer than there are."""


def attacked(run: Run) -> np.ndarray:
    return np.linspace(0.01, 0.5, ATTACKED) * (1 + run.seed)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("risk")
    make_study(folder, {"steps": [100, 1600]}, attacked=attacked)
    write(folder)
    return folder


def write(folder: Path) -> None:
    """The page alone."""
    write_risk(load_results(folder), ReportSettings())


def page(folder: Path) -> str:
    return (folder / "report/risk.html").read_text(encoding="utf-8")


def extracted_by_hand(folder: Path, cell: str) -> Counter[int]:
    file = store.read(folder / cell / "memorization.h5", "memorization")
    first, second = file["distance"].T
    return Counter(file["nearest"][first < second / 3].tolist())


def at(table: pd.DataFrame, **factors: Any) -> pd.DataFrame:
    return table[np.logical_and.reduce([table[name] == value for name, value in factors.items()])]


def test_table_counts_samples_and_seeds(folder: Path) -> None:
    table = pd.read_csv(folder / "report/data/risk.csv")
    setting = {"model": "mlp-large", "train_size": 32, "step": 1600}
    cells = [f"mlp-large/n32/classes/seed{seed}/step1600/w0" for seed in (0, 1)]
    counts = [extracted_by_hand(folder, cell) for cell in cells]
    rows = at(table, **setting).set_index("image")
    assert rows["times"].to_dict() == dict(sum(counts, Counter()))
    for image, row in rows.iterrows():
        assert row["seeds_hit"] == sum(image in seed for seed in counts)
        assert row["isolation"] == pytest.approx(1 + int(str(image)) / 32)
        assert row["more_isolated_than"] == pytest.approx((int(str(image)) + 0.5) / 32)
        assert row["class"] == int(str(image)) % 10
        known = int(str(image)) < ATTACKED
        mean = np.mean([attacked(Run("mlp-large", 32, "classes", seed))[int(str(image)) % ATTACKED] for seed in (0, 1)])
        assert row["attacked"] == (2 if known else 0)
        assert math.isnan(row["attack_fpr"]) if not known else row["attack_fpr"] == pytest.approx(mean)
    assert rows["times"].is_monotonic_decreasing
    assert set(rows["samples"]) == {2 * SAMPLES}


def test_intervals_are_those_of_the_seeds_for_all_images_at_once(folder: Path) -> None:
    table = pd.read_csv(folder / "report/data/risk.csv")
    rows = at(table, model="mlp-large", train_size=32, step=1600).set_index("image")
    counts = [extracted_by_hand(folder, f"mlp-large/n32/classes/seed{seed}/step1600/w0") for seed in (0, 1)]
    for image, row in rows.iterrows():
        tests = [binomtest(each[int(str(image))], SAMPLES) for each in counts]
        ends = [each.proportion_ci(1 - 0.05 / 32, method="exact") for each in tests]
        assert row["low"] == pytest.approx(2 * SAMPLES * min(each.low for each in ends))
        assert row["high"] == pytest.approx(2 * SAMPLES * max(each.high for each in ends))
        assert row["low"] <= row["times"] <= row["high"]
    assert set(rows["evenly"]) == {sum(map(Counter.total, counts)) / 32}


def test_images_that_attacks_name_first_are_those_of_all_seeds(folder: Path) -> None:
    """Of 20 attacked images; 8 held-out ones tell rates from 1/9 on, as some of either seed are."""
    setting = {"model": "mlp-large", "train_size": 32, "granularity": "classes", "step": 1600}
    attacks = pd.DataFrame([setting | {"measure": "attack_loss_auc", "value": 0.9}])
    (found,) = exposed_over_seeds(load_results(folder), attacks)
    assert (found.seeds, found.attacked, found.held_out, found.least) == (2, ATTACKED, 8, 1 / 9)
    assert found.rows.tolist() == list(range(PICTURED))
    assert found.labels == [str(row % 10) for row in range(PICTURED)]
    expected = [attacked(Run("mlp-large", 32, "classes", seed))[:PICTURED] for seed in (0, 1)]
    assert found.rates == pytest.approx(np.array(expected))
    hits = [int((attacked(Run("mlp-large", 32, "classes", seed)) <= 1 / 9).sum()) for seed in (0, 1)]
    assert found.named.value == pytest.approx(np.mean(hits) / ATTACKED)
    ends = [binomtest(each, ATTACKED).proportion_ci(0.95, method="exact") for each in hits]
    assert (found.named.low, found.named.high) == pytest.approx((ends[1].low, ends[0].high))
    assert exposed_over_seeds(load_results(folder), attacks.assign(model="absent")[:0]) == []


def test_held_out_images_that_would_be_copies_are_counted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Results.read

    def with_copies(results: Results, kind: Kind, factors: Any) -> Any:
        file = read(results, kind, factors)
        if kind is MEMORIZATION:
            image = int(file["nearest"][0])
            file.arrays["near_copy"] = np.array([[3, image], [5, image]])  # pyright: ignore[reportIndexIssue]
        return file

    monkeypatch.setattr(Results, "read", with_copies)
    results = load_results(folder)
    (first, *_) = risk.risks(results, risk.settings_by_extraction(results, risk.extraction_over_seeds(results)))
    assert first.held_out == 64
    file = read(results, MEMORIZATION, next(cell for cell in results.study.cells if _is(cell, first.factors)).factors)
    counted = first.images.set_index("image")["held_out"]
    assert counted[int(file["nearest"][0])] == 2
    assert counted.sum() == 2


def _is(cell: Cell, factors: Any) -> bool:
    return shown_factors(cell).items() >= factors.items()


def test_page_says_where_copies_are_told_without_the_training_images(folder: Path) -> None:
    extracted = pd.read_csv(folder / "report/data/risk.csv").drop_duplicates(risk.SETTING)
    measured = pd.read_csv(folder / "summary/memorization.csv")
    told = measured[(measured["measure"] == "jacobian_auc") & measured["value"].notna()]
    settings = told.merge(extracted[risk.SETTING]).drop_duplicates(risk.SETTING)
    text = " ".join(re.sub(r"<[^>]+>", " ", page(folder)).split())
    assert f"without the training images? in {len(settings)} of {len(settings)} settings AUC by which" in text
    assert "0.900 [0.800, 0.950]" in text


def test_page_says_so_of_the_first_images(folder: Path) -> None:
    table = pd.read_csv(folder / "report/data/risk.csv")
    extracted = page(folder).partition('<section id="exposed">')[0]
    sections = re.findall(r"<h3>(.*?)</h3>(.*?)(?=<h3>|</section>)", extracted, re.DOTALL)
    assert len(sections) == len(table.groupby(risk.SETTING))
    for _, section in sections:
        assert len(re.findall("<figure", section)) <= risk.IMAGES
        assert section.count('src="data:image/png') == section.count("<figure")
    _, section = next(each for each in sections if each[0].startswith("mlp-large · n 32 · classes · step 1600"))
    rows = at(table, model="mlp-large", train_size=32, step=1600)
    assert f"{len(rows)} of 32 training images, by {2 * SAMPLES} samples of" in section
    first = rows.iloc[0]
    tile = re.findall(r"<figcaption>(.*?)</figcaption>", section, re.DOTALL)[0]
    assert f"<strong>{first['times']}×</strong>, {first['seeds_hit']} of 2 seeds" in tile
    assert f"no. {first['image']} · class {first['class']}" in tile
    assert f"isolation {number(first['isolation'])}" in tile
    fpr = first["attack_fpr"]
    assert ("attack not measured" if math.isnan(fpr) else f"attack {number(fpr)}") in tile


def test_words_come_first(folder: Path) -> None:
    html = page(folder)
    means = risk.extraction_over_seeds(load_results(folder))
    center = at(means, model="mlp-small", train_size=32, step=1600, guidance="0", measure=risk.EXTRACTED).iloc[0]
    assert f"{number(center['value'])} of 32 training images at the centre" in html
    assert html.index("How many can be extracted?") < html.index("Which images?") < html.index('id="curves"')
    assert "settings extract images beyond their floor" in html
    assert len(means[means["measure"] == risk.CHAO1]) == 8


@pytest.mark.parametrize("granularity", ["classes", "unique"])
def test_labels_that_only_training_images_have_are_named_beside_attacks(tmp_path: Path, granularity: str) -> None:
    center = {"model": "mlp-small", "train_size": 32, "granularity": granularity, "guidance": 0.0}
    make_study(tmp_path, {"steps": [1600], "center": center, "sweeps": []})
    write(tmp_path)
    assert ("attacks tell labels there" in page(tmp_path)) == (granularity == "unique")


def test_curve_beside_the_chart_is_that_of_the_files(folder: Path) -> None:
    table = pd.read_csv(folder / "report/data/extraction.csv")
    rows = at(table, model="mlp-large", train_size=32, step=1600)
    files = [
        store.read(folder / f"mlp-large/n32/classes/seed{seed}/step1600/w0/memorization.h5", "memorization")
        for seed in (0, 1)
    ]
    samples = rows[rows["curve"] == "samples"]
    assert samples["size"].tolist() == [1, 2, 4, 8, 16, 32, SAMPLES]
    assert samples["value"].to_numpy() == pytest.approx(np.mean([file["extraction_value"] for file in files], axis=0))
    assert samples["low"].to_numpy() == pytest.approx(np.min([file["extraction_low"] for file in files], axis=0))
    assert rows[rows["curve"].str.startswith("held-out")]["size"].max() == 64
    assert len(rows[rows["curve"].str.contains("Chao1")]) == 1


def test_no_more_settings_than_a_reader_looks_through(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(risk, "SETTINGS", 2)
    monkeypatch.setattr(risk, "IMAGES", 3)
    make_study(tmp_path, {"steps": [100, 1600]})
    write(tmp_path)
    html = page(tmp_path)
    assert html.count("<h3>") == 2
    assert re.search(r"2 of \d settings that extract anything stand here", html)
    assert re.search(r"together; the first 3:", html)
    assert html.index("<h3>mlp-small · n 32 · classes · step 1600 · w 0</h3>") > 0, "the centre is there"
    assert "(not measured in this study)" in html
    assert "attack not measured" not in html


@pytest.mark.parametrize("changes", [{"steps": [1]}, {"steps": [1600]}])
def test_studies_without_anything_extracted_or_defined_say_so(tmp_path: Path, changes: dict[str, Any]) -> None:
    blank = changes["steps"] == [1600]
    make_study(tmp_path, changes, blank=blank)
    write(tmp_path)
    html = page(tmp_path)
    assert "No setting extracts a training image." in html
    assert ("undefined at the centre" if blank else "None of 32 training images at the centre") in html
    assert "data:image/png" not in html
    assert pd.read_csv(tmp_path / "report/data/risk.csv").empty


def test_points_of_the_plane_have_no_pictures(tmp_path: Path) -> None:
    center = {"model": "mlp-small", "train_size": 32, "granularity": "none", "guidance": 0.0}
    plane = {"name": "circle-random", "points": 256}
    make_study(tmp_path, {"steps": [1600], "data": plane, "center": center, "sweeps": []}, shape=(2,))
    write(tmp_path)
    assert "<figcaption><strong>" in page(tmp_path)
    assert "data:image/png" not in page(tmp_path)


def test_a_seed_whose_file_is_missing_is_left_out(tmp_path: Path) -> None:
    make_study(tmp_path, {"steps": [1600]}, skip=lambda file: "seed1" in file and "memorization" in file)
    write(tmp_path)
    assert set(pd.read_csv(tmp_path / "report/data/risk.csv")["seeds"]) == {1}
    assert "1 of 1 seed<br>" in page(tmp_path)


@pytest.mark.parametrize("array", ["isolation", "extraction_value"])
def test_a_file_that_lacks_an_array_is_named_and_its_seed_left_out(tmp_path: Path, array: str) -> None:
    make_study(tmp_path, {"steps": [1600], "sweeps": []})
    damaged = "mlp-small/n32/classes/seed1/step1600/w0/memorization.h5"
    without_array(array)(tmp_path / damaged)
    results = load_results(tmp_path)
    write_risk(results, ReportSettings())
    assert set(pd.read_csv(tmp_path / "report/data/risk.csv")["seeds"]) == {1}
    assert results.faults[damaged].state == "broken"


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_chart_draws_and_nothing_leaves_the_page(folder: Path, open_page: Any, scheme: str) -> None:
    shown = open_page(folder / "report/risk.html", scheme)
    assert shown.locator("#extraction .mark-line path").count() >= 2
    assert shown.eval_on_selector_all("#images img", "images => images.every(image => image.naturalWidth === 8)")


@pytest.mark.browser
def test_the_pages_of_samples_and_of_risk_lead_to_each_others_setting(folder: Path, open_page: Any) -> None:
    write_samples(find(load_results(folder)), ReportSettings(pictured_samples=2))
    setting = "model=mlp-large&train_size=32&step=1600"
    shown = open_page(folder / "report/samples.html", part=f"#{setting}&seed=1")
    name = shown.inner_text(".sheet:visible h3")
    onward = shown.get_attribute(".sheet:visible .note a", "href")
    assert onward.startswith("risk.html#images&model=mlp-large&")
    risky = open_page(folder / "report/risk.html", part=onward.removeprefix("risk.html"))
    assert f"{risky.inner_text('.sheet:visible h3')} · seed 1" == name
    assert not risky.is_visible("#passed-over")
    back = risky.get_attribute(".sheet:visible .note a", "href")
    again = open_page(folder / "report/samples.html", part=back.removeprefix("samples.html"))
    assert again.inner_text(".sheet:visible h3") == name.replace("seed 1", "seed 0")
    assert not again.is_visible("#passed-over")
