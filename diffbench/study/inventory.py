"""Which files of the results are what the study asks for, told by the fingerprints that they end with."""

import csv
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from diffbench.files.faults import is_marked
from diffbench.files.fingerprint import fingerprint_of, hashes_of
from diffbench.files.hash_cache import HashCache
from diffbench.files.sealed import fingerprint_at
from diffbench.study import layout
from diffbench.study.layout import Kind
from diffbench.study.lineage import Lineage
from diffbench.study.study import Study


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
    for path in paths_in(results):
        if (place := layout.place_of(path)) and (fingerprint := fingerprint_for(lineage, *place)) is not None:
            yield path, fingerprint


def fingerprint_for(lineage: Lineage, kind: Kind, factors: Mapping[str, Any]) -> str | None:
    """Fingerprint of the spec that makes a file; None of a model, guidance or topic that the study does not have."""
    try:
        return lineage.fingerprint(kind, factors)
    except (LookupError, ValueError, AttributeError):
        return None


def paths_in(results: Path, unreadable: Callable[[OSError], None] | None = None) -> Iterator[str]:
    """All files inside `results`, in an order of their own; links are followed, but for those that lead back.

    Folders too that bear the name of a file. unreadable: told of each folder that cannot be listed.
    """
    seen: set[str] = set()
    for folder, folders, names in os.walk(results, onerror=unreadable, followlinks=True):
        if (real := os.path.realpath(folder)) in seen:  # a link that leads back
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        inside = Path(folder).relative_to(results).as_posix()
        names += (name for name in folders if name.endswith(layout.SUFFIXES))
        yield from (name if inside == "." else f"{inside}/{name}" for name in sorted(names))


def known_contents(study: Study, cache: Path) -> dict[str, str]:
    """Fingerprints of the user's own files, as the workflow knows them; nothing is written. "" of what is not there."""
    known = HashCache(cache)
    return {path: fingerprint_of(hashes_of(path, known.sha256)) for path in study.user_files}


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
