"""Law 4: the effect of guidance on memorization is not monotone in its weight.

Guidance is said to draw trajectories to memorized images (Jain et al., arXiv 2411.16738; Kim et al., arXiv 2509.25705),
and to overshoot the distribution in few dimensions (Pavasovic et al., arXiv 2502.07849), each from the abstract. Both
together would raise memorization first and lower it then. No paper is known that states this.
"""

from collections.abc import Iterator, Sequence

from diffbench.files.estimates import Estimate, undefined
from diffbench.settings.guidance import Guidance
from diffbench.study.grid import Cell
from diffbench.study.study import Study
from diffbench.summary.claims.cells import at_one_step, center_words, notes
from diffbench.summary.claims.seeds import difference, known, over_seeds, text
from diffbench.summary.lookup import Lookup, center_cells, values_at_center
from diffbench.summary.verdicts import ClaimTest

LEAST_WEIGHTS = 3


def guidance_tests(study: Study, lookup: Lookup) -> Iterator[ClaimTest]:
    """How far the memorized fraction at a weight in the middle lies beyond those at both ends, on one side."""
    weights = [study.guidances[label] for label in values_at_center(study, "guidance")]
    weights = sorted(each for each in weights if each.plain)
    named = [weights[0], middle(weights), weights[-1]] if len(weights) >= LEAST_WEIGHTS else []
    cells = at_one_step([center_cells(study, guidance=each.label) for each in named])
    at = [[cell for cell in cells if cell.guidance == each] for each in named]
    missing = _missing(lookup, at)
    yield ClaimTest(
        "guidance_bend",
        "memorized fraction at a weight in the middle, beyond both ends on the same side, "
        f"n = {study.center.train_size}, {center_words(study)}",
        undefined(missing, 0) if missing else _bend(lookup, at),
        "bend",
        above=True,
        note="" if missing else _said(study, lookup, weights, named, cells[0].checkpoint.step),
    )


def _bend(lookup: Lookup, at: Sequence[Sequence[Cell]]) -> Estimate:
    """Of cells at the least weight, in the middle, and at the largest, one per seed each."""
    first, inner, last = ([known(lookup.of_cell(cell, "memorized_fraction")) for cell in cells] for cells in at)
    rise, fall = (over_seeds([difference(b, a) for a, b in zip(end, inner, strict=True)]) for end in (first, last))
    return bend(rise, fall)


def middle(weights: Sequence[Guidance]) -> Guidance:
    """The one in the middle of those between the ends, the lower of two: fixed by the study file, never by results."""
    inner = weights[1:-1]
    return inner[(len(inner) - 1) // 2]


def bend(rise: Estimate, fall: Estimate) -> Estimate:
    """max(min(r, f), min(-r, -f)): above 0 where the middle lies above both ends, or below both; below 0 in between.

    rise, fall: middle minus first, middle minus last. Each end is that function of the ends of r and f. If the truth is
    monotone, one of r and f has to lie clearly on the wrong side of 0 for each kind of bend, so that a bend is found in
    5 % at most; simulated, the interval covers in 95 % and more.
    """
    n = min(rise.n, fall.n)
    if reason := rise.reason or fall.reason:
        return undefined(reason, n)
    value = max(min(rise.value, fall.value), min(-rise.value, -fall.value))
    low = max(min(rise.low, fall.low), min(-rise.high, -fall.high))
    high = max(min(rise.high, fall.high), min(-rise.low, -fall.low))
    return Estimate(value, low, high, n)


def _missing(lookup: Lookup, at: Sequence[Sequence[Cell]]) -> str:
    """Why the study says nothing of guidance, if so."""
    if not at:
        return f"fewer than {LEAST_WEIGHTS} weights of classifier-free guidance around the centre"
    if not all(at):
        return "the weights share no training step"
    excesses = [_excess(lookup, members) for members in at]
    if reason := next((each.reason for each in excesses if each.reason), ""):
        return reason
    if not any(each.low > 0 for each in excesses):
        return "at no weight do copies clearly exceed their floor: there is nothing that could bend"
    return ""


def _excess(lookup: Lookup, cells: Sequence[Cell]) -> Estimate:
    """Memorized fraction above its floor."""
    measures = ("memorized_fraction", "memorized_floor")
    fractions, floors = ([known(lookup.of_cell(cell, measure)) for cell in cells] for measure in measures)
    return over_seeds([difference(a, b) for a, b in zip(fractions, floors, strict=True)])


def _said(study: Study, lookup: Lookup, weights: Sequence[Guidance], named: Sequence[Guidance], step: int) -> str:
    """Which weights are compared, and memorization and quality at every weight."""
    first, inner, last = (each.text for each in named)

    def along(measure: str) -> str:
        said = []
        for weight in weights:
            cells = [cell for cell in center_cells(study, guidance=weight.label) if cell.checkpoint.step == step]
            value = over_seeds([known(lookup.of_cell(cell, measure)) for cell in cells])
            said.append(f"{text(value)} at {weight.text}")
        return ", ".join(said)

    return notes(
        f"w = {inner} against {first} and {last}",
        f"memorized {along('memorized_fraction')}",
        f"FD to unseen images {along('fd')}",
    )
