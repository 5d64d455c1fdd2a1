"""What every page of every report must hold in a browser: it draws, reads, acts, fits, is reached, leads somewhere."""

import re
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from PIL import Image

from diffbench.report.pages.drawings import drawings_of

Look = tuple[str, int]
"""Scheme and width of a page."""

WIDE, NARROW = ("light", 1280), ("dark", 390)
LOOKS = (WIDE, NARROW, ("light", 390), ("dark", 1280))

UNREADABLE = re.compile(r"(?<![\w.'/-])(nan|NaN|None(?! [a-z])|null|-?inf|-?Infinity|NaT|\[object Object\])(?![\w'/-])")
"""Values that a program writes and a reader does not understand; names in quotes or paths may hold them."""

TEXTS = """() => {
    const texts = [], unread = "script, style, noscript, pre, code, option";
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node; (node = walker.nextNode()); ) if (!node.parentElement.closest(unread)) texts.push(node.data);
    for (const name of ["title", "aria-label", "alt"])
        for (const each of document.querySelectorAll(`[${name}]`)) texts.push(each.getAttribute(name));
    return [document.title, ...texts];
}"""
BLANK = """places => places.filter(place => {
    const marks = "path, line, text, image, rect";
    const frame = ["axis", "legend", "title"].map(role => `[class*='role-${role}']`).join();
    return [...place.querySelectorAll("svg [class*='mark-']")].flatMap(group => [...group.querySelectorAll(marks)])
        .filter(mark => !mark.closest(frame)).length < 2;
}).map(place => place.dataset.figure)"""
UNNAMED = "svg [role=graphics-symbol]:not([aria-label]):not([aria-hidden])"
UNREACHED = """places => places.filter(each => each.scrollWidth > each.clientWidth + 1 && each.tabIndex < 0
    && /auto|scroll/.test(getComputedStyle(each).overflowX)).map(each => each.outerHTML.slice(0, 200))"""
CHANGE = """(control) => {
    const say = () => ["input", "change"].forEach((kind) => control.dispatchEvent(new Event(kind, { bubbles: true })));
    const first = control.value, { options } = control;
    const others = options ? [options[options.length - 1].value] : [control.max || 100, control.min || 0];
    for (const value of [...others, first]) { control.value = value; say(); }
}"""
AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
GRAVE = ("serious", "critical")
FILES_A_PAGE = 3
"""Charts of a page that are saved, each in every format."""


def check_site(open_page: Callable[..., Any], folder: Path) -> None:
    """Every page of a folder holds everything where it is narrow and dark, which shows most."""
    pages = sorted(folder.glob("*.html"))
    assert pages, f"no pages in {folder}"
    assert_links_lead_somewhere(folder)
    for path in pages:
        check_page(open_page, path, [NARROW])


def check_page(
    open_page: Callable[..., Any], path: Path, looks: Sequence[Look], screenshots: Path | None = None
) -> None:
    """The page in each look, and what acts on it in the first; pictures of it go to `screenshots`, if given."""
    drawings, _ = drawings_of(path)
    for place, (scheme, width) in enumerate(looks):
        page = open_page(path, scheme, width=width)
        assert page.locator("[data-figure]").count() == len({each.table for each in drawings})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, (
            f"{path.name} is wider than {width} pixels"
        )
        assert page.eval_on_selector_all("[data-figure]", BLANK) == [], f"{path.name} has frames without a chart"
        assert page.locator(UNNAMED).count() == 0
        assert page.eval_on_selector_all("main *", UNREACHED) == [], f"{path.name}: keys do not reach all that scrolls"
        assert page.locator("h1").count() == 1
        assert page.locator("[aria-current=page]").count() == page.locator("nav.top").count()
        assert_words_are_read(page, path)
        assert_accessible(page, path)
        if screenshots:
            take(page, screenshots / f"{path.stem}-{scheme}-{width}.png")
        if not place:
            act(page)
            assert_words_are_read(page, path)
        page.close()


def assert_words_are_read(page: Any, path: Path) -> None:
    """No text, tooltip or name holds what only programs understand."""
    found = [text.strip()[:200] for text in page.evaluate(TEXTS) if UNREADABLE.search(text)]
    assert found == [], f"{path.name} shows what nobody reads"


def assert_accessible(page: Any, path: Path) -> None:
    """axe-core finds nothing serious or critical."""
    page.evaluate(AXE)
    found = page.evaluate("rules => axe.run(document, {resultTypes: ['violations'], runOnly: rules})", RULES)[
        "violations"
    ]
    nodes = [(each["id"], each["nodes"][0]) for each in found if each["impact"] in GRAVE]
    told = [(rule, node["html"][:200], node["failureSummary"]) for rule, node in nodes]
    assert told == [], path.name


def act(page: Any) -> None:
    """Use every control; what is saved is not empty. Mistakes are said on the console, to which `open_page` listens."""
    saved: list[Any] = []
    page.on("download", lambda download: saved.append(download))
    page.evaluate("window.print = () => dispatchEvent(new Event('afterprint'))")
    for control in page.locator("select, input[type=range], input[type=number]").element_handles():
        control.evaluate(CHANGE)
    for control in page.locator("input[type=checkbox], input[type=radio]").element_handles():
        control.evaluate("control => control.click()")
    for control in page.locator("details:not([open]) > summary").element_handles():
        control.click()
    buttons = page.locator("button:not([data-save]):visible").element_handles()
    for control in buttons:
        if control.is_visible():  # another may have hidden it or taken its place
            press(page, control)
    asked = page.locator("#export:visible").count()
    for chart in page.locator("[data-of]:visible").all()[:FILES_A_PAGE]:
        for button in chart.locator("[data-save]").all():
            button.click()
            asked += button.get_attribute("data-save") != "pdf"
    for _ in range(100):
        if len(saved) >= asked:
            break
        page.wait_for_timeout(50)
    assert len(saved) == asked
    assert all(each.path().stat().st_size for each in saved)
    assert len({each.suggested_filename for each in saved}) == asked


def press(page: Any, button: Any) -> None:
    """Click a button, and close the dialog that it may have opened."""
    button.click()
    if page.locator("dialog[open]").count():
        page.keyboard.press("Escape")


def take(page: Any, path: Path) -> None:
    """A picture of the whole page, on which charts are more than their frames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=path, full_page=True)
    for chart in page.locator("[data-figure]:visible").all():
        pixels = np.asarray(Image.open(BytesIO(chart.screenshot())).convert("RGB")).astype(int)
        assert (np.abs(pixels - pixels[0, 0]).sum(axis=2) > 60).mean() > 0.002, f"{path}: a chart is blank"


class _Anchors(HTMLParser):
    """Takes from a page its ids, and where it leads."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids.add(given.get("id") or "")
        self.links += [link for name in ("href", "src") if (link := given.get(name))]


def assert_links_lead_somewhere(folder: Path) -> None:
    """Links within the site lead to files and places that there are, or to views; every page is led to."""
    pages = {}
    for path in folder.glob("*.html"):
        pages[path.name] = _Anchors()
        pages[path.name].feed(path.read_text(encoding="utf-8"))
    led_to = set()
    for name, page in pages.items():
        for link in page.links:
            if link.startswith(("https://", "data:")):
                continue
            file, _, place = link.partition("#")
            target = unquote(file) or name
            assert (folder / target).is_file(), f"{name} leads to {link}"
            assert not place or "=" in place or unquote(place) in pages[target].ids, f"{name} leads to {link}"
            led_to.add(target)
    assert led_to >= pages.keys()
