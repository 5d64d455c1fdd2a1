"""What the report of a large study takes: CPU seconds, memory, the size of its pages, and how long browsers draw them.

The study's summary is made up, as that of the tests. A page's times are those of the browser's main thread, in CPU
seconds, until the first of its charts or its table is there, and until all are.

OMP_NUM_THREADS=1 python benchmarks/report.py [--smoke]
"""

import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from summary import took
from turns import options

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the tests' studies

from tests.conftest import DRAWN, FLAGS
from tests.large_studies import GRID, make_large_study

SHOWN = (
    "document.querySelector('[data-drawn], #board[data-ready]')"
    " || (document.readyState === 'complete' && !document.querySelector('[data-figure]'))"
)
BUDGET, LARGEST = 60, 8.0
"""CPU seconds of the report, and MB of a page, that are held to."""


def page_times(folder: Path) -> None:
    """Print a line for each page."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        print("pages in a browser left out: playwright is not installed")
        return
    if (chromium := shutil.which("chromium")) is None:
        print("pages in a browser left out: no chromium on PATH")
        return
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=FLAGS)
        for path in sorted(folder.glob("*.html")):
            page = browser.new_page(viewport={"width": 1300, "height": 900})
            session = page.context.new_cdp_session(page)
            session.send("Performance.enable", {"timeDomain": "threadTicks"})
            begun = time.perf_counter()
            page.goto(path.as_uri(), wait_until="commit")
            page.wait_for_function(SHOWN)
            first, clock = _busy(session), time.perf_counter() - begun
            page.wait_for_function(DRAWN)
            told = f"first {first:.2f} s ({clock:.1f} s on the clock), all {_busy(session):.2f} s"
            print(f"  {path.stem:<12} {path.stat().st_size / 1e6:.1f} MB; {told}")
            page.close()
        browser.close()


def _busy(session: Any) -> float:
    """CPU seconds of the page's main thread so far."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return next(each["value"] for each in metrics if each["name"] == "TaskDuration")


def main() -> None:
    """Measure one study."""
    given = options(__doc__).parse_args()
    changes = {"seeds": [0], "sweeps": GRID["sweeps"][1:]} if given.smoke else {}
    with tempfile.TemporaryDirectory() as temporary:
        study = make_large_study(Path(temporary), changes)
        print(f"report of {len(study.cells)} cells")
        cost = took("report", "--spec", study.report.model_dump_json(), "--results", temporary)
        pages = Path(temporary) / "report"
        largest = max(path.stat().st_size for path in pages.glob("*.html")) / 1e6
        took_of = f"of its budget of {BUDGET} s {cost.seconds / BUDGET:.2f} x"
        print(f"  report {cost.seconds:.1f} CPU s, {cost.megabytes:.0f} MB, {took_of}")
        print(f"  largest page {largest:.1f} MB, of what a page may have {largest / LARGEST:.2f} x")
        page_times(pages)


if __name__ == "__main__":
    main()
