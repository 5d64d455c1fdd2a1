"""What tests of several files share: unchecked shapes; headless Chromium, and pages in it that keep to themselves."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jaxtyping
import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # threads of workers side by side would stall each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-quic",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
]
DRAWN = "document.querySelectorAll('[data-figure]').length === document.querySelectorAll('[data-drawn]').length"


def pytest_addoption(parser: pytest.Parser) -> None:
    """What tests/test_sites.py looks at, and where it leaves pictures."""
    given = {"type": Path, "metavar": "FOLDER"}
    parser.addoption("--site", action="append", default=[], help="pages to check in a browser; several times", **given)
    parser.addoption("--screenshots", help="where pictures of them go: light and dark, wide and narrow", **given)


@pytest.fixture
def shapes_unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shapes in signatures are not checked, as outside of tests: what then becomes of wrong ones?"""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium; tests that need it are skipped where it is missing."""
    if CHROMIUM is None:
        pytest.skip("no chromium on PATH: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens the page of a file and waits for its charts; at the end: nothing was said on the console nor asked for."""
    opened: list[tuple[Any, str, list[str], list[str]]] = []

    def opening(path: Path, color_scheme: str = "light", part: str = "", width: int = 1300) -> Any:
        page = browser.new_page(color_scheme=color_scheme, viewport={"width": width, "height": 900})
        address, said, asked = path.as_uri(), [], []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda message: asked.append(message.url))
        page.route("**/*", lambda route: route.continue_() if route.request.url == address else route.abort())
        opened.append((page, address, said, asked))
        page.goto(address + part)
        page.wait_for_function(DRAWN, timeout=60_000)
        return page

    yield opening
    for page, address, said, asked in opened:
        page.close()
        assert said == [], address
        assert {each.partition("#")[0] for each in asked if not each.startswith("blob:")} == {address}
