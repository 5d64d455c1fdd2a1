"""Pages in a real browser: they draw, act, and ask for nothing that is not in them."""

from pathlib import Path

import pytest

from diffbench.settings.report import ReportSettings
from diffbench.stages import report
from tests.report_studies import make_study

MARKS = ".mark-symbol path, .mark-line path, .mark-rule line, .mark-area path, .mark-rect path"

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def index(tmp_path_factory) -> Path:
    """The report of a study in which one cell is missing, so that it stands last in either order."""
    folder = tmp_path_factory.mktemp("study")
    sweeps = [{"train_size": [32, 128]}, {"guidance": [0.0, 1.0]}]
    make_study(
        folder, {"sweeps": sweeps, "steps": [100, 1600]}, skip=lambda file: "n128" in file and "step100/" in file
    )
    report.run(ReportSettings(), folder)
    return folder / "report" / "index.html"


@pytest.fixture
def page(request, open_page, index):
    """The page, in the scheme of the parameter if any."""
    return open_page(index, getattr(request, "param", "light"))


def visible_settings(page) -> list[str]:
    return page.eval_on_selector_all(
        "#board tbody:not([hidden])",
        "bodies => bodies.map(body => [...body.rows[0].cells].slice(0, 6).map(cell => cell.dataset.sort).join(' '))",
    )


@pytest.mark.parametrize("page", ["light", "dark"], indirect=True)
def test_every_chart_draws_marks_in_either_scheme(page):
    figures = page.query_selector_all("[data-figure]")
    assert len(figures) == 8
    for figure in figures:
        assert figure.query_selector("svg[aria-label], svg [aria-label]")
        assert len(figure.query_selector_all(MARKS)) > 3, figure.get_attribute("data-figure")


def test_filters_leave_the_rows_that_fit(page):
    everything = visible_settings(page)
    assert len(everything) == 6
    assert page.inner_text("#shown-count") == "6 of 6 settings"
    page.select_option("[data-filter=train_size]", "32")
    page.select_option("[data-filter=step]", "1600")
    assert [row.split()[1:5] for row in visible_settings(page)] == [
        ["32", "classes", "1600", "1"],
        ["32", "classes", "1600", "0"],
    ]
    assert page.inner_text("#shown-count") == "2 of 6 settings"
    page.click("#filters button[type=reset]")
    page.wait_for_function("document.getElementById('shown-count').textContent.startsWith('6 of 6')")
    page.check("[data-filter=memorizes]")
    flagged = page.eval_on_selector_all("#board tbody[data-memorizes='1']", "bodies => bodies.length")
    assert len(visible_settings(page)) == flagged > 0


def test_rows_sort_in_both_directions_with_undefined_ones_last(page):
    def column() -> list[str]:
        return [row.split(" ")[5] for row in visible_settings(page)]

    assert column()[-1] == ""
    descending = [float(value) for value in column()[:-1]]
    assert descending == sorted(descending, reverse=True)
    page.click("#board thead th:nth-child(6) button")
    assert page.get_attribute("#board thead th:nth-child(6)", "aria-sort") == "ascending"
    assert column()[-1] == ""
    assert [float(value) for value in column()[:-1]] == descending[::-1]
    page.click("#board thead th:nth-child(2) button")
    sizes = [int(row.split(" ")[1]) for row in visible_settings(page)]
    assert sizes == sorted(sizes, reverse=True)


def test_seeds_are_shown_on_demand_beneath_their_setting(page):
    assert not page.is_visible("#board tr.seed")
    page.check("#show-seeds")
    assert page.is_visible("#board tr.seed")
    assert page.eval_on_selector_all("#board tbody", "bodies => bodies.every(body => body.rows.length === 3)")


def test_pictures_follow_their_select_box(page):
    assert page.is_visible("#sheet-1")
    assert not page.is_visible("#sheet-2")
    page.select_option("#sheet-choice", "2")
    assert page.is_visible("#sheet-2")
    assert not page.is_visible("#sheet-1")
    assert page.eval_on_selector_all("#pictures img", "images => images.every(image => image.naturalWidth === 8)")


@pytest.mark.parametrize("figure", ["gap-by-step", "trajectories"])
def test_chart_follows_its_select_box(page, figure):
    def lines() -> list[str]:
        return page.eval_on_selector_all(
            f"#{figure} .mark-line path", "paths => paths.map(path => path.getAttribute('d'))"
        )

    before = lines()
    last = page.locator(f"#{figure} select option").count() - 1
    page.select_option(f"#{figure} select", index=last)
    page.wait_for_function(
        "([name, before]) => [...document.querySelectorAll(`#${name} .mark-line path`)]"
        ".some((path, index) => path.getAttribute('d') !== before[index])",
        arg=[figure, before],
    )
    assert lines() != before


def test_tables_and_pictures_are_there_without_scripts(browser, index):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(index.as_uri())
    assert page.locator("#board tr.setting").count() == 6
    assert page.is_visible("#board tr.seed")
    assert not page.is_visible("#filters")
    assert page.is_visible("#sheet-2")
    context.close()
