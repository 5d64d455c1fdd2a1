"""Which cells the claims are judged from, and what is said beside their numbers."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from diffbench.data.raw_images import Facts
from diffbench.settings.granularity import GIVEN, Granularity
from diffbench.settings.models import Optimal
from diffbench.study.grid import Cell
from diffbench.study.study import Study
from diffbench.summary.claims.seeds import known, over_seeds, text
from diffbench.summary.lookup import Lookup, center_cells, values_at_center

CONTROL_SIZE = 16
"""Up to so many training images any network that is trained on them copies them: what must be refuted there."""

UNIQUE = "unique"
UNIQUE_CONTROL_SIZE = 64
"""The same where each image has a label of its own; a thousand of them are copied after long training only."""


class Place(NamedTuple):
    """Cells at the centre but for one factor, at their last milestone, one per seed."""

    key: str  # for names of tests
    words: str
    cells: list[Cell]


def every_size(study: Study) -> Iterator[Place]:
    """Every number of training images at the centre, rising."""
    for size in values_at_center(study, "train_size"):
        yield Place(f"n{size}", f"n = {size}", last_cells(study, train_size=size))


def sizes(study: Study, facts: Facts) -> Iterator[Place]:
    """Those that are no control."""
    return (place for place in every_size(study) if not _copies(study, facts, place))


def controls(study: Study, facts: Facts) -> Iterator[Place]:
    """Where samples are copies by design: few images, a label for each of them, and the optimum as model."""
    yield from (place for place in every_size(study) if _copies(study, facts, place))
    unique = min(values_at_center(study, "train_size", granularity=UNIQUE), default=math.inf)
    if study.center.granularity != UNIQUE and unique <= UNIQUE_CONTROL_SIZE and not _planar(facts):
        cells = last_cells(study, granularity=UNIQUE, train_size=unique)
        yield Place(UNIQUE, f"unique, n = {unique}", cells)
    yield from optima(study)


def optima(study: Study) -> Iterator[Place]:
    """The closed-form optimum as model beside the centre's."""
    for model in values_at_center(study, "model"):
        if model != study.center.model and isinstance(study.definition(model), Optimal):
            yield Place("optimum", "the optimum as model", last_cells(study, model=model))


def _copies(study: Study, facts: Facts, place: Place) -> bool:
    """Whether samples at the centre but for n are copies by design."""
    if isinstance(study.definition(study.center.model), Optimal):
        return True
    most = UNIQUE_CONTROL_SIZE if study.center.granularity == UNIQUE else CONTROL_SIZE
    return place.cells[0].checkpoint.run.train_size <= most and not _planar(facts)


def _planar(facts: Facts) -> bool:
    """In the plane few points already are dense, and nothing is known by design."""
    return facts.shape == (2,)


def last_cells(study: Study, **changes: Any) -> list[Cell]:
    """Cells at the centre but for changes, at the last milestone, one per seed."""
    cells = center_cells(study, **changes)
    final = max((cell.checkpoint.step for cell in cells), default=0)
    return [cell for cell in cells if cell.checkpoint.step == final]


def at_one_step(of_values: Sequence[Sequence[Cell]]) -> list[Cell]:
    """Cells of several values at the last step that all of them have; none where they share none."""
    steps = [{cell.checkpoint.step for cell in cells} for cells in of_values]
    last = max(set.intersection(*steps), default=-1) if steps else -1
    return [cell for cells in of_values for cell in cells if cell.checkpoint.step == last]


def center_words(study: Study) -> str:
    """The centre's factors but the number of training images, as statements name them."""
    return f"{study.center.model}, {study.center.granularity}"


def labels(facts: Facts, granularity: str, train_size: int) -> int:
    """Labels that training images carry; of vectors, as many as there are at most."""
    parsed = Granularity.parse(granularity)
    counts = {"none": 1, "classes": facts.classes, UNIQUE: train_size, GIVEN: train_size}
    return min(counts.get(parsed.kind, parsed.count), train_size)


def overfits(lookup: Lookup, places: Mapping[str, Sequence[Cell]]) -> str:
    """What is to be said of cells whose net is worse on unseen images than a linear filter, at the gap's peak.

    places: cells by their name, which may be empty where there is one place.
    """
    worse = []
    for name, cells in places.items():
        skill = over_seeds([known(lookup.of_checkpoint(c.checkpoint, "skill_at_peak")) for c in cells], alone=True)
        if skill.high < 0:
            worse.append(f"{name} ({text(skill)})" if name else text(skill))
    return f"worse than a linear filter on unseen images, plain overfitting: skill {', '.join(worse)}" if worse else ""


def alone(cells: Sequence[Cell]) -> str:
    """What is to be said of the interval of a control."""
    return "a single seed: the interval is over images" if len(cells) == 1 else ""


def notes(*parts: str) -> str:
    """Those that say something, as one line."""
    return "; ".join(filter(None, parts))
