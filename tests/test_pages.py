"""Pages in a real browser: they draw, fit, act, and ask for nothing that is not in them."""

import csv
import math
from dataclasses import replace
from pathlib import Path

import pytest

from diffbench.report.pages.noise import write_noise
from diffbench.report.tables.findings import find
from diffbench.report.tables.results import load_results
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
    in_sight = {"closed-forms", "likeness-by-factor", "trajectories"}  # so short is the page before they are drawn
    assert order[0] in in_sight
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
        ("costs", "cost-against-outcome"),
    ],
)
def test_chart_follows_its_select_box(open_page, folder, name, figure):
    page = open_page(folder / f"{name}.html")

    def drawn() -> list[str]:
        return page.eval_on_selector_all(
            f"#{figure} .mark-line path", "paths => paths.map(path => path.getAttribute('d'))"
        )

    before = drawn()
    box = page.locator(f"#{figure} select").first
    box.select_option(index=box.locator("option").count() - 1)
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
        assert page.locator("#board tbody tr:not(.room)").count() == 6
        assert page.evaluate("getComputedStyle(document.getElementById('window')).overflowY") == "visible"


def levels_and_step(page) -> list:
    """What every chart of the page shows, each different answer once."""
    return page.evaluate(
        "[...new Set(Object.values(views).map(view => JSON.stringify([view.signal('sigma'), view.signal('step')])))]"
        ".map(JSON.parse)"
    )


def drag(page, figure: str, start: float, end: float) -> None:
    """Over the second panel of a chart, from and to shares of its width."""
    panel = page.locator(f"#{figure} g.concat_1_group .background").first
    panel.scroll_into_view_if_needed()
    box = panel.bounding_box()
    page.mouse.move(box["x"] + start * box["width"], box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + end * box["width"], box["y"] + 60, steps=3)
    page.mouse.up()


def test_a_drag_over_one_chart_chooses_levels_in_all(open_page, folder):
    page = open_page(folder / "noise.html")
    drag(page, "skill-by-factor", 0.75, 0.25)
    page.wait_for_function("location.hash.startsWith('#sigma=')")
    (levels,) = {tuple(levels) for levels, _ in levels_and_step(page)}
    reach = math.log(100 / 0.002)
    assert [math.log(level / 0.002) / reach for level in levels] == pytest.approx([0.25, 0.75], abs=0.01)
    assert [float(page.input_value(f"#sigma-{end}")) for end in ("low", "high")] == [*levels]
    width = "path => path.getBoundingClientRect().width"
    panel = page.locator("#gap-by-factor g.concat_0_group .background").first.evaluate(width)
    veils = page.locator("#gap-by-factor g.concat_0_group .mark-rect path")
    assert [veils.nth(place).evaluate(width) for place in (0, 1)] == pytest.approx([panel / 4] * 2, abs=3)
    page.dispatch_event("[data-figure=gap-by-factor]", "dblclick")
    page.wait_for_function("!location.hash.includes('sigma')")
    assert page.input_value("#sigma-low") == "0.002"


def test_boxes_choose_levels_and_step_which_an_address_keeps(open_page, folder):
    page = open_page(folder / "noise.html", part="#gap")
    page.fill("#sigma-low", "0.05")
    page.press("#sigma-low", "Enter")
    page.fill("#sigma-high", "0.01")
    page.press("#sigma-high", "Enter")
    assert page.inner_text("#linked-told") == "Levels rise within 0.002 to 100; the charts still show 0.05 to 100."
    page.fill("#sigma-high", "0.5")
    page.press("#sigma-high", "Enter")
    page.select_option("#step-choice", "100")
    page.select_option("#gap-by-step select", index=1)
    page.wait_for_function("location.hash.includes('run=')")
    assert not page.inner_text("#linked-told")
    assert page.locator("#attacks-over-noise select").first.input_value() == page.input_value("#gap-by-step select")
    assert page.locator("#trajectories select").nth(1).evaluate("box => box.selectedOptions[0].label") == "100"
    assert "nothing measured at step 100" not in page.inner_text("#gap-by-factor")
    part = page.evaluate("location.hash")
    assert part.startswith("#gap&sigma=0.05,0.5&step=100&run=")
    again = open_page(folder / "noise.html", part=part)
    assert levels_and_step(again) == levels_and_step(page) == [[[0.05, 0.5], 100]]
    for box in ("#sigma-low", "#sigma-high", "#step-choice", "#gap-by-step select"):
        assert again.input_value(box) == page.input_value(box)
    again.click("#sigma-whole")
    again.select_option("#step-choice", "")
    again.wait_for_function("location.hash.startsWith('#gap&run=')")
    assert {tuple(levels) for levels, _ in levels_and_step(again)} == {(0.002, 100)}


def test_the_largest_value_within_the_levels_is_that_of_the_table(open_page, folder):
    """Of each curve at the chosen step, as the rows beside the chart have it."""
    page = open_page(folder / "noise.html", part="#sigma=0.3,3&step=1600")
    page.wait_for_function("document.querySelector('#gap-by-factor .within td')")
    page.click("#gap-by-factor .within summary")
    told = page.eval_on_selector_all(
        "#gap-by-factor .within tbody tr", "rows => rows.map(row => [...row.cells].map(cell => cell.textContent))"
    )
    with (folder / "data/gap-by-factor.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["step"] == "1600" and 0.3 <= float(row["sigma"]) <= 3]
    titles = {"train_size": "training-set size", "step": "training step"}
    expected = {}
    for row in rows:
        expected.setdefault(f"{titles[row['factor']]} {row['factor_value']}", []).append(float(row["value"]))
    assert {name: len(values) for name, values in expected.items()} == {
        "training-set size 32": 5,
        "training-set size 128": 5,
        "training step 1600": 5,
    }
    for name, largest, least, defined in told:
        assert float(largest.split()[0]) == pytest.approx(max(expected.pop(name)), rel=0.01)
        assert defined == "5 of 5 levels"
        assert least
    assert not expected


def test_an_address_that_means_nothing_is_passed_over_and_told(open_page, folder):
    page = open_page(folder / "noise.html", part="#sigma=5,1&step=17&run=<b>&setting=1,2&__proto__=x&nothing=%")
    told = page.inner_text("#passed-over")
    for pair in ("sigma=5,1", "step=17", "run=<b>", "setting=1,2", "__proto__=x", "nothing=%"):
        assert pair in told
    assert {tuple(levels) for levels, _ in levels_and_step(page)} == {(0.002, 100)}
    assert "sigma" not in page.evaluate("location.hash")


def test_one_cell_of_one_step_has_linked_charts(open_page, tmp_path):
    make_study(tmp_path, {"sweeps": [], "steps": [100], "seeds": [0]})
    results = replace(load_results(tmp_path), written_to=tmp_path / "pages")
    write_noise(find(results), ReportSettings())
    page = open_page(tmp_path / "pages/noise.html", part="#sigma=0.1,1")
    assert page.locator("#step-choice").count() == 0
    assert {tuple(levels) for levels, _ in levels_and_step(page)} == {(0.1, 1)}
    summaries = page.locator(".within summary").all_inner_texts()
    assert len(summaries) == 4
    assert all(text.startswith("Within σ 0.1 to 1: ") for text in summaries)
