"""The jobs of a run by stage, and how long the rest takes."""

import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from diffbench.cli import STAGES
from diffbench.conventions import DiffbenchError
from diffbench.planning.remaining import Left, Progress, work_left
from diffbench.study import layout
from diffbench.summary.planned import Planned

SETTLING = 30.0
"""Seconds for which the number of jobs that run at a time is taken to be that of the cores."""


class Run:
    """What is known of a run so far."""

    def __init__(self, counts: Mapping[str, int], cores: int) -> None:
        """`counts`: jobs by stage. `cores`: those that jobs may take."""
        order = {stage: place for place, stage in enumerate(STAGES)}
        names = sorted(counts, key=lambda name: order.get(name, len(order)))
        self.stages = {name: Progress(counts[name]) for name in names}
        self.running: dict[int, tuple[str, float]] = {}  # by job: its stage, and when it was started
        self.failures: dict[int, str] = {}  # by job that failed, and did not end well at a later try: its stage
        self._cores, self._began = cores, time.monotonic()
        self._results: Path | None = None
        self._planned: dict[str, float] | None = None

    @property
    def total(self) -> int:
        """Jobs in all."""
        return sum(stage.total for stage in self.stages.values())

    @property
    def done(self) -> int:
        """Jobs that have ended well."""
        return sum(stage.done for stage in self.stages.values())

    def started(self, job: int, stage: str, files: Iterable[str]) -> None:
        """A job was started, or handed to a cluster; files: some of its own."""
        if stage not in self.stages:
            return
        self.running[job] = stage, time.monotonic()
        if self._results is None:
            self._results = next(filter(None, (layout.root_of(Path(file).absolute()) for file in files)), None)

    def finished(self, job: int) -> None:
        """A job ended well."""
        self.failures.pop(job, None)
        if job in self.running:
            name, start = self.running.pop(job)
            self.stages[name].done += 1
            self.stages[name].seconds += time.monotonic() - start

    def ended(self, job: int) -> None:
        """A job ended otherwise."""
        self.running.pop(job, None)

    def time_left(self) -> str:
        """How long the rest takes, in words; empty while nothing is known."""
        left = work_left(self.stages, self._plan())
        now = time.monotonic()
        under_way = sum(now - start for _, start in self.running.values())
        parallel = self._parallel(now, under_way)
        rest = Left(left.seconds - under_way, left.at_least)
        return rest.text(parallel) if rest.seconds > 0 else ""

    def result(self) -> str:
        """How the run ended."""
        took = f"in {time.monotonic() - self._began:.0f} s"
        if not self.failures and self.done == self.total:
            return f"{self.total} jobs done {took}"
        failed, others = len(self.failures), self.total - self.done - len(self.failures)
        not_run = f"{others} {'was' if others == 1 else 'were'} not run"
        rest = [f"{failed} failed"] * bool(failed) + [not_run] * bool(others)
        return f"{self.done} of {self.total} jobs done {took}; {', '.join(rest)}"

    def _parallel(self, now: float, under_way: float) -> float:
        """Jobs that run at a time, in the mean."""
        busy = under_way + sum(stage.seconds for stage in self.stages.values())
        at_first = min(self._cores, os.cpu_count() or 1)
        return max(1.0, (busy + at_first * SETTLING) / (now - self._began + SETTLING))

    def _plan(self) -> dict[str, float] | None:
        """Seconds of a job of each stage, as planned, once that is there."""
        if self._planned is None and self._results is not None:
            try:
                self._planned = dict(Planned.read(self._results / layout.PLAN).per_job())
            except DiffbenchError:
                return None
        return self._planned
