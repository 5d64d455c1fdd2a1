"""All that attacks say of a checkpoint: each of them, the set as a whole, a bound of privacy, and risk per image."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from diffbench.denoisers.attacks import AttackScores
from diffbench.denoisers.losses import DIMS
from diffbench.files.estimates import Estimate
from diffbench.files.store import Variable
from diffbench.measures.attacks import ATTACKS, Attack, attack, divided, false_positive_rates
from diffbench.measures.chained import Kind
from diffbench.measures.dataset_inference import dataset_inference
from diffbench.measures.one_run_bound import one_run_bound
from diffbench.shapes import Float64, Int64

FLOOR = 1e-12
"""Of scores whose logarithm is taken: the optimum's are 0 at training images."""


@dataclass(frozen=True)
class MembershipFindings:
    """Scalars by name; variables per image, of dimensions "image" and "held_out"; the attack with the best AUC."""

    scalars: dict[str, Estimate]
    variables: dict[str, Variable]
    best: str


def membership_battery(
    scores: Mapping[str, AttackScores], classes: Mapping[str, Int64[np.ndarray, " _"]], seed: int
) -> MembershipFindings:
    """From the scores of every attack on the first images of each split, and the splits' true classes.

    The best attack is chosen on the images that choose levels.
    """
    attacks = {name: attack(of.sigmas, of.train, of.validation, seed) for name, of in scores.items()}
    best = max(ATTACKS, key=lambda name: np.nan_to_num(attacks[name].strength, nan=-1.0))
    kinds = (_log_scores(scores, classes, split) for split in DIMS)
    inference = dataset_inference(*kinds, seed=seed)
    scalars = {f"attack_{name}_{end}": value for name in ATTACKS for end, value in attacks[name].scalars.items()}
    scalars["dataset_inference_p"] = inference.p
    scalars["dataset_inference_images"] = inference.images
    scalars["privacy_epsilon"] = _bound(scores[best], attacks[best], seed)
    return MembershipFindings(scalars, _variables(scores, attacks, best), best)


def _log_scores(scores: Mapping[str, AttackScores], classes: Mapping[str, Int64[np.ndarray, " _"]], split: str) -> Kind:
    """Of all attacks at all their levels."""
    logarithms = np.log(np.maximum(np.concatenate([getattr(of, split) for of in scores.values()]), FLOOR)).T
    return Kind(logarithms, classes[split][: len(logarithms)])


def _bound(scores: AttackScores, chosen: Attack, seed: int) -> Estimate:
    """Of privacy, from the guesses of one attack at its level."""
    if np.isnan(chosen.strength):
        return chosen.auc  # undefined, and why
    choosing, judging = divided(_at_level(scores, chosen, "train"), _at_level(scores, chosen, "validation"), seed)
    return one_run_bound(choosing, judging, seed)


def _at_level(scores: AttackScores, chosen: Attack, split: str) -> Float64[np.ndarray, " images"]:
    """Scores of each image at the attack's level; nan where none could be chosen."""
    of_split: Float64[np.ndarray, "levels images"] = getattr(scores, split)
    return np.full(of_split.shape[1], np.nan) if np.isnan(chosen.strength) else of_split[chosen.level]


def _variables(scores: Mapping[str, AttackScores], attacks: Mapping[str, Attack], best: str) -> dict[str, Variable]:
    variables = {
        f"score_{name}_{split}": Variable(
            _at_level(of, attacks[name], split), (dim,), f"score of the attack {name} at its level, {split} images"
        )
        for name, of in scores.items()
        for split, dim in DIMS.items()
    }
    train, validation = (_at_level(scores[best], attacks[best], split) for split in DIMS)
    rates = np.where(np.isnan(train), np.nan, false_positive_rates(train, validation))
    text = f"false positive rate at which the attack {best} names each training image"
    return variables | {"attack_fpr": Variable(rates, ("image",), text)}
