"""Noise levels of the membership attacks, among those of the losses: without torch, for plans and reports."""

from dataclasses import dataclass

import numpy as np

from diffbench.conventions import log_sigmas
from diffbench.settings.measures import GapSettings
from diffbench.shapes import Float64

LOWEST, HIGHEST = 0.02, 3.0
"""Noise levels between which 96 % of those of training lie: beyond, networks are hardly taught what they say of images.
On digits loss, SimA and PIA are strongest within."""

PATH_END = 0.35
"""Highest level of SecMI's path. Beyond, its score tells less and then the opposite (AUC 0.44 at 0.5 on digits)."""

MOST = 6
"""Levels of SimA and PIA at most. With PATH_MOST it keeps all attacks together below a quarter of the losses' time."""

PATH_MOST = 7
"""Levels of SecMI's path at most, from one to the next by a step of DDIM."""


@dataclass(frozen=True)
class AttackLevels:
    """Noise levels of the attacks, rising, of those at which losses are measured."""

    loss: Float64[np.ndarray, " losses"]
    clean: Float64[np.ndarray, " clean"]  # of SimA and, but for the first, of PIA
    path: Float64[np.ndarray, " path"]  # of SecMI, which has no score at the last

    @classmethod
    def of(cls, settings: GapSettings) -> "AttackLevels":
        """Those in the range; none of a grid that has none there."""
        sigmas = log_sigmas(settings.levels, settings.sigma_min, settings.sigma_max)
        within = sigmas[(sigmas >= LOWEST) & (sigmas <= HIGHEST)]
        return cls(within, _spread(within, MOST), _spread(within[within <= PATH_END], PATH_MOST))

    @property
    def by_attack(self) -> dict[str, Float64[np.ndarray, " _"]]:
        """Levels at which each attack on clean images has a score."""
        return {"sima": self.clean, "pia": self.clean[1:], "secmi": self.path[:-1]}

    @property
    def evaluations(self) -> int:
        """Evaluations per image: of SimA at each level; of PIA and SecMI one fewer each, as all share the first."""
        return len(self.clean) + sum(max(0, len(levels) - 1) for levels in (self.clean, self.path))


def _spread(levels: Float64[np.ndarray, " _"], most: int) -> Float64[np.ndarray, " _"]:
    """At most so many of the levels, evenly, both ends among them."""
    places = np.linspace(0, len(levels) - 1, min(most, len(levels)))
    return levels[np.rint(places).astype(int)]
