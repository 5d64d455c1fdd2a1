"""Which files of the results are what the study asks for, told by the fingerprints that they end with."""

import os
from collections.abc import Iterator
from pathlib import Path

from diffbench.files.faults import BROKEN
from diffbench.files.sealed import fingerprint_at
from diffbench.study import layout
from diffbench.study.lineage import Lineage
from diffbench.study.study import Study


def outdated(lineage: Lineage, results: Path) -> Iterator[str]:
    """Files inside `results` that another spec made than the study has for their place, or that have lost their end."""
    for path, fingerprint in expected(lineage, results):
        if fingerprint_at(results / path) != fingerprint:
            yield path


def expected(lineage: Lineage, results: Path) -> Iterator[tuple[str, str]]:
    """Files that exist inside `results`, with the fingerprint of the spec that must have made them.

    Those of factors that the study does not have are left out.
    """
    for folder, _, names in os.walk(results):
        inside = Path(folder).relative_to(results).as_posix()
        for name in names:
            path = name if inside == "." else f"{inside}/{name}"
            if place := layout.place_of(path):
                try:
                    yield path, lineage.fingerprint(*place)
                except (LookupError, ValueError, AttributeError):  # a model, guidance or topic that the study lacks
                    continue


def set_aside(study: Study, results: Path) -> list[str]:
    """Damaged files that were set aside, and that are to be made anew though nothing waits for them but the report."""
    read = [layout.DATA.pattern, *(layout.SAMPLES.of(cell.factors) for cell in study.cells)]
    return [path for path in read if Path(f"{results / path}{BROKEN}").exists() and not (results / path).exists()]
