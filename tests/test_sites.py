"""Sites that `--site` names, as of studies that really ran: each page in every look; `--screenshots` keeps pictures.

CI runs it on what the small study, an inspection and a comparison left:
`pytest tests/test_sites.py --site results/smoke/report --screenshots build/screenshots`.
"""

from pathlib import Path

import pytest

from tests.sites import LOOKS, assert_links_lead_somewhere, check_page

pytestmark = pytest.mark.browser


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    folders = metafunc.config.getoption("--site") or []
    if "path" in metafunc.fixturenames:
        pages = [path for folder in folders for path in sorted(folder.resolve().glob("*.html"))]
        metafunc.parametrize("path", pages, ids=[f"{path.parent.parent.name}-{path.stem}" for path in pages])
    else:
        metafunc.parametrize("folder", folders, ids=str)


def test_page(open_page, pytestconfig, path: Path):
    screenshots = pytestconfig.getoption("--screenshots")
    check_page(open_page, path, LOOKS, screenshots and screenshots / path.parent.parent.name)


def test_links(folder: Path):
    assert_links_lead_somewhere(folder)
