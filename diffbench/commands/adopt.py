"""Adopt: results that were copied are left as they are, where they are what the study asks for."""

import os
from collections import Counter
from pathlib import Path
from typing import Annotated

from filelock import FileLock, Timeout

from diffbench.conventions import RESULTS, DiffbenchError
from diffbench.files.faults import BrokenFileError, StaleFileError, mark_broken
from diffbench.files.fingerprint import contents_of
from diffbench.files.sealed import check
from diffbench.study import layout
from diffbench.study.file import load_study
from diffbench.study.inventory import expected
from diffbench.study.lineage import Lineage
from diffbench.study.study import Study


def run(
    study: Annotated[Path, "study file"] = Path("config/config.yaml"),
    results: Annotated[Path | None, "its results; results/NAME if left out"] = None,
) -> None:
    """Compare every file of the results with the study, by content and by what made it, whatever its time is.

    All files get one time, so that Snakemake, which goes by times, makes none anew for having been copied. A run makes
    anew those that are of another study, and damaged ones.
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
    judged = Counter(_judged(results / path, fingerprint) for path, fingerprint in expected(lineage, results))
    _age_alike(results)
    return judged


def _judged(path: Path, fingerprint: str) -> str:
    """What a file is to the study."""
    try:
        check(path, fingerprint)
    except BrokenFileError as error:
        mark_broken(error)
        return "damaged, which a run makes anew"
    except StaleFileError:
        return "of other settings, which a run makes anew"
    return "files are left as they are"


def _age_alike(results: Path) -> None:
    """Give all files the time of the oldest."""
    files = [path for path in results.rglob("*") if path.is_file()]
    oldest = min((path.stat().st_mtime_ns for path in files), default=0)
    for path in files:
        os.utime(path, ns=(oldest, oldest))
