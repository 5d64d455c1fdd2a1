"""Points of a study's design: runs, checkpoints and cells, and where their files lie.

A run is a training: model x train size x granularity x seed. A checkpoint is a run at a training step. A cell is a
checkpoint sampled at one value of the guidance factor.
"""

from dataclasses import dataclass
from typing import Any

from diffbench.settings.guidance import Guidance


@dataclass(frozen=True, order=True, slots=True)
class Run:
    """One training."""

    model: str
    train_size: int
    granularity: str
    seed: int

    @property
    def path(self) -> str:
        """Folder of the run inside the study's results."""
        return f"{self.model}/n{self.train_size}/{self.granularity}/seed{self.seed}"


@dataclass(frozen=True, order=True, slots=True)
class Checkpoint:
    """A run at a training step; step 0 for models that are not trained."""

    run: Run
    step: int

    @property
    def path(self) -> str:
        """Folder of the checkpoint inside the study's results."""
        return f"{self.run.path}/step{self.step}"


@dataclass(frozen=True, order=True, slots=True)
class Cell:
    """A checkpoint sampled at one value of the guidance factor."""

    checkpoint: Checkpoint
    guidance: Guidance

    @property
    def path(self) -> str:
        """Folder of the cell inside the study's results."""
        return f"{self.checkpoint.path}/w{self.guidance.label}"

    @property
    def factors(self) -> dict[str, Any]:
        """All factors by name, in the order in which tables show them."""
        run = self.checkpoint.run
        return {
            "model": run.model,
            "train_size": run.train_size,
            "granularity": run.granularity,
            "seed": run.seed,
            "step": self.checkpoint.step,
            "guidance": self.guidance.label,
        }
