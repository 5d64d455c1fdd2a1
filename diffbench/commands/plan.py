"""Plan: what a study means, and about what it costs, without doing anything."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tqdm import tqdm

from diffbench.data.preview import Told, check_sizes, preview
from diffbench.planning.disk import room
from diffbench.planning.jobs import jobs
from diffbench.study.file import DEFAULT, load_study
from diffbench.study.study import Study
from diffbench.summary.planned import Planned, fingerprint_of

if TYPE_CHECKING:
    from diffbench.planning.cost import Cost


def run(
    study: Annotated[Path, "study file, or the name of a study that comes along"] = DEFAULT,
    out: Annotated[Path | None, "JSON file that keeps the estimate; a run makes its own"] = None,
) -> None:
    """Print the factors, runs, checkpoints, cells and jobs of a study file, and an estimate of its cost."""
    plan = load_study(study)
    with _bar("looking at") as told:
        seen = preview(plan.data, told)
    print("\n".join(describe(plan, seen.lines)), flush=True)
    check_sizes(plan.data, seen, {run.train_size for run in plan.runs})
    with _bar("measuring") as told:
        told("networks", 0, 1)
        from diffbench.planning.cost import cost  # torch takes seconds to import: whatever is wrong was told before

        expected = cost(plan, told)
    print("\n".join(estimate(plan, expected)))
    if out is not None:
        made = datetime.now(UTC).isoformat(timespec="seconds")
        seconds = {stage: round(each, 3) for stage, each in expected.stages.items()}
        Planned(fingerprint_of(plan), made, dict(jobs(plan)), seconds).write(out)


def describe(study: Study, of_data: list[str]) -> list[str]:
    """What the study varies, and how many runs, checkpoints, cells and jobs that means. of_data: said of its images."""
    values: dict[str, set[Any]] = {}
    for cell in study.cells:
        for factor, value in cell.factors.items():
            values.setdefault(factor, set()).add(value)
    lines = [f"study {study.name}: data set {study.data.name}", *(f"  {line}" for line in of_data)]
    for factor, taken in values.items():
        known = list(study.guidances) if factor == "guidance" else []  # the others in the order of their values
        lines.append(f"  {factor:<12} {', '.join(map(str, known or sorted(taken)))}")
    lines.append(f"{len(study.runs)} runs, {len(study.checkpoints)} checkpoints, {len(study.cells)} cells")
    lines.append(f"{sum(jobs(study).values())} jobs: " + ", ".join(f"{n} {stage}" for stage, n in jobs(study).items()))
    return lines


@contextmanager
def _bar(verb: str) -> Iterator[Told]:
    """A bar, where there is a terminal, for what is told."""
    with tqdm(
        leave=False, disable=None, bar_format=f"{verb} {{desc}} ({{n_fmt}} of {{total_fmt}} done) {{bar}}"
    ) as bar:

        def told(name: str, done: int, total: int) -> None:
            bar.total, bar.n = total, done
            bar.set_description_str(name)

        yield told


def estimate(study: Study, expected: "Cost") -> list[str]:
    """The cost by stage, and what it was measured by."""
    cores = os.cpu_count() or 1
    lines = [
        f"estimate: {_duration(expected.total)} of one core; {_duration(expected.wall(cores))} on the {cores} cores"
        " here if nothing else runs on them"
    ]
    stages = expected.stages | {"start and end": expected.alone}
    lines += [f"  {name:<15} {seconds / 60:8.1f} min" for name, seconds in stages.items() if seconds]
    taken = room(study)
    decoded = ", beside decoded images" if study.data.decoding else ""
    lines.append(f"disk: {_bytes(taken.kept)}, and while it runs up to {_bytes(taken.states)} more{decoded}")
    lines += [f"measured here: {name}: {note}" for name, note in expected.notes.items()]
    external = sorted(name for name, model in study.models.items() if model.kind == "external")
    lines += [f"not measured, and not in the estimate: evaluations of {name}" for name in external]
    if study.data.decoding:
        lines.append(f"not measured, and not in the estimate: decoding by {study.data.decoding.factory}")
    return lines


def _bytes(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def _duration(seconds: float) -> str:
    if seconds < 600:
        return f"{seconds / 60:.1f} minutes"
    return f"{seconds / 60:.0f} minutes" if seconds < 5 * 3600 else f"{seconds / 3600:.0f} hours"
