"""Which jobs of a study share a submission on a cluster: short ones, so that none of them is mostly waiting.

What belongs to one run stays together, as its jobs wait for each other and those of other runs do not. A long job, and
what it waits for, is submitted by itself: it shall wait for nothing that it does not need. So only jobs share a
submission that wait for the same long ones.
"""

import math
from collections.abc import Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from diffbench.study.layout import WHOLE

CELLS = 50
"""Cells for each submission, at least, where these are short."""
MOST = 3600.0
"""Seconds of work from which on a batch need not have so many cells: machines shall share a study."""
ENDS = 2
"""Submissions beside those of cells: what all cells read is made before them, and the summary after."""
SHARED = ("data", "pixels", "features", "conditions", "optimum")
"""Rules whose files many runs read."""
OF_A_JOB = 0.2
"""Seconds of each job beside its work, in a batch: of Snakemake, and of a fork."""

J = TypeVar("J", bound=Hashable)


@dataclass(frozen=True)
class Job:
    """A job that is to be run: its place in the study, seconds of its work by plan, and the jobs that it waits for."""

    name: str
    rule: str
    seconds: float
    waits_for: tuple[str, ...] = ()  # those that are to be run too
    cell: str = ""  # that it belongs to, if to one


def batches(jobs: Sequence[Job], least: float, most: float = math.inf) -> list[list[Job]]:
    """Jobs that share a submission, batch by batch; a job in none is submitted by itself.

    least: seconds of work of a batch, where there is so much that may run at the same time. most: seconds that none may
    exceed. A batch waits for nothing that waits for it: all that cells share is in one, before those of cells, and what
    reads all of them in one after.
    """
    runs = [job for job in jobs if job.rule not in SHARED and job.rule not in WHOLE]
    alone = _alone(runs, least)
    units = [unit for unit in _connected([job for job in runs if job.name not in alone]) if seconds(unit) <= most]
    first = _early([job for job in jobs if job.rule in SHARED], least)
    last = [job for job in jobs if job.rule in WHOLE]
    size = _size(units, least)
    middle = [batch for alike in _alike(units, {job.name for job in first}) for batch in _filled(alike, size, most)]
    everything = [*first, *(job for batch in middle for job in batch), *last]
    if len(everything) == len(jobs) and len(middle) <= 1 and seconds(everything) <= most:
        found = [everything]  # nothing would run beside them
    else:
        found = [first, *middle, last]
    return [batch for batch in found if len(batch) > 1 and seconds(batch) <= most]


def seconds(jobs: Collection[Job]) -> float:
    """What jobs take in a batch, one after the other."""
    return sum(job.seconds + OF_A_JOB for job in jobs)


def _alone(jobs: Sequence[Job], least: float) -> set[str]:
    """Names of those that need no company, and of all that these wait for."""
    by_name = {job.name: job for job in jobs}
    found, to_see = set[str](), [job.name for job in jobs if job.seconds >= least]
    while to_see:
        name = to_see.pop()
        if name in by_name and name not in found:
            found.add(name)
            to_see += by_name[name].waits_for
    return found


def _early(jobs: Sequence[Job], least: float) -> list[Job]:
    """Short jobs that wait for no long one."""
    late = {job.name for job in jobs if job.seconds >= least}
    while more := {job.name for job in jobs if late.intersection(job.waits_for)} - late:
        late |= more
    return [job for job in jobs if job.name not in late]


def _connected(jobs: Sequence[Job]) -> list[list[Job]]:
    """Jobs that wait for each other, directly or through others, in the order of their first."""
    above = {job.name: job.name for job in jobs}

    def top(name: str) -> str:
        while above[name] != name:
            above[name] = name = above[above[name]]
        return name

    for job in jobs:
        for other in job.waits_for:
            if other in above:
                above[top(job.name)] = top(other)
    found: dict[str, list[Job]] = {}
    for job in jobs:
        found.setdefault(top(job.name), []).append(job)
    return list(found.values())


def _alike(units: Sequence[list[Job]], early: Collection[str]) -> list[list[list[Job]]]:
    """Units that wait for the same jobs, but for those that are made before all others."""
    found: dict[frozenset[str], list[list[Job]]] = {}
    for unit in units:
        own = {job.name for job in unit}
        found.setdefault(frozenset(name for job in unit for name in job.waits_for) - own - set(early), []).append(unit)
    return list(found.values())


def _size(units: Sequence[Sequence[Job]], least: float) -> float:
    """Seconds from which on a batch of units is full."""
    work = sum(map(seconds, units))
    cells = len({job.cell for unit in units for job in unit if job.cell})
    return max(least, work / max(1, cells // CELLS - ENDS, math.ceil(work / MOST)))


def _filled(units: Iterable[list[Job]], size: float, most: float) -> list[list[Job]]:
    """Units in batches that are full, in their order. What is left over goes to the smallest where that has room."""
    full, rest = list[list[Job]](), list[Job]()
    for unit in units:
        if rest and seconds([*rest, *unit]) > most:
            full.append(rest)
            rest = []
        rest = [*rest, *unit]
        if seconds(rest) >= size:
            full.append(rest)
            rest = []
    if not rest:
        return full
    smallest = min(full, key=seconds, default=[])
    if smallest and seconds([*smallest, *rest]) <= most:
        smallest += rest
        return full
    return [*full, rest]
