"""Law 3: models trained on many disjoint images agree more than on few (Kadkhodaie et al., arXiv 2310.02557)."""

from collections.abc import Iterator, Sequence

from diffbench.files.estimates import Estimate, undefined
from diffbench.study.grid import Cell
from diffbench.study.study import Study
from diffbench.summary.claims.cells import at_one_step, center_words
from diffbench.summary.claims.seeds import difference, known, over_seeds, text
from diffbench.summary.lookup import Lookup, center_cells, values_at_center
from diffbench.summary.verdicts import ClaimTest

STATISTICS = {
    "pair_correlation": ("correlation of twins' samples", True),
    "correlation_to_own_train": ("correlation of samples with their own training image", False),
}
"""Measure -> words, whether the law says that it rises with n."""


def pair_tests(study: Study, lookup: Lookup) -> Iterator[ClaimTest]:
    """Growth of both correlations from the least n to the largest, at one training step."""
    sizes = values_at_center(study, "train_size")
    ends = [center_cells(study, train_size=size) for size in (sizes[0], sizes[-1])]
    cells = at_one_step(ends)
    least, most = ([cell for cell in cells if cell.checkpoint.run.train_size == size] for size in (sizes[0], sizes[-1]))
    missing = _missing(study, sizes, cells)
    for measure, (words, rises) in STATISTICS.items():
        grown, said = undefined(missing, 0), ""
        if not missing:
            values = [[known(lookup.of_pair(cell, measure)) for cell in at] for at in (least, most)]
            grown = over_seeds([difference(b, a) for a, b in zip(*values, strict=True)])
            said = _said(study, lookup, sizes, measure, cells[0].checkpoint.step)
        yield ClaimTest(
            f"{measure}_growth",
            f"{words}, n = {sizes[-1]} minus n = {sizes[0]}, {center_words(study)}",
            grown,
            "direction",
            above=rises,
            note=said,
        )


def _missing(study: Study, sizes: Sequence[int], cells: Sequence[Cell]) -> str:
    """Why the study says nothing of pairs, if so."""
    if not study.pairs:
        return "the study has no twins: pairs is false"
    if len(sizes) < 2:
        return "train_size was not varied around the centre"
    if not cells:
        return f"n = {sizes[0]} and {sizes[-1]} share no training step"
    if not set(cells) <= set(study.paired_cells):
        return f"{study.center.model}, {study.center.granularity} has no twin"
    return ""


def _said(study: Study, lookup: Lookup, sizes: Sequence[int], measure: str, step: int) -> str:
    """The correlation at every n that has this step."""

    def at(size: int) -> Estimate:
        cells = [cell for cell in center_cells(study, train_size=size) if cell.checkpoint.step == step]
        return over_seeds([known(lookup.of_pair(cell, measure)) for cell in cells])

    return ", ".join(f"n = {size}: {text(at(size))}" for size in sizes)
