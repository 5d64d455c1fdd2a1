"""From a network that predicts the noise, a velocity or the image to a denoiser D(x, sigma, label).

With x_t = alpha x0 + s n, any of them gives x0:
epsilon = n (Ho et al. 2020, arXiv 2006.11239): x0 = (x_t - s epsilon) / alpha;
v = alpha n - s x0 (Salimans & Ho 2022, arXiv 2202.00512): x0 = (alpha x_t - s v) / (alpha^2 + s^2);
flow = n - x0 (rectified flow, Liu et al. 2022, arXiv 2209.03003): x0 = (x_t - s flow) / (alpha + s);
flow-to-data = x0 - n, the same with the other sign (flow matching, Lipman et al. 2022, arXiv 2210.02747).
"""

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from diffbench.adapters.schedules import Schedule
from diffbench.conventions import DiffbenchError
from diffbench.shapes import Float, Int64

Prediction = Literal["epsilon", "v", "flow", "flow-to-data", "sample"]
Network = Callable[[Tensor, Tensor, Tensor | None], Tensor]


class PredictionDenoiser(nn.Module):
    """D(x, sigma, label) of a network(x_t, t, label), t (m,) float, label (m,) or None.

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
        self, x: Float[Tensor, " m *shape"], sigma: Float[Tensor, " m"], label: Int64[Tensor, " m"] | None = None
    ) -> Float[Tensor, " m *shape"]:
        """Estimate of x0 in x's dtype."""
        wanted = sigma.double().cpu().numpy()
        moment = self.schedule.at(wanted)
        share = np.minimum(1, wanted * moment.alpha / moment.sigma)
        time = torch.from_numpy(moment.time).to(x)
        alpha, noise, part = (
            torch.from_numpy(values).to(x).view(-1, *[1] * (x.ndim - 1))
            for values in (moment.alpha, moment.sigma, share)
        )
        output = self.network(alpha * x, time, label)
        return torch.lerp(x, self._clean(output, x, alpha, noise), part)

    def _clean(
        self,
        output: Float[Tensor, " m *shape"],
        x: Float[Tensor, " m *shape"],
        alpha: Float[Tensor, "m ..."],
        noise: Float[Tensor, "m ..."],
    ) -> Float[Tensor, " m *shape"]:
        """x0 from the network's output at x_t = alpha x."""
        match self.prediction:
            case "epsilon":
                return x - noise / alpha * output
            case "v":
                return (alpha**2 * x - noise * output) / (alpha**2 + noise**2)
            case "flow":
                return (alpha * x - noise * output) / (alpha + noise)
            case "flow-to-data":
                return (alpha * x + noise * output) / (alpha + noise)
            case _:
                return output
