"""Adopt: results that were copied are left as they are, where they are what the study asks for."""

import os
from collections import Counter
from pathlib import Path
from typing import Annotated

from diffbench.conventions import RESULTS, DiffbenchError
from diffbench.files.faults import BrokenFileError, StaleFileError, mark_broken
from diffbench.files.fingerprint import contents_of
from diffbench.files.sealed import check
from diffbench.study import layout
from diffbench.study.file import load_study
from diffbench.study.inventory import expected
from diffbench.study.lineage import Lineage


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
    lineage = Lineage(planned, contents_of(planned.user_files, results / layout.CONTENTS))
    found = Counter(_judged(results / path, fingerprint) for path, fingerprint in expected(lineage, results))
    _age_alike(results)
    print(f"{results}: " + ", ".join(f"{count} {state}" for state, count in found.most_common()) or "no files")


def _judged(path: Path, fingerprint: str) -> str:
    """What a file is to the study."""
    try:
        check(path, fingerprint)
    except BrokenFileError as error:
        mark_broken(error)
        return "damaged files, which a run makes anew"
    except StaleFileError:
        return "files of other settings, which a run makes anew"
    return "files adopted"


def _age_alike(results: Path) -> None:
    """Give all files the time of the oldest."""
    files = [path for path in results.rglob("*") if path.is_file()]
    oldest = min((path.stat().st_mtime_ns for path in files), default=0)
    for path in files:
        os.utime(path, ns=(oldest, oldest))
