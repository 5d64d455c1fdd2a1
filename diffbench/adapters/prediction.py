"""From a network that predicts the noise, a velocity, the score or the image to a denoiser D(x, sigma, label).

With x_t = alpha x0 + s n, any of them gives x0:
epsilon = n (Ho et al. 2020, arXiv 2006.11239): x0 = (x_t - s epsilon) / alpha;
score = -n / s on average (Song et al. 2021, arXiv 2011.13456): x0 = (x_t + s^2 score) / alpha;
v = alpha n - s x0 (Salimans & Ho 2022, arXiv 2202.00512): x0 = (alpha x_t - s v) / (alpha^2 + s^2);
flow = n - x0 (rectified flow, Liu et al. 2022, arXiv 2209.03003): x0 = (x_t - s flow) / (alpha + s);
flow-to-data = x0 - n, the same with the other sign (flow matching, Lipman et al. 2022, arXiv 2210.02747);
edm = F of x0 = c_skip x + c_out F (Karras et al. 2022, arXiv 2206.00364, table 1), of a PreconditionedSchedule;
edm-v = -F, as diffusers calls it.
"""

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from diffbench.adapters.schedules import Moment, Schedule
from diffbench.conventions import DiffbenchError
from diffbench.shapes import Float, Shaped

Prediction = Literal["epsilon", "score", "v", "flow", "flow-to-data", "edm", "edm-v", "sample"]
Network = Callable[[Tensor, Tensor, Tensor | None], Tensor]


class PredictionDenoiser(nn.Module):
    """D(x, sigma, label) of a network(x_t, t, label), t (m,) float, label (m, ...) or None.

    Below the schedule's least noise, the network is asked at its least noisy time t with the true x, and the noise that
    it sees there is taken off in proportion: D = x + (sigma / sigma_least) (x0(t) - x), which is x - sigma epsilon.
    DiffbenchError above its most noise.
    """

    def __init__(self, network: Network, prediction: str, schedule: Schedule) -> None:
        super().__init__()
        if prediction not in get_args(Prediction):
            known = ", ".join(get_args(Prediction))
            raise DiffbenchError(f"prediction: '{prediction}' is not known; a network predicts one of {known}")
        self.network = network
        self.prediction = prediction
        self.schedule = schedule

    def forward(
        self, x: Float[Tensor, " m *shape"], sigma: Float[Tensor, " m"], label: Shaped[Tensor, "m ..."] | None = None
    ) -> Float[Tensor, " m *shape"]:
        """Estimate of x0 in x's dtype."""
        wanted = sigma.double().cpu().numpy()
        moment = self.schedule.at(wanted)
        time = torch.from_numpy(moment.time).to(x)
        alpha, of_x, of_output, share = (
            torch.from_numpy(values).to(x).view(-1, *[1] * (x.ndim - 1))
            for values in (
                moment.alpha,
                *clean_parts(self.prediction, moment),
                np.minimum(1, wanted * moment.alpha / moment.sigma),
            )
        )
        output = self.network(alpha * x, time, label)
        _check(output, x)
        return torch.lerp(x, of_x * x + of_output * output, share)


def clean_parts(prediction: str, moment: Moment) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    """Factors (a, b) of x0 = a x + b output, where x = x_t / alpha."""
    alpha, s = moment.alpha, moment.sigma
    match prediction:
        case "epsilon":
            return np.ones_like(s), -s / alpha
        case "score":
            return np.ones_like(s), s**2 / alpha
        case "v":
            return alpha**2 / (alpha**2 + s**2), -s / (alpha**2 + s**2)
        case "flow":
            return alpha / (alpha + s), -s / (alpha + s)
        case "flow-to-data":
            return alpha / (alpha + s), s / (alpha + s)
        case "edm" | "edm-v":
            sign = 1 if prediction == "edm" else -1
            skip = 1 - s**2  # sd^2 / (sigma^2 + sd^2), as alpha is c_in
            return skip, sign * s * np.sqrt(skip) / alpha
        case _:
            return np.zeros_like(s), np.ones_like(s)


def _check(output: object, x: Tensor) -> None:
    """Refuse what would be taken for another shape without a sound, or break with a message of arithmetic."""
    found = f"shape {tuple(output.shape)}" if isinstance(output, Tensor) else f"a {type(output).__name__}"
    if not isinstance(output, Tensor) or output.shape != x.shape:
        raise DiffbenchError(f"the network returned {found}; a tensor of the shape {tuple(x.shape)} is expected")
