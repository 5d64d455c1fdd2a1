"""What each stage of the DAG reads of a study: nothing more, since a job is run anew when its spec changes."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import Field

from diffbench.settings.base import Strict
from diffbench.settings.data import DataSettings
from diffbench.settings.guidance import Guidance
from diffbench.settings.lab import TOPICS, LabSettings
from diffbench.settings.measures import GapSettings
from diffbench.settings.models import ModelDefinition, Optimal
from diffbench.settings.sampling import SamplingSettings
from diffbench.settings.training import TrainingSettings
from diffbench.study.layout import CHECKPOINT
from diffbench.study.study import Study

Factors = dict[str, int | float | str]
"""Factor -> value."""


class DataSpec(DataSettings):
    """The images of a study, split."""

    files: str = Field(default="", description="Fingerprint of the user's files that the images are read from.")


class StageSpec(Strict):
    """Factors of the file that a stage makes."""

    factors: Factors = Field(description="Factor -> value.")


class ConditionsSpec(StageSpec):
    """Labels of a training subset."""

    seed: int


class TrainSpec(StageSpec):
    """One segment of training, up to factors["step"]."""

    inputs: dict[str, str] = Field(
        default_factory=dict, description="Fingerprints of the specs that made the images and their labels."
    )
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


FACTORS = {"model": str, "train_size": int, "granularity": str, "seed": int, "step": int, "guidance": str, "topic": str}
"""What a file can differ by from others of its kind, as it stands in the spec of the stage that makes it."""


def spec_of(stage: str, study: Study, wildcards: Mapping[str, Any]) -> str:
    """The spec of a stage as JSON, for the job that makes the file with these factors, numbers or text."""
    given = dict(wildcards)
    return SPECS[stage](study, {name: kind(given[name]) for name, kind in FACTORS.items() if name in given})


def data_spec(study: Study) -> DataSpec:
    """What the data stage reads; files that were overwritten, replaced, added or removed make another one."""
    return DataSpec(**dict(study.data), files=study.data_files)


def _data(study: Study, factors: Factors) -> str:
    return data_spec(study).model_dump_json()


def _features(study: Study, factors: Factors) -> str:
    return study.measures.quality.model_dump_json()


def _conditions(study: Study, factors: Factors) -> str:
    return _conditions_spec(study, factors).model_dump_json()


def _conditions_spec(study: Study, factors: Factors) -> ConditionsSpec:
    own = {name: factors[name] for name in ("train_size", "granularity")}
    return ConditionsSpec(factors=own, seed=study.data.split_seed)


def train_spec(study: Study, wildcards: Mapping[str, Any]) -> TrainSpec:
    """What the train stage reads, for the checkpoint with these factors, numbers or text."""
    factors = {name: FACTORS[name](wildcards[name]) for name in CHECKPOINT.fields}
    model = str(factors["model"])
    return TrainSpec(
        factors=factors,
        inputs={
            "data": data_spec(study).fingerprint,
            "conditions": _conditions_spec(study, factors).fingerprint,
        },
        model=study.definition(model),
        training=study.training_of(model),
    )


def _train(study: Study, factors: Factors) -> str:
    return train_spec(study, factors).model_dump_json()


def _optimum(study: Study, factors: Factors) -> str:
    return DenoiseSpec(factors=factors, gap=study.measures.gap, model=Optimal()).model_dump_json()


def _denoise(study: Study, factors: Factors) -> str:
    definition = study.definition(str(factors["model"]))
    return DenoiseSpec(factors=factors, gap=study.measures.gap, model=definition).model_dump_json()


def _sample(study: Study, factors: Factors) -> str:
    model, guidance = str(factors["model"]), study.guidances[str(factors["guidance"])]
    return SampleSpec(
        factors=factors,
        model=study.definition(model),
        sampling=study.sampling,
        guidance=guidance,
        guide=study.definition(guidance.model or model) if guidance.autoguided else None,
    ).model_dump_json()


def _cell(study: Study, factors: Factors) -> str:
    """Of stages whose definitions are fixed: the factors are all they need."""
    return StageSpec(factors=factors).model_dump_json()


def _lab(study: Study, factors: Factors) -> str:
    spec = LabSpec(factors=factors, lab=study.lab or LabSettings())
    return spec.model_dump_json(exclude={"lab": set(TOPICS) - {str(factors["topic"])}})


def _equivalent(study: Study, factors: Factors) -> str:
    return EquivalentSpec(factors=factors, noises=study.measures.gap.noises).model_dump_json()


SPECS: dict[str, Callable[[Study, Factors], str]] = {
    "data": _data,
    "features": _features,
    "conditions": _conditions,
    "train": _train,
    "optimum": _optimum,
    "denoise": _denoise,
    "sample": _sample,
    "plant": _sample,
    "memorization": _cell,
    "overlap": _cell,
    "consistency": _cell,
    "lab": _lab,
    "equivalent": _equivalent,
}
"""By stage."""
