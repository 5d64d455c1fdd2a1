"""Verify: every file of results that were moved or stored is read and held against what it was and should be."""

import json as json_format
from collections import Counter
from pathlib import Path
from typing import Annotated

from diffbench.conventions import DiffbenchError
from diffbench.verification.asked import asked_by_file, asked_by_summary
from diffbench.verification.folder import FAULTY, STATES, UNSEALED, WHOLE, Finding, Folder


def run(
    results: Annotated[Path, "folder of results, such as results/NAME"],
    /,
    study: Annotated[Path | None, "study file; that of the last summary if left out"] = None,
    json: Annotated[bool, "print one JSON object"] = False,
) -> int:
    """Read all bytes of all files, change nothing, and print a line for each that is wrong and a last one of counts.

    Returns the exit code: 1 where a file is damaged, stale, another's or unreadable; files that are only missing, not
    asked for or foreign are told, and leave it at 0.
    """
    if not results.is_dir():
        raise DiffbenchError(f"{results}: no such folder")
    folder = Folder(asked_by_file(study, results) if study else asked_by_summary(results), results)
    counts: Counter[str] = Counter()
    told: list[Finding] = []
    for finding in folder.findings():
        counts[finding.state] += 1
        if finding.state in (WHOLE, UNSEALED):
            continue
        if json:
            told.append(finding)
        else:
            print(f"{results / finding.file}: {finding.text}", flush=True)
    if json:
        record = {
            "results": str(results),
            "study": folder.asked.study.name,
            "counts": {state: counts[state] for state in STATES},
            "findings": [finding._asdict() for finding in told],
            "differing": folder.origins.as_record(),
        }
        print(json_format.dumps(record))
    else:
        for line in folder.origins.lines():
            print(line)
        said = ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])
        print(f"{results}: study {folder.asked.study.name}: {said or 'no files'}")
    return 1 if any(counts[state] for state in FAULTY) else 0
