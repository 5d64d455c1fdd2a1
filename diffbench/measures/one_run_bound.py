"""A lower bound of the privacy loss epsilon from one training run (Steinke, Nasr and Jagielski 2023, arXiv 2305.08846).

Were training epsilon-differentially private, and each image a member by the toss of a coin, then each guess of whether
it is one would be right with a probability of at most e^eps / (1 + e^eps), given the others: so many right guesses rule
out small epsilon. Here the number of members is fixed, not tossed, which the theorem does not cover: the bound is an
indication.
"""

import math

import numpy as np
from scipy import special

from diffbench.conventions import CONFIDENCE, seed_of
from diffbench.files.estimates import Estimate, undefined
from diffbench.shapes import Float, Float64, Int64

Scores = tuple[Float[np.ndarray, " _"], Float[np.ndarray, " _"]]
"""Of members and of others, lower = member."""


def epsilon_bound(right: Int64[np.ndarray, " k"], guesses: Int64[np.ndarray, " k"]) -> Float64[np.ndarray, " k"]:
    """The least epsilon that so many right guesses do not rule out at conventions.CONFIDENCE; 0 where none is.

    ln(a / (1 - a)), a the lower bound of Clopper and Pearson for the share of right guesses.
    """
    share = np.where(right > 0, special.betaincinv(np.maximum(right, 1), guesses - right + 1, 1 - CONFIDENCE), 0.0)
    return special.logit(np.maximum(share, 0.5))


def right_guesses(
    members: Float[np.ndarray, " m"], others: Float[np.ndarray, " n"], seed: int
) -> Int64[np.ndarray, " p"]:
    """Right ones among 2, 4, ..., 2 p guesses, p = min(m, n): the k lowest scores are members, the k highest are not.

    Of the more numerous kind as many are drawn as there are of the other, so that half are members; ties are shuffled.
    """
    rng = np.random.default_rng(seed_of("guesses", seed))
    pairs = min(len(members), len(others))
    scores = np.concatenate([rng.permutation(members)[:pairs], rng.permutation(others)[:pairs]])
    order = rng.permutation(2 * pairs)
    member = (order < pairs)[np.argsort(scores[order], kind="stable")]
    return np.cumsum(member)[:pairs] + np.cumsum(~member[::-1])[:pairs]


def one_run_bound(choosing: Scores, judging: Scores, seed: int) -> Estimate:
    """The bound from guesses on `judging`; the share of images that are guessed is the best one on `choosing`.

    value = low: the bound; high is infinite, since one run bounds epsilon from below alone. n: guesses. Undefined
    without two images of each kind on either side.
    """
    sizes = [min(map(len, scores)) for scores in (choosing, judging)]
    if min(sizes) < 2:
        return undefined("needs at least 2 images of either kind that choose, and that judge", sum(map(len, judging)))
    tried = epsilon_bound(right_guesses(*choosing, seed), 2 * np.arange(1, sizes[0] + 1))
    share = (len(tried) - int(tried[::-1].argmax())) / sizes[0]  # of equal bounds that of the most guesses
    pairs = max(1, round(share * sizes[1]))
    right = right_guesses(*judging, seed)[pairs - 1]
    bound = float(epsilon_bound(np.array([right]), np.array([2 * pairs]))[0])
    return Estimate(bound, bound, math.inf, 2 * pairs)
