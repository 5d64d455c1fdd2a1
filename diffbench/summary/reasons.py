"""Why a file of the results is missing: the last words of the job that should have made it, or of one before."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from diffbench.settings.granularity import TWIN
from diffbench.study import layout
from diffbench.study.grid import Cell, Checkpoint, Run
from diffbench.study.layout import Kind
from diffbench.study.study import Study

TAIL = 65_536
"""Bytes at the end of a file, which hold its last line."""

LONGEST = 1000
"""Characters of a line that are shown."""

NOT_MADE = "not made yet"


def why_missing(study: Study, results: Path, path: str) -> str:
    """The last line of the log that stopped a file: of its own job or, nearest first, of one that it depends on.

    Only jobs whose own file is missing count. A milestone that was not reached says where the training before stopped.
    """
    link = results / path
    if link.is_symlink():
        return f"a link to {os.readlink(link)}, which does not exist"
    place = layout.place_of(path)
    assert place
    kind, factors = place
    for file, log in _jobs_behind(study, kind, factors):
        if not (results / file).exists() and (line := last_line(results / log)):
            return line
    for checkpoint in _checkpoints_behind(study, kind, factors):
        if line := _where_training_stopped(study, results, checkpoint):
            return line
    return NOT_MADE


def last_line(path: Path) -> str:
    """The last line of a file that is not blank, what no one could read replaced; "" where there is none."""
    try:
        lines = tail(path).strip().splitlines()
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"its log {path} cannot be read ({error.strerror})"
    line = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in lines[-1]) if lines else ""
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}..."


def tail(path: Path) -> str:
    """The end of a file of text, however long it is. OSError where it cannot be read."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - TAIL))
        return file.read(TAIL).decode("utf-8", "replace")


def _jobs_behind(study: Study, kind: Kind, factors: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The file that a job makes and its log, of all jobs that a file depends on but earlier segments of trainings."""
    places = [factors]
    if kind is layout.CONSISTENCY:
        places.append({**factors, "granularity": f"{factors['granularity']}{TWIN}"})
    for place in places:
        for each in _kinds_behind(kind):
            yield each.of(place), each.log().format(**place)
            if each is layout.SAMPLES:
                yield each.of(place), each.log("plant").format(**place)
    for checkpoint in _checkpoints_behind(study, kind, factors):
        guide = checkpoint.factors
        yield layout.CHECKPOINT.of(guide), layout.CHECKPOINT.log().format(**guide)


def _kinds_behind(kind: Kind) -> Iterator[Kind]:
    """Kinds of files that one of this kind is made of, itself included, nearest first."""
    yield kind
    if "guidance" in kind.fields:
        yield layout.SAMPLES
    if kind is layout.EQUIVALENT:
        yield layout.DENOISE
    if "step" in kind.fields:
        yield layout.CHECKPOINT
    if kind is layout.MEMORIZATION:
        yield from (layout.FEATURES, layout.DECODED, layout.PIXELS)
    if "train_size" in kind.fields:
        yield from (layout.CONDITIONS, layout.DATA)


def _checkpoints_behind(study: Study, kind: Kind, factors: Mapping[str, Any]) -> Iterator[Checkpoint]:
    """A file's own checkpoint, that of its twin where they are compared, and the one that it is guided by."""
    if "step" not in kind.fields:
        return
    own = Checkpoint.of(factors)
    yield own
    if kind is layout.CONSISTENCY:
        yield Checkpoint.of({**factors, "granularity": f"{factors['granularity']}{TWIN}"})
    if "guidance" in kind.fields:
        yield from study.guides_of([Cell(own, study.guidances[factors["guidance"]])])


def _where_training_stopped(study: Study, results: Path, checkpoint: Checkpoint) -> str:
    """The error that ended a run's training at a milestone before this one, "" if none did."""
    run = checkpoint.run
    plain = Run(run.model, run.train_size, run.granularity.removesuffix(TWIN), run.seed)
    for step in study.milestones.get(plain, ()):
        factors = Checkpoint(run, step).factors
        if step < checkpoint.step and not (results / layout.CHECKPOINT.of(factors)).exists():
            line = last_line(results / layout.CHECKPOINT.log().format(**factors))
            if "error:" in line:
                return f"training stopped at the milestone of step {step}: {line}"
    return ""
