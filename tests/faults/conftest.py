"""A run that nothing disturbs, once a session: what all others must come to."""

import time
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.faults.study import completed


class Undisturbed(NamedTuple):
    """Folder of a finished run, and how long it took."""

    folder: Path
    seconds: float


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """The run."""
    folder = tmp_path_factory.mktemp("undisturbed")
    began = time.monotonic()
    completed(folder)
    return Undisturbed(folder, time.monotonic() - began)
