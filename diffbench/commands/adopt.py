"""Adopt: results that were copied are left as they are, where they are what the study asks for."""

from collections import Counter
from pathlib import Path
from typing import Annotated

from diffbench.conventions import RESULTS, DiffbenchError
from diffbench.files.faults import BrokenFileError, StaleFileError, mark
from diffbench.files.fingerprint import contents_of
from diffbench.files.sealed import check
from diffbench.study import layout
from diffbench.study.file import DEFAULT, load_study
from diffbench.study.inventory import expected
from diffbench.study.lineage import Lineage
from diffbench.study.study import Study
from diffbench.verification.ages import age_alike, held

SOUND = "files are left as they are"


def run(
    study: Annotated[Path, "study file, or the name of a study that comes along"] = DEFAULT,
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
    with held(results):
        judged = _adopt(planned, results)
    print(f"{results}: " + (", ".join(f"{count} {state}" for state, count in judged.most_common()) or "no files"))


def _adopt(study: Study, results: Path) -> Counter[str]:
    """How many files there are of each state."""
    lineage = Lineage(study, contents_of(study.user_files, results / layout.CONTENTS))
    judged = {path: _judged(results / path, made_by) for path, made_by in expected(lineage, results)}
    age_alike(results, [path for path, state in judged.items() if state == SOUND])
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
    except DiffbenchError:  # a link to nowhere, a folder, no permission
        return "unreadable, of which `diffbench verify` says why"
    return SOUND
