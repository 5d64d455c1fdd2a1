"""Membership attacks on a denoiser: scores per image and noise level that are lower for images it was trained on.

All read the noise that the denoiser sees in an image, n_hat(x, s) = (x - D(x, s, c)) / s, and add none of their own.
They share evaluations: the first of each attack is the same.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from diffbench.data.training_set import TrainingSet
from diffbench.denoisers.attack_levels import AttackLevels
from diffbench.denoisers.base import BATCH, Denoiser
from diffbench.denoisers.batched import Batched
from diffbench.denoisers.losses import Losses, gap_sigmas
from diffbench.settings.measures import GapSettings
from diffbench.shapes import Float, Float32, Float64, Int64


@dataclass(frozen=True)
class AttackScores:
    """Scores of one attack on images of both splits, lower = member."""

    sigmas: Float64[np.ndarray, " levels"]
    train: Float64[np.ndarray, "levels images"]
    validation: Float64[np.ndarray, "levels held_out"]


def scores_of_splits(
    denoiser: Denoiser, training_set: TrainingSet, losses: Losses, settings: GapSettings, device: torch.device
) -> dict[str, AttackScores]:
    """Scores of every attack on the images behind `losses`, which are the scores of the first."""
    levels, batched = AttackLevels.of(settings), Batched(denoiser)
    measured = np.isin(gap_sigmas(settings), levels.loss)
    train, validation = (
        attack_scores(batched, images[: settings.images], labels[: settings.images], levels, device)
        for images, labels in training_set.splits.values()
    )
    loss = AttackScores(levels.loss, losses.square["train"][measured], losses.square["validation"][measured])
    return {"loss": loss} | {
        name: AttackScores(sigmas, train[name], validation[name]) for name, sigmas in levels.by_attack.items()
    }


@torch.no_grad()
def attack_scores(
    denoiser: Batched,
    images: Float32[np.ndarray, " images *shape"],
    labels: Int64[np.ndarray, " images"],
    levels: AttackLevels,
    device: torch.device,
) -> dict[str, Float64[np.ndarray, "_ images"]]:
    """Scores of SimA, PIA and SecMI, (levels, images) each, block by block."""
    scores = {name: np.empty((len(sigmas), len(images))) for name, sigmas in levels.by_attack.items()}
    if not len(levels.clean):
        return scores
    for start in range(0, len(images), BATCH):
        block = slice(start, start + BATCH)
        seen = _Seen(denoiser, torch.from_numpy(labels[block]).to(device))
        x = torch.from_numpy(images[block]).to(device)
        first = seen(x, float(levels.clean[0]))
        for name, sigmas in (("sima", levels.clean), ("pia", levels.clean), ("secmi", levels.path)):
            scored = _ATTACKS[name](seen, x, first, sigmas.tolist())
            scores[name][:, block] = np.array(scored).reshape(-1, len(x))
    return scores


class _Seen:
    """n_hat(x, s), the noise that a denoiser sees in images of these labels."""

    def __init__(self, denoiser: Batched, label: Int64[Tensor, " m"]) -> None:
        self._denoiser, self._label = denoiser, label

    def __call__(self, x: Float[Tensor, " m *shape"], sigma: float) -> Float[Tensor, " m *shape"]:
        return (x - self._denoiser.at_level(x, sigma, self._label)) / sigma


Scored = list[Float64[np.ndarray, " m"]]
"""Scores of m images at each level of an attack."""


def _sima(seen: _Seen, x: Tensor, first: Tensor, sigmas: list[float]) -> Scored:
    """||n_hat(x0, s)|| at the clean image (Rao et al., arXiv 2509.25003; their code takes the 4-norm).

    It is the length of the score times s, and small where the density of the training images has a mode.
    """
    return [_power_sum(noise, 2) ** 0.5 for noise in (first, *(seen(x, sigma) for sigma in sigmas[1:]))]


def _pia(seen: _Seen, x: Tensor, first: Tensor, sigmas: list[float]) -> Scored:
    """||e0 - n_hat(x0 + s e0, s)||_4^4 with e0 = n_hat(x0, s_min) (Kong et al., arXiv 2305.18355)."""
    return [_power_sum(first - seen(x + sigma * first, sigma), 4) for sigma in sigmas[1:]]


def _secmi(seen: _Seen, x: Tensor, first: Tensor, sigmas: list[float]) -> Scored:
    """||z - y||^2 / s^2: y at s on DDIM's path from x0, z one step up and one back (Duan et al., arXiv 2302.01316).

    y_(k+1) = y_k + (s_(k+1) - s_k) n_k with n_k = n_hat(y_k, s_k), and z_k = y_(k+1) - (s_(k+1) - s_k) n_(k+1): so
    z_k - y_k = (s_(k+1) - s_k) (n_k - n_(k+1)), and the path's own evaluations suffice.
    """
    y, noise, scored = x, first, []
    for sigma, above in pairwise(sigmas):
        y = y + (above - sigma) * noise
        before, noise = noise, seen(y, above)
        scored.append((above / sigma - 1) ** 2 * _power_sum(before - noise, 2))
    return scored


_ATTACKS = {"sima": _sima, "pia": _pia, "secmi": _secmi}


def _power_sum(values: Float[Tensor, " m *shape"], power: int) -> Float64[np.ndarray, " m"]:
    return values.flatten(1).double().pow(power).sum(dim=1).cpu().numpy()
