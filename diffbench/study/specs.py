"""What each stage of the DAG reads of a study: nothing more, since a job is run anew when its spec changes."""

from typing import Any

from pydantic import Field

from diffbench.settings.base import Strict
from diffbench.settings.guidance import Guidance
from diffbench.settings.lab import TOPICS, LabSettings
from diffbench.settings.measures import GapSettings
from diffbench.settings.models import ModelDefinition, Optimal
from diffbench.settings.sampling import SamplingSettings
from diffbench.settings.training import TrainingSettings
from diffbench.study.study import Study


class Wildcards(dict[str, Any]):
    """Factors of a file, by key and by attribute, as Snakemake hands its wildcards to the functions below."""

    __getattr__ = dict.__getitem__


class StageSpec(Strict):
    """Factors of the file that a stage makes."""

    factors: dict[str, int | float | str] = Field(description="Factor -> value.")


class ConditionsSpec(StageSpec):
    """Labels of a training subset."""

    seed: int


class TrainSpec(StageSpec):
    """One segment of training, up to factors["step"]."""

    model: ModelDefinition
    training: TrainingSettings


class DenoiseSpec(StageSpec):
    """Denoising losses of a checkpoint, or of the closed-form optimum of a training subset."""

    gap: GapSettings
    model: ModelDefinition


class SampleSpec(StageSpec):
    """Samples and trajectories of a cell."""

    model: ModelDefinition
    sampling: SamplingSettings
    guidance: Guidance
    guide: ModelDefinition | None = Field(default=None, description="The guide's model, if the cell is autoguided.")


class LabSpec(StageSpec):
    """One topic of the laboratory, named by factors["topic"]; `lab` holds no other topic's settings."""

    lab: LabSettings


class EquivalentSpec(StageSpec):
    """Error of a trained checkpoint as an equivalent delta."""

    noises: int = Field(description="Noise draws per image behind the checkpoint's losses.")


def _factors(wildcards: Any) -> dict[str, int | float | str]:
    kinds = {"model": str, "train_size": int, "granularity": str, "seed": int, "step": int, "guidance": str}
    return {name: kinds[name](value) for name, value in dict(wildcards).items() if name in kinds}


def conditions(study: Study, wildcards: Any) -> str:
    """Spec of the stage as JSON, for the rule's params; so the functions below."""
    return ConditionsSpec(factors=_factors(wildcards), seed=study.data.split_seed).model_dump_json()


def train(study: Study, wildcards: Any) -> str:
    factors = _factors(wildcards)
    definition = study.definition(wildcards.model)
    training = study.training_of(wildcards.model)
    return TrainSpec(factors=factors, model=definition, training=training).model_dump_json()


def optimum(study: Study, wildcards: Any) -> str:
    return DenoiseSpec(factors=_factors(wildcards), gap=study.measures.gap, model=Optimal()).model_dump_json()


def denoise(study: Study, wildcards: Any) -> str:
    definition = study.definition(wildcards.model)
    return DenoiseSpec(factors=_factors(wildcards), gap=study.measures.gap, model=definition).model_dump_json()


def sample(study: Study, wildcards: Any) -> str:
    definition, guidance = study.definition(wildcards.model), study.guidances[wildcards.guidance]
    return SampleSpec(
        factors=_factors(wildcards),
        model=definition,
        sampling=study.sampling,
        guidance=guidance,
        guide=study.definition(guidance.model or wildcards.model) if guidance.autoguided else None,
    ).model_dump_json()


def cell(study: Study, wildcards: Any) -> str:
    """For stages whose definitions are fixed: the factors are all they need."""
    return StageSpec(factors=_factors(wildcards)).model_dump_json()


def lab(study: Study, wildcards: Any) -> str:
    spec = LabSpec(factors={"topic": wildcards.topic}, lab=study.lab or LabSettings())
    return spec.model_dump_json(exclude={"lab": set(TOPICS) - {wildcards.topic}})


def equivalent(study: Study, wildcards: Any) -> str:
    noises = study.measures.gap.noises
    return EquivalentSpec(factors=_factors(wildcards), noises=noises).model_dump_json()
