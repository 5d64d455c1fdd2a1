"""Charts of pages as files: they open, are called by what they show, and hold the rows of the page."""

import re
from pathlib import Path
from xml.etree import ElementTree

import altair as alt
import pandas as pd
import pytest
from PIL import Image

from diffbench.cli import main
from diffbench.report.charts.figure import Figure
from diffbench.report.charts.toolkit import chosen, select_box
from diffbench.report.pages.page import write_page
from diffbench.report.pages.site import Link

ROWS = pd.DataFrame({"run": ["n 16 · A/B", "n 16 · A/B", "n 32"], "x": [1.0, 2.0, 3.0], "value": [0.1, 1 / 3, 0.7]})


def figure(name: str, rows: pd.DataFrame, choices: list[str]) -> Figure:
    points = (
        alt.Chart(rows)
        .mark_point()
        .encode(x=alt.X("x:Q", scale=alt.Scale(domain=[0, 4])), y=alt.Y("value:Q", scale=alt.Scale(domain=[0, 1])))
    )
    drawn = alt.layer(points, transform=[chosen("run")] if choices else [])
    params = [select_box("run", choices, "Run: ")] if choices else []
    chart = alt.layer(drawn, params=params, title="Made up", description="Made up.")
    return Figure(name, "Made up.", chart, rows)


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    """Results whose report has one page: a chart with a choice, one without values, and words for a missing one."""
    folder = tmp_path_factory.mktemp("results")
    (folder / "report").mkdir()
    figures = [
        figure("sides-over-noise", ROWS, ["n 16 · A/B", "n 32"]),
        figure("differences-over-noise", ROWS.assign(value=None, reason="made up without a value"), []),
    ]
    site = [Link("Curves", "index.html", "Curves", True)]
    context = {"title": "made up", "site": site, "sides": [], "versions": {"diffbench": "0"}}
    write_page(folder / "report/index.html", "comparison-curves.html", figures, **context)
    return folder


def test_every_chart_is_drawn_in_every_format_and_choice_beside_its_rows(results, capsys):
    assert main(["figures", str(results)]) == 0
    folder = results / "figures"
    names = ["index-sides-over-noise-n-16-a-b", "index-sides-over-noise-n-32"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        f"{name}.{suffix}" for name in names for suffix in ("csv", "pdf", "png", "svg")
    )
    for name in names:
        svg = ElementTree.parse(folder / f"{name}.svg").getroot()
        width, height = (float(svg.attrib[side]) for side in ("width", "height"))
        with Image.open(folder / f"{name}.png") as image:
            image.load()
            assert image.size == pytest.approx((2 * width, 2 * height), abs=2)
            assert image.convert("RGB").getpixel((1, 1)) == (255, 255, 255)
        assert (folder / f"{name}.pdf").read_bytes().startswith(b"%PDF-")
    pd.testing.assert_frame_equal(pd.read_csv(folder / f"{names[0]}.csv"), ROWS)
    said = capsys.readouterr().out.splitlines()
    empty = "Made up: not drawn, for none of its 3 values is defined: made up without a value. Table (CSV)"
    assert said[:2] == [f"index: curves: {empty}", "index: steps: No side has several training steps of a setting."]
    assert len(said) == 3


@pytest.mark.parametrize(
    ("name", "points"), [("index-sides-over-noise-n-16-a-b", 2), ("index-sides-over-noise-n-32", 1)]
)
def test_a_choice_shows_its_own_rows(results, tmp_path, name, points):
    assert main(["figures", str(results), "--out", str(tmp_path), "--format", "svg"]) == 0
    assert {path.suffix for path in tmp_path.iterdir()} == {".svg", ".csv"}
    assert (tmp_path / f"{name}.svg").read_text().count('aria-roledescription="point"') == points


def test_what_cannot_be_drawn_is_told_in_one_line_and_nothing_is_written(results, tmp_path, capsys):
    page = (results / "report/index.html").read_text()
    damaged = {
        "cut": page[: len(page) // 2],
        "garbled": page.replace('"sides-over-noise":{', '"sides-over-noise":', 1),
        "lone": page,
    }
    for name, text in damaged.items():
        (tmp_path / name / "report").mkdir(parents=True)
        (tmp_path / name / "report/index.html").write_text(text)
    (tmp_path / "empty").mkdir()
    told = {
        ("empty",): "has no report (report/index.html); run snakemake to make it",
        ("absent",): "no such folder",
        ("cut",): "make the report anew",
        ("garbled",): "make the report anew",
        ("lone",): "missing, and it holds the rows of a chart; make the report anew",
        ("lone", "--format", "jpg"): "--format: give some of svg, png, pdf, with commas between (got jpg)",
    }
    for (name, *options), words in told.items():
        assert main(["figures", str(tmp_path / name), *options]) == 1
        said = capsys.readouterr().err
        assert words in said
        assert said.count("\n") == 1
        assert not (tmp_path / name / "figures").exists()


@pytest.mark.browser
def test_a_page_saves_its_charts_as_they_stand(results, open_page, tmp_path):
    page = open_page(results / "report/index.html", "dark")
    chart = page.locator("#sides-over-noise")
    chart.locator("select").select_option("n 32")
    files = {}
    for format_ in ("SVG", "PNG"):
        button = chart.get_by_role("button", name=f"Save chart sides over noise as {format_}")
        button.focus()
        with page.expect_download() as saved:
            page.keyboard.press("Enter")
        files[format_] = tmp_path / saved.value.suggested_filename
        saved.value.save_as(files[format_])
    assert [path.name for path in files.values()] == [f"index-sides-over-noise-n-32.{end}" for end in ("svg", "png")]
    text = files["SVG"].read_text()
    svg = ElementTree.fromstring(text)
    assert text.count('aria-roledescription="point"') == 1
    assert "#e6e9ee" not in text  # inks of a dark page
    with Image.open(files["PNG"]) as image:
        assert image.size == pytest.approx([2 * float(svg.attrib[side]) for side in ("width", "height")], abs=2)
        assert image.convert("RGB").getpixel((1, 1)) == (255, 255, 255)
    link = chart.get_by_role("link", name="Table (CSV)")
    assert (results / "report" / link.get_attribute("href")).is_file()
    assert link.get_attribute("download") is not None


@pytest.mark.browser
def test_a_chart_prints_alone_as_a_pdf_of_vectors(results, open_page):
    """On one page of the chart's size, with text, called by what it shows; then all is as before."""
    page = open_page(results / "report/index.html", "dark")
    title, svg = page.title(), page.locator("#sides-over-noise svg").bounding_box()
    page.evaluate("window.print = () => { window.printed = document.title }")
    page.locator("#sides-over-noise select").select_option("n 32")
    page.get_by_role("button", name="Save chart sides over noise as PDF").click()
    page.wait_for_function("window.printed")
    assert page.evaluate("printed") == "index-sides-over-noise-n-32"
    pdf = page.pdf(prefer_css_page_size=True, print_background=True)
    ((*_, width, height),) = re.findall(rb"/Type /Page\n.*?/MediaBox \[(\S+) (\S+) (\S+) (\S+)\]", pdf, re.DOTALL)
    assert [float(width), float(height)] == pytest.approx([0.75 * svg["width"], 0.75 * svg["height"]], abs=4)
    assert b"/ToUnicode" in pdf, "it has text"
    assert b"/Subtype /Image" not in pdf
    page.wait_for_function("!document.getElementById('sheet')")
    assert page.title() == title
