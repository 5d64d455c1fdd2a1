"""Adopt: results that were copied are left as they are, where they are what the study asks for."""

import os
from collections import Counter
from pathlib import Path
from typing import Annotated

from filelock import FileLock, Timeout

from diffbench.conventions import RESULTS, DiffbenchError
from diffbench.files.faults import BrokenFileError, StaleFileError, mark
from diffbench.files.fingerprint import contents_of
from diffbench.files.sealed import check
from diffbench.study import layout
from diffbench.study.file import DEFAULT, load_study
from diffbench.study.inventory import expected
from diffbench.study.lineage import Lineage
from diffbench.study.study import Study

SOUND = "files are left as they are"
SECOND = 10**9
"""In nanoseconds."""


def run(
    study: Annotated[Path, "study file"] = DEFAULT,
    results: Annotated[Path | None, "its results; results/NAME if left out"] = None,
) -> None:
    """Compare every file of the results with the study, by content and by what made it, whatever its time is.

    Those that are what it asks for get one time, so that Snakemake, which goes by times, leaves them though they were
    copied. A run makes anew all others, and summary and report, since what these were made of is not known.
    """
    planned = load_study(study)
    results = results or Path(RESULTS) / planned.name
    if not results.is_dir():
        raise DiffbenchError(f"{results}: no such folder; copy the results there, or give --results")
    try:
        with FileLock(results / layout.LOCK, timeout=0):
            judged = _adopt(planned, results)
    except Timeout:
        raise DiffbenchError(f"{results}: a run writes it; wait for it or stop it") from None
    print(f"{results}: " + (", ".join(f"{count} {state}" for state, count in judged.most_common()) or "no files"))


def _adopt(study: Study, results: Path) -> Counter[str]:
    """How many files there are of each state."""
    lineage = Lineage(study, contents_of(study.user_files, results / layout.CONTENTS))
    judged = {results / path: _judged(results / path, made_by) for path, made_by in expected(lineage, results)}
    _age_alike([path for path, state in judged.items() if state == SOUND], results / layout.MANIFEST)
    return Counter(judged.values())


def _judged(path: Path, fingerprint: str) -> str:
    """What a file is to the study."""
    try:
        check(path, fingerprint)
    except BrokenFileError as error:
        mark(error)
        return "damaged, which a run makes anew"
    except StaleFileError:
        return "of other settings, which a run makes anew"
    return SOUND


def _age_alike(files: list[Path], manifest: Path) -> None:
    """Give all files the time of the oldest, and the summary's manifest, if there is one, an earlier time."""
    oldest = min((path.stat().st_mtime_ns for path in files), default=0)
    try:
        for path in files:
            os.utime(path, ns=(oldest, oldest))
        if manifest.exists():
            os.utime(manifest, ns=(oldest - SECOND, oldest - SECOND))
    except OSError as error:
        raise DiffbenchError(f"{manifest.parent.parent}: times of files cannot be set ({error.strerror})") from None
