"""How the report of a study looks."""

from pydantic import Field

from diffbench.settings.base import Size, Strict


class ReportSettings(Strict):
    """How the report looks. Changing it recomputes no measure."""

    chart_width: int = Field(default=520, ge=200, le=2000, description="Width of a chart in pixels.")
    pictured_samples: Size = Field(
        default=12, description="Samples of a cell that either view of the page of samples pictures."
    )
