"""A whole folder of results: every file is read, and all is told that is wrong, foreign or missing. None is changed."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from diffbench.conventions import DiffbenchError
from diffbench.files.cost import Cost
from diffbench.files.faults import BrokenFileError, marked_file
from diffbench.files.sealed import check
from diffbench.files.temporary import is_temporary
from diffbench.study import layout
from diffbench.study.inventory import paths_in
from diffbench.summary.costs import read_cost
from diffbench.summary.manifest import opened_vouched, read_manifest
from diffbench.summary.reading import BROKEN, MISSING, STALE, UNREADABLE, fault_of
from diffbench.verification.asked import Asked
from diffbench.verification.origins import Origins
from diffbench.verification.result import MISPLACED, NOT_ASKED_FOR, judge

WHOLE = "whole"
"""State of a file that is what was written and what the study asks for."""
UNSEALED = "without digests"
"""State of logs, pages and caches, of which nothing tells whether they are what was written."""
FOREIGN, LEFT_OVER = "foreign", "left over"
"""States of files that no run made, and of what a killed run left."""

FAULTY = (BROKEN, STALE, MISPLACED, UNREADABLE)
"""States that stand in the way: where a file has one of them, the results are not what they seem."""
STATES = (WHOLE, *FAULTY, MISSING, NOT_ASKED_FOR, FOREIGN, LEFT_OVER, UNSEALED)

SUMMARY_ANEW = f"delete {layout.MANIFEST} and run snakemake to make the summary anew"


class Finding(NamedTuple):
    """A file inside the results, and what it is."""

    file: str
    state: str
    text: str = ""  # what is wrong; what to do


class Folder:
    """Reads a folder of results, one file at a time."""

    def __init__(self, asked: Asked, results: Path) -> None:
        self.asked, self.results = asked, results
        self.origins = Origins()
        self._unreadable: list[OSError] = []

    def findings(self) -> Iterator[Finding]:
        """What each file is, those that are missing included."""
        manifest, fault = self._manifest()
        vouched: dict[str, str] = {} if manifest is None else manifest["digests"]
        if fault:
            yield Finding(layout.MANIFEST, *fault)
        seen: set[str] = set()
        for path in paths_in(self.results, self._unreadable.append):
            if place := layout.place_of(path):
                seen.add(path)
                yield self._result(path, *place)
            elif path in vouched:
                seen.add(path)
                yield self._vouched(path, manifest or {})
            elif path != layout.MANIFEST:
                yield self._beside(path, tables_known=manifest is not None)
            elif not fault:
                yield Finding(path, WHOLE)
        yield from self._unlisted()
        yield from self._missing(seen, vouched)

    def _manifest(self) -> tuple[Mapping[str, Any] | None, tuple[str, str] | None]:
        """The manifest of the summary, if it is one, and what is wrong with it."""
        path = self.results / layout.MANIFEST
        try:
            manifest = read_manifest(self.results)
        except BrokenFileError:
            return None, (BROKEN, f"damaged: {SUMMARY_ANEW}")
        except DiffbenchError as error:
            there = path.exists()
            text = str(error).removeprefix(f"{path}: ")
            return None, (UNREADABLE if there else MISSING, text)
        if manifest.get("made_by") != self.asked.lineage.summary_spec.fingerprint:
            return manifest, (STALE, "a summary of other settings than the study has; run snakemake to make it anew")
        return manifest, None

    def _result(self, path: str, kind: layout.Kind, factors: Mapping[str, Any]) -> Finding:
        judged = judge(self.asked, self.results, path, kind, factors)
        if judged.fault:
            state, text = judged.fault.state, judged.fault.reason
            return Finding(path, state, _missing_text(text) if state == MISSING else text)
        self.origins.add(judged.told, path)
        return Finding(path, WHOLE)

    def _vouched(self, path: str, manifest: Mapping[str, Any]) -> Finding:
        try:
            with opened_vouched(self.results, manifest, path):
                return Finding(path, WHOLE)
        except BrokenFileError:
            return Finding(path, BROKEN, f"damaged: not what the summary wrote; {SUMMARY_ANEW}")
        except DiffbenchError as error:
            return Finding(path, UNREADABLE, str(error).removeprefix(f"{self.results / path}: "))

    def _beside(self, path: str, tables_known: bool) -> Finding:
        """A file that is no result, but may have been left by a run."""
        whole = self.results / path
        if (marked := marked_file(whole)) is not None:
            return Finding(
                path, *((UNSEALED,) if marked.exists() else (LEFT_OVER, "marks a file that is gone; delete it"))
            )
        if is_temporary(whole.name):
            return Finding(path, LEFT_OVER, "left by a job that was killed, if none is running; delete it then")
        if path == layout.ROWS or layout.is_run_state(path):
            return self._sealed(path)
        if not layout.lies_beside(path):
            return Finding(
                path, FOREIGN, "not of this study, nor of any run; move it away, or leave it: no run reads it"
            )
        if path.endswith(layout.COST):
            cost = read_cost(whole)
            return (
                Finding(path, WHOLE)
                if isinstance(cost, Cost)
                else Finding(path, cost.state, f"{cost.reason}; delete it")
            )
        if tables_known and path.startswith("summary/"):
            return Finding(path, LEFT_OVER, "no table of the last summary; delete it")
        return Finding(path, UNSEALED)

    def _sealed(self, path: str) -> Finding:
        """A cache, or the state of a training: no run needs it."""
        try:
            check(self.results / path)
        except DiffbenchError as error:
            fault = fault_of(self.asked.study, self.results, path, error)
            reason = fault.reason.partition(";")[0]
            return Finding(path, fault.state, f"{reason}; delete it: that costs time alone")
        return Finding(path, WHOLE)

    def _unlisted(self) -> Iterator[Finding]:
        for error in self._unreadable:
            path = Path(error.filename).relative_to(self.results).as_posix()
            yield Finding(
                path, UNREADABLE, f"a folder that cannot be read ({error.strerror}); see to its rights and disk"
            )

    def _missing(self, seen: set[str], vouched: Mapping[str, str]) -> Iterator[Finding]:
        """Files that no folder that could be read holds."""
        hidden = [Path(error.filename) for error in self._unreadable]
        for path, (kind, factors) in self.asked.files.items():
            if path not in seen and not any((self.results / path).is_relative_to(folder) for folder in hidden):
                yield self._result(path, kind, factors)
        for path in vouched:
            if path not in seen:
                yield Finding(path, MISSING, f"missing, though the summary wrote it; {SUMMARY_ANEW}")


def _missing_text(reason: str) -> str:
    return f"missing ({reason}); run snakemake, which makes it if a measure needs it"
