"""Crate: results of a study as one archive to publish, an RO-Crate, after every file of it was verified."""

from collections import Counter
from pathlib import Path
from typing import Annotated

from diffbench.conventions import DiffbenchError
from diffbench.publishing.citation import read_citation
from diffbench.study import layout
from diffbench.summary.manifest import read_manifest
from diffbench.verification.ages import held
from diffbench.verification.asked import asked_by_summary
from diffbench.verification.folder import FAULTY, MISSING, UNSEALED, WHOLE, Finding, Folder

CACHES = (layout.LOCK, layout.ROWS, layout.CONTENTS)
"""Files of no use elsewhere."""


def run(
    results: Annotated[Path, "folder of results, such as results/NAME"],
    out: Annotated[Path, "zip that is written"],
    /,
    citation: Annotated[Path, "CITATION.cff of these results: title, authors, license"],
) -> None:
    """Write the results, their study file and a description of each file as an RO-Crate.

    Refuses results that `verify` finds fault with; files that are missing, as of a study that is half done, are told.
    """
    if not results.is_dir():
        raise DiffbenchError(f"{results}: no such folder")
    if out.suffix != ".zip":
        raise DiffbenchError(f"{out}: a crate is one file; give it the ending .zip")
    cited = read_citation(citation)
    with held(results):
        folder = Folder(asked_by_summary(results), results)
        found = list(folder.findings())
        _refuse_faulty(results, found)
        taken = [each.file for each in found if each.state in (WHOLE, UNSEALED) and not _is_left_out(each.file)]

        from diffbench.publishing.crate import write_crate  # takes half a second, and other commands load this one

        complete = _completeness(results)
        count = write_crate(out, folder.asked, results, taken, cited, folder.origins, complete)
    for line in _told(found):
        print(line)
    print(f"{out}: RO-Crate of study {folder.asked.study.name}: {count} files, {complete}")


def _refuse_faulty(results: Path, found: list[Finding]) -> None:
    faulty = [each for each in found if each.state in FAULTY]
    if faulty:
        first, others = faulty[0], len(faulty) - 1
        more = f"; {others} more, which `diffbench verify {results}` names" if others else ""
        raise DiffbenchError(f"{results / first.file}: {first.text}; no crate is made of such results{more}")


def _is_left_out(path: str) -> bool:
    return path in CACHES or layout.is_run_state(path)


def _completeness(results: Path) -> str:
    manifest = read_manifest(results)
    return f"{manifest['cells_complete']} of {manifest['cells']} cells"


def _told(found: list[Finding]) -> list[str]:
    """What of the folder the crate lacks, in a line for each state."""
    counts = Counter(each.state for each in found)
    examples = {each.state: each.file for each in reversed(found)}
    return [
        f"note: {count} {'missing' if state == MISSING else f'left out, {state}'}, e.g. {examples[state]}"
        for state, count in counts.items()
        if state not in (WHOLE, UNSEALED)
    ]
