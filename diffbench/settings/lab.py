"""The `lab:` section of a study: the 2D laboratory, one sub-section per topic, so that each reruns alone.

Lengths and noise levels are in units of the circle of radius 10. A topic's sub-section is all that its job reads.
"""

from typing import Annotated

from pydantic import AfterValidator, Field

from diffbench.settings.base import Positive, Size, Strict


def _even(points: int) -> int:
    if points % 2:
        raise ValueError("half of the circle's points train, half are validation: give an even number")
    return points


CirclePoints = Annotated[int, Field(ge=6, le=65_536), AfterValidator(_even)]
"""Points of the symmetric circle; half train, at least three."""

Deltas = Annotated[list[Positive], Field(min_length=1)]
PointCounts = Annotated[list[CirclePoints], Field(min_length=1)]


class GapTopic(Strict):
    """The noise-free denoising gap over sigma: sweeps of delta, points and guidance weight around one setting."""

    points: CirclePoints = Field(default=20, description="Points of the circle, half of which train.")
    delta: Positive = Field(default=1.6, description="Error scale of the denoiser.")
    guide_delta: Positive = Field(default=2.2, description="Error scale of the denoiser to be guided away from.")
    deltas: Deltas = Field(default=[0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.2, 2.4])
    point_counts: PointCounts = Field(default=[10, 12, 16, 20, 24, 32, 40])
    guidances: list[float] = Field(default=[0.0, 0.2, 0.4, 0.8], min_length=1)
    draws: int = Field(
        default=50_000, ge=2, le=100_000_000, description="Noise vectors of the Monte-Carlo cross-check."
    )


class FlowTopic(Strict):
    """Flow fields, densities and trajectories for the pictures."""

    sigmas: list[Positive] = Field(
        default=[0.1, 0.2, 0.4, 0.7, 1.2, 2.0, 3.5, 6.0, 10.0, 20.0],
        min_length=2,
        max_length=20,
        description="Noise levels of the slider.",
    )
    points: CirclePoints = 20
    dense_points: CirclePoints = Field(default=80, description="Points of the densely supported circle.")
    delta: Positive = 1.6
    side: int = Field(default=15, ge=5, le=40, description="Arrows along one side of a picture.")
    trajectories: int = Field(default=32, ge=1, le=100, description="Trajectories per picture.")


class ProfileTopic(Strict):
    """The expected error along the circle, between two training points."""

    points: CirclePoints = 20
    deltas: Deltas = Field(default=[0.4, 0.8, 1.6, 2.4])
    sigmas: list[Positive] = Field(default=[0.3, 1.2, 3.0], min_length=1)
    angles: int = Field(default=33, ge=5, le=65_536, description="Angles from one training point to the next.")


class DiscretizationTopic(Strict):
    """The delta that seems best by Frechet distance, by solver and number of steps."""

    points: CirclePoints = 20
    euler_steps: list[Size] = Field(default=[9, 18, 36, 72])
    heun_steps: list[Size] = Field(default=[9, 18, 36])


class CollapseTopic(Strict):
    """The analytic collapse level against the level at which the posterior concentrates, for Gaussian data."""

    dimensions: list[Size] = Field(default=[2, 4, 8, 16, 32, 64], min_length=1)
    train_sizes: list[Annotated[int, Field(ge=4, le=1_000_000)]] = Field(
        default=[16, 64, 256, 1024, 4096], min_length=1
    )
    draws: int = Field(default=2, ge=1, le=10_000, description="Training sets drawn per setting.")


class RecallTopic(Strict):
    """The probability that a generated point recalls a training point."""

    deltas: Deltas = Field(default=[0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.2, 1.6, 2.0, 2.4, 3.0])
    point_counts: PointCounts = Field(default=[12, 20, 40, 80])


class DimensionTopic(Strict):
    """The local dimension of the circle as denoisers see it, at a training point and halfway to the next."""

    points: CirclePoints = Field(default=40, description="Points of the circle in the sweep of delta.")
    point_counts: PointCounts = Field(default=[20, 40, 80])
    deltas: Deltas = Field(default=[0.2, 0.4, 0.8, 1.6], description="Error scales beside the optimum, which has none.")


class LabSettings(Strict):
    """The 2D laboratory; each topic is one job."""

    gap: GapTopic = GapTopic()
    flow: FlowTopic = FlowTopic()
    profile: ProfileTopic = ProfileTopic()
    discretization: DiscretizationTopic = DiscretizationTopic()
    collapse: CollapseTopic = CollapseTopic()
    recall: RecallTopic = RecallTopic()
    dimension: DimensionTopic = DimensionTopic()


TOPICS = tuple(LabSettings.model_fields)
