"""Pages in a real browser: they draw, fit, act, and ask for nothing that is not in them."""

import csv
from pathlib import Path

import pytest

from diffbench.settings.report import ReportSettings
from diffbench.stages import report
from diffbench.study import layout
from tests.conftest import DRAWN
from tests.packed_boards import unpacked
from tests.report_studies import make_study
from tests.sites import NARROW, WIDE, assert_links_lead_somewhere, check_page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The report of a study in which one cell is missing, so that it stands last in either order."""
    folder = tmp_path_factory.mktemp("study")
    sweeps = [{"train_size": [32, 128]}, {"guidance": [0.0, 1.0]}]
    make_study(
        folder, {"sweeps": sweeps, "steps": [100, 1600]}, skip=lambda file: "n128" in file and "step100/" in file
    )
    report.run(ReportSettings(), folder)
    return folder / "report"


@pytest.fixture
def board(open_page, folder):
    """The leaderboard."""
    return ready(open_page(folder / "leaderboard.html"))


def ready(page):
    page.wait_for_selector("#board[data-ready]")
    return page


def lines(page) -> list[list[str]]:
    """The first word of each cell of the rows in sight."""
    return page.eval_on_selector_all(
        "#board tbody tr:not(.room)",
        "rows => rows.map(row => [...row.cells].map(cell => cell.firstElementChild.textContent.trim()))",
    )


@pytest.mark.parametrize("name", layout.PAGES)
def test_every_page_draws_fits_and_acts_wide_and_narrow_light_and_dark(open_page, folder, name):
    check_page(open_page, folder / f"{name}.html", (WIDE, NARROW))


def test_every_page_is_led_to(folder):
    assert_links_lead_somewhere(folder)


def test_navigation_folds_where_it_is_narrow(open_page, folder):
    wide = open_page(folder / "costs.html")
    assert wide.is_visible("#site")
    assert not wide.is_visible("#menu")
    page = open_page(folder / "costs.html", width=390)
    assert not page.is_visible("#site")
    page.click("#menu")
    assert page.get_attribute("#menu", "aria-expanded") == "true"
    assert page.is_visible("text=Leaderboard")
    page.press("#site a", "Escape")
    assert not page.is_visible("#site")
    assert page.evaluate("document.activeElement.id") == "menu"


def test_filters_leave_the_rows_that_fit(board):
    assert len(lines(board)) == 6
    assert board.inner_text("#shown-count") == "6 of 6 settings; all: condition granularity classes"
    board.select_option("[data-filter=train_size]", "32")
    board.select_option("[data-filter=step]", "1600")
    assert [line[1:4] for line in lines(board)] == [["32", "1\u202f600", "1"], ["32", "1\u202f600", "0"]]
    assert board.inner_text("#shown-count").startswith("2 of 6 settings")
    board.click("#filters button[type=reset]")
    board.wait_for_function("document.getElementById('shown-count').textContent.startsWith('6 of 6')")
    board.check("[data-filter=above]")
    assert len(lines(board)) == board.locator("#board .flag").count() > 0


def test_rows_sort_in_both_directions_with_undefined_ones_last(board):
    def column() -> list[str]:
        return [line[4] for line in lines(board)]

    assert column()[-1] == "undefined"
    descending = [float(value) for value in column()[:-1]]
    assert descending == sorted(descending, reverse=True)
    board.click("#board th[data-name=memorized_fraction] button")
    assert board.get_attribute("#board th[data-name=memorized_fraction]", "aria-sort") == "ascending"
    assert column()[-1] == "undefined"
    assert [float(value) for value in column()[:-1]] == descending[::-1]
    board.click("#board th[data-name=train_size] button")
    sizes = [int(line[1]) for line in lines(board)]
    assert sizes == sorted(sizes, reverse=True)
    assert board.evaluate("document.activeElement.textContent") == "training-set size", "focus stays on the button"


def test_columns_are_chosen_and_every_measure_can_be(board, folder):
    board.click("#columns summary")
    board.click("[data-columns=all]")
    heads = board.locator("#board thead th").count()
    assert heads == 4 + len(unpacked(folder / "leaderboard.html")["measures"])
    board.click("[data-columns=none]")
    assert board.locator("#board thead th").count() == 4
    board.check("input[name=mem_auc]")
    assert board.locator("#board thead th").last.inner_text() == "MemAUC"


def test_a_view_is_sent_by_its_address(board, open_page, folder):
    board.select_option("[data-filter=train_size]", "32")
    board.click("#columns summary")
    board.click("[data-columns=none]")
    board.check("input[name=fd]")
    board.click("#board th[data-name=fd] button")
    board.click("#board th[data-name=fd] button")
    part = "#" + board.evaluate("location.href").partition("#")[2]
    assert part == "#sort=fd&train_size=32&columns=fd"
    again = ready(open_page(folder / "leaderboard.html", part=part))
    assert lines(again) == lines(board)
    assert again.input_value("[data-filter=train_size]") == "32"
    assert again.is_checked("input[name=fd]")
    assert not again.is_checked("input[name=peak_gap]")
    odd = ready(open_page(folder / "leaderboard.html", part="#sort=nothing&columns=none,fd&train_size=7&step=<b>"))
    assert len(lines(odd)) == 6, "what the table does not know is passed over"
    assert odd.locator("#board thead th").count() == 5
    told = odd.inner_text("#passed-over")
    assert told.endswith("passed over: sort=nothing, columns=none,fd, train_size=7, step=<b>")
    assert odd.evaluate("location.hash") == "#columns=fd"


def test_choices_stay_where_a_reader_follows_a_link_within_the_page(open_page, folder):
    board = ready(open_page(folder / "leaderboard.html", part="#quality&step=1600&nonsense=1"))
    board.wait_for_function("scrollY > 0", timeout=10_000)  # the section is found though keys stand behind it
    assert board.inner_text("#passed-over").endswith("passed over: nonsense=1")
    assert board.input_value("[data-filter=step]") == "1600"
    board.select_option("[data-filter=train_size]", "32")
    board.evaluate("location.hash = 'leaderboard'")
    board.wait_for_function("location.hash.includes('&')")
    assert board.evaluate("location.hash") == "#leaderboard&nonsense=1&train_size=32&step=1600"
    assert board.input_value("[data-filter=step]") == "1600"
    board.evaluate("location.hash = 'step=100'")
    board.wait_for_function("document.querySelector('[data-filter=step]').value === '100'")
    assert board.input_value("[data-filter=train_size]") == ""
    assert not board.is_visible("#passed-over")


def test_seeds_have_rows_on_demand(board):
    board.check("[data-filter=cells]")
    assert board.inner_text("#shown-count").startswith("12 of 12 cells")
    board.select_option("[data-filter=seed]", "1")
    assert board.inner_text("#shown-count").startswith("6 of 12 cells")


def test_rows_in_view_are_exported(board, folder, tmp_path):
    board.select_option("[data-filter=train_size]", "32")
    with board.expect_download() as download:
        board.click("#export")
    assert download.value.suggested_filename == "made-up-leaderboard.csv"
    download.value.save_as(tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open() as file:
        rows = list(csv.DictReader(file))
    with (folder / "data/leaderboard.csv").open() as file:
        expected = [row for row in csv.DictReader(file) if row["train_size"] == "32"]
    assert len(rows) == len(expected) == 4
    for row, source in zip(rows, expected, strict=True):
        for name, value in row.items():
            if name in ("model", "granularity"):
                assert value == source[name]
            elif value:
                assert float(value) == pytest.approx(float(source[name]), rel=1e-5, abs=1e-6), name


def test_charts_in_sight_are_drawn_first_and_then_all_others(browser, folder):
    page = browser.new_page()
    page.add_init_script(
        "window.order = []; new MutationObserver(seen => seen.forEach(each => order.push(each.target.dataset.figure)))"
        ".observe(document, {subtree: true, attributeFilter: ['data-drawn']})"
    )
    page.goto(f"{(folder / 'noise.html').as_uri()}#overlap")
    page.wait_for_function(DRAWN)
    order = page.evaluate("order")
    assert order[0] in ("likeness-by-factor", "trajectories")
    all_of_page = page.eval_on_selector_all("[data-figure]", "places => places.map(place => place.dataset.figure)")
    assert sorted(order) == sorted(all_of_page)
    page.close()


@pytest.mark.parametrize(
    ("name", "figure"),
    [
        ("noise", "gap-by-step"),
        ("noise", "trajectories"),
        ("training", "outcomes-by-step"),
        ("factors", "measures-by-factor"),
    ],
)
def test_chart_follows_its_select_box(open_page, folder, name, figure):
    page = open_page(folder / f"{name}.html")

    def drawn() -> list[str]:
        return page.eval_on_selector_all(
            f"#{figure} .mark-line path", "paths => paths.map(path => path.getAttribute('d'))"
        )

    before = drawn()
    last = page.locator(f"#{figure} select option").count() - 1
    page.select_option(f"#{figure} select", index=last)
    page.wait_for_function(
        "([name, before]) => [...document.querySelectorAll(`#${name} .mark-line path`)]"
        ".some((path, index) => path.getAttribute('d') !== before[index])",
        arg=[figure, before],
    )
    assert drawn() != before


def test_heat_maps_have_a_cell_for_each_combination_and_mark_those_without_a_value(open_page, folder):
    page = open_page(folder / "factors.html")

    def numbers() -> list[str]:
        return page.eval_on_selector_all(
            "#heat-maps .mark-text.role-mark text", "texts => texts.map(text => text.textContent)"
        )

    cells, crosses = "#heat-maps .mark-rect.role-mark path", "#heat-maps .mark-symbol.role-mark path"
    assert page.locator(cells).count() == 8, "sizes by steps, steps by guidance"
    assert page.locator(crosses).count() == 1
    before = numbers()
    assert len(before) == 7
    page.select_option("#heat-maps select", label="FD")
    page.wait_for_function(
        "before => [...document.querySelectorAll('#heat-maps .mark-text.role-mark text')]"
        ".some((text, index) => text.textContent !== before[index])",
        arg=before,
    )
    assert len(numbers()) == 7


def test_tables_and_pictures_are_there_without_scripts(browser, folder):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((folder / "leaderboard.html").as_uri())
    assert page.locator("#plain tr").count() == 1 + 6
    assert not page.is_visible("#filters")
    assert page.is_visible("#site")
    page.goto((folder / "samples.html").as_uri())
    assert page.locator(".sheet:visible").count() > 1
    assert not page.is_visible("#chooser")
    context.close()


FOCUSED = """() => {
    const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
    const { left, top, width, height } = document.activeElement.getBoundingClientRect();
    const name = document.activeElement.id || document.activeElement.className;
    const outlined = outlineStyle !== "none" && parseFloat(outlineWidth) > 0;
    return { name, seen: outlined && left >= 0 && top >= 0 && width * height > 0 };
}"""


def test_keys_alone_reach_the_content_the_pages_and_every_control(open_page, folder):
    """Skip link first, then each control in turn, each of them seen."""
    page = open_page(folder / "factors.html", width=390)

    def tab() -> str:
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        assert focused["seen"], focused
        return focused["name"]

    assert [tab() for _ in range(3)] == ["skip", "brand", "menu"]
    page.keyboard.press("Enter")
    tab()
    assert page.evaluate("document.activeElement.closest('#site') !== null")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "menu"
    page.locator(".skip").focus()
    page.keyboard.press("Enter")
    tab()
    reached = [page.evaluate("document.activeElement.closest('main') !== null")]
    controls = page.locator("main :is(select, button, input, a, summary):visible").count()
    for _ in range(2 * controls):
        tab()
        reached.append(page.evaluate("document.activeElement.closest('main') !== null"))
        if not reached[-1]:
            break
    assert reached[0]
    assert controls < sum(reached), "they, and what scrolls"


@pytest.mark.parametrize("name", ["noise", "leaderboard"])
def test_paper_has_what_a_page_tells_and_nothing_to_act_on(open_page, folder, name):
    """In inks of paper, though the screen is dark; tables whole, of which a window shows a part."""
    page = open_page(folder / f"{name}.html", "dark")
    if name == "leaderboard":
        page.wait_for_selector("#board[data-ready]")
        rows = page.locator("#board tbody tr:not(.room)")
        page.evaluate("Object.defineProperty(document.getElementById('window'), 'clientHeight', { value: -700 })")
        page.evaluate("document.getElementById('window').dispatchEvent(new Event('scroll'))")
        page.wait_for_function("document.querySelectorAll('#board tbody tr:not(.room)').length < 6")
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator(":is(.top, .skip, form, select, main button:not(thead button), .save):visible").count() == 0
    inks = page.eval_on_selector_all(
        "body, h1, svg text", "all => [...new Set(all.map(each => getComputedStyle(each).fill))]"
    )
    assert set(inks) <= {"rgb(0, 0, 0)", "rgb(28, 33, 40)"}
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(28, 33, 40)"
    assert page.locator("[data-drawn] svg:visible").count() == page.locator("[data-figure]").count() > 0
    if name == "leaderboard":
        assert rows.count() == 6
        assert page.evaluate("getComputedStyle(document.getElementById('window')).overflowY") == "visible"
