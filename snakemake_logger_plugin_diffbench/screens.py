"""Where a run is shown: bars on a terminal, lines anywhere else."""

import os
import sys
import time
from contextlib import suppress
from typing import Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.text import Text

from snakemake_logger_plugin_diffbench.run import Run

PER_SECOND = 2
"""How often bars are drawn."""
TENTHS = 10
"""A line tells of progress when another tenth of the jobs is done."""
SILENCE = 300.0
"""Seconds after which one does when any job is done."""


class Screen(Protocol):
    """Shows a run."""

    def start(self, run: Run) -> None:
        """Show what is to be done."""

    def show(self, run: Run) -> None:
        """Show what has been done. Nothing before `start`."""

    def say(self, text: str, style: str = "") -> None:
        """Print a line."""

    def stop(self) -> None:
        """Draw nothing more."""


def screen_for(stream: TextIO, nocolor: bool) -> Screen:
    """Bars if the stream is a terminal that can draw them, else lines."""
    if stream.isatty() and os.environ.get("TERM") not in (None, "dumb"):
        return Bars(Console(file=stream, no_color=nocolor or None, highlight=False, soft_wrap=True))
    return Lines(stream)


class Bars:
    """A bar per stage, and one for all, which tells the time left."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._all = TaskID(0)

    def start(self, run: Run) -> None:
        """Draw empty bars."""
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            console=self._console,
            refresh_per_second=PER_SECOND,
            redirect_stdout=sys.stdout.isatty(),
            expand=True,
        )
        for name, stage in run.stages.items():
            self._tasks[name] = self._bars.add_task(name, total=stage.total, note="")
        self._all = self._bars.add_task("all jobs", total=run.total, note="")
        self._bars.start()

    def show(self, run: Run) -> None:
        """Fill the bars."""
        if self._bars is None:
            return
        stages = [stage for stage, _ in run.running.values()]
        for name, stage in run.stages.items():
            running, failed = stages.count(name), [*run.failures.values()].count(name)
            notes = [f"{running} running"] * bool(running) + [f"[red]{failed} failed[/]"] * bool(failed)
            self._bars.update(self._tasks[name], completed=stage.done, note=", ".join(notes))
        self._bars.update(self._all, completed=run.done, note=run.time_left())

    def say(self, text: str, style: str = "") -> None:
        """Print a line above the bars."""
        self._console.print(Text(text, style))

    def stop(self) -> None:
        """Leave the bars as they are."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None


class Lines:
    """A line now and then, with the time of day."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._told = 0
        self._when = time.monotonic()

    def start(self, run: Run) -> None:
        """Say what is to be done."""
        self.say(f"{run.total} jobs: {', '.join(f'{stage.total} {name}' for name, stage in run.stages.items())}")

    def show(self, run: Run) -> None:
        """Say what has been done, if a tenth more has, or after a while; the end is told otherwise."""
        now, tenth = time.monotonic(), run.done * TENTHS // max(1, run.total)
        late = now - self._when > SILENCE and run.done
        if run.done == run.total or not (tenth > self._told or late):
            return
        self._told, self._when = tenth, now
        done = ", ".join(filter(None, (f"{run.done} of {run.total} jobs done", run.time_left())))
        begun = [f"{name} {each.done}/{each.total}" for name, each in run.stages.items() if 0 < each.done < each.total]
        self.say(f"{done} ({', '.join(begun)})" if begun else done)

    def say(self, text: str, style: str = "") -> None:
        """Print a line."""
        with suppress(BrokenPipeError):
            print(f"{time.strftime('%H:%M:%S')} {text}", file=self._stream, flush=True)

    def stop(self) -> None:
        """Nothing is drawn."""
