"""Noise schedules x_t = alpha_t x0 + sigma_t n, and their time at which the noise is as strong as in x0 + sigma n.

Dividing by alpha_t shows that x_t is the variance-exploding x of sigma = sigma_t / alpha_t, scaled by alpha_t (Karras
et al. 2022, arXiv 2206.00364, section 2). So a denoiser is asked at the time whose ratio is sigma.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from diffbench.conventions import DiffbenchError
from diffbench.denoisers.base import NoiseError
from diffbench.shapes import Float

OfTime = Callable[[Float[np.ndarray, " m"]], Float[np.ndarray, " m"]]
"""alpha_t or sigma_t as a function of times."""
BISECTIONS = 60
"""Halvings of the interval of times: down to rounding in float64."""
ROUNDING = 1e-4
"""By so large a share sigma may exceed the schedule's largest, which a float32 cannot hold exactly."""


class Moment(NamedTuple):
    """Where a schedule is as noisy as asked for: times, alpha_t and sigma_t."""

    time: Float[np.ndarray, " m"]
    alpha: Float[np.ndarray, " m"]
    sigma: Float[np.ndarray, " m"]


@runtime_checkable
class Schedule(Protocol):
    """A noise schedule.

    Below its smallest ratio sigma_t / alpha_t it stays at the time of that one: networks are asked at the least noisy
    time that they know. Above the largest one it raises a NoiseError: no time has so much noise.
    """

    def at(self, sigma: Float[np.ndarray, " m"]) -> Moment:
        """The times whose ratio is sigma, positive."""
        ...


class TableSchedule:
    """A schedule known at discrete times, such as DDPM's 1,000 steps.

    Between two of them the time is interpolated linearly in ln(sigma_t / alpha_t), as diffusers' samplers on Karras'
    levels and k-diffusion do: DDPM's lowest steps lie a factor of 1.4 and more apart, which rounding would turn into
    wrong noise levels, while embeddings of time are smooth. A network that looks steps up in a table must round.
    """

    def __init__(
        self,
        alphas: Sequence[float] | Float[np.ndarray, "..."],
        sigmas: Sequence[float] | Float[np.ndarray, "..."],
        times: Float[np.ndarray, "..."] | None = None,
    ) -> None:
        """Take alphas and sigmas (T,), of which the ratio sigma / alpha rises; times: 0 .. T - 1 if left out."""
        alphas, sigmas = np.asarray(alphas, np.float64), np.asarray(sigmas, np.float64)
        times = np.arange(len(alphas), dtype=np.float64) if times is None else np.asarray(times, np.float64)
        if not alphas.shape == sigmas.shape == times.shape or alphas.ndim != 1:
            raise DiffbenchError(
                f"schedule: alphas {alphas.shape}, sigmas {sigmas.shape} and times {times.shape} must be alike, (T,)"
            )
        noisy = (alphas > 0) & (sigmas > 0)  # pure noise and pure data have no logarithm of their ratio
        self._times, self._norms = times[noisy], np.hypot(alphas, sigmas)[noisy]
        self._log_ratios = np.log(sigmas[noisy] / alphas[noisy])
        if len(self._times) < 2 or not (np.diff(self._log_ratios) > 0).all():
            raise DiffbenchError("schedule: sigma_t / alpha_t must rise, over two times at least")

    @classmethod
    def from_alphas_cumprod(cls, alphas_cumprod: Sequence[float] | Float[np.ndarray, " T"]) -> "TableSchedule":
        """DDPM's cumulated products of 1 - beta (T,): alpha_t^2, with sigma_t^2 = 1 - alpha_t^2 (Ho et al. 2020)."""
        squares = np.asarray(alphas_cumprod, np.float64)
        return cls(np.sqrt(squares), np.sqrt(1 - squares))

    def at(self, sigma: Float[np.ndarray, " m"]) -> Moment:
        """The times, by interpolation."""
        check_largest(sigma, float(np.exp(self._log_ratios[-1])))
        ratio = np.clip(sigma, *np.exp(self._log_ratios[[0, -1]]))
        time = np.interp(np.log(ratio), self._log_ratios, self._times)
        norm = np.interp(np.log(ratio), self._log_ratios, self._norms)  # 1 where variance is preserved
        alpha = norm / np.hypot(1, ratio)
        return Moment(time, alpha, alpha * ratio)


class ContinuousSchedule:
    """A schedule given by functions of time; `clean` is the time of least noise and `noisy` that of most."""

    def __init__(self, alpha: OfTime, sigma: OfTime, clean: float = 0.0, noisy: float = 1.0) -> None:
        """Take functions whose ratio sigma / alpha rises from `clean` to `noisy`."""
        self._alpha, self._sigma = alpha, sigma
        self._clean, self._noisy = clean, noisy

    def at(self, sigma: Float[np.ndarray, " m"]) -> Moment:
        """The times, by bisection."""
        end = np.array([self._noisy])
        if (alpha := float(self._alpha(end)[0])) > 0:
            check_largest(sigma, float(self._sigma(end)[0]) / alpha)
        low, high = np.full(len(sigma), self._clean), np.full(len(sigma), self._noisy)
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            too_noisy = self._sigma(middle) > sigma * self._alpha(middle)
            low, high = np.where(too_noisy, low, middle), np.where(too_noisy, middle, high)
        return Moment(low, self._alpha(low), self._sigma(low))


class PreconditionedSchedule:
    """x_t = c_in (x0 + sigma n), c_in = 1 / sqrt(sigma^2 + data_std^2), at the time c_noise(sigma): any noise is known.

    Karras et al. 2022 (arXiv 2206.00364, table 1) have c_noise = ln(sigma) / 4.
    """

    def __init__(self, data_std: float = 0.5, c_noise: OfTime = lambda sigma: np.log(sigma) / 4) -> None:
        self._data_std, self._c_noise = data_std, c_noise

    def at(self, sigma: Float[np.ndarray, " m"]) -> Moment:
        """The times, in closed form."""
        alpha = 1 / np.hypot(sigma, self._data_std)
        return Moment(self._c_noise(sigma), alpha, alpha * sigma)


def linear_flow(steps: float = 1.0) -> ContinuousSchedule:
    """x_t = (1 - t / steps) x0 + (t / steps) n: rectified flow (Liu et al. 2022, arXiv 2209.03003), noise at t = steps.

    steps: 1 for networks that know times from 0 to 1; 1000 for those of diffusers.
    """
    return ContinuousSchedule(lambda t: 1 - t / steps, lambda t: t / steps, noisy=steps)


def check_largest(sigma: Float[np.ndarray, " m"], largest: float) -> None:
    """Refuse noise that no time of a schedule has."""
    if sigma.max() > largest * (1 + ROUNDING):
        raise NoiseError(float(sigma.max()), largest)
