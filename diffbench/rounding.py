"""How far float32 scores ||r||^2/2 - q.r are from the truth; they order references r as distances to a query q do."""

from typing import Any

from diffbench.shapes import Float64

UNIT_ROUNDOFF = 2.0**-24  # float32


def score_error(dimensions: int, norms: Float64[Any, " b"], longest: float) -> Float64[Any, " b"]:
    """Bound on |computed - true| score, for any order of summation (Higham, Accuracy and Stability).

    norms, longest: of the queries and of the longest reference, from float32 squares. A sum of d products errs by at
    most d u/(1 - d u) times the sum of their magnitudes; rounding both factors to float32 adds 2u, the subtraction a
    few u of each term. Eight u in place of those few leave room for the float64 rounding of distances.
    """
    terms = (dimensions + 8) * UNIT_ROUNDOFF
    underflow = dimensions * 2.0**-126
    products = terms / (1 - terms) ** 2 * (norms * longest + longest**2 / 2)  # squared: norms may be too small
    return products + 4 * UNIT_ROUNDOFF * (longest**2 + norms**2) + underflow
