"""Which files of the results are what the study asks for, told by the fingerprints that they end with."""

import csv
import json
import os
from collections.abc import Iterator
from pathlib import Path

from diffbench.files.faults import is_marked
from diffbench.files.sealed import fingerprint_at
from diffbench.study import layout
from diffbench.study.lineage import Lineage


def outdated(lineage: Lineage, results: Path) -> Iterator[str]:
    """Files inside `results` that are known as damaged, or that another spec made than the study has for the place.

    Also the summary, if a measure that the study asks for is missing.
    """
    missing = set(lineage.study.files)
    for path, fingerprint in expected(lineage, results):
        missing.discard(path)
        if not is_made_by(results / path, fingerprint):
            yield path
    manifest = results / layout.MANIFEST
    if manifest.exists() and (missing or _summarized(manifest) != lineage.summary_spec.fingerprint):
        yield layout.MANIFEST


def is_made_by(path: Path, fingerprint: str) -> bool:
    """Whether a file ends as one that the spec with this fingerprint made, and is not known as damaged."""
    return fingerprint_at(path) == fingerprint and not is_marked(path)


def expected(lineage: Lineage, results: Path) -> Iterator[tuple[str, str]]:
    """Files that exist inside `results`, with the fingerprint of the spec that must have made them.

    Those of factors that the study does not have are left out.
    """
    seen: set[str] = set()
    for folder, folders, names in os.walk(results, followlinks=True):
        if (real := os.path.realpath(folder)) in seen:  # a link that leads back
            folders.clear()
            continue
        seen.add(real)
        inside = Path(folder).relative_to(results).as_posix()
        for name in names:
            path = name if inside == "." else f"{inside}/{name}"
            if place := layout.place_of(path):
                try:
                    yield path, lineage.fingerprint(*place)
                except (LookupError, ValueError, AttributeError):  # a model, guidance or topic that the study lacks
                    continue


def _summarized(manifest: Path) -> str | None:
    """Fingerprint of the spec of the summary; None if it cannot be read."""
    try:
        return json.loads(manifest.read_bytes())["made_by"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def reported_damage(results: Path) -> list[str]:
    """Files that the last report names and that are known as damaged; none where there is no report."""
    try:
        with (results / layout.UNFINISHED).open(newline="", encoding="utf-8") as file:
            named = [row["file"] for row in csv.DictReader(file)]
    except FileNotFoundError:
        return []
    return [name for name in named if is_marked(results / name)]
