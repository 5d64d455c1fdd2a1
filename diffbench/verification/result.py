"""What a file in the place of a result is: all its bytes, what made it, and what it says of itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from diffbench.conventions import DiffbenchError
from diffbench.files import store
from diffbench.files.faults import REBUILD, BrokenFileError, reason_marked
from diffbench.files.sealed import check, fingerprint_at, opened
from diffbench.study import layout
from diffbench.study.layout import Kind
from diffbench.summary.reading import BROKEN, Fault, fault_of
from diffbench.verification.asked import Asked

MISPLACED = "misplaced"
"""State of a whole file that is another's."""
NOT_ASKED_FOR = "not asked for"
"""State of a whole file of a cell that the study does not have."""

ADOPT = "`diffbench adopt` marks it, and the next run makes it anew"
"""What to do about damage that no job has met yet: a run tells files by their seals alone."""

MOVE = "move it there if that is missing, then run snakemake"


@dataclass(frozen=True)
class Judged:
    """What became of a result."""

    fault: Fault | None
    told: Mapping[str, Any] = field(default_factory=dict)  # attributes of a file that is whole and in its place


def judge(asked: Asked, results: Path, path: str, kind: Kind, factors: Mapping[str, Any]) -> Judged:
    """Read every byte of the file at `path` inside `results`, and hold it against the study. Nothing is marked."""
    whole = results / path
    try:
        check(whole)
        made_by, expected = fingerprint_at(whole), asked.fingerprint(kind, factors)
        if made_by != expected and (place := asked.places.get(made_by or "")):
            return Judged(Fault(MISPLACED, f"whole, but what belongs at {place}; {MOVE}"))
        told = _told(whole, kind)
        if fault := _of_other_factors(told, kind, factors):
            return Judged(fault)
        if not asked.asks_for(path, kind, factors):
            return Judged(Fault(NOT_ASKED_FOR, "whole, but nothing that this study asks for; keep it or delete it"))
        with opened(whole, expected):
            pass
    except DiffbenchError as error:
        fault = fault_of(asked.study, results, path, error)
        if isinstance(error, BrokenFileError):
            return Judged(Fault(fault.state, fault.reason.replace(REBUILD, ADOPT)))
        return Judged(fault)
    if (reason := reason_marked(whole)) is not None:
        return Judged(Fault(BROKEN, f"whole by its seal, but marked by a job ({reason}); a run makes it anew"))
    return Judged(None, told)


def _told(whole: Path, kind: Kind) -> Mapping[str, Any]:
    """Attributes of a file. Checkpoints hold none beside what their fingerprint stands for, and torch takes seconds."""
    if kind is layout.CHECKPOINT:
        return {}
    stage = "trajectories" if kind is layout.TRAJECTORIES else kind.stage
    return store.header(whole, stage).attributes


def _of_other_factors(told: Mapping[str, Any], kind: Kind, factors: Mapping[str, Any]) -> Fault | None:
    """Whether a file says itself that it belongs elsewhere."""
    own = told.get("factors", {})
    for name in kind.fields:
        if name in own and str(own[name]) != str(factors[name]):
            found, place = (f"{name} {value}" for value in (own[name], factors[name]))
            return Fault(MISPLACED, f"is of {found}, and its path says {place}; delete it, and {REBUILD}")
    return None
