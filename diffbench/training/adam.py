"""Adam on parts of one flat vector of weights, by the fused kernel of torch.optim.Adam.

torch.optim.Adam gives the same bytes (a test holds it to that), but the first one of a process imports torch._dynamo,
1.2 s of CPU time that every short training job of a study would pay. The kernel's function is private to torch, whose
version pyproject.toml therefore caps.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from diffbench.shapes import Float

BETAS = (0.9, 0.99)
EPSILON = 1e-8


class Adam:
    """Adam (Kingma & Ba 2015, arXiv 1412.6980) with EDM2's betas and a constant learning rate.

    weights: one vector of all; split: its views, one per parameter, and likewise those of any vector like it.
    """

    def __init__(
        self, weights: Float[Tensor, " total"], learning_rate: float, split: Callable[[Tensor], list[Tensor]]
    ) -> None:
        self._learning_rate = learning_rate
        self.state = {
            "step": torch.zeros((), device=weights.device),
            "exp_avg": torch.zeros_like(weights),
            "exp_avg_sq": torch.zeros_like(weights),
        }
        self._weights, self._exp_avg, self._exp_avg_sq = (
            split(vector) for vector in (weights, self.state["exp_avg"], self.state["exp_avg_sq"])
        )

    @torch.no_grad()
    def update(self, gradients: list[Float[Tensor, "..."]]) -> None:
        """One step, in place, along the gradients, one per parameter, of the shape and strides of its view."""
        self.state["step"] += 1
        torch._fused_adam_(  # pyright: ignore[reportPrivateImportUsage] (why it is used: see above)
            self._weights,
            gradients,
            self._exp_avg,
            self._exp_avg_sq,
            [],
            [self.state["step"]] * len(gradients),
            lr=self._learning_rate,
            beta1=BETAS[0],
            beta2=BETAS[1],
            weight_decay=0.0,
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
        )
