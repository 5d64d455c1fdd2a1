"""Membership attacks, judged on images that did not choose their noise level.

A score per image and level, lower says "member". The level is the one with the best AUC on a random half of the images
of both kinds; what is reported is measured on the other half, so that the choice is no advantage.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from diffbench.conventions import DiffbenchError, seed_of
from diffbench.files.estimates import Estimate, undefined
from diffbench.measures.intervals import auc, bootstrap_means, chosen, placements
from diffbench.measures.membership import tpr_at_fpr
from diffbench.shapes import Bool, Float, Float64

ATTACKS = ("loss", "sima", "pia", "secmi")
"""By denoisers/attacks.py."""

FEWEST = 16
"""Images of each kind at least: eight in either half. Intervals of an AUC of 2 against 256 lie wholly above 1/2 by
chance in 14 % of cases, of 8 against 256 in 3 %."""


@dataclass(frozen=True)
class Attack:
    """An attack at its level. AUC 0.5 = it tells nothing; TPR: share of members named."""

    auc: Estimate
    tpr_at_1_percent: Estimate  # at a false positive rate of 1 %
    tpr_at_01_percent: Estimate  # at 0.1 %
    sigma: Estimate  # the level, and those that resamples of the half that chooses would choose
    level: int  # its index
    strength: float  # AUC on the half that chooses; nan if there was nothing to choose from

    @property
    def scalars(self) -> dict[str, Estimate]:
        """Estimates by the ends of their names."""
        names = ("auc", "tpr_at_1_percent", "tpr_at_01_percent", "sigma")
        return {name: getattr(self, name) for name in names}


class Sides(NamedTuple):
    """Scores of members and of others."""

    members: Float[np.ndarray, "*L m"]
    others: Float[np.ndarray, "*L n"]


def divided(members: Float[np.ndarray, "*L m"], others: Float[np.ndarray, "*L n"], seed: int) -> tuple[Sides, Sides]:
    """A random half of the images of either kind, rounded down, that choose, and those that judge: always the same."""
    of_kind = {"members": members, "others": others}
    choosing = {kind: _half(scores.shape[-1], kind, seed) for kind, scores in of_kind.items()}
    return (
        Sides(*(scores[..., choosing[kind]] for kind, scores in of_kind.items())),
        Sides(*(scores[..., ~choosing[kind]] for kind, scores in of_kind.items())),
    )


def _half(images: int, kind: str, seed: int) -> Bool[np.ndarray, " {images}"]:
    half = np.zeros(images, bool)
    half[np.random.default_rng(seed_of("choosing", kind, seed)).permutation(images)[: images // 2]] = True
    return half


def attack(
    sigmas: Float[np.ndarray, " L"], members: Float[np.ndarray, "L m"], others: Float[np.ndarray, "L n"], seed: int
) -> Attack:
    """An attack from its scores. Undefined without levels, or with fewer than FEWEST images of a kind.

    DiffbenchError if a score is not finite.
    """
    if not (np.isfinite(members).all() and np.isfinite(others).all()):
        raise DiffbenchError("attacks: scores contain NaN or infinity; the model diverged")
    if reason := _lacking(members.shape, others.shape):
        nothing = undefined(reason, members.shape[1] + others.shape[1])
        return Attack(nothing, nothing, nothing, nothing, 0, np.nan)
    choosing, judging = divided(members, others, seed)
    level, strength, sigma = _choice(sigmas, *choosing, seed)
    judged, against = judging.members[level], judging.others[level]
    return Attack(
        auc=auc(against, judged),
        tpr_at_1_percent=tpr_at_fpr(judged, against, 0.01, seed_of("1%", seed)),
        tpr_at_01_percent=tpr_at_fpr(judged, against, 0.001, seed_of("0.1%", seed)),
        sigma=sigma,
        level=level,
        strength=strength,
    )


def _lacking(members: tuple[int, ...], others: tuple[int, ...]) -> str:
    """Why nothing can be said, or nothing."""
    if members[0] == 0:
        return "no noise level lies where attacks look"
    if min(members[1], others[1]) < FEWEST:
        return f"needs at least {FEWEST} images of either kind, got {members[1]} and {others[1]}"
    return ""


def _choice(
    sigmas: Float[np.ndarray, " L"], members: Float[np.ndarray, "L m"], others: Float[np.ndarray, "L n"], seed: int
) -> tuple[int, float, Estimate]:
    """The level of the best AUC, that AUC, and the level's noise with the levels that resamples would choose.

    An AUC changes with the images drawn as the means of their placements do, but for a part of order 1 / n (Hajek).
    """
    above = np.stack([placements(*pair) for pair in zip(others, members, strict=True)])
    below = 1 - np.stack([placements(*pair) for pair in zip(members, others, strict=True)])
    strengths = above.mean(axis=1)
    level = int(strengths.argmax())
    of_others, of_members = (
        bootstrap_means(above.T, seed_of("others", seed)),
        bootstrap_means(below.T, seed_of("members", seed)),
    )
    n = members.shape[1] + others.shape[1]
    sigma = chosen(np.asarray(sigmas, np.float64), level, (of_others + of_members - strengths).argmax(axis=1), n)
    return level, float(strengths[level]), sigma


def false_positive_rates(
    members: Float[np.ndarray, " m"], others: Float[np.ndarray, " n"]
) -> Float64[np.ndarray, " m"]:
    """For each member: how rarely another image has as low a score, (k + 1) / (n + 1) with k of n as low.

    The p-value of the hypothesis that it is no member, valid for any n as one of n + 1 exchangeable images, if they did
    not choose attack and level.
    """
    return (np.searchsorted(np.sort(others), members, side="right") + 1) / (len(others) + 1)
