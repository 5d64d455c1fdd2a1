"""The disk that a study takes, reckoned before it runs, against what it then took."""

from collections import defaultdict
from pathlib import Path

import pytest

from diffbench.planning.disk import room
from diffbench.study import layout
from tests.moved_studies import NAME, STUDY, finished


@pytest.mark.pipeline
def test_files_take_what_was_reckoned(tmp_path_factory: pytest.TempPathFactory) -> None:
    results = finished(tmp_path_factory) / NAME
    held, files = defaultdict[str, int](int), defaultdict[str, int](int)
    for path in (each for each in Path(results).rglob("*") if each.is_file()):
        name = path.relative_to(results).as_posix()
        if place := layout.place_of(name):
            held[place[0].stage] += path.stat().st_size
            files[place[0].stage] += 1
        elif not layout.is_run_state(name) and not name.endswith(layout.COST) and not name.startswith("logs/"):
            held["summary and report"] += path.stat().st_size
    reckoned = room(STUDY)
    assert reckoned.files == files
    assert reckoned.bytes == pytest.approx(held, rel=0.35)
    assert reckoned.kept == pytest.approx(sum(held.values()), rel=0.2)
