"""Law 1: random labels memorize like true ones, and unique ones most (Gu et al., arXiv 2310.02664)."""

from collections.abc import Iterator, Mapping, Sequence

from diffbench.data.raw_images import Facts
from diffbench.files.estimates import Estimate, undefined
from diffbench.settings.granularity import Granularity
from diffbench.study.study import Study
from diffbench.summary.claims.cells import UNIQUE, at_one_step, labels
from diffbench.summary.claims.seeds import difference, known, magnitude, over_seeds, text
from diffbench.summary.lookup import Lookup, center_cells, values_at_center
from diffbench.summary.verdicts import ClaimTest

TRUE, NONE = "classes", "none"

Fractions = Mapping[str, Sequence[Estimate]]
"""Memorized fraction of each seed, by granularity."""


def label_tests(study: Study, lookup: Lookup, facts: Facts) -> Iterator[ClaimTest]:
    """Random labels against true ones, unique labels against all others, at the centre's n and one training step.

    The control is the first test on unique labels: where they, too, pass for true ones, nothing tells labels apart.
    """
    random = _random(study, facts)
    fractions, missing = _fractions(study, lookup, random)
    at = f"n = {study.center.train_size}, {study.center.model}"
    said = _said(fractions) if not missing else ""
    for name, control in ((random, False), (UNIQUE, True)):
        apart = _over_seeds(fractions, name, TRUE, missing)
        yield ClaimTest(
            f"{'unique' if control else 'random'}_like_true",
            f"|difference| of memorized fractions, to true labels ({TRUE}), {at}",
            magnitude(apart),
            "labels_alike",
            above=False,
            control=control,
            note="" if apart.reason else f"{name} − {TRUE} {text(apart)}" + (f"; {said}" if not control else ""),
            place=name,
        )
    for name in (TRUE, random, NONE):
        yield ClaimTest(
            f"unique_above_{'random' if name == random else name}",
            f"memorized fraction of unique labels minus that of other labels, {at}",
            _over_seeds(fractions, UNIQUE, name, missing),
            "direction",
            above=True,
            place=name,
        )


def _random(study: Study, facts: Facts) -> str:
    """The random labels that are as many as the true ones."""
    size = study.center.train_size
    count = labels(facts, TRUE, size)
    named = values_at_center(study, "granularity")
    alike = [name for name in named if _is_random(name) and labels(facts, name, size) == count]
    return alike[0] if alike else f"random-{count}"


def _is_random(name: str) -> bool:
    return Granularity.parse(name).kind == "random"


def _fractions(study: Study, lookup: Lookup, random: str) -> tuple[Fractions, str]:
    """Memorized fractions at the last training step that all four granularities have, or why there are none."""
    names = (NONE, TRUE, random, UNIQUE)
    if lacking := [name for name in names if name not in values_at_center(study, "granularity")]:
        return {}, f"not varied around the centre: granularity {', '.join(lacking)}"
    cells = at_one_step([center_cells(study, granularity=name) for name in names])
    if not cells:
        return {}, f"granularities {', '.join(names)} share no training step"
    of = {name: [cell for cell in cells if cell.checkpoint.run.granularity == name] for name in names}
    return {
        name: [known(lookup.of_cell(cell, "memorized_fraction")) for cell in members] for name, members in of.items()
    }, ""


def _over_seeds(fractions: Fractions, first: str, second: str, missing: str) -> Estimate:
    """First - second, mean over seeds. Both have one floor, which cancels: it depends on the training images alone."""
    if missing:
        return undefined(missing, 0)
    pairs = zip(fractions[first], fractions[second], strict=True)
    return over_seeds([difference(a, b) for a, b in pairs])


def _said(fractions: Fractions) -> str:
    return "memorized: " + ", ".join(f"{name} {text(over_seeds(values))}" for name, values in fractions.items())
