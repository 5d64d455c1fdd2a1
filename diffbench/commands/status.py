"""Status: where a study stands, from its files alone."""

import json as json_format
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from diffbench import conventions
from diffbench.planning.remaining import duration
from diffbench.planning.standing import FAILED, RUNNING, STATES, Standing, standing_of
from diffbench.study import layout
from diffbench.study.file import DEFAULT, load_study

EVERY = 2.0
"""Seconds between two looks."""
SHOWN = 5
"""Running and failed jobs that are named."""
UNBOUND = 10_000
"""Columns of lines that no terminal wraps."""


def run(
    study: Annotated[Path, "study file, or the name of a study that comes along"] = DEFAULT,
    json: Annotated[bool, "print one JSON object a look"] = False,
    watch: Annotated[bool, "look again every two seconds, until all is done"] = False,
) -> None:
    """Print what of a study is done, running, failed and left, how long the rest takes, and the disk it uses."""
    plan = load_study(study)
    results = Path(conventions.RESULTS, plan.name)
    with suppress(KeyboardInterrupt):
        _show(_looks(lambda: standing_of(plan, results), watch), json)


def _looks(look: Callable[[], Standing], watch: bool) -> Iterator[Standing]:
    """One look, or several until all is done."""
    yield (standing := look())
    while watch and len(standing.done) < len(standing.jobs):
        time.sleep(EVERY)
        yield (standing := look())


def _show(looks: Iterator[Standing], json: bool) -> None:
    if json:
        for standing in looks:
            print(json_format.dumps(standing.as_record()), flush=True)
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = UNBOUND
        for standing in looks:
            console.print(described(standing))
        return
    with Live(console=console, auto_refresh=False, vertical_overflow="visible") as live:
        for standing in looks:
            live.update(described(standing), refresh=True)


def described(standing: Standing) -> RenderableType:
    """All of it, as people read it."""
    grid = ", ".join(f"{done} of {total} {name}" for name, (done, total) in standing.grid.items())
    lines = [f"study {standing.study.name}: {grid} done"]
    cores, left = os.cpu_count() or 1, standing.left
    if len(standing.done) < len(standing.jobs):
        time_left = (
            f"{left.text(cores)}, on the {cores} cores here" if left.seconds else "unknown, as no job is done yet"
        )
        lines.append(f"time: {time_left}")
    lines.append(f"disk: {standing.bytes / 1e6:,.0f} MB in {standing.results}")
    if standing.report:
        lines.append(f"report: {standing.report.resolve()}")
    return Group(Text("\n".join(lines)), _table(standing), Text("\n".join(_named(standing))))


def _table(standing: Standing) -> Table:
    """Jobs of each stage by state."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("stage")
    for state in STATES:
        table.add_column(state, justify="right", style={FAILED: "red", RUNNING: "green"}.get(state, ""))
    stages = standing.stages
    for stage in sorted(stages, key=layout.STAGES.index):
        table.add_row(stage, *(str(count or "") for count in stages[stage].values()))
    return table


def _named(standing: Standing) -> Iterator[str]:
    """Jobs that run or failed, some of many."""
    for job in standing.running[:SHOWN]:
        yield f"running for {duration(job.seconds)}: {job.stage} {job.file}"
    if len(standing.running) > SHOWN:
        yield f"and {len(standing.running) - SHOWN} more"
    for job in standing.failed[:SHOWN]:
        yield f"failed: {job.stage} {job.file}"
        yield f"  {job.words}"
        yield f"  log: {standing.results / job.log}"
    if len(standing.failed) > SHOWN:
        yield f"and {len(standing.failed) - SHOWN} more that failed"
