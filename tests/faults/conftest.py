"""A run that nothing disturbs, once a session: what all others must come to."""

import time
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.faults.study import begun, spent


class Undisturbed(NamedTuple):
    """Folder of a finished run, and how many CPU seconds it took."""

    folder: Path
    seconds: float


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """The run."""
    folder, seconds = tmp_path_factory.mktemp("undisturbed"), 0.0
    with begun(folder) as process:
        while process.poll() is None:
            seconds = max(seconds, spent(process.pid))
            time.sleep(0.2)
    assert process.returncode == 0, (folder / "output").read_text()
    return Undisturbed(folder, seconds)
