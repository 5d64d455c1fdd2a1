"""What each stage of the DAG reads of a study: nothing more, since a job is run anew when its spec changes."""

from pydantic import Field

from diffbench.settings.base import Strict
from diffbench.settings.data import DataSettings, Decoder
from diffbench.settings.guidance import Guidance
from diffbench.settings.lab import LabSettings
from diffbench.settings.measures import GapSettings, QualitySettings
from diffbench.settings.models import ModelDefinition
from diffbench.settings.sampling import SamplingSettings
from diffbench.settings.training import TrainingSettings
from diffbench.study.study import Study

Factors = dict[str, int | float | str]
"""Factor -> value."""


class DataSpec(DataSettings):
    """The images of a study, split."""

    files: dict[str, str] = Field(
        default_factory=dict,
        description="Fingerprints of the content of the user's files that images are read from, by their keys.",
    )


class DerivedSpec(Strict):
    """What is made of other files."""

    inputs: dict[str, str] = Field(
        default_factory=dict,
        description="Fingerprints of the specs that must have made the files that the stage reads, and of the content"
        " of the user's own; a file that is not named is not compared.",
    )


class PixelsSpec(DerivedSpec):
    """The pictures that the latents of a study are decoded to."""

    decoder: Decoder


class FeaturesSpec(DerivedSpec, QualitySettings):
    """The space in which quality is measured."""


class StageSpec(DerivedSpec):
    """Factors of the file that a stage makes."""

    factors: Factors = Field(description="Factor -> value.")


class DecodeSpec(StageSpec):
    """The same of the samples of a cell."""

    decoder: Decoder


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
    """One topic of the laboratory, named by factors["topic"]; the others in `lab` are left as they are by default."""

    lab: LabSettings


class EquivalentSpec(StageSpec):
    """Error of a trained checkpoint as an equivalent delta."""

    noises: int = Field(description="Noise draws per image behind the checkpoint's losses.")


class SummarySpec(Strict):
    """A study, and the content of the user's files as it was when the run began."""

    study: Study
    contents: dict[str, str] = Field(default_factory=dict, description="Path in the study -> fingerprint.")
