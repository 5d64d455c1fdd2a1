"""From which noise level on the optimum explains a network better than a linear filter, by training size and step."""

from dataclasses import dataclass

from diffbench.data.pictured import spread_over_ranks
from diffbench.report.tables.results import Results
from diffbench.report.tables.seeds import aggregate_seeds
from diffbench.report.tables.shown import Shown, show
from diffbench.report.tables.slices import short_name

CROSSING = "r2_crossing"

MOST = 8
"""Training sizes and steps that the page shows, at most: the summary's tables have all."""


@dataclass(frozen=True)
class Crossings:
    """Crossings of the centre's model and granularity: a row per training size, a column per step."""

    held: str
    steps: tuple[int, ...]
    rows: tuple[tuple[int, tuple[Shown | None, ...]], ...]  # training size, values; None: no such checkpoint


def crossings(results: Results) -> Crossings | None:
    """Means over seeds, evenly spread sizes and steps where there are many; nothing if no checkpoint has any."""
    center = results.study.center
    held = {"model": center.model, "granularity": center.granularity}
    rows = results.estimates.of([CROSSING], [held])
    if rows.empty:
        return None
    means = aggregate_seeds(rows, ["train_size", "step", "measure"])
    shown = {(row["train_size"], row["step"]): show(row) for _, row in means.iterrows()}
    sizes, steps = (_spread(means[factor].unique().tolist()) for factor in ("train_size", "step"))
    table = tuple((size, tuple(shown.get((size, step)) for step in steps)) for size in sizes)
    return Crossings(short_name(held), steps, table)


def _spread(values: list[int]) -> tuple[int, ...]:
    ordered = sorted(values)
    return tuple(ordered[rank] for rank in spread_over_ranks(len(ordered), MOST))
