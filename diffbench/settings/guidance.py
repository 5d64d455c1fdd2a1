"""Values of the factor guidance: a weight alone, or with a guide to steer away from and an interval of noise levels.

D_w = D + w (D - D_neg) for sigma in the interval, else D. D_neg is the unconditional model for classifier-free guidance
(Ho & Salimans, arXiv 2207.12598), another model or an earlier milestone of the run for autoguidance (Karras et al.,
arXiv 2406.02507); the interval is that of Kynkaanniemi et al. (arXiv 2404.07724).
No torch here: the DAG is built from it.
"""

from collections.abc import Collection, Iterator
from functools import total_ordering
from typing import Any, Self

from pydantic import Field, GetJsonSchemaHandler, model_serializer, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from diffbench.settings.base import Count, Name, Strict


@total_ordering
class Guidance(Strict):
    """One value of the factor; a number in a study file is a weight alone."""

    weight: float = Field(description="w; 0 is off.")
    model: Name | None = Field(default=None, description="The guide's model; left out: the guided one itself.")
    step: Count | None = Field(default=None, description="The guide's milestone; left out: that of the guided model.")
    interval: tuple[float, float] | None = Field(
        default=None,
        strict=False,  # after a "before" validator JSON's arrays are lists
        description="[lo, hi]: w acts for sigma in (lo, hi] only; left out: at every level.",
    )

    @model_validator(mode="before")
    @classmethod
    def _from_number(cls, raw: Any) -> Any:
        if isinstance(raw, dict | Guidance):
            return raw
        if isinstance(raw, bool | str | list) or raw is None:
            raise ValueError("give a number w, or a mapping with weight and any of model, step and interval")
        return {"weight": raw}

    @model_validator(mode="after")
    def _acts_somewhere(self) -> Self:
        if self.interval is not None and not 0 <= self.interval[0] < self.interval[1]:
            raise ValueError(f"interval {list(self.interval)} is empty: give [lo, hi] with 0 <= lo < hi")
        if self.weight == 0 and not self.plain:
            raise ValueError("weight 0 is off, with whatever model, step or interval: write 0 alone")
        return self

    @model_serializer(mode="plain")
    def _as_written(self) -> float | dict[str, Any]:
        given = {name: value for name, value in self if value is not None}
        return self.weight if self.plain else given

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": "number"}, handler(core_schema)]}

    @property
    def plain(self) -> bool:
        """Whether the weight is all there is: off, or classifier-free at every noise level."""
        return not self.autoguided and self.interval is None

    @property
    def autoguided(self) -> bool:
        """Whether another denoiser is the guide, rather than the guided one without its label."""
        return self.model is not None or self.step is not None

    @property
    def label(self) -> str:
        """The value in tables and paths, such as "1" or "1_by-mlp-small_at-400_in-0.1-2"; never parsed."""
        parts = [number(self.weight)]
        parts += [f"by-{self.model}"] if self.model else []
        parts += [f"at-{self.step}"] if self.step else []
        parts += [f"in-{number(self.interval[0])}-{number(self.interval[1])}"] if self.interval else []
        return "_".join(parts)

    @property
    def text(self) -> str:
        """The value in words, such as "1" or "1 by mlp-small at step 400, σ in (0.1, 2]"."""
        words = number(self.weight)
        words += f" by {self.model}" if self.model else " by itself" if self.step else ""
        words += f" at step {self.step}" if self.step else ""
        return words + (f", σ in ({number(self.interval[0])}, {number(self.interval[1])}]" if self.interval else "")

    def __hash__(self) -> int:
        return hash(self._order)

    def __lt__(self, other: "Guidance") -> bool:
        return self._order < other._order

    @property
    def _order(self) -> tuple[Any, ...]:
        """By kind: classifier-free before autoguidance, everywhere before an interval; then by weight."""
        return self.autoguided, self.model or "", self.step or 0, self.interval or (), self.weight


def number(value: float) -> str:
    """A number as people write it: 1, 0.5, 1e-05."""
    return f"{value + 0.0:.15g}"  # + 0.0: there is but one zero


def problems(guidance: Guidance, trained: dict[str, bool], planted: Collection[str], steps: list[int]) -> Iterator[str]:
    """What is wrong with a guide. trained: of each known model, whether it is; planted: models without a denoiser."""
    if guidance.model is not None:
        if guidance.model not in trained:
            yield f"unknown model '{guidance.model}', known are {', '.join(sorted(trained))}"
            return
        if guidance.model in planted:
            yield f"model '{guidance.model}' is planted, it has no denoiser to guide with"
        elif guidance.step is not None and not trained[guidance.model]:
            yield f"model '{guidance.model}' is not trained, it has no step {guidance.step}; leave step out"
    if guidance.step is not None and guidance.step not in steps:
        yield f"step {guidance.step} is not among the steps {steps}"
